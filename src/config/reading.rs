//! Typed readers: a value, or `None` and a problem told.

use std::collections::{HashMap, HashSet};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use toml::de::DeValue;

use super::instant::Written;
use super::programs::Programs;
use super::tree::{Document, Field, Fields, Item, kind, unknown};
use super::{Env, Place, Purpose, duration, instant, keys, problem::Problems, size, trust::Trust};
use crate::core::calendar::{CronExpr, Malformed, Zone};
use crate::core::policy::{LOCAL, Name};

/// Names of table entries become names of files.
const LONGEST_NAME: usize = 100;
/// A line of prose: a description, an address.
const LONGEST_LINE: usize = 1_000;

/// What is carried through one load.
pub struct Reading<'a> {
    pub problems: Problems,
    pub document: Document<'a>,
    pub env: &'a Env,
    /// Where the main file is: what relative paths are relative to.
    pub folder: Arc<PathBuf>,
    pub now: Timestamp,
    pub purpose: Purpose,
    /// The file's default.
    pub zone: Zone,
    /// Whether the default was written.
    pub zone_written: bool,
    /// The first place where the default was needed although it was not written.
    pub zone_missed: Option<Place>,
    pub trust: Trust,
    pub programs: Programs,
    zones: HashMap<String, Option<Zone>>,
    names: HashSet<Name>,
}

impl<'a> Reading<'a> {
    pub fn new(
        problems: Problems,
        env: &'a Env,
        folder: PathBuf,
        now: Timestamp,
        purpose: Purpose,
    ) -> Self {
        Self {
            problems,
            document: Document::default(),
            env,
            folder: Arc::new(folder),
            now,
            purpose,
            zone: Zone::utc(),
            zone_written: false,
            zone_missed: None,
            trust: Trust::default(),
            programs: Programs::default(),
            zones: HashMap::new(),
            names: HashSet::new(),
        }
    }

    /// One shared text for each name.
    pub fn name(&mut self, text: &str) -> Name {
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        let name: Name = text.into();
        self.names.insert(name.clone());
        name
    }

    /// The fields of a named entry, whose name and keys are checked.
    pub fn entry(&mut self, table: &str, field: Field<'a>, known: &[&str]) -> Option<Fields<'a>> {
        if let Some(wrong) = wrong_name(field.key) {
            self.problems
                .error(
                    field.place,
                    format!("`{}` cannot be a name: {wrong}", field.key),
                )
                .hint(NAME_HINT);
        }
        let Some(inner) = field.item.value.as_table() else {
            let message = format!(
                "`{table}.{}` must be a table, not {}",
                field.key,
                kind(field.item.value)
            );
            self.problems
                .error(field.item.place, message)
                .hint(format!("write a heading: [{table}.{}]", field.key));
            return None;
        };
        let fields = Fields::of(inner, field.item.place);
        self.known(&fields, known);
        Some(Fields {
            place: Some(field.place),
            ..fields
        })
    }

    /// The fields of an inline table.
    pub fn table(&mut self, item: Item<'a>, known: &[&str], wanted: &str) -> Option<Fields<'a>> {
        let Some(inner) = item.value.as_table() else {
            self.mismatch(item, wanted);
            return None;
        };
        let fields = Fields::of(inner, item.place);
        self.known(&fields, known);
        Some(fields)
    }

    fn known(&mut self, fields: &Fields<'_>, known: &[&str]) {
        for field in fields
            .list
            .iter()
            .filter(|field| !known.contains(&field.key))
        {
            unknown(field, known, &mut self.problems);
        }
    }

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
    pub fn choice<T: Copy>(&mut self, item: Item<'a>, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(item)?;
        if let Some(&(_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(value);
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
        items
            .into_iter()
            .filter_map(|item| Some((self.line(item)?, item)))
            .collect()
    }

    /// An array of names of files to be, each once.
    pub fn labels(&mut self, fields: &Fields<'a>, key: &str) -> Vec<Name> {
        let Some(item) = fields.get(key) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for (text, item) in self.lines(item) {
            if let Some(wrong) = wrong_name(text) {
                self.problems
                    .error(item.place, format!("`{text}` cannot be a name: {wrong}"))
                    .hint(NAME_HINT);
                continue;
            }
            let name = self.name(text);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// A name that must be an entry of a table.
    pub fn existing(&mut self, item: Item<'a>, table: &'static str) -> Option<Name> {
        let text = self.line(item)?;
        if self.document.has(table, text) {
            return Some(self.name(text));
        }
        if self.document.complete {
            let near = self.nearest(text, table);
            let (what, hint) = match near {
                Some(near) => ("there is no", Some(format!("did you mean `{near}`?"))),
                None => ("there is no", None),
            };
            self.problems
                .error(item.place, format!("{what} `{table}.{text}`"))
                .maybe_hint(hint);
        }
        None
    }

    pub fn nearest(&self, text: &str, table: &'static str) -> Option<String> {
        if !self.problems.curious() {
            return None;
        }
        let names = self.document.table(table).iter().map(|field| field.key);
        keys::nearest(text, names).map(str::to_owned)
    }

    /// The zone of an entry: its own, else the file's.
    pub fn zone_of(&mut self, fields: &Fields<'a>) -> Zone {
        match fields.get("time_zone") {
            Some(item) => self.zone_named(item).unwrap_or_else(|| self.zone.clone()),
            None => {
                if !self.zone_written {
                    self.zone_missed = self.zone_missed.or(fields.place);
                }
                self.zone.clone()
            }
        }
    }

    /// A zone by its name.
    pub fn zone_named(&mut self, item: Item<'a>) -> Option<Zone> {
        let text = self.line(item)?;
        if let Some(Some(zone)) = self.zones.get(text) {
            return Some(zone.clone());
        }
        match Zone::named(text) {
            Ok(zone) => {
                self.zones.insert(text.to_owned(), Some(zone.clone()));
                Some(zone)
            }
            Err(message) => {
                let known: Vec<String> = match self.problems.curious() {
                    true => jiff::tz::db()
                        .available()
                        .map(|name| name.as_str().to_owned())
                        .collect(),
                    false => Vec::new(),
                };
                let near = keys::nearest(text, known.iter().map(String::as_str));
                let hint = near.map_or(
                    "a name such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                self.problems.error(item.place, message).hint(hint);
                None
            }
        }
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

    /// `hosts`: only the machine itself is there.
    pub fn hosts(&mut self, fields: &Fields<'a>) -> Vec<Name> {
        let mut hosts = Vec::new();
        for (text, item) in fields
            .get("hosts")
            .map(|item| self.lines(item))
            .unwrap_or_default()
        {
            if text != LOCAL {
                self.problems
                    .error(item.place, format!("host `{text}` is not there"))
                    .hint("the only host is \"local\"");
            } else if hosts.is_empty() {
                hosts.push(self.name(LOCAL));
            }
        }
        if hosts.is_empty() {
            vec![self.name(LOCAL)]
        } else {
            hosts
        }
    }
}

pub const NAME_HINT: &str =
    "letters, digits, `.`, `_` and `-`, at most 100 of them, not beginning with `.`";

/// What forbids a text to be a name, for names become names of files.
#[must_use]
pub fn wrong_name(name: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > LONGEST_NAME {
        Some("it is too long")
    } else if name.starts_with('.') {
        Some("it begins with a dot")
    } else if !name.chars().all(allowed) {
        Some("it has other characters than letters, digits, `.`, `_` and `-`")
    } else {
        None
    }
}
