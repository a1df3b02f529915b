//! `[freeze.N]`.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::instant;
use super::keys;
use super::reading::Reading;
use super::source::{Place, Source};
use super::tree::{Field, Fields, Item};
use super::window::{FORMS, Ruled};
use crate::core::calendar::{
    Freeze, Frozen, Holidays, LARGEST_CALENDAR, Spans, Window, Yearly, Zone,
};
use crate::core::policy::Name;

const FORMS_HINT: &str = "`from` with `until`, with a year or without; `days` with `start` and `end` or `duration`; `cron` with `duration`; `open`; `rules`; or `calendar`";
const CALENDAR_HINT: &str = "a file of holidays in the iCalendar format (.ics), beside this one";
/// Calendars are worked out for this time around the day on which they are read.
const BEFORE: SignedDuration = SignedDuration::from_hours(366 * 24);
const AHEAD: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);
/// Of one configuration.
const MOST_CALENDARS: usize = 100;

impl<'a> Reading<'a> {
    pub fn freeze(&mut self, field: Field<'a>) -> Option<Freeze> {
        let fields = self.entry("freeze", field, keys::FREEZE)?;
        self.ruled = Ruled::Freeze;
        let zone = self.zone_of(&fields);
        let description = fields
            .get("description")
            .and_then(|item| self.line(item))
            .map(Name::from);
        let except_labels = self.labels(&fields, "except_labels");
        let apps = self.named(&fields, "apps", "app");
        let windows = self.named(&fields, "windows", "window");
        let frozen = self.frozen(field, &fields, &zone)?;
        let mut freeze = Freeze::new(self.name(field.key), zone, frozen, self.now);
        freeze.description = description;
        freeze.except_labels = except_labels;
        freeze.apps = apps;
        freeze.windows = windows;
        if let Some(item) = fields.get("hosts") {
            freeze.hosts = self.listed_hosts(item).into_iter().collect();
        }
        Some(freeze)
    }

    fn frozen(&mut self, field: Field<'a>, fields: &Fields<'a>, zone: &Zone) -> Option<Frozen> {
        let of_form = |field: &&Field<'_>| FORMS.iter().any(|(_, keys)| keys.contains(&field.key));
        let form = fields.list.iter().find(of_form);
        match (fields.get("calendar"), form) {
            (Some(_), Some(form)) => {
                let message = format!(
                    "`calendar` and `{}` are two ways to say when the freeze begins",
                    form.key
                );
                self.problems
                    .error(form.place, message)
                    .hint("several freezes may have the same exceptions");
                None
            }
            (Some(item), None) => {
                if fields.has("duration") {
                    let place = fields.place_of("duration");
                    self.problems
                        .error(place, "`duration` does not go with `calendar`");
                }
                self.calendar(item, zone).map(Frozen::Listed)
            }
            (None, None) => {
                self.problems
                    .error(field.place, "this freeze says nowhere when it begins")
                    .hint(FORMS_HINT);
                None
            }
            (None, Some(_)) if self.yearly_is_meant(fields) => {
                self.yearly(fields).map(Frozen::Yearly)
            }
            (None, Some(form)) if ["from", "until"].contains(&form.key) && !others(fields) => {
                let (from, until) = self.span(fields, zone)?;
                Some(Frozen::Once { from, until })
            }
            (None, Some(_)) => {
                let rules = self.rules(field, fields, zone)?;
                Some(Frozen::Rules(Box::new(Window {
                    name: self.name(field.key),
                    zone: zone.clone(),
                    rules,
                    cutoff: SignedDuration::ZERO,
                })))
            }
        }
    }

    /// Whether one of the two dates has no year.
    fn yearly_is_meant(&self, fields: &Fields<'a>) -> bool {
        let without = |key: &str| {
            let item = fields.get(key)?;
            instant::year_day(item.value.as_str()?)
        };
        !others(fields)
            && ["from", "until"]
                .into_iter()
                .any(|key| without(key).is_some())
    }

    fn yearly(&mut self, fields: &Fields<'a>) -> Option<Yearly> {
        let mut ends = Vec::new();
        for key in ["from", "until"] {
            let Some(item) = fields.get(key) else {
                self.missing(fields, "this freeze", key);
                continue;
            };
            match item
                .value
                .as_str()
                .map(|text| (text, instant::year_day(text)))
            {
                Some((_, Some(Ok(day)))) => ends.push(day),
                Some((_, Some(Err(message)))) => {
                    self.problems
                        .error(item.place, "this is no day of the year")
                        .hint(message);
                }
                read => {
                    let other = if key == "from" { "until" } else { "from" };
                    let no_date = read.is_some_and(|(text, _)| instant::parse(text).is_err());
                    let (message, hint) = if no_date {
                        (
                            "this is no day of the year".to_owned(),
                            "it is written \"12-18\" or \"12-18T18:00\"",
                        )
                    } else {
                        (
                            format!("this has a year, and `{other}` has none"),
                            "with a year in both it is frozen once, without one every year",
                        )
                    };
                    self.problems.error(item.place, message).hint(hint);
                }
            }
        }
        let &[from, until] = ends.as_slice() else {
            return None;
        };
        let yearly = Yearly::new(from, until);
        if yearly.is_none() {
            let place = fields.get("until").map(|item| item.place);
            self.problems
                .error(
                    place.unwrap_or(fields.place_of("until")),
                    "`until` is the same as `from`",
                )
                .hint("`until` is exclusive: the first instant after the span");
        }
        yearly
    }

