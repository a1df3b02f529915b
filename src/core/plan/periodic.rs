//! When the periodic jobs are due.

use std::iter::Peekable;

use jiff::{SignedDuration, Timestamp};

use super::PlannedRun;
use crate::core::calendar::Occurrence;
use crate::core::policy::{LOCAL, Outside, PeriodicJob, Policy};
use crate::core::state::State;

/// The most periodic runs that a plan lists.
pub const PERIODIC_CAP: usize = 100_000;

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
    for job in policy.periodic.values() {
        let accounted = state
            .periodic
            .get(&job.name)
            .map_or(now, |past| past.accounted.max(now));
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
            if due >= until {
                break;
            }
            let served = match &mut gate {
                None => Some(due),
                Some(gate) => gate.served(due),
            };
            let Some(at) = served else {
                continue;
            };
            if at >= until {
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
        if runs.len() > 4 * PERIODIC_CAP {
            runs.sort_by_key(|run| run.at);
            runs.truncate(PERIODIC_CAP);
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
