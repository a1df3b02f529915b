//! The parsed texts, seen as one: what drop-ins and variables add is merged, and nothing may be said twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problems;
use super::source::{Place, Source};
use super::{keys, twice};

/// A value and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub value: &'a DeValue<'a>,
    pub place: Place,
}

/// A key, where it stands, and its value.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub key: &'a str,
    pub place: Place,
    pub item: Item<'a>,
}

/// The fields of one table in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Fields<'a> {
    /// What to point at when something is missing.
    pub place: Option<Place>,
    pub list: Vec<Field<'a>>,
}

impl<'a> Fields<'a> {
    #[must_use]
    pub fn of(table: &'a DeTable<'a>, place: Place) -> Self {
        let mut list: Vec<Field<'a>> = table
            .iter()
            .map(|(key, value)| Field {
                key: key.get_ref(),
                place: span(place.file, key),
                item: Item {
                    value: value.get_ref(),
                    place: span(place.file, value),
                },
            })
            .collect();
        list.sort_by_key(|field| field.place);
        Self {
            place: Some(place),
            list,
        }
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<Item<'a>> {
        self.list
            .iter()
            .find(|field| field.key == key)
            .map(|field| field.item)
    }

    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Where a key stands, else the table.
    #[must_use]
    pub fn place_of(&self, key: &str) -> Place {
        let field = self.list.iter().find(|field| field.key == key);
        field
            .map(|field| field.place)
            .or(self.place)
            .unwrap_or(NOWHERE)
    }
}

/// Of what was never written: the beginning of the first file.
pub const NOWHERE: Place = Place {
    file: 0,
    start: 0,
    end: 0,
};

fn span<T>(file: u32, spanned: &Spanned<T>) -> Place {
    let range = spanned.span();
    let at = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    Place {
        file,
        start: at(range.start),
        end: at(range.end),
    }
}

/// Parses a text; what is wrong in it is told, what is right in it is kept.
pub fn parse<'a>(
    file: u32,
    source: &'a Source,
    problems: &mut Problems,
) -> Option<Spanned<DeTable<'a>>> {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    let whole = errors.is_empty();
    let mut last_line = None;
    let mut last_heading = None;
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        // What follows on the same line follows from it.
        let line = source.position(range.start).0;
        if last_line.replace(line) == Some(line) {
            continue;
        }
        if twice::tell(
            error.message(),
            file,
            &range,
            source,
            problems,
            &mut last_heading,
        ) {
            continue;
        }
        let place = Place {
            file,
            start: u32::try_from(range.start).unwrap_or(u32::MAX),
            end: u32::try_from(range.end).unwrap_or(u32::MAX),
        };
        problems.error(place, error.message().to_owned());
    }
    whole.then_some(table)
}

/// All that was said, in whatever file.
#[derive(Debug, Default)]
pub struct Document<'a> {
    pub top: Fields<'a>,
    sections: BTreeMap<&'static str, Fields<'a>>,
    tables: BTreeMap<&'static str, Vec<Field<'a>>>,
    index: HashMap<(&'static str, &'a str), Field<'a>>,
    /// Whether every file could be parsed: else a name that is not there may stand in the other one.
    pub complete: bool,
}

impl<'a> Document<'a> {
    /// Adds the content of one file.
    pub fn add(&mut self, file: u32, tree: &'a Spanned<DeTable<'a>>, problems: &mut Problems) {
        for field in Fields::of(
            tree.get_ref(),
            Place {
                file,
                start: 0,
                end: 0,
            },
        )
        .list
        {
            if let Some(&(section, known)) =
                keys::SECTIONS.iter().find(|(name, _)| *name == field.key)
            {
                let Some(fields) = inner(field, problems) else {
                    continue;
                };
                let whole = self.sections.entry(section).or_insert_with(|| Fields {
                    place: fields.place,
                    list: Vec::new(),
                });
                for field in fields.list {
                    once(&mut whole.list, field, section, known, problems);
                }
            } else if let Some(&table) = keys::TABLES.iter().find(|name| **name == field.key) {
                let Some(fields) = inner(field, problems) else {
                    continue;
                };
                for field in fields.list {
                    self.entry(table, field, problems);
                }
            } else {
                once(&mut self.top.list, field, "", keys::TOP, problems);
            }
        }
    }

    /// Adds one named entry, such as a role of the contacts file.
    pub fn entry(&mut self, table: &'static str, field: Field<'a>, problems: &mut Problems) {
        if let Some(first) = self.index.get(&(table, field.key)) {
            problems
                .error(
                    field.place,
                    format!("`{table}.{}` is defined twice", field.key),
                )
                .related(first.place, "it is defined here too");
            return;
        }
        self.index.insert((table, field.key), field);
        self.tables.entry(table).or_default().push(field);
    }

    /// Replaces a setting by the value of an environment variable.
    pub fn replace(&mut self, section: &'static str, key: &'a str, item: Item<'a>) {
        let fields = self.sections.entry(section).or_insert_with(|| Fields {
            place: Some(item.place),
            list: Vec::new(),
        });
        fields.list.retain(|field| field.key != key);
        fields.list.push(Field {
            key,
            place: item.place,
            item,
        });
    }

