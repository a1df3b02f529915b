//! Values of one type each.

use std::ops::{Range, RangeInclusive};

use jiff::{SignedDuration, Timestamp};
use toml::de::DeValue;

use super::instant::Written;
use super::reading::Reading;
use super::tree::{Fields, Item, kind};
use super::{Place, duration, instant, size};
use crate::core::calendar::{CronExpr, Malformed, Zone};

/// A line of prose: a description, an address.
const LONGEST_LINE: usize = 1_000;
/// Labels, locks, addresses in one list.
const MOST_LINES: usize = 1_000;

impl<'a> Reading<'a> {
    pub fn mismatch(&mut self, item: Item<'_>, wanted: &str) {
        self.problems.error(
            item.place,
            format!("expected {wanted}, found {}", kind(item.value)),
        );
    }

    /// Tells that a key is missing.
    pub fn missing(&mut self, fields: &Fields<'_>, what: &str, key: &str) {
        let place = fields.place_of("");
        self.problems.error(place, format!("{what} needs `{key}`"));
    }

    /// Any string.
    pub fn text(&mut self, item: Item<'a>) -> Option<&'a str> {
        let Some(text) = item.value.as_str() else {
            self.mismatch(item, "a string");
            return None;
        };
        if text.contains('\0') {
            self.problems
                .error(item.place, "a NUL character cannot be part of this");
            return None;
        }
        Some(text)
    }

    /// A string of one line that is not empty.
    pub fn line(&mut self, item: Item<'a>) -> Option<&'a str> {
        let text = self.text(item)?;
        let wrong = if text.trim().is_empty() {
            "this is empty"
        } else if text.chars().any(char::is_control) {
            "this must be one line without control characters"
        } else if text.len() > LONGEST_LINE {
            "this is too long"
        } else {
            return Some(text);
        };
        self.problems.error(item.place, wrong);
        None
    }

    pub fn boolean(&mut self, item: Item<'a>) -> Option<bool> {
        let value = item.value.as_bool();
        if value.is_none() {
            self.mismatch(item, "true or false");
        }
        value
    }

    pub fn integer(&mut self, item: Item<'a>, range: RangeInclusive<i64>) -> Option<i64> {
        let Some(integer) = item.value.as_integer() else {
            self.mismatch(item, "an integer");
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| range.contains(number));
        if number.is_none() {
            self.problems.error(
                item.place,
                format!("this must be from {} to {}", range.start(), range.end()),
            );
        }
        number
    }

    /// One of a few words.
    pub fn choice<T: Clone>(&mut self, item: Item<'a>, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(item)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(value.clone());
        }
        let words: Vec<String> = choices
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        self.problems
            .error(item.place, format!("`{text}` is not known here"))
            .hint(format!("one of {}", words.join(", ")));
        None
    }

    pub fn duration(&mut self, item: Item<'a>, least: SignedDuration) -> Option<SignedDuration> {
        if let DeValue::Integer(number) = item.value {
            let hint = format!(r#"write it with a unit: "{0}s", "{0}m""#, number.as_str());
            self.problems
                .error(
                    item.place,
                    "expected a duration in a string, found an integer",
                )
                .hint(hint);
            return None;
        }
        let text = self.text(item)?;
        match duration::parse(text) {
            Ok(parsed) if parsed >= least => Some(parsed),
            Ok(_) => {
                self.problems.error(
                    item.place,
                    format!("this must be at least {}", duration::format(least)),
                );
                None
            }
            Err(error) => {
                self.problems
                    .error(item.place, error.message)
                    .maybe_hint(error.hint);
                None
            }
        }
    }

    /// A duration of a key that may be missing or wrong.
    pub fn duration_or(
        &mut self,
        fields: &Fields<'a>,
        key: &str,
        least: SignedDuration,
        default: SignedDuration,
    ) -> SignedDuration {
        fields
            .get(key)
            .and_then(|item| self.duration(item, least))
            .unwrap_or(default)
    }

    /// Bytes, as a string with a unit or a plain integer.
    pub fn size(&mut self, item: Item<'a>, range: RangeInclusive<u64>) -> Option<u64> {
        let parsed = match item.value {
            DeValue::Integer(number) => size::parse(number.as_str()),
            _ => size::parse(self.text(item)?),
        };
        match parsed {
            Ok(bytes) if range.contains(&bytes) => Some(bytes),
            Ok(_) => {
                self.problems.error(
                    item.place,
                    format!(
                        "this must be from {} to {} bytes",
                        range.start(),
                        range.end()
                    ),
                );
                None
            }
            Err(error) => {
                self.problems
                    .error(item.place, error.message)
                    .hint(error.hint);
                None
            }
        }
    }

    /// The items of an array.
    pub fn array(&mut self, item: Item<'a>, wanted: &str) -> Vec<Item<'a>> {
        let Some(array) = item.value.as_array() else {
            self.mismatch(item, wanted);
            return Vec::new();
        };
        let file = item.place.file;
        let at = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        array
            .iter()
            .map(|value| {
                let Range { start, end } = value.span();
                Item {
                    value: value.get_ref(),
                    place: Place {
                        file,
                        start: at(start),
                        end: at(end),
                    },
                }
            })
            .collect()
    }

    /// An array of lines, with the place of each.
    pub fn lines(&mut self, item: Item<'a>) -> Vec<(&'a str, Item<'a>)> {
        if let Some(text) = item.value.as_str() {
            self.problems
                .error(item.place, "expected an array of strings, found a string")
                .hint(format!("write [{text:?}]"));
            return Vec::new();
        }
        let items = self.array(item, "an array of strings");
        if items.len() > MOST_LINES {
            self.problems
                .error(item.place, format!("more than {MOST_LINES} in one list"));
        }
        items
            .into_iter()
            .take(MOST_LINES)
            .filter_map(|item| Some((self.line(item)?, item)))
            .collect()
    }

    pub fn instant(&mut self, item: Item<'a>, zone: &Zone) -> Option<Timestamp> {
        let written = match item.value {
            DeValue::Datetime(written) => instant::from_toml(written),
            _ => instant::parse(self.text(item)?),
        };
        match written {
            Ok(Written::Local(local)) => Some(zone.instant(local)),
            Ok(Written::Instant(instant)) => Some(instant),
            Err(message) => {
                self.problems
                    .error(item.place, "this is not an instant")
                    .hint(message);
                None
            }
        }
    }

    pub fn schedule(&mut self, item: Item<'a>) -> Option<CronExpr> {
        let text = self.text(item)?;
        match CronExpr::parse(text) {
            Ok(expr) if expr.never_matches() => {
                self.problems.error(
                    item.place,
                    "this schedule never matches: no date satisfies it",
                );
                None
            }
            Ok(expr) => Some(expr),
            Err(error) => {
                self.malformed(item, error);
                None
            }
        }
    }

    /// Tells of a mistake inside a string.
    pub fn malformed(&mut self, item: Item<'_>, error: Malformed) {
        let place = self.inside(item, &error.range);
        let hint = Some(error.hint).filter(|hint| !hint.is_empty());
        self.problems.error(place, error.message).maybe_hint(hint);
    }

    /// The place of a part of a string, where the string is written without escapes; else the string.
    fn inside(&self, item: Item<'_>, range: &Range<usize>) -> Place {
        let whole = item.place;
        let (start, end) = (
            whole.start as usize + 1,
            (whole.end as usize).saturating_sub(1),
        );
        let raw = self
            .problems
            .sources
            .get(whole.file)
            .and_then(|source| source.text().get(start..end));
        let (Some(raw), Some(text)) = (raw, item.value.as_str()) else {
            return whole;
        };
        let part = |byte: usize| u32::try_from(byte).unwrap_or(0) + whole.start + 1;
        if raw != text || range.end > raw.len() || range.start > range.end {
            return whole;
        }
        Place {
            file: whole.file,
            start: part(range.start),
            end: part(range.end),
        }
    }
}
