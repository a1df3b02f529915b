//! Where a step finds room in its occurrence.

use jiff::{SignedDuration, Timestamp};

use crate::core::calendar::Occurrence;
use crate::core::policy::{MaintenanceJob, Name};
use crate::core::state::{MaintenanceState, learned};

/// What bounds a step in its occurrence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sight {
    /// The end of the occurrence as the job sees it.
    pub closes: Timestamp,
    pub cutoff: SignedDuration,
    /// Kept free at the end for the leave hooks.
    pub reserve: SignedDuration,
    /// Kept free before that: SIGTERM comes this much earlier.
    pub grace: SignedDuration,
}

/// Whether a step that starts at `start` is over before the reserve, and starts before the cutoff and before it would
/// have to be ended.
pub fn fits(start: Timestamp, estimate: SignedDuration, sight: Sight) -> bool {
    let ends = start.saturating_add(estimate);
    let room = sight.closes.saturating_sub(sight.reserve);
    let last_start = sight.closes.saturating_sub(sight.cutoff);
    let ended = room.and_then(|room| room.saturating_sub(sight.grace));
    let room = sight.closes.saturating_sub(sight.reserve);
    matches!((ends, room), (Ok(ends), Ok(room)) if ends <= room)
        && matches!(last_start, Ok(last) if start <= last)
        && ended.is_ok_and(|ended| start < ended)
}

/// Where an estimate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Given,
    /// The 95th percentile of so many runs, never under the last.
    Learned {
        runs: usize,
    },
    /// Nothing is known: the whole timeout.
    Timeout,
    /// What people were told: it does not follow what is learned since.
    Announced,
}

impl Source {
    /// The word used in every interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Learned { .. } => "learned",
            Self::Timeout => "timeout",
            Self::Announced => "announced",
        }
    }
}

/// How long a step will take, and how that is known: as given, else as learned, else the whole timeout.
pub fn estimate_from(
    job: &MaintenanceJob,
    past: Option<&MaintenanceState>,
) -> (SignedDuration, Source) {
    if let Some(given) = job.estimate {
        return (given.min(job.timeout), Source::Given);
    }
    let samples = past.map_or(&[][..], |past| &past.samples);
    match learned(samples) {
        Some(learned) => {
            let runs = samples.len();
            (learned.min(job.timeout), Source::Learned { runs })
        }
        None => (job.timeout, Source::Timeout),
    }
}

/// How long a step will take.
pub fn estimate(job: &MaintenanceJob, past: Option<&MaintenanceState>) -> SignedDuration {
    estimate_from(job, past).0
}

/// Rounded up to a quarter of an hour, as people are told.
pub fn quarter(length: SignedDuration) -> SignedDuration {
    let quarters = length.as_millis().max(1).div_euclid(900_000)
        + i128::from(length.as_millis().max(1).rem_euclid(900_000) > 0);
    SignedDuration::from_secs(i64::try_from(quarters * 900).unwrap_or(i64::MAX))
}

/// The first start at or after `cursor` in one of the pieces, with the piece; bounded by cutoff, reserve and grace.
pub fn place(
    cursor: Timestamp,
    length: SignedDuration,
    pieces: &[Occurrence],
    (cutoff, reserve, grace): (SignedDuration, SignedDuration, SignedDuration),
) -> Option<(Timestamp, Occurrence)> {
    pieces.iter().find_map(|piece| {
        let start = cursor.max(piece.opens);
        let sight = Sight {
            closes: piece.closes,
            cutoff,
            reserve,
            grace,
        };
        fits(start, length, sight).then_some((start, *piece))
    })
}

/// The order of an app's due jobs: `after` first, then `priority`, then the oldest unserved due, then the file.
///
/// `jobs` are in the order of the file; the answer holds their indices. `after` is free of circles (checked).
pub fn order(jobs: &[(&MaintenanceJob, Timestamp)]) -> Vec<usize> {
    // A job stands there once for each host: all of them come first.
    let present = |name: &Name| {
        let name = name.clone();
        let places = jobs.iter().enumerate();
        places.filter_map(move |(i, (job, _))| (job.name == name).then_some(i))
    };
    let mut waits: Vec<Vec<usize>> = jobs
        .iter()
        .map(|(job, _)| job.after.iter().flat_map(present).collect())
        .collect();
    let mut left: Vec<usize> = (0..jobs.len()).collect();
    left.sort_by_key(|&i| (std::cmp::Reverse(jobs[i].0.priority), jobs[i].1, i));
    if waits.iter().all(Vec::is_empty) {
        return left;
    }
    let mut ordered = Vec::with_capacity(jobs.len());
    while !left.is_empty() {
        let next = left.iter().position(|&i| waits[i].is_empty()).unwrap_or(0);
        let chosen = left.remove(next);
        waits.iter_mut().for_each(|w| w.retain(|&i| i != chosen));
        ordered.push(chosen);
    }
    ordered
}
