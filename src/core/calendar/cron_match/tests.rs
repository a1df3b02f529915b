use super::*;
use crate::core::calendar::CronExpr;

#[test]
fn the_engine_is_handed_numbers_only() {
    let source_of = |text: &str, by_day, by_weekday| {
        source(&CronExpr::parse(text).unwrap().fields, by_day, by_weekday)
    };
    assert_eq!(
        source_of("*/20 22 * * 1-5", true, true),
        "0 0,20,40 22 * * 2-6"
    );
    assert_eq!(
        source_of("0 0 1,15 jan-mar sun", true, false),
        "0 0 0 1,15 1-3 *"
    );
    assert_eq!(source_of("0 0 1,15 * 5-7", false, true), "0 0 0 * * 1,6-7");
    assert_eq!(source_of("* * * * * *", true, true), "* * * * * *");
}

#[test]
fn remembered_answers_are_right_after_going_back() {
    let fields = CronExpr::parse("0 12 1 * 1").unwrap().fields;
    let mut matcher = Matcher::new(&fields);
    let day = 86_400;
    // 1970-01-01 was a Thursday, the 5th the first Monday.
    let asked = [40 * day, day / 2 - 1, day / 2, 10 * day, 3 * day, 0];
    let found = asked.map(|wall| matcher.next(wall));
    let fresh = asked.map(|wall| Matcher::new(&fields).next(wall));
    assert_eq!(found, fresh);
    assert_eq!(found[2], Some(4 * day + day / 2));
    assert_eq!(matcher.next(i64::MIN), Some(day / 2));
    assert_eq!(matcher.next(i64::MAX), None);
}
