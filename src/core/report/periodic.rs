//! The periodic jobs in sum, and one by one where something is the matter.
use jiff::Timestamp;
use serde::Serialize;

use crate::core::policy::{Name, Policy};
use crate::core::run::Outcome;
use crate::core::state::State;

/// No more jobs than this are listed one by one.
const LISTED: usize = 50;

/// All periodic jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Periodic {
    pub jobs: usize,
    pub running: usize,
    /// Jobs whose last end was a good one.
    pub succeeded: usize,
    /// Jobs whose last end was a bad one.
    pub failed: usize,
    /// Jobs that have not ended yet.
    pub never: usize,
    /// The failed ones, those that failed longest first; at most fifty.
    pub failing: Vec<Failing>,
    /// Due instants that wait for something other than the clock; at most fifty.
    pub waiting: Vec<Waits>,
    /// The latest end of any.
    pub last: Option<Last>,
}

/// A job whose last run went badly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    pub job: Name,
    pub outcome: Outcome,
    pub ended: Timestamp,
    /// Bad ends since the last success.
    pub failures: u32,
    pub last_success: Option<Timestamp>,
}

/// A due instant that was put off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waits {
    pub job: Name,
    pub due: Timestamp,
    pub reason: &'static str,
}

/// How the job that ended last ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Last {
    pub job: Name,
    pub outcome: Outcome,
    pub ended: Timestamp,
}

pub(super) fn periodic(policy: &Policy, state: &State) -> Periodic {
    let mut sum = Periodic {
        jobs: policy.periodic.len(),
        ..Periodic::default()
    };
    sum.running = state.periodic_running();
    for job in policy.periodic.keys() {
        let Some(past) = state.periodic.get(job) else {
            sum.never += 1;
            continue;
        };
        if let Some(pending) = &past.pending
            && sum.waiting.len() < LISTED
        {
            let reason = pending.reason.word();
            sum.waiting.push(Waits {
                job: job.clone(),
                due: pending.due,
                reason,
            });
        }
        let Some((outcome, ended)) = past.last else {
            sum.never += 1;
            continue;
        };
        if sum.last.as_ref().is_none_or(|last| last.ended < ended) {
            sum.last = Some(Last {
                job: job.clone(),
                outcome,
                ended,
            });
        }
        if outcome.is_bad() {
            sum.failed += 1;
            sum.failing.push(Failing {
                job: job.clone(),
                outcome,
                ended,
                failures: past.failures,
                last_success: past.last_success,
            });
        } else {
            sum.succeeded += 1;
        }
    }
    sum.failing.sort_by_key(|f| (f.last_success, f.ended));
    sum.failing.truncate(LISTED);
    sum
}
