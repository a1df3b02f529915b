//! What is carried through one load, and how entries, names and zones are read.
//!
//! Every reader gives a value, or `None` after a problem was told.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::note::Note;
use super::ping::{PingAddress, Pinged};
use super::problem::{Problems, Told};
use super::programs::Programs;
use super::tree::{Document, Field, Fields, Item, kind, unknown};
use super::window::Ruled;
use super::{Env, Place, Purpose, keys, trust::Trust};
use crate::core::calendar::Zone;
use crate::core::policy::Name;

/// Names of table entries become names of files.
const LONGEST_NAME: usize = 100;

/// What is carried through one load.
pub struct Reading<'a> {
    pub problems: Problems,
    pub notes: Vec<Note>,
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
    /// What the rules belong to that are being read.
    pub ruled: Ruled,
    /// Calendars that were read, by their paths.
    pub calendars: HashMap<PathBuf, Option<u32>>,
    /// How often a calendar was named.
    pub calendars_named: usize,
    /// Who is watched by whom.
    pub pinged: HashMap<Pinged, PingAddress>,
    /// Of hosts; made when one is asked for.
    groups: Option<HashMap<String, Vec<Name>>>,
    zones: HashMap<String, Zone>,
    names: HashSet<Name>,
}

impl<'a> Reading<'a> {
    /// What the calendar of the year ahead or the disk of today makes wrong. It may have been right when the file was
    /// written: a daemon that has to come up again, and bring apps back, says it and goes on.
    pub fn by_circumstance(&mut self, place: Place, message: impl Into<String>) -> Told<'_> {
        match self.purpose {
            Purpose::Run => self.problems.warning(place, message),
            Purpose::Check | Purpose::Read => self.problems.error(place, message),
        }
    }

    pub fn new(
        problems: Problems,
        env: &'a Env,
        folder: PathBuf,
        now: Timestamp,
        purpose: Purpose,
    ) -> Self {
        Self {
            problems,
            notes: Vec::new(),
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
            ruled: Ruled::Window,
            calendars: HashMap::new(),
            calendars_named: 0,
            pinged: HashMap::new(),
            groups: None,
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
            let hint = self
                .nearest(text, table)
                .map(|near| format!("did you mean `{near}`?"));
            self.problems
                .error(item.place, format!("there is no `{table}.{text}`"))
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
        if let Some(zone) = self.zones.get(text) {
            return Some(zone.clone());
        }
        match Zone::named(text) {
            Ok(zone) => {
                self.zones.insert(text.to_owned(), zone.clone());
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

    /// Groups of hosts, with their members in the order of the file.
    pub fn groups(&mut self) -> &HashMap<String, Vec<Name>> {
        if self.groups.is_none() {
            let mut groups: HashMap<String, Vec<Name>> = HashMap::new();
            for field in self.document.table("host").to_vec() {
                let Some(table) = field.item.value.as_table() else {
                    continue;
                };
                let fields = Fields::of(table, field.item.place);
                let member = self.name(field.key);
                let named = fields.get("groups").and_then(|item| item.value.as_array());
                for group in named.into_iter().flat_map(|array| array.iter()) {
                    if let Some(group) = group.get_ref().as_str() {
                        groups
                            .entry(group.to_owned())
                            .or_default()
                            .push(member.clone());
                    }
                }
            }
            self.groups = Some(groups);
        }
        self.groups.get_or_insert_default()
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