    /// The spans of a file of holidays, which lies beside the file that names it.
    fn calendar(&mut self, item: Item<'a>, zone: &Zone) -> Option<Spans> {
        let text = self.line(item)?;
        let named_in = self.problems.sources.get(item.place.file);
        let folder = named_in.and_then(|source| source.path().parent());
        let path = folder.unwrap_or(Path::new("")).join(text);
        self.calendars_named += 1;
        if self.calendars_named > MOST_CALENDARS {
            let message = format!("more than {MOST_CALENDARS} freezes by calendars");
            self.problems.error(item.place, message);
            return None;
        }
        let file = match self.calendars.get(&path) {
            Some(file) => *file,
            None => {
                let file = self.calendar_file(item, &path);
                self.calendars.insert(path.clone(), file);
                file
            }
        }?;
        let source = self.problems.sources.share(file)?;
        let around = |by: SignedDuration| self.now.saturating_add(by);
        let from = around(-BEFORE).unwrap_or(Timestamp::MIN);
        let until = around(AHEAD).unwrap_or(Timestamp::MAX);
        match Holidays::read(source.text(), zone, from, until) {
            Ok(holidays) => {
                self.odd_calendar(item, file, &holidays);
                Some(holidays.spans)
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    let place = within(file, &mistake.range);
                    let hint = Some(mistake.hint).filter(|hint| !hint.is_empty());
                    self.problems
                        .error(place, mistake.message)
                        .maybe_hint(hint)
                        .related(item.place, "the calendar is named here");
                }
                // It need not be told again where another freeze names it.
                self.calendars.insert(path, None);
                None
            }
        }
    }

    /// The text of a calendar, as one of the sources; `None` after telling why there is none.
    fn calendar_file(&mut self, item: Item<'a>, path: &Path) -> Option<u32> {
        match self.trust.read(path, LARGEST_CALENDAR) {
            Ok(text) => {
                let source = Source::new(path.to_path_buf(), text);
                Some(self.problems.sources.push(Arc::new(source)))
            }
            Err(error) => {
                let missing = error.is_missing().then(|| CALENDAR_HINT.to_owned());
                self.problems
                    .error(item.place, error.to_string())
                    .maybe_hint(error.hint().or(missing));
                None
            }
        }
    }

    /// What can be read and still is not what was meant.
    fn odd_calendar(&mut self, item: Item<'a>, file: u32, holidays: &Holidays) {
        if holidays.events == 0 {
            self.problems
                .warning(item.place, "this calendar is empty: it freezes nothing");
        }
        let momentary = holidays.momentary.as_ref().map_or(0, |(count, _)| *count);
        if holidays.events > momentary && holidays.spans.all().is_empty() {
            self.problems
                .warning(
                    item.place,
                    "the events of this calendar have been over for more than a year",
                )
                .hint("get a new one");
        }
        if let Some((count, first)) = &holidays.momentary {
            let message = match count {
                1 => "this event lasts no time: it freezes nothing".to_owned(),
                more => format!(
                    "this event and {} more last no time: they freeze nothing",
                    more - 1
                ),
            };
            self.problems
                .warning(within(file, first), message)
                .hint("give it DTEND, or make it a day: DTSTART;VALUE=DATE:20271224")
                .related(item.place, "the calendar is named here");
        }
    }

    /// Names that must be entries of a table.
    fn named(&mut self, fields: &Fields<'a>, key: &str, table: &'static str) -> Vec<Name> {
        let Some(item) = fields.get(key) else {
            return Vec::new();
        };
        let lines = self.lines(item);
        if lines.is_empty() && item.value.as_array().is_some_and(|array| array.is_empty()) {
            self.problems
                .error(item.place, format!("`{key}` names nothing"))
                .hint(format!("leave `{key}` out to mean all of them"));
        }
        lines
            .into_iter()
            .filter_map(|(_, item)| self.existing(item, table))
            .collect()
    }
}

/// Whether a form other than `from` with `until` was written.
fn others(fields: &Fields<'_>) -> bool {
    let others = FORMS.iter().filter(|(form, _)| *form != "from");
    let extras = &["duration", "offset", "valid_from", "valid_until"];
    let mut keys = others.flat_map(|(_, keys)| *keys).chain(extras);
    keys.any(|key| fields.has(key))
}

fn within(file: u32, range: &std::ops::Range<usize>) -> Place {
    let at = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    Place {
        file,
        start: at(range.start),
        end: at(range.end),
    }
}
