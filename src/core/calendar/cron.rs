//! Crontab expressions: read, checked, and kept small.
use std::sync::Arc;

use super::Malformed;
use super::cron_field::{DAY, FieldKind, HOUR, MINUTE, MONTH, SECOND, WEEKDAY};
use super::malformed::pieces;

const LONGEST_TEXT: usize = 512;
const FIELDS_HINT: &str = "five fields: minute hour day-of-month month day-of-week";
const DAYS_IN_MONTH: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A standard five-field crontab expression, or one of `@hourly @daily @midnight @weekly @monthly @yearly @annually`.
/// As an extension, six fields: seconds come first.
///
/// Kept as bit sets: a daemon may hold ten thousand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronExpr {
    text: Arc<str>,
    pub(super) fields: Fields,
}

/// Bit `n` of a field stands for the value `n`; Sunday is bit 0 of `weekdays`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub seconds: u64,
    pub minutes: u64,
    pub hours: u32,
    pub days: u32,
    pub months: u16,
    pub weekdays: u8,
    /// Whether day-of-month OR day-of-week decides: neither begins with `*`.
    pub either_day: bool,
    /// Whether minute or hour begins with `*`: such a schedule follows the real clock through clock changes.
    pub real_clock: bool,
}

impl CronExpr {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first field that is wrong, with its place in the text.
    pub fn parse(text: &str) -> Result<CronExpr, Malformed> {
        if text.len() > LONGEST_TEXT {
            return Err(Malformed::new(
                0..0,
                format!("longer than {LONGEST_TEXT} bytes"),
                FIELDS_HINT,
            ));
        }
        let words: Vec<(usize, &str)> = pieces(text, |c| c.is_ascii_whitespace())
            .filter(|(_, word)| !word.is_empty())
            .collect();
        let fields = match words[..] {
            [] => {
                return Err(Malformed::new(
                    0..text.len(),
                    "an empty schedule",
                    FIELDS_HINT,
                ));
            }
            [(at, word), ref rest @ ..] if word.starts_with('@') => {
                let expanded = nickname(word).map_err(|e| e.shifted(at))?;
                if let [(at, more), ..] = rest {
                    let message = format!("nothing may follow {word}");
                    return Err(Malformed::new(
                        *at..at + more.len(),
                        message,
                        "leave it out",
                    ));
                }
                let expanded: Vec<(usize, &str)> = pieces(expanded, |c| c == ' ').collect();
                Fields::read(&expanded)?
            }
            _ => Fields::read(&words)?,
        };
        Ok(CronExpr {
            text: text.into(),
            fields,
        })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether no date satisfies it, such as 31 February.
    pub fn never_matches(&self) -> bool {
        self.fields.never_matches()
    }
}

impl Fields {
    pub(super) fn never_matches(&self) -> bool {
        // In the Gregorian cycle every date that exists falls on every weekday, so weekdays never decide this.
        let exists = |(month, length): (usize, &u32)| {
            self.months & (2 << month) != 0 && self.days.trailing_zeros() <= *length
        };
        !self.either_day && !DAYS_IN_MONTH.iter().enumerate().any(exists)
    }

    /// Five words, or six with seconds first.
    fn read(words: &[(usize, &str)]) -> Result<Fields, Malformed> {
        let star = |(_, word): (usize, &str)| word.starts_with('*');
        let read = |kind: &FieldKind, (at, word): (usize, &str)| {
            kind.read(word).map_err(|e| e.shifted(at))
        };
        let (second, minute, hour, day, month, weekday) = match *words {
            [minute, hour, day, month, weekday] => ((0, "0"), minute, hour, day, month, weekday),
            [second, minute, hour, day, month, weekday] => {
                (second, minute, hour, day, month, weekday)
            }
            _ => {
                let start = words.first().map_or(0, |(at, _)| *at);
                let end = words.last().map_or(start, |(at, word)| at + word.len());
                let message = format!("{} fields instead of five", words.len());
                return Err(Malformed::new(start..end, message, FIELDS_HINT));
            }
        };
        let seconds = read(&SECOND, second)?;
        let minutes = read(&MINUTE, minute)?;
        let [hours, days] = [narrow(read(&HOUR, hour)?), narrow(read(&DAY, day)?)];
        let [months, weekdays] = [
            narrow(read(&MONTH, month)?),
            narrow(read(&WEEKDAY, weekday)?),
        ];
        Ok(Fields {
            seconds,
            minutes,
            hours,
            days,
            months: (months & 0x1ffe) as u16,
            weekdays: ((weekdays | weekdays >> 7) & 0x7f) as u8,
            either_day: !star(day) && !star(weekday),
            real_clock: star(minute) || star(hour),
        })
    }
}

/// The fields it is used for have at most 32 values.
fn narrow(bits: u64) -> u32 {
    (bits & u64::from(u32::MAX)) as u32
}

fn nickname(word: &str) -> Result<&'static str, Malformed> {
    let wrong = |message: &str, hint: &str| Err(Malformed::new(0..word.len(), message, hint));
    match word.to_ascii_lowercase().as_str() {
        "@hourly" => Ok("0 * * * *"),
        "@daily" | "@midnight" => Ok("0 0 * * *"),
        "@weekly" => Ok("0 0 * * 0"),
        "@monthly" => Ok("0 0 1 * *"),
        "@yearly" | "@annually" => Ok("0 0 1 1 *"),
        "@reboot" => wrong(
            "@reboot is no time of the calendar",
            "start it with a systemd unit instead",
        ),
        "@every" => wrong("@every is not known", "write a step: \"*/15 * * * *\""),
        _ => wrong(
            "an unknown name",
            "one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually",
        ),
    }
}

#[cfg(test)]
mod tests;
