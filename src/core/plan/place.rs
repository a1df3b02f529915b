//! Where a step finds room in its occurrence.

use std::collections::{BinaryHeap, HashMap};

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

/// When the steps of a session follow each other: as their jobs roll over their hosts.
pub struct Row {
    /// When nothing that was placed runs any more.
    ends: Timestamp,
    job: Option<Name>,
    /// Steps of this job that were placed.
    placed: usize,
    /// Until when each of those that run at once does.
    at_once: Vec<Timestamp>,
}

impl Row {
    pub fn new(starts: Timestamp) -> Self {
        Self {
            ends: starts,
            job: None,
            placed: 0,
            at_once: Vec::new(),
        }
    }

    /// The earliest start of a step of this job, which goes over so many hosts.
    pub fn next(&mut self, job: &MaintenanceJob, hosts: usize) -> Timestamp {
        if self.job.as_ref() != Some(&job.name) {
            self.job = Some(job.name.clone());
            (self.placed, self.at_once) = (0, vec![self.ends]);
        }
        let rolling = &job.rolling;
        let pause = match self.placed {
            0 => SignedDuration::ZERO,
            placed if placed == rolling.canary => rolling.wait.max(rolling.pause),
            _ => rolling.pause,
        };
        let after = |at: Timestamp| at.saturating_add(pause).unwrap_or(at);
        if self.placed <= rolling.canary {
            // The first have shown that it works, or are still to.
            let width = match self.placed < rolling.canary {
                true => 1,
                false => rolling.parallel.of(hosts).clamp(1, hosts.max(1)),
            };
            let start = after(self.ends);
            self.at_once = vec![start; width];
            return start;
        }
        let free = self.at_once.iter().copied().min().unwrap_or(self.ends);
        // Those that begin with the first wait for nothing.
        match self.placed < rolling.canary + self.at_once.len() {
            true => free,
            false => after(free),
        }
    }

    /// The step that was asked for last takes its place.
    pub fn take(&mut self, ends: Timestamp) {
        self.placed += 1;
        self.ends = self.ends.max(ends);
        if let Some(first) = self.at_once.iter_mut().min() {
            *first = ends;
        }
    }
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
/// `jobs` are in the order of the file, a job once for each host; the answer holds their indices. `after` is free of
/// circles (checked): what stands in one all the same comes last.
pub fn order(jobs: &[(&MaintenanceJob, Timestamp)]) -> Vec<usize> {
    let key = |i: usize| (std::cmp::Reverse(jobs[i].0.priority), jobs[i].1, i);
    let mut all: Vec<usize> = (0..jobs.len()).collect();
    if jobs.iter().all(|(job, _)| job.after.is_empty()) {
        all.sort_by_key(|&i| key(i));
        return all;
    }
    // By job, not by host: thousands of hosts of one job may wait for thousands of another.
    let mut steps: HashMap<&Name, Vec<usize>> = HashMap::new();
    for (i, (job, _)) in jobs.iter().enumerate() {
        steps.entry(&job.name).or_default().push(i);
    }
    let mut waits: HashMap<&Name, usize> = HashMap::new();
    let mut followers: HashMap<&Name, Vec<&Name>> = HashMap::new();
    for places in steps.values() {
        let job = jobs[places[0]].0;
        for earlier in job.after.iter().filter(|name| steps.contains_key(name)) {
            *waits.entry(&job.name).or_default() += 1;
            followers.entry(earlier).or_default().push(&job.name);
        }
    }
    let mut left: HashMap<&Name, usize> = steps.iter().map(|(job, s)| (*job, s.len())).collect();
    let mut ready: BinaryHeap<_> = steps
        .iter()
        .filter(|(job, _)| !waits.contains_key(*job))
        .flat_map(|(_, places)| places)
        .map(|&i| std::cmp::Reverse(key(i)))
        .collect();
    let mut ordered = Vec::with_capacity(jobs.len());
    while let Some(std::cmp::Reverse((_, _, chosen))) = ready.pop() {
        ordered.push(chosen);
        let name = &jobs[chosen].0.name;
        let Some(count) = left.get_mut(name) else {
            continue;
        };
        *count -= 1;
        if *count > 0 {
            continue;
        }
        for follower in followers.get(name).into_iter().flatten() {
            let Some(open) = waits.get_mut(*follower) else {
                continue;
            };
            *open -= 1;
            if *open == 0 {
                let places = steps.get(*follower).into_iter().flatten();
                ready.extend(places.map(|&i| std::cmp::Reverse(key(i))));
            }
        }
    }
    if ordered.len() < jobs.len() {
        let known: std::collections::HashSet<usize> = ordered.iter().copied().collect();
        all.retain(|i| !known.contains(i));
        all.sort_by_key(|&i| key(i));
        ordered.extend(all);
    }
    ordered
}
