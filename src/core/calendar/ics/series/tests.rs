use super::super::Holidays;
use crate::core::calendar::Zone;

/// What is computed is what counting gives: a rule that says its hour is counted.
#[test]
fn a_count_that_is_computed_is_the_one_that_is_counted() {
    for (start, rule) in [
        ("20240101", "FREQ=DAILY"),
        ("20240103", "FREQ=DAILY;INTERVAL=3"),
        ("20240229", "FREQ=WEEKLY"),
        ("20231231", "FREQ=WEEKLY;INTERVAL=2;WKST=SU"),
    ] {
        for count in [1, 2, 150, 330, 366, 367, 1000, 1100, 1101, 1102, 1200, 2000] {
            let of = |more: &str| {
                let text = format!(
                    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:{start}T120000Z\nDTEND:{start}T130000Z\nRRULE:{rule};COUNT={count}{more}\nEND:VEVENT\nEND:VCALENDAR\n"
                );
                let from = "2027-01-01T00:00:00Z".parse().unwrap();
                let until = "2028-01-01T00:00:00Z".parse().unwrap();
                Holidays::read(&text, &Zone::utc(), from, until)
                    .unwrap()
                    .spans
            };
            let (computed, counted) = (of(""), of(";BYHOUR=12"));
            assert_eq!(computed.all(), counted.all(), "{start} {rule} {count}");
        }
    }
}
