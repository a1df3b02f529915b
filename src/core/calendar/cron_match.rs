//! The matching engine: naive wall-clock times that satisfy an expression.
//!
//! The engine is used for what it is sure of: plain dates in UTC. Its own notation numbers weekdays from 1 and
//! ANDs the day fields, and with a time zone it loses or repeats times at clock changes; so it is handed
//! numbers only, one schedule for each alternative of the day fields, and never a zone.
use std::fmt::Write as _;
use std::str::FromStr as _;

use chrono::DateTime;
use cron::Schedule;

use super::cron::Fields;

/// The engine knows the years 1970 to 2100.
const FIRST_S: i64 = 0;

/// Finds the next match after a wall-clock second (counted as if the wall clock were UTC).
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    alternatives: Vec<Alternative>,
}

#[derive(Clone, Debug)]
struct Alternative {
    schedule: Schedule,
    /// The last question and its answer: it answers every question in between too.
    asked: i64,
    answer: Option<i64>,
}

impl Matcher {
    pub(super) fn new(fields: &Fields) -> Matcher {
        let all = if fields.either_day {
            vec![source(fields, true, false), source(fields, false, true)]
        } else {
            vec![source(fields, true, true)]
        };
        let alternatives = all
            .iter()
            // Never refused: every field is a list of numbers within the engine's bounds.
            .filter_map(|text| Schedule::from_str(text).ok())
            .map(|schedule| Alternative {
                schedule,
                asked: i64::MAX,
                answer: None,
            })
            .collect();
        Matcher { alternatives }
    }

    /// The first match strictly after `wall`.
    pub(super) fn next(&mut self, wall: i64) -> Option<i64> {
        self.alternatives
            .iter_mut()
            .filter_map(|alternative| alternative.next(wall))
            .min()
    }
}

impl Alternative {
    fn next(&mut self, wall: i64) -> Option<i64> {
        let known = self.asked <= wall && self.answer.is_none_or(|answer| wall < answer);
        if !known {
            let after = DateTime::from_timestamp(wall.max(FIRST_S - 1), 0)?;
            self.asked = wall;
            self.answer = self
                .schedule
                .after(&after)
                .next()
                .map(|found| found.timestamp());
        }
        self.answer
    }
}

/// An expression in the engine's notation, with or without each of the day fields.
fn source(fields: &Fields, by_day: bool, by_weekday: bool) -> String {
    let mut text = String::with_capacity(96);
    list(&mut text, fields.seconds, 0, 59);
    list(&mut text, fields.minutes, 0, 59);
    list(&mut text, u64::from(fields.hours), 0, 23);
    list(
        &mut text,
        if by_day {
            u64::from(fields.days)
        } else {
            u64::MAX
        },
        1,
        31,
    );
    list(&mut text, u64::from(fields.months), 1, 12);
    list(
        &mut text,
        if by_weekday {
            u64::from(fields.weekdays) << 1
        } else {
            u64::MAX
        },
        1,
        7,
    );
    text
}

/// Appends the values as `*`, or as a list of numbers and ranges.
fn list(text: &mut String, bits: u64, low: u32, high: u32) {
    if !text.is_empty() {
        text.push(' ');
    }
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
mod tests;
