//! How far jobs are that go over several hosts.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::core::policy::{Name, Policy};
use crate::core::run::{Outcome, SessionId};
use crate::core::session::{Session, Step, StepState};
use crate::core::state::State;

/// No more than this.
const LISTED: usize = 100;
/// Hosts that failed, for people.
const NAMED: usize = 3;

/// One job of a session on its hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rollout {
    pub session: SessionId,
    pub job: Name,
    pub hosts: usize,
    /// Those that are done with, also where nothing was to be done, and what failed among them.
    pub done: usize,
    pub failed: usize,
    /// Those of the failed that are named: the first hundred.
    pub failed_hosts: Vec<Name>,
    /// Those that are left for another night, or for good.
    pub put_off: usize,
    /// Those that are worked on.
    pub running: usize,
    /// About when the last will be done, as long as all goes well.
    pub expected_end: Timestamp,
}

pub(super) fn rollouts(policy: &Policy, state: &State, now: Timestamp) -> Vec<Rollout> {
    let sessions = state.all_in_maintenance();
    let all = sessions.flat_map(|session| of_session(policy, session, now));
    all.take(LISTED).collect()
}

fn of_session(policy: &Policy, session: &Session, now: Timestamp) -> Vec<Rollout> {
    let mut seen = HashSet::new();
    let jobs = session.steps.iter().map(|step| &step.job);
    let jobs: Vec<&Name> = jobs.filter(|job| seen.insert(*job)).collect();
    let rollout = |job: &Name| {
        let steps: Vec<&Step> = session.steps.iter().filter(|s| s.job == *job).collect();
        if steps.len() < 2 {
            return None;
        }
        let outcome = |step: &&&Step| match step.state {
            StepState::Done { outcome, .. } => Some(outcome),
            _ => None,
        };
        let count = |which: &dyn Fn(Outcome) -> bool| {
            let done = steps.iter().filter_map(|step| outcome(&step));
            done.filter(|outcome| which(*outcome)).count()
        };
        let waiting = |step: &&&Step| step.state == StepState::Waiting;
        let left = steps.iter().filter(waiting).count();
        let off = |outcome| matches!(outcome, Outcome::Postponed | Outcome::Cancelled);
        let (all, put_off, failed) = (count(&|_| true), count(&off), count(&Outcome::is_bad));
        let bad = |step: &&&Step| outcome(step).is_some_and(Outcome::is_bad);
        let failed_hosts = steps.iter().filter(bad).take(LISTED);
        let running = steps.len() - all - left;
        let at_once = policy.maintenance.get(job).map_or(1, |job| {
            job.rolling
                .parallel
                .of(steps.len())
                .saturating_sub(failed)
                .max(1)
        });
        let rounds = left.div_ceil(at_once) + usize::from(running > 0);
        let each = steps.iter().map(|step| step.estimate).max();
        let each = each.unwrap_or(SignedDuration::ZERO);
        let rest = each.saturating_mul(i32::try_from(rounds).unwrap_or(i32::MAX));
        Some(Rollout {
            session: session.id.clone(),
            job: job.clone(),
            hosts: steps.len(),
            done: all - put_off,
            failed,
            failed_hosts: failed_hosts.map(|step| step.host.clone()).collect(),
            put_off,
            running,
            expected_end: now.saturating_add(rest).unwrap_or(now),
        })
    };
    jobs.into_iter().filter_map(rollout).collect()
}

impl Rollout {
    /// For people: `os-updates: 37 of 500 hosts done, 2 failed (web3, web9), 5 at work`.
    pub fn words(&self) -> String {
        let mut words = format!("{}: {} of {} hosts done", self.job, self.done, self.hosts);
        if self.failed > 0 {
            words += &format!(", {} failed", self.failed);
            let named = self.failed_hosts.iter().take(NAMED).map(|host| &**host);
            let mut named: Vec<&str> = named.collect();
            if self.failed > named.len() && !named.is_empty() {
                named.push("…");
            }
            if !named.is_empty() {
                words += &format!(" ({})", named.join(", "));
            }
        }
        if self.put_off > 0 {
            words += &format!(", {} put off", self.put_off);
        }
        if self.running > 0 {
            words += &format!(", {} at work", self.running);
        }
        words
    }
}
