use proptest::prelude::*;

use super::*;

fn at(hour: i8, minute: i8) -> civil::Time {
    civil::time(hour, minute, 0, 0)
}

fn days(text: &str, start: civil::Time, end: civil::Time) -> Rule {
    let days = Days::parse(text).unwrap();
    let end = End::At(end);
    Pattern::Days { days, start, end }.into()
}

#[test]
fn one_line_is_a_rule() {
    assert_eq!(
        parse_open("Mon-Fri 22:00-05:00"),
        Ok(days("Mon-Fri", at(22, 0), at(5, 0)))
    );
    assert_eq!(
        parse_open(" sat,Sun  8:15 - 20:00 "),
        Ok(days("Sat,Sun", at(8, 15), at(20, 0)))
    );
    assert_eq!(
        parse_open("1st Sun 01:00-05:00"),
        Ok(days("1st Sun", at(1, 0), at(5, 0)))
    );
    assert_eq!(
        parse_open("daily 20:00-24:00"),
        Ok(days("daily", at(20, 0), at(0, 0)))
    );
    let seconds = civil::time(5, 0, 30, 0);
    assert_eq!(
        parse_open("last Fri 22:00:00-05:00:30"),
        Ok(days("last Fri", at(22, 0), seconds))
    );
}

#[test]
fn mistakes_have_a_place() {
    let place = |text: &str| text[parse_open(text).unwrap_err().range].to_owned();
    assert_eq!(place("Mon-Fri 25:00-05:00"), "25:00");
    assert_eq!(place("Mon-Fri 22:00-05:60"), "05:60");
    assert_eq!(place("Mon-Fri 24:00-05:00"), "24:00");
    assert_eq!(place("Mon-Fry 22:00-05:00"), "Mon-Fry");
    assert_eq!(place("Mon-Fri 22:00"), "22:00");
    assert_eq!(place("Mon-Fri"), "Mon-Fri");
    assert_eq!(place("Mon 22:00-05:00-07:00"), "22:00-05:00-07:00");
    assert_eq!(place("Mon 22:00- 5:0x"), "5:0x");
    assert!(
        parse_open("22:00-05:00")
            .unwrap_err()
            .hint
            .contains("daily 22:00-05:00")
    );
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "(Mon|1st Sun|daily|\\PC{0,8}) ?[0-9:+ é-]{0,14}") {
        if let Err(error) = parse_open(&text) {
            prop_assert!(text.get(error.range).is_some());
        }
    }
}
