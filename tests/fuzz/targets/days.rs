//! Lists of days.

use jiff::civil::date;
use offhours::core::calendar::Days;

use super::safe;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let days = match Days::parse(text) {
        Ok(days) => days,
        Err(error) => {
            assert!(text.get(error.range.clone()).is_some(), "{error:?}");
            safe::line(&error.message, 10_000);
            return safe::line(&error.hint, 1_000);
        }
    };
    let shown = days.to_string();
    assert_eq!(Days::parse(&shown).as_ref(), Ok(&days), "{shown}");
    let first = date(2026, 1, 1);
    assert!(
        first
            .series(jiff::Span::new().days(1))
            .take(400)
            .any(|day| days.contains(day)),
        "{shown} is a day of the year"
    );
}
