//! All that one answer can need, taken by the loop in one moment.
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::core::plan::Plan;
use crate::core::policy::{Name, Policy};
use crate::core::report::{Counters, Shell, Status, notice_states, status};
use crate::core::state::State;

/// Jobs beyond this have no series of their own.
const JOBS: usize = 10_000;

/// The state as the world may see it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) status: Status,
    pub(super) counters: Counters,
    /// The last success of each job, at most ten thousand.
    pub(super) successes: Vec<(Name, Timestamp)>,
    /// Notices by how far they are.
    pub(super) notices: BTreeMap<&'static str, usize>,
    /// Attempts that wait for a lock.
    pub(super) locked_out: usize,
    /// Jobs that found no place among them.
    pub(super) unlisted: usize,
    /// Whether what the last daemon left is settled.
    pub(super) recovered: bool,
}

impl Snapshot {
    /// Takes it. `recovered` says that what the last daemon left behind is settled.
    pub fn new(
        policy: &Policy,
        state: &State,
        plan: &Plan,
        shell: Shell,
        counters: Counters,
        recovered: bool,
        now: Timestamp,
    ) -> Self {
        let maintenance = policy.maintenance.keys().map(|job| {
            let hosts = state
                .maintenance
                .get(job)
                .into_iter()
                .flat_map(|past| past.hosts.values());
            // A job on several hosts has succeeded when it has on the last of them.
            (job, hosts.map(|host| host.last_success).min().flatten())
        });
        let periodic = policy
            .periodic
            .keys()
            .map(|job| (job, state.periodic.get(job).and_then(|p| p.last_success)));
        let mut successes: Vec<(Name, Timestamp)> = maintenance
            .chain(periodic)
            .filter_map(|(job, success)| success.map(|at| (job.clone(), at)))
            .collect();
        let unlisted = successes.len().saturating_sub(JOBS);
        successes.truncate(JOBS);
        Self {
            status: status(policy, state, plan, now).with(policy, shell),
            counters,
            successes,
            notices: notice_states(state),
            locked_out: state
                .running
                .values()
                .filter(|running| running.waiting.is_some())
                .count(),
            unlisted,
            recovered,
        }
    }
}
