//! When the periodic jobs are due.

use std::iter::Peekable;

use jiff::{SignedDuration, Timestamp};

use super::PlannedRun;
use crate::core::calendar::Occurrence;
use crate::core::policy::{Outside, PeriodicJob, Policy};
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
    let mut cut = false;
    // Once the list is full nothing after its end gets into it: the jobs that follow are not looked at beyond that.
    let mut horizon = until;
    for job in policy.periodic.values() {
        let past = state.periodic.get(&job.name);
        let accounted = past.map_or(now, |past| past.accounted.max(now));
        let ahead = past.and_then(|past| past.served_ahead);
        // One that waits for a window that is not there, or does not open in this span, does not run.
        let Some(mut gate) = Gate::of(policy, job, accounted, until) else {
            continue;
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
            let Some(at) = gate.served(due) else {
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
                    host: job.host.clone(),
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
    let mut gate = Gate::of(policy, job, due.max(now), until)?;
    // What its window skips is not served: bounded, because a window may open seldom.
    for _ in 0..SKIPPED {
        if due >= until {
            return None;
        }
        if let Some(at) = gate.served(due.max(now)) {
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

/// The window of a job, asked for one due instant after the other: looking each of them up would take long where a job
/// is due every second.
struct Gate<'a> {
    /// None: it needs no window.
    window: Option<(Ahead<'a>, Outside)>,
}

type Ahead<'a> = Peekable<Box<dyn Iterator<Item = Occurrence> + 'a>>;

impl<'a> Gate<'a> {
    /// None where the window is not there.
    fn of(
        policy: &'a Policy,
        job: &PeriodicJob,
        from: Timestamp,
        until: Timestamp,
    ) -> Option<Self> {
        let Some((window, outside)) = &job.window else {
            return Some(Self { window: None });
        };
        let ahead = policy.windows.get(window)?.occurrences(from, until);
        let ahead: Box<dyn Iterator<Item = Occurrence>> = Box::new(ahead);
        Some(Self {
            window: Some((ahead.peekable(), *outside)),
        })
    }

    /// When a due instant is served, as far as the window decides; none where it is skipped. Never asks back.
    fn served(&mut self, due: Timestamp) -> Option<Timestamp> {
        let Some((ahead, outside)) = &mut self.window else {
            return Some(due);
        };
        while ahead.next_if(|open| open.closes <= due).is_some() {}
        let open = ahead.peek()?;
        match outside {
            _ if open.opens <= due => Some(due),
            Outside::Defer => Some(open.opens),
            Outside::Skip => None,
        }
    }
}
