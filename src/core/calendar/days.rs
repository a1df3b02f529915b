//! Days by name: weekdays, ranges of them, and the n-th of a month.
use std::fmt;

use super::Malformed;
use super::malformed::pieces;
use super::raw::date_of;

const NAMES: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
const ORDINALS: [&str; 5] = ["1st", "2nd", "3rd", "4th", "5th"];
const HINT: &str =
    "days are written \"Mon-Fri\", \"Sat,Sun\", \"daily\", \"1st Sun\" or \"last Fri\"";
const EVERY: u8 = 0b111_1111;
/// Longer texts can only repeat themselves.
const LONGEST_TEXT: usize = 512;

/// A set of days; bit 0 of each mask is Monday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days {
    weekly: u8,
    /// By the week of the month, the first seven days being the first.
    nth: [u8; 5],
    last: u8,
}

impl Days {
    /// Reads a comma-separated list, in any case: `Mon`, `Monday`, `Mon-Fri`, `Fri-Mon` (over the weekend),
    /// `daily`, `1st Sun` to `5th Sun`, `last Fri`.
    ///
    /// # Errors
    /// The first piece that is none of these.
    pub fn parse(text: &str) -> Result<Days, Malformed> {
        if text.len() > LONGEST_TEXT {
            return Err(Malformed::new(0..0, "a list of days this long", HINT));
        }
        let mut days = Days {
            weekly: 0,
            nth: [0; 5],
            last: 0,
        };
        for (at, piece) in pieces(text, |c| c == ',') {
            let trimmed = piece.trim();
            let at = at + (piece.len() - piece.trim_start().len());
            days.add(trimmed)
                .map_err(|(message, hint)| Malformed::new(at..at + trimmed.len(), message, hint))?;
        }
        Ok(days)
    }

    /// The days of both.
    pub fn union(mut self, other: &Days) -> Days {
        self.weekly |= other.weekly;
        self.last |= other.last;
        for (week, more) in self.nth.iter_mut().zip(other.nth) {
            *week |= more;
        }
        self
    }

    fn add(&mut self, piece: &str) -> Result<(), (String, String)> {
        let lower = piece.to_lowercase();
        if lower.is_empty() {
            return Err(("a day is missing here".into(), HINT.into()));
        }
        if lower == "daily" {
            self.weekly = EVERY;
            return Ok(());
        }
        let mut words = lower.split_whitespace();
        if let (Some(first), Some(second), None) = (words.next(), words.next(), words.next())
            && let Some(mask) = self.week(first)
        {
            *mask |= 1 << weekday(second).ok_or_else(|| unknown(second))?;
            return Ok(());
        }
        match lower.split_once('-') {
            Some((first, last)) => {
                let first = weekday(first.trim()).ok_or_else(|| unknown(first.trim()))?;
                let last = weekday(last.trim()).ok_or_else(|| unknown(last.trim()))?;
                for day in 0..=(last + 7 - first) % 7 {
                    self.weekly |= 1 << ((first + day) % 7);
                }
            }
            None => self.weekly |= 1 << weekday(&lower).ok_or_else(|| unknown(&lower))?,
        }
        Ok(())
    }

    fn week(&mut self, ordinal: &str) -> Option<&mut u8> {
        if ordinal == "last" {
            return Some(&mut self.last);
        }
        self.nth
            .get_mut(ORDINALS.iter().position(|known| *known == ordinal)?)
    }

    /// Whether a date is one of the days.
    pub fn contains(&self, date: jiff::civil::Date) -> bool {
        let weekday = 1u8 << date.weekday().to_monday_zero_offset();
        let week = usize::from((date.day().unsigned_abs() - 1) / 7);
        let is_last = date.day() + 7 > date.days_in_month();
        self.weekly & weekday != 0
            || self.nth[week] & weekday != 0
            || (is_last && self.last & weekday != 0)
    }

    /// The same for a day counted from 1970-01-01, without a calendar where none is needed.
    pub(super) fn contains_day(&self, day: i64) -> bool {
        let weekday = 1u8 << (day + 3).rem_euclid(7);
        if self.weekly & weekday != 0 {
            return true;
        }
        let monthly = self.nth.iter().fold(self.last, |all, week| all | week);
        monthly & weekday != 0 && self.contains(date_of(day))
    }
}

/// As [`Days::parse`] reads it: `Mon-Fri`, `daily`, `1st Sun,last Fri`.
impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.weekly == EVERY {
            parts.push("daily".to_owned());
        } else {
            let has = |day: usize| day < 7 && self.weekly & 1 << day != 0;
            for first in (0..7).filter(|&day| has(day) && (day == 0 || !has(day - 1))) {
                let last = (first..7)
                    .take_while(|&day| has(day))
                    .last()
                    .unwrap_or(first);
                parts.push(match last - first {
                    0 => short(first),
                    1 => format!("{},{}", short(first), short(last)),
                    _ => format!("{}-{}", short(first), short(last)),
                });
            }
        }
        let weeks = ORDINALS.iter().zip(self.nth).chain([(&"last", self.last)]);
        for (ordinal, mask) in weeks {
            let days = (0..7).filter(|day| mask & 1 << day != 0);
            parts.extend(days.map(|day| format!("{ordinal} {}", short(day))));
        }
        f.write_str(&parts.join(","))
    }
}

/// `Mon` to `Sun`.
fn short(day: usize) -> String {
    let name = NAMES.get(day).copied().unwrap_or_default();
    name.chars()
        .take(1)
        .flat_map(char::to_uppercase)
        .chain(name.chars().skip(1).take(2))
        .collect()
}

/// Days since Monday, of a full name or its first three letters.
fn weekday(name: &str) -> Option<u8> {
    let found = NAMES
        .iter()
        .position(|full| name == *full || name == &full[..3])?;
    u8::try_from(found).ok()
}

fn unknown(word: &str) -> (String, String) {
    let near = NAMES.iter().find(|full| {
        word.len() >= 2 && full.starts_with(&word.chars().take(2).collect::<String>())
    });
    let hint = near.map_or_else(
        || HINT.to_owned(),
        |full| format!("did you mean {:?}?", full),
    );
    (format!("{word:?} is not a day"), hint)
}

#[cfg(test)]
mod tests;
