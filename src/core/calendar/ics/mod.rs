//! Calendars of holidays (iCalendar, RFC 5545): from text to the spans of their events.
//!
//! All events count, also those marked as transparent (`TRANSP`): calendars of public holidays mark them so, for they
//! are in nobody's way. Cancelled ones are left out. An event ends like a window does: `DTEND` by the wall clock,
//! `DURATION` by elapsed time after its days. Rules follow RFC 5545, so 29 February comes in leap years only.
//!
//! A calendar is written by others. Whatever it says, it is read or refused in bounded time.
mod components;
mod event;
mod expand;
mod line;
mod recur;
mod series;
mod value;
mod zones;

use std::ops::Range;

use jiff::Timestamp;

use super::spans::{Span, Spans};
use super::{Malformed, Zone};
use crate::text::is_harmful;
use event::Event;
use zones::Zones;

/// Bytes of the longest text that is read; who reads the file sees to it.
pub const LARGEST_CALENDAR: u64 = 1 << 20;
const MOST_EVENTS: usize = 10_000;
const MOST_SPANS: usize = 20_000;
/// Mistakes that are told of one file.
const MOST_MISTAKES: usize = 20;
/// Days and periods that are tried for all rules together: 10,000 yearly events need 250,000.
const MOST_DAYS: u32 = 400_000;

/// Names of components and zones: more of one says nothing.
const LONGEST_NAME: usize = 64;

/// A name of the calendar's, as people may see it.
fn shown(name: &str) -> String {
    let harmless = |c: char| if is_harmful(c) { '\u{fffd}' } else { c };
    name.chars().take(LONGEST_NAME).map(harmless).collect()
}

/// What a calendar says about a span of time.
#[derive(Clone, Debug)]
pub struct Holidays {
    pub spans: Spans,
    /// Events that count, whenever they are.
    pub events: usize,
    /// How many of them last no time at all, and the place of the first.
    pub momentary: Option<(usize, Range<usize>)>,
}

impl Holidays {
    /// Reads the events that touch `[from, until)`. Times without a zone, and days, are those of `zone`.
    ///
    /// # Errors
    /// What is wrong, each with its place in the text.
    pub fn read(
        text: &str,
        zone: &Zone,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Holidays, Vec<Malformed>> {
        let components = components::read(text)?;
        let zones = Zones::new(zone, components.zones);
        let mut mistakes = Vec::new();
        let mut events = Vec::new();
        for draft in &components.events {
            match Event::read(draft, &zones) {
                Ok(event) => events.push(event),
                Err(mistake) if mistakes.len() < MOST_MISTAKES => mistakes.push(mistake),
                Err(_) => break,
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let momentary: Vec<&Event> = events.iter().filter(|event| event.is_momentary()).collect();
        let momentary = momentary
            .first()
            .map(|first| (momentary.len(), first.place.clone()));
        let spans: Vec<Span> =
            series::spans(&events, zone, from, until).map_err(|wrong| vec![wrong])?;
        Ok(Holidays {
            spans: Spans::of(spans),
            events: events.iter().filter(|event| !event.cancelled).count(),
            momentary,
        })
    }
}

#[cfg(test)]
mod tests;
