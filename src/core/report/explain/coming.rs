//! When a maintenance job comes to its hosts next.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::core::plan::{PlannedSession, next_sessions};
use crate::core::policy::{Due, MaintenanceJob, Name, Policy};
use crate::core::session::StepState;
use crate::core::state::State;

/// For each host the first session that will do the job there, as far as it can be foreseen.
pub(super) struct Coming {
    sessions: Vec<PlannedSession>,
    /// The place of the session, and when the job starts in it.
    first: HashMap<Name, (usize, Timestamp)>,
}

impl Coming {
    pub fn to(
        policy: &Policy,
        state: &State,
        job: &MaintenanceJob,
        hosts: &[&Name],
        now: Timestamp,
    ) -> Self {
        let past = state.maintenance.get(&job.name);
        // What nobody asked for is not looked for years ahead.
        let expected = |host: &&Name| {
            let asked = || past.is_some_and(|past| past.request_for(host).is_some());
            !matches!(job.due, Due::Request) || asked()
        };
        let expected: Vec<&Name> = hosts.iter().copied().filter(expected).collect();
        let sessions = next_sessions(policy, state, &job.app, now, |sessions, until| {
            let first = first(state, job, sessions);
            expected.iter().all(|host| {
                // What was told for a time after that may be preceded by what was not planned yet.
                let near = |(at, _): &(usize, Timestamp)| sessions[*at].opens < until;
                first.get(*host).is_some_and(near)
            })
        });
        let first = first(state, job, &sessions);
        Self { sessions, first }
    }

    /// The session that will do it on this host; of one that it is running in, none.
    pub fn on(&self, host: &Name) -> Option<(&PlannedSession, Timestamp)> {
        let (at, starts) = self.first.get(host)?;
        Some((self.sessions.get(*at)?, *starts))
    }
}

fn first(
    state: &State,
    job: &MaintenanceJob,
    sessions: &[PlannedSession],
) -> HashMap<Name, (usize, Timestamp)> {
    let mut first = HashMap::new();
    for (at, session) in sessions.iter().enumerate() {
        // Of one that is under way, what is still to come.
        let still: Option<HashSet<&Name>> = state.sessions.get(&session.id).map(|recorded| {
            let over = |state: &StepState| {
                matches!(state, StepState::Done { .. } | StepState::Running { .. })
            };
            let steps = recorded.steps.iter().filter(|step| step.job == job.name);
            let open = steps.filter(|step| !over(&step.state));
            open.map(|step| &step.host).collect()
        });
        for step in session.steps.iter().filter(|step| step.job == job.name) {
            if still
                .as_ref()
                .is_none_or(|still| still.contains(&step.host))
            {
                first.entry(step.host.clone()).or_insert((at, step.starts));
            }
        }
    }
    first
}
