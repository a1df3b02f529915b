//! The engine of schedules, for days that are far away.
//!
//! It is used for what it is sure of: plain dates in UTC. Its own notation numbers weekdays from 1 and ANDs the day
//! fields, and with a time zone it loses or repeats times at clock changes; so it is handed numbers only, and never a
//! zone or a time of day.
use std::fmt::Write as _;
use std::str::FromStr as _;

use chrono::DateTime;
use cron::Schedule;

use super::cron::Fields;
use super::month::DAY_S;

/// Finds the days on which day-of-month, month and day-of-week all match, up to the year 2100.
#[derive(Clone, Debug)]
pub(super) struct Engine(Schedule);

impl Engine {
    /// Never `None`: every field is a list of numbers within the engine's bounds.
    pub fn new(fields: &Fields) -> Option<Engine> {
        Schedule::from_str(&source(fields)).ok().map(Engine)
    }

    /// The first such day after another; days are counted from 1970-01-01.
    pub fn day_after(&self, day: i64) -> Option<i64> {
        let after = DateTime::from_timestamp(day.checked_mul(DAY_S)?, 0)?;
        let found = self.0.after(&after).next()?;
        Some(found.timestamp().div_euclid(DAY_S))
    }
}

/// The days of an expression in the engine's notation.
fn source(fields: &Fields) -> String {
    let mut text = String::from("0 0 0");
    list(&mut text, u64::from(fields.days), 1, 31);
    list(&mut text, u64::from(fields.months), 1, 12);
    list(&mut text, u64::from(fields.weekdays) << 1, 1, 7);
    text
}

/// Appends the values as `*`, or as a list of numbers and ranges.
fn list(text: &mut String, bits: u64, low: u32, high: u32) {
    text.push(' ');
    let has = |value: u32| value <= high && bits & (1 << value) != 0;
    if (low..=high).all(has) {
        text.push('*');
        return;
    }
    let mut value = low;
    let mut separator = "";
    while value <= high {
        if has(value) {
            let mut last = value;
            while has(last + 1) {
                last += 1;
            }
            // Writing to a String cannot fail.
            let _ = if last == value {
                write!(text, "{separator}{value}")
            } else {
                write!(text, "{separator}{value}-{last}")
            };
            separator = ",";
            value = last;
        }
        value += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::calendar::CronExpr;

    fn fields(text: &str) -> Fields {
        CronExpr::parse(text).unwrap().fields
    }

    #[test]
    fn it_is_handed_numbers_only() {
        let source_of = |text: &str| source(&fields(text));
        assert_eq!(source_of("*/20 22 * * 1-5"), "0 0 0 * * 2-6");
        assert_eq!(source_of("0 0 1,15 jan-mar *"), "0 0 0 1,15 1-3 *");
        assert_eq!(source_of("0 0 * * 5-7"), "0 0 0 * * 1,6-7");
        assert_eq!(source_of("* * * * * *"), "0 0 0 * * *");
    }

    #[test]
    fn it_finds_leap_days_and_ends_in_2100() {
        let engine = |text: &str| Engine::new(&fields(text)).unwrap();
        let leap = engine("0 0 29 2 *");
        // 1972-02-29 and 2096-02-29; 2100 is no leap year.
        assert_eq!(leap.day_after(0), Some(789));
        assert_eq!(leap.day_after(789), Some(2250));
        assert_eq!(leap.day_after(46_080), None);
        assert_eq!(engine("0 0 31 2 *").day_after(0), None);
    }
}
