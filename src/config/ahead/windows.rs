//! What is wrong with windows themselves.

use jiff::{SignedDuration, Timestamp};

use super::super::Purpose;
use super::super::duration::format;
use super::super::note::Note;
use super::super::problem::Severity;
use super::super::reading::Reading;
use super::{Year, day};
use crate::core::calendar::{Pattern, Window};
use crate::core::policy::Policy;

/// Where a crontab expression has dates, and yet no instant.
pub const LEFT_OUT: &str = "its times fall into hours that clocks leave out, always";
const MOST_DATES: usize = 3;
/// Windows whose clock changes are noted.
const MOST_NOTES: usize = 1_000;
const NOTED: SignedDuration = SignedDuration::from_hours(24 * 731);

pub fn check(policy: &Policy, year: &Year, reading: &mut Reading<'_>) {
    for window in policy.windows.values() {
        cutoff(window, year, reading);
        emptied(window, year, reading);
        clock_changes(window, year, reading);
        if window
            .rules
            .iter()
            .all(|rule| matches!(rule.pattern, Pattern::Once { .. }))
        {
            passed(window, policy, year, reading);
        } else if year.windows.contains_key(&window.name)
            && year.occurrences(&window.name).is_empty()
        {
            not_soon(window, year, reading);
        }
    }
    if let Some(place) = reading.zone_missed.filter(|_| !reading.zone_written) {
        reading
            .problems
            .warning(place, "no time zone is given: this is UTC")
            .hint(r#"say so at the top of the file: time_zone = "UTC", or "Europe/Berlin""#);
    }
}

fn cutoff(window: &Window, year: &Year, reading: &mut Reading<'_>) {
    let Some(shortest) = year
        .shortest(&window.name)
        .filter(|shortest| window.cutoff >= shortest.length())
    else {
        return;
    };
    let message = format!(
        "the cutoff of {} is not shorter than the shortest occurrence, which is {} long on {}",
        format(window.cutoff),
        format(shortest.length()),
        day(window, shortest.opens)
    );
    let place = reading.document.place("window", &window.name, "cutoff");
    reading.by_circumstance(place, message);
}

fn emptied(window: &Window, year: &Year, reading: &mut Reading<'_>) {
    let dates = window.emptied(year.now, year.until);
    if dates.is_empty() {
        return;
    }
    let mut shown: Vec<String> = dates
        .iter()
        .take(MOST_DATES)
        .map(ToString::to_string)
        .collect();
    if dates.len() > MOST_DATES {
        shown.push(format!("{} more", dates.len() - MOST_DATES));
    }
    let message = format!(
        "a clock change leaves nothing of the occurrence of {}",
        shown.join(", ")
    );
    reading
        .problems
        .warning(reading.document.place("window", &window.name, ""), message)
        .hint("`duration` instead of `end` keeps its length");
}

fn clock_changes(window: &Window, year: &Year, reading: &mut Reading<'_>) {
    if reading.purpose != Purpose::Check || reading.notes.len() >= MOST_NOTES {
        return;
    }
    let until = year.now.saturating_add(NOTED).unwrap_or(Timestamp::MAX);
    let place = reading.document.place("window", &window.name, "");
    let located = |message| reading.problems.located(Severity::Note, place, message);
    let note = Note::of(window, year.now, until, located);
    reading.notes.extend(note);
}

fn not_soon(window: &Window, year: &Year, reading: &mut Reading<'_>) {
    let place = reading.document.place("window", &window.name, "");
    let (message, hint) = match window.next_opening(year.now) {
        Some(next) => (
            format!("`window.{}` does not open within a year", window.name),
            format!("it opens on {}", day(window, next.opens)),
        ),
        None => (
            format!(
                "`window.{}` does not open any more from {} on",
                window.name,
                day(window, year.now)
            ),
            match window.ends() {
                Some(ends) => format!("its last `valid_until` is {}", day(window, ends)),
                None => LEFT_OUT.to_owned(),
            },
        ),
    };
    reading.problems.warning(place, message).hint(hint);
}

/// A window of fixed dates of which none can be announced in time any more.
fn passed(window: &Window, policy: &Policy, year: &Year, reading: &mut Reading<'_>) {
    let last = window.rules.iter().filter_map(|rule| match rule.pattern {
        Pattern::Once { from, until } => Some((from, until)),
        _ => None,
    });
    let Some((opens, closes)) = last.max() else {
        return;
    };
    let jobs = policy
        .maintenance
        .values()
        .filter(|job| job.window == window.name);
    let lead = jobs
        .filter_map(|job| policy.apps.get(&job.app))
        .map(|app| app.lead)
        .min();
    let lead = lead.unwrap_or(SignedDuration::ZERO);
    let place = reading.document.place("window", &window.name, "");
    if closes <= year.now {
        let message = format!(
            "`window.{}` is over: it closed on {}",
            window.name,
            day(window, closes)
        );
        reading
            .problems
            .warning(place, message)
            .hint("remove it, or give it a new date");
    } else if opens
        .saturating_sub(lead)
        .is_ok_and(|deadline| deadline < year.now)
    {
        let message = format!(
            "the deadline for notices of `window.{}` has passed: {} before it opens on {}",
            window.name,
            format(lead),
            day(window, opens)
        );
        reading
            .problems
            .warning(place, message)
            .hint("only work that was announced before, or an emergency override, can run in it");
    }
}
