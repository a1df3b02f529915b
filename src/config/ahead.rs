//! What a year of the calendar shows: jobs that never fit, windows that never close, work that nobody is told of.

mod destinations;
mod freezes;
mod hosts;
mod jobs;
mod windows;

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::Purpose;
use super::duration;
use super::reading::Reading;
use crate::core::calendar::{LONGEST, Occurrence, Spans, Window};
use crate::core::policy::{MaintenanceJob, Name, Policy};

const YEAR: SignedDuration = SignedDuration::from_hours(24 * 366);
/// Enough for an hourly window; one that opens more often is looked at for less than a year.
const MOST_OCCURRENCES: usize = 10_000;
/// Of all windows together.
const MOST_IN_ALL: usize = 2_000_000;
/// Whether it ever closes is looked for in more of them: a year of one that opens every five minutes.
const MOST_LOOKED_AT: usize = 110_000;
/// Of all windows together.
const MOST_LOOKED_AT_IN_ALL: usize = 5_000_000;

/// Tells what the policy leads to. Everything is told at the place where it can be mended.
pub fn check(policy: &Policy, reading: &mut Reading<'_>) {
    // What stands in a file that could not be read may be all that is missing.
    if !reading.document.complete {
        return;
    }
    let year = Year::of(policy, reading);
    jobs::nobody_is_told(policy, reading);
    if reading.purpose == Purpose::Read {
        return;
    }
    windows::check(policy, &year, reading);
    freezes::check(policy, &year, reading);
    hosts::check(policy, &year, reading);
    destinations::check(policy, reading);
    jobs::check(policy, year, reading);
}

/// The occurrences of the windows in the year ahead, without freezes.
struct Year {
    now: Timestamp,
    until: Timestamp,
    windows: HashMap<Name, Vec<Occurrence>>,
    /// The spans of each freeze in the year ahead.
    frozen: Vec<Spans>,
    /// Those of all maintenance jobs and of their hosts.
    labels: BTreeSet<Name>,
    /// By window and the freezes that apply.
    visible: HashMap<(Name, Vec<usize>), Option<Occurrence>>,
}

impl Year {
    /// Leaves out, and tells of, windows that never close.
    fn of<'a>(policy: &'a Policy, reading: &mut Reading<'_>) -> Self {
        let now = reading.now;
        let until = now.saturating_add(YEAR).unwrap_or(Timestamp::MAX);
        let mut windows = HashMap::new();
        let jobs = policy.maintenance.values();
        let mut left = MOST_IN_ALL;
        let mut looks = MOST_LOOKED_AT_IN_ALL;
        for window in policy.windows.values() {
            let most = MOST_LOOKED_AT.min(looks);
            let looked_at = window.occurrences(now, until).take(most);
            let endless = looked_at
                .inspect(|_| looks -= 1)
                .find(|occurrence| occurrence.length() > LONGEST);
            if let Some(endless) = endless {
                let place = reading.document.place("window", &window.name, "");
                let from = day(window, endless.opens);
                reading
                    .problems
                    .error(place, format!("`window.{}` never closes: from {from} it is open for more than seven days", window.name))
                    .hint("occurrences that overlap or touch are one: leave time between them");
            } else if reading.purpose != Purpose::Read && left > 0 {
                let most = MOST_OCCURRENCES.min(left);
                let occurrences: Vec<_> = window.occurrences(now, until).take(most).collect();
                left -= occurrences.len();
                windows.insert(window.name.clone(), occurrences);
            }
        }
        let frozen = match reading.purpose {
            Purpose::Read => Vec::new(),
            _ => policy
                .freezes
                .iter()
                .map(|freeze| Spans::of(freeze.spans(now, until).into_owned()))
                .collect(),
        };
        let labels = |job: &'a MaintenanceJob| job.labels.iter().chain(&job.host_labels);
        Self {
            now,
            until,
            windows,
            frozen,
            labels: jobs.flat_map(labels).cloned().collect(),
            visible: HashMap::new(),
        }
    }

    fn occurrences(&self, window: &str) -> &[Occurrence] {
        self.windows
            .get(window)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    fn longest(&self, window: &str) -> Option<Occurrence> {
        longest(self.occurrences(window).iter().copied())
    }

    fn shortest(&self, window: &str) -> Option<Occurrence> {
        self.occurrences(window)
            .iter()
            .min_by_key(|occurrence| occurrence.length())
            .copied()
    }

    /// The longest occurrence that the job sees.
    fn longest_visible(&mut self, policy: &Policy, job: &MaintenanceJob) -> Option<Occurrence> {
        let window = &job.window;
        let applies = |at: &usize| {
            let frozen = !self.frozen[*at].all().is_empty();
            frozen && policy.freezes[*at].applies(&job.work())
        };
        let freezes: Vec<usize> = (0..policy.freezes.len()).filter(applies).collect();
        if freezes.is_empty() {
            return self.longest(window);
        }
        let key = (window.clone(), freezes);
        if let Some(known) = self.visible.get(&key) {
            return *known;
        }
        let spans = key.1.iter().flat_map(|&at| self.frozen[at].all());
        let spans = Spans::of(spans.copied().collect());
        let longest = longest(spans.leave(self.occurrences(window)));
        self.visible.insert(key, longest);
        longest
    }
}

/// The first of the longest.
fn longest(all: impl Iterator<Item = Occurrence>) -> Option<Occurrence> {
    all.reduce(|longest, other| match other.length() > longest.length() {
        true => other,
        false => longest,
    })
}

/// How long an occurrence is, and when.
fn dated(window: &Window, occurrence: &Occurrence) -> String {
    let length = duration::format(occurrence.length());
    format!("{length} (on {})", day(window, occurrence.opens))
}

/// A day as the window's people would say it.
fn day(window: &Window, at: Timestamp) -> String {
    window.zone.date(at).to_string()
}
