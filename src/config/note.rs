//! What is worth knowing about the time ahead, and no problem: nights that clock changes make longer or shorter.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::problem::{Problem, Severity};
use crate::core::calendar::{Unusual, Window, Zone};
use crate::core::policy::Name;
use crate::core::report;

/// One window's nights of clock change, told at the window. Looks like a problem to programs, with more keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    #[serde(flatten)]
    pub place: Problem,
    pub window: Name,
    pub clock_changes: Vec<ClockChange>,
}

/// One occurrence that a clock change makes unlike the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockChange {
    /// The day on which it opens, as the window's clock has it.
    pub date: Date,
    /// `None`, like `closes`, where the change leaves nothing of it.
    pub opens: Option<Timestamp>,
    pub closes: Option<Timestamp>,
    pub length_s: i64,
    pub usual_s: i64,
    /// How much later it closes by the clock, where it is as long as usual.
    pub closes_later_s: i64,
    /// The same for people: `6 h instead of 7 h`.
    pub text: String,
}

impl ClockChange {
    fn of(zone: &Zone, unusual: &Unusual) -> Self {
        Self {
            date: unusual.day,
            opens: unusual.occurrence.map(|o| o.opens),
            closes: unusual.occurrence.map(|o| o.closes),
            length_s: unusual.length().as_secs(),
            usual_s: unusual.usual.as_secs(),
            closes_later_s: unusual.later.as_secs(),
            text: report::unusual(zone, unusual),
        }
    }
}

impl Note {
    /// `None` where no clock changes in the span, or none that matters.
    pub(super) fn of(
        window: &Window,
        from: Timestamp,
        until: Timestamp,
        place: impl FnOnce(String) -> Problem,
    ) -> Option<Self> {
        let unusual = window.unusual(from, until);
        if unusual.is_empty() {
            return None;
        }
        let clock_changes: Vec<ClockChange> = unusual
            .iter()
            .map(|unusual| ClockChange::of(&window.zone, unusual))
            .collect();
        let nights: Vec<String> = unusual
            .iter()
            .zip(&clock_changes)
            .map(|(unusual, change)| format!("{} {}", unusual.day.strftime("%a %F"), change.text))
            .collect();
        let count = report::counted(unusual.len(), "occurrence", "occurrences");
        let message = format!(
            "`window.{}`: clocks change in {count} of the next two years: {}",
            window.name,
            nights.join(", ")
        );
        let mut place = place(message);
        place.severity = Severity::Note;
        Some(Self {
            place,
            window: window.name.clone(),
            clock_changes,
        })
    }
}
