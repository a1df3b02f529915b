//! What is wrong with windows themselves.

use jiff::SignedDuration;

use super::super::duration::format;
use super::super::reading::Reading;
use super::{Year, day};
use crate::core::calendar::{Rule, Window};
use crate::core::policy::Policy;

const MOST_DATES: usize = 3;

pub fn check(policy: &Policy, year: &Year, reading: &mut Reading<'_>) {
    for window in policy.windows.values() {
        cutoff(window, year, reading);
        emptied(window, year, reading);
        if window
            .rules
            .iter()
            .all(|rule| matches!(rule, Rule::Once { .. }))
        {
            passed(window, policy, year, reading);
        } else if year.windows.contains_key(&window.name)
            && year.occurrences(&window.name).is_empty()
        {
            let place = reading.document.place("window", &window.name, "");
            reading.problems.warning(
                place,
                format!("`window.{}` does not open within a year", window.name),
            );
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

/// A window of fixed dates of which none can be announced in time any more.
fn passed(window: &Window, policy: &Policy, year: &Year, reading: &mut Reading<'_>) {
    let last = window.rules.iter().filter_map(|rule| match rule {
        Rule::Once { from, until } => Some((*from, *until)),
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
            "the deadline for notices of `window.{}` has passed: {} before it opens",
            window.name,
            format(lead)
        );
        reading
            .problems
            .warning(place, message)
            .hint("only work that was announced before, or an emergency override, can run in it");
    }
}
