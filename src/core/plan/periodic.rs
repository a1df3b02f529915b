//! When the periodic jobs are due.

use std::iter::Peekable;

use jiff::{SignedDuration, Timestamp};

use super::PlannedRun;
use crate::core::calendar::Occurrence;
use crate::core::policy::{LOCAL, Outside, PeriodicJob, Policy};
use crate::core::state::State;

/// The most periodic runs that a plan lists.
pub const PERIODIC_CAP: usize = 100_000;
/// Due instants outside its window that are looked past.
const SKIPPED: usize = 10_000;

/// How far this job's starts are moved: a fixed part of its jitter, different for each job.
pub fn jitter_offset(installation: &str, job: &PeriodicJob) -> SignedDuration {
    let millis = u64::try_from(job.jitter.as_millis()).unwrap_or(0);
    if millis == 0 {
        return SignedDuration::ZERO;
    }
    // FNV-1a: any even spread that stays the same from start to start will do.
    let bytes = installation.bytes().chain([0]).chain(job.name.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
    });
    SignedDuration::from_millis(i64::try_from(hash % millis).unwrap_or(0))
}

pub fn runs(
    policy: &Policy,
    state: &State,
    now: Timestamp,
    until: Timestamp,
) -> (Vec<PlannedRun>, bool) {
    let mut runs = Vec::new();
    let local = crate::core::policy::Name::from(LOCAL);
    let mut cut = false;
    // Once the list is full nothing after its end gets into it: the jobs that follow are not looked at beyond that.
    let mut horizon = until;
    for job in policy.periodic.values() {
        let past = state.periodic.get(&job.name);
        let accounted = past.map_or(now, |past| past.accounted.max(now));
        let ahead = past.and_then(|past| past.served_ahead);
        // One that waits for a window that is not there, or does not open in this span, does not run.
        let mut gate = match &job.window {
            None => None,
            Some((window, outside)) => {
                let Some(window) = policy.windows.get(window) else {
                    continue;
                };
                let ahead = window.occurrences(accounted, until).peekable();
                let outside = *outside;
                Some(Gate { ahead, outside })
            }
        };
        // Each job gets its share of the list, the earliest first.
        let mut listed = 0;
        for due in job.schedule.instants(&job.zone, accounted) {
            if due >= horizon {
                break;
            }
            if ahead.is_some_and(|(after, to)| due > after && due <= to) {
                continue;
            }
            let served = match &mut gate {
                None => Some(due),
                Some(gate) => gate.served(due),
            };
            let Some(at) = served else {
                continue;
            };
            if at >= horizon {
                break;
            }
            if listed >= PERIODIC_CAP {
                cut = true;
                break;
            }
            let doubled = runs
                .last()
                .is_some_and(|r: &PlannedRun| listed > 0 && r.at == at);
            if !doubled {
                runs.push(PlannedRun {
                    job: job.name.clone(),
                    host: local.clone(),
                    at,
                });
                listed += 1;
            }
        }
        // Bounded while it grows: what is cut is the far end.
        if runs.len() > 2 * PERIODIC_CAP {
            runs.sort_by_key(|run| run.at);
            runs.truncate(PERIODIC_CAP);
            horizon = runs.last().map_or(horizon, |last| last.at);
            cut = true;
        }
    }
    runs.sort_by_key(|run| run.at);
    if runs.len() > PERIODIC_CAP {
        runs.truncate(PERIODIC_CAP);
        cut = true;
    }
    (runs, cut)
}

/// When a job is served next, before `until`; what is due already is served as soon as it may.
pub fn next_run(
    policy: &Policy,
    state: &State,
    job: &PeriodicJob,
    now: Timestamp,
    until: Timestamp,
) -> Option<Timestamp> {
    let past = state.periodic.get(&job.name);
    let retry = past.and_then(|past| past.active.as_ref()?.retry_at);
    if retry.is_some() {
        return retry.map(|at| at.max(now));
    }
    let pending = past
        .and_then(|past| past.pending)
        .map(|pending| pending.due);
    let mut due = pending.or_else(|| match past {
        Some(past) => past.next_due(job),
        None => job.schedule.next_after(&job.zone, now),
    })?;
    // What its window skips is not served: bounded, because a window may open seldom.
    for _ in 0..SKIPPED {
        if let Some(at) = served(policy, job, due.max(now)) {
            // What waits already has been moved by its jitter.
            let moved = if due > now {
                jitter_offset(&policy.name, job)
            } else {
                SignedDuration::ZERO
            };
            return at.saturating_add(moved).ok().filter(|at| *at < until);
        }
        due = job.schedule.next_after(&job.zone, due)?;
    }
    None
}

/// When a due instant is served, as far as its window decides; none where it is skipped.
fn served(policy: &Policy, job: &PeriodicJob, due: Timestamp) -> Option<Timestamp> {
    let Some((window, outside)) = &job.window else {
        return Some(due);
    };
    let window = policy.windows.get(window)?;
    match window.open_at(due) {
        Some(_) => Some(due),
        None if *outside == Outside::Defer => window.next_opening(due).map(|o| o.opens),
        None => None,
    }
}

/// The window of a job, asked for one due instant after the other: looking each of them up would take long where a job
/// is due every second.
struct Gate<I: Iterator<Item = Occurrence>> {
    ahead: Peekable<I>,
    outside: Outside,
}

impl<I: Iterator<Item = Occurrence>> Gate<I> {
    /// When a due instant is served, as far as its window decides; none where it is skipped. Never asks back.
    fn served(&mut self, due: Timestamp) -> Option<Timestamp> {
        while self.ahead.next_if(|open| open.closes <= due).is_some() {}
        let open = self.ahead.peek()?;
        match self.outside {
            _ if open.opens <= due => Some(due),
            Outside::Defer => Some(open.opens),
            Outside::Skip => None,
        }
    }
}