    /// A section's fields; none when it is not there at all.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Fields<'a>> {
        self.sections.get(name)
    }

    /// The entries of a table keyed by name, in the order of the files.
    #[must_use]
    pub fn table(&self, name: &str) -> &[Field<'a>] {
        self.tables.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    #[must_use]
    pub fn has(&self, table: &'static str, name: &str) -> bool {
        self.index.contains_key(&(table, name))
    }

    /// The fields of a named entry.
    #[must_use]
    pub fn fields(&self, table: &'static str, name: &str) -> Option<Fields<'a>> {
        let field = self.index.get(&(table, name))?;
        Some(Fields::of(field.item.value.as_table()?, field.place))
    }

    /// Where a key of a named entry stands, else the entry.
    #[must_use]
    pub fn place(&self, table: &'static str, name: &str, key: &str) -> Place {
        let Some(field) = self.index.get(&(table, name)) else {
            return NOWHERE;
        };
        let item = field.item;
        let key = item
            .value
            .as_table()
            .and_then(|table| table.iter().find(|(found, _)| found.get_ref() == key));
        key.map_or(field.place, |(_, value)| span(item.place.file, value))
    }
}

/// The table a field must be.
fn inner<'a>(field: Field<'a>, problems: &mut Problems) -> Option<Fields<'a>> {
    let Some(table) = field.item.value.as_table() else {
        problems
            .error(
                field.item.place,
                format!(
                    "`{}` must be a table, not {}",
                    field.key,
                    kind(field.item.value)
                ),
            )
            .hint(format!("write a heading: [{}]", field.key));
        return None;
    };
    Some(Fields::of(table, field.place))
}

/// Adds a setting that is known and was not given before.
fn once<'a>(
    list: &mut Vec<Field<'a>>,
    field: Field<'a>,
    section: &str,
    known: &[&str],
    problems: &mut Problems,
) {
    if !known.contains(&field.key) {
        unknown(&field, known, problems);
        return;
    }
    let Some(first) = list.iter().find(|other| other.key == field.key) else {
        list.push(field);
        return;
    };
    let dot = if section.is_empty() { "" } else { "." };
    problems
        .error(
            field.place,
            format!("`{section}{dot}{}` is given twice", field.key),
        )
        .related(first.place, "it is given here too");
}

/// Tells of a key that does not exist.
pub fn unknown(field: &Field<'_>, known: &[&str], problems: &mut Problems) {
    if keys::LATER.contains(&field.key) {
        problems
            .error(
                field.place,
                format!("`{}` is not in this version", field.key),
            )
            .hint("leave it out: nothing is taken in silence that would not be done");
        return;
    }
    let near = problems
        .curious()
        .then(|| keys::nearest(field.key, known.iter().copied()))
        .flatten();
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {}", known.join(", ")),
    };
    problems
        .error(field.place, format!("unknown key `{}`", field.key))
        .hint(hint);
}

/// What a value is, with its article.
#[must_use]
pub fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date-time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The variables that override settings, each as a text of its own: `(section, key, text)`.
///
/// Their values become TOML, so that one reader serves both.
pub fn overrides(
    env: &super::Env,
    problems: &mut Problems,
) -> Vec<(&'static str, &'static str, Arc<Source>)> {
    let mut found = Vec::new();
    for (name, value) in env.iter() {
        let Some((section, key)) = name
            .strip_prefix("OFFHOURS_")
            .and_then(|rest| rest.split_once("__"))
        else {
            continue;
        };
        let (section, key) = (section.to_lowercase(), key.to_lowercase());
        let known = keys::SECTIONS.iter().find(|(name, _)| *name == section);
        let Some(&(section, list)) = known.filter(|(name, _)| keys::OVERRIDABLE.contains(name))
        else {
            let hint = "only the values of [mail], [http], [state] and [control] can be overridden";
            problems.add(super::Problem::with_file(
                name,
                "this variable overrides nothing",
                Some(hint.into()),
            ));
            continue;
        };
        let Some(&key) = list.iter().find(|name| **name == key) else {
            let near = keys::nearest(&key, list.iter().copied());
            let hint = near.map(|near| {
                format!(
                    "did you mean OFFHOURS_{}__{}?",
                    section.to_uppercase(),
                    near.to_uppercase()
                )
            });
            problems.add(super::Problem::with_file(
                name,
                format!("there is no key `{key}` in [{section}]"),
                hint,
            ));
            continue;
        };
        let text = match key {
            "port" | "keep_runs"
                if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() =>
            {
                value.to_owned()
            }
            "log_payload" if matches!(value, "true" | "false") => value.to_owned(),
            "host" if !value.contains(',') => quoted(value),
            "host" | "listen" | "hosts" => {
                let items = value
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                format!("[{}]", items.map(quoted).collect::<Vec<_>>().join(", "))
            }
            _ => quoted(value),
        };
        found.push((section, key, Arc::new(Source::new(name.into(), text))));
    }
    found
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
