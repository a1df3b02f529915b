use proptest::prelude::*;

use super::*;

fn wrong(text: &str) -> (String, String, String) {
    let error = CronExpr::parse(text).unwrap_err();
    (
        text[error.range.clone()].to_owned(),
        error.message,
        error.hint,
    )
}

fn fields(text: &str) -> Fields {
    CronExpr::parse(text).unwrap().fields
}

#[test]
fn ten_thousand_of_them_are_small() {
    assert!(size_of::<CronExpr>() < 64);
}

#[test]
fn names_and_numbers_are_the_same() {
    assert_eq!(fields("0 0 * Jan,DEC mon-Fri"), fields("0 0 * 1,12 1-5"));
    assert_eq!(fields("0 0 * jan-mar/2 *"), fields("0 0 * 1,3 *"));
    assert_eq!(fields("0 0 * * 7"), fields("0 0 * * sun"));
    assert_eq!(fields("0 0 * * 5-7"), fields("0 0 * * 5,6,0"));
    assert_eq!(fields("0 0 * * Fri-Sun"), fields("0 0 * * 5-7"));
    assert_eq!(fields("0 0 * * sun-tue"), fields("0 0 * * 0-2"));
    assert_eq!(fields(" 0\t0  * * *\n"), fields("0 0 * * *"));
    assert_eq!(fields("00 08 * * *"), fields("0 8 * * *"));
    assert_eq!(fields("0-59/20,7 0 * * *"), fields("0,7,20,40 0 * * *"));
}

#[test]
fn nicknames() {
    assert_eq!(fields("@hourly"), fields("0 * * * *"));
    assert_eq!(fields("@Daily"), fields("@midnight"));
    assert_eq!(fields("@weekly"), fields("0 0 * * 0"));
    assert_eq!(fields("@monthly"), fields("0 0 1 * *"));
    assert_eq!(fields("@yearly"), fields("@annually"));
    assert_eq!(CronExpr::parse("@daily").unwrap().text(), "@daily");
    assert!(wrong("@reboot").2.contains("systemd"));
    assert!(wrong("@every 5m").2.contains("*/15"));
    assert_eq!(wrong("@daily root").0, "root");
    assert_eq!(wrong("@fortnightly").0, "@fortnightly");
}

#[test]
fn stars_decide_about_days_and_clocks() {
    assert!(fields("0 0 1 * 1").either_day);
    assert!(!fields("0 0 */2 * 1").either_day);
    assert!(!fields("0 0 1 * *").either_day);
    assert!(!fields("0 0 1 * */3").either_day);
    assert!(fields("0 0 1,15 * 1-5").either_day);
    assert!(fields("0 * * * *").real_clock);
    assert!(fields("*/15 2 * * *").real_clock);
    assert!(!fields("0-59 0-23 * * *").real_clock);
    assert!(!fields("* 0 2 * * *").real_clock, "seconds do not count");
}

#[test]
fn six_fields_begin_with_seconds() {
    assert_eq!(fields("0 30 2 * * 1"), fields("30 2 * * 1"));
    assert_eq!(fields("*/20 30 2 * * 1").seconds, 1 | 1 << 20 | 1 << 40);
}

#[test]
fn mistakes_have_a_place_and_a_hint() {
    let cases = [
        ("60 0 * * *", "60", "0 to 59"),
        ("0 24 * * *", "24", "0 to 23"),
        ("0 0 0 * *", "0", "1 to 31"),
        ("0 0 * 13 *", "13", "jan to dec"),
        ("0 0 * * 8", "8", "0 to 7, or sun to sat"),
        ("0 0 1,32 * *", "32", "1 to 31"),
        ("*/0 * * * *", "*/0", "from 1"),
        ("*/x * * * *", "*/x", "from 1"),
        ("5/15 * * * *", "5/15", "5-59/15"),
        ("0 22-5 * * *", "22-5", "22-23,0-5"),
        ("0 0 * * 5-1", "5-1", "5-6,0-1"),
        ("0 0 * * Sat-Mon", "Sat-Mon", "6,0-1"),
        ("0 0 * nov-feb *", "nov-feb", "11-12,1-2"),
        ("0 0 ? * *", "?", "\"*\""),
        ("0 0 L * *", "L", "last Fri"),
        ("0 0 * * 5#2", "5#2", "1st Sun"),
        ("0 0 * * Moon", "Moon", "sun to sat"),
        ("0 0 * * January", "January", "sun to sat"),
        ("0, 0 * * *", "", "0 to 59"),
        ("+5 0 * * *", "+5", "0 to 59"),
        ("0 0 * *", "0 0 * *", "five fields"),
        ("0", "0", "five fields"),
        ("0 0 0 0 * * 2027", "0 0 0 0 * * 2027", "five fields"),
        (
            "99999999999999999999 0 * * *",
            "99999999999999999999",
            "0 to 59",
        ),
    ];
    for (text, place, hint) in cases {
        let (at, message, hinted) = wrong(text);
        assert_eq!(at, place, "{text}: {message}");
        assert!(hinted.contains(hint), "{text}: {hinted}");
        assert!(!message.is_empty());
    }
    assert_eq!(CronExpr::parse("0 0 0,32 1 *").unwrap_err().range, 4..5);
    assert!(wrong("   ").1.contains("empty"));
    assert!(CronExpr::parse(&"1,".repeat(100_000)).is_err());
}

#[test]
fn impossible_dates_are_known() {
    for never in [
        "0 0 31 2 *",
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "0 0 30,31 feb */2",
        "* * 31 2 *",
    ] {
        assert!(CronExpr::parse(never).unwrap().never_matches(), "{never}");
    }
    for some in [
        "0 0 29 2 *",
        "0 0 31 2 1",
        "0 0 31 1,2 *",
        "0 0 */31 2 *",
        "0 0 29 2 */6",
        "@yearly",
    ] {
        assert!(!CronExpr::parse(some).unwrap().never_matches(), "{some}");
    }
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "[0-9*/,a-zé@# -]{0,30}") {
        if let Err(error) = CronExpr::parse(&text) {
            prop_assert!(text.get(error.range).is_some());
        }
    }
}
