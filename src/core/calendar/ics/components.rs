//! The components of a calendar: events, as the lines that say when they are, and what is told about zones.
use std::collections::HashMap;
use std::ops::Range;

use super::super::Malformed;
use super::line::{Line, lines};
use super::{LONGEST_NAME, MOST_EVENTS, MOST_MISTAKES, shown};

/// Events hold alarms, and nothing nests much deeper.
const DEEPEST: usize = 16;

/// The lines of one event that say when it is.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    pub(super) begins: Line<'t>,
    pub(super) lines: Vec<Line<'t>>,
}

/// What is read of an event; the rest of its lines is for people.
const OF_EVENTS: [&str; 11] = [
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "EXRULE",
    "RDATE",
    "EXDATE",
    "RECURRENCE-ID",
    "UID",
    "SEQUENCE",
    "STATUS",
];

/// All of a file.
#[derive(Debug, Default)]
pub(super) struct Components<'t> {
    pub(super) events: Vec<Draft<'t>>,
    /// What zones are called here, and what they are called in general.
    pub(super) zones: HashMap<String, String>,
}

/// Splits a text into its components.
pub(super) fn read(text: &str) -> Result<Components<'_>, Vec<Malformed>> {
    let mut open = Open::default();
    let mut mistakes = Vec::new();
    for line in lines(text) {
        let taken = match line {
            Ok(line) => open.take(line),
            // A page of a web server that was saved under the name of a calendar is no list of mistakes.
            Err(_) if !open.begun => Err(Trouble::Grave(no_calendar(0..0))),
            Err(mistake) => Err(Trouble::Slight(mistake)),
        };
        match taken {
            Ok(()) => {}
            Err(Trouble::Slight(mistake)) => mistakes.push(mistake),
            Err(Trouble::Grave(mistake)) => {
                mistakes.push(mistake);
                return Err(mistakes);
            }
        }
        if mistakes.len() >= MOST_MISTAKES {
            return Err(mistakes);
        }
    }
    if let Some((name, place)) = open.stack.pop() {
        let message = format!("{} is not ended: the calendar is cut off", shown(&name));
        mistakes.push(Malformed::new(place, message, "get the file again"));
    } else if !open.begun {
        mistakes.push(no_calendar(0..0));
    }
    if mistakes.is_empty() {
        Ok(open.found)
    } else {
        Err(mistakes)
    }
}

fn no_calendar(place: Range<usize>) -> Malformed {
    Malformed::new(
        place,
        "this is no calendar: it does not begin with BEGIN:VCALENDAR",
        "an iCalendar file (.ics) is needed, not a page that links to one",
    )
}

enum Trouble {
    /// What follows can still be read.
    Slight(Malformed),
    Grave(Malformed),
}

/// The components that are open at a line.
#[derive(Default)]
struct Open<'t> {
    stack: Vec<(String, Range<usize>)>,
    begun: bool,
    found: Components<'t>,
    /// Of the zone that is open.
    zone: (Option<String>, Option<String>),
}

impl<'t> Open<'t> {
    fn take(&mut self, line: Line<'t>) -> Result<(), Trouble> {
        if line.is("BEGIN") {
            return self.begin(line);
        }
        if line.is("END") {
            return self.end(&line);
        }
        let depth = self.stack.len();
        match self.stack.last().map(|(name, _)| name.as_str()) {
            None if !self.begun => Err(Trouble::Grave(no_calendar(line.range()))),
            None => Err(Trouble::Grave(
                line.wrong("this stands behind the end of the calendar", ""),
            )),
            Some("VEVENT") if depth == 2 => {
                if let Some(event) = self.found.events.last_mut()
                    && OF_EVENTS.iter().any(|name| line.is(name))
                {
                    event.lines.push(line);
                }
                Ok(())
            }
            Some("VTIMEZONE") if depth == 2 => {
                let value = Some(line.value().trim().to_owned());
                if line.is("TZID") {
                    self.zone.0 = value;
                } else if line.is("X-LIC-LOCATION") {
                    self.zone.1 = value;
                }
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    fn begin(&mut self, line: Line<'t>) -> Result<(), Trouble> {
        let name = name(&line);
        if self.stack.is_empty() && name != "VCALENDAR" {
            return Err(Trouble::Grave(no_calendar(line.range())));
        }
        if self.stack.len() >= DEEPEST {
            let message = "components are nested too deeply";
            return Err(Trouble::Grave(line.wrong(message, "")));
        }
        self.begun = true;
        self.stack.push((name.clone(), line.range()));
        if self.stack.len() == 2 {
            self.zone = (None, None);
            if name == "VEVENT" {
                if self.found.events.len() >= MOST_EVENTS {
                    let message = format!("more than {MOST_EVENTS} events");
                    return Err(Trouble::Grave(line.wrong(message, "")));
                }
                self.found.events.push(Draft {
                    begins: line,
                    lines: Vec::new(),
                });
            }
        }
        Ok(())
    }

    fn end(&mut self, line: &Line<'t>) -> Result<(), Trouble> {
        let name = name(line);
        match self.stack.pop() {
            Some((open, _)) if open == name => {}
            Some((open, _)) => {
                let message = format!("END:{} stands where {} is open", shown(&name), shown(&open));
                return Err(Trouble::Grave(line.wrong(message, "")));
            }
            None if !self.begun => return Err(Trouble::Grave(no_calendar(line.range()))),
            None => {
                let message = format!("END:{} ends nothing", shown(&name));
                return Err(Trouble::Grave(line.wrong(message, "")));
            }
        }
        if self.stack.len() == 1
            && let (Some(id), Some(location)) = std::mem::take(&mut self.zone)
        {
            self.found.zones.insert(id, location);
        }
        Ok(())
    }
}

/// The name of the component that a line begins or ends.
fn name(line: &Line<'_>) -> String {
    let value = line.value().trim();
    let short: String = value.chars().take(LONGEST_NAME).collect();
    short.to_ascii_uppercase()
}
