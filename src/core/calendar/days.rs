//! Days: weekdays, ranges of them, the n-th of a month, days of the month, and days counted from any of these.
use std::fmt;

use super::malformed::pieces;
use super::month::{DAY_S, Month};
use super::{Malformed, Zone};

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

/// A set of days. Bit 0 of each mask of weekdays is Monday.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days {
    weekly: u8,
    /// By the week of the month, the first seven days being the first.
    nth: [u8; 5],
    last: u8,
    /// Days of the month, bit 0 being the first.
    dates: u32,
    /// Days of the month counted from its end, bit 0 being the last.
    dates_from_end: u32,
    /// Calendar days from the day that all this names to the one that is meant.
    offset: u8,
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
        let mut days = Days::default();
        for (at, piece) in pieces(text, |c| c == ',') {
            let trimmed = piece.trim();
            let at = at + (piece.len() - piece.trim_start().len());
            days.add(trimmed)
                .map_err(|(message, hint)| Malformed::new(at..at + trimmed.len(), message, hint))?;
        }
        Ok(days)
    }

    /// Days of the month: 1 to 31, or counted from its end, -1 (the last) to -31. One that a month does not have does
    /// not occur in it. `None` where one of them is no such day, or there is none.
    pub fn dates(dates: &[i8]) -> Option<Days> {
        let mut days = Days::default();
        for date in dates {
            let bit = 1 << date.unsigned_abs().checked_sub(1).filter(|bit| *bit < 31)?;
            match *date > 0 {
                true => days.dates |= bit,
                false => days.dates_from_end |= bit,
            }
        }
        Some(days).filter(|_| !dates.is_empty())
    }

    /// So many calendar days after each of these.
    #[must_use]
    pub fn later(mut self, days: u8) -> Days {
        self.offset = days;
        self
    }

    pub(super) fn offset(&self) -> i64 {
        i64::from(self.offset)
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
        if lower.parse::<i8>().is_ok() {
            return Err(unknown(&lower));
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

    /// The days of a month that are named, bit 0 being its first. The offset is not counted.
    pub(super) fn named_in(&self, month: Month) -> u32 {
        if self.weekly == EVERY {
            return month.all();
        }
        let mut named = (self.dates | month.counted_from_end(self.dates_from_end)) & month.all();
        let some = self.nth.iter().fold(self.weekly | self.last, |a, b| a | b);
        for weekday in (0..7).filter(|weekday| some & 1 << weekday != 0) {
            let all = month.weekdays(weekday);
            if self.weekly & 1 << weekday != 0 {
                named |= all;
            }
            for (week, weekdays) in (0..).zip(self.nth) {
                if weekdays & 1 << weekday != 0 {
                    let day = month.first_of(weekday) + 7 * week;
                    named |= all & 1u32.checked_shl(day).unwrap_or(0);
                }
            }
            if self.last & 1 << weekday != 0 {
                // At least four of each weekday are in a month.
                named |= 1 << (31 - all.leading_zeros());
            }
        }
        named
    }

    /// Whether a date is one of the days.
    pub fn contains(&self, date: jiff::civil::Date) -> bool {
        let midnight = Zone::utc().instant(date.at(0, 0, 0, 0));
        let day = midnight.as_second().div_euclid(DAY_S) - self.offset();
        let month = Month::of(day);
        self.named_in(month) >> (day - month.first) & 1 == 1
    }
}

/// As [`Days::parse`] reads it: `Mon-Fri`, `daily`, `1st Sun,last Fri`; days of the month as numbers, the offset as `+4d`.
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
        let of_month = |mask: u32| (1..32).filter(move |date| mask & 1 << (date - 1) != 0);
        parts.extend(of_month(self.dates).map(|date| date.to_string()));
        parts.extend(of_month(self.dates_from_end).map(|date| format!("-{date}")));
        f.write_str(&parts.join(","))?;
        match self.offset {
            0 => Ok(()),
            days => write!(f, " +{days}d"),
        }
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
    if word.parse::<i8>().is_ok() {
        let hint = "days of the month are numbers of their own: dates = [1, 15, -1], with `start`";
        return (format!("{word:?} is not a weekday"), hint.into());
    }
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
