//! What is next, kept at hand: computed from policy and state, so that a turn need not look at every job.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::plan::{self, jitter_offset};
use super::policy::Policy;
use super::state::State;

/// Looked this far ahead for sessions to announce; where nothing is found, looked again after half of it.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 9);

/// The next instants. Derived: rebuilt when the policy or the clock changes.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    /// When a periodic job (by its place in the policy) is to be looked at.
    periodic: BTreeSet<(Timestamp, usize)>,
    at: Vec<Option<Timestamp>>,
    /// Jobs that wait for something other than the clock.
    pub held: BTreeSet<usize>,
    /// When sessions are to be looked for; none: now.
    sessions_at: Option<Timestamp>,
    /// The first deadline of those that were found then and were not due yet.
    deadline: Option<Timestamp>,
}

impl Agenda {
    /// From scratch.
    pub fn build(policy: &Policy, state: &State) -> Self {
        let mut agenda = Self {
            at: vec![None; policy.periodic.len()],
            ..Self::default()
        };
        for index in 0..policy.periodic.len() {
            agenda.refresh(policy, state, index, None);
        }
        agenda
    }

    /// Computes anew when this periodic job is to be looked at. `next` is its next due instant, where it is known.
    pub fn refresh(
        &mut self,
        policy: &Policy,
        state: &State,
        index: usize,
        next: Option<Timestamp>,
    ) {
        if let Some(at) = self.at[index].take() {
            self.periodic.remove(&(at, index));
        }
        self.held.remove(&index);
        let Some((name, job)) = policy.periodic.get_index(index) else {
            return;
        };
        let Some(past) = state.periodic.get(name) else {
            return;
        };
        let at = match &past.active {
            Some(active) => active.retry_at,
            None if past.pending.is_some() => {
                self.held.insert(index);
                None
            }
            None => next
                .or_else(|| past.next_due(job))
                .and_then(|due| due.saturating_add(jitter_offset(&policy.name, job)).ok()),
        };
        self.set(index, at);
    }

    /// Looks at this job at that instant.
    pub fn set(&mut self, index: usize, at: Option<Timestamp>) {
        if let Some(old) = self.at[index].take() {
            self.periodic.remove(&(old, index));
        }
        if let Some(at) = at {
            self.at[index] = Some(at);
            self.periodic.insert((at, index));
        }
    }

    /// Looks at this job when something other than the clock has changed.
    pub fn hold(&mut self, index: usize) {
        self.set(index, None);
        self.held.insert(index);
    }

    /// The periodic job to be looked at first, if its time has come.
    pub fn due(&self, now: Timestamp) -> Option<usize> {
        self.periodic
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, index)| *index)
    }

    pub fn next_periodic(&self) -> Option<Timestamp> {
        self.periodic.first().map(|(at, _)| *at)
    }

    /// Sessions have to be looked for again: something they depend on has changed.
    pub fn stir(&mut self) {
        self.sessions_at = None;
    }

    pub fn sessions_due(&self, now: Timestamp) -> bool {
        self.sessions_at.is_none_or(|at| at <= now)
    }

    pub fn next_sessions(&self) -> Option<Timestamp> {
        self.sessions_at
    }

    /// The planned sessions whose deadline went by between two looks: whoever looks late must not lose them.
    pub fn slipped(
        &self,
        policy: &Policy,
        state: &State,
        now: Timestamp,
    ) -> Vec<plan::PlannedSession> {
        let Some(deadline) = self.deadline.filter(|deadline| *deadline <= now) else {
            return Vec::new();
        };
        let before = deadline.saturating_sub(SignedDuration::from_nanos(1));
        let until = ahead(policy, now);
        let mut planned = plan::plan_sessions(policy, state, before.unwrap_or(deadline), until);
        planned.retain(|s| s.notice_by <= now && !state.sessions.contains_key(&s.id));
        planned
    }

    /// The planned sessions whose announcement is due; remembers when to look again.
    pub fn look(
        &mut self,
        policy: &Policy,
        state: &State,
        now: Timestamp,
    ) -> Vec<plan::PlannedSession> {
        let until = ahead(policy, now);
        if policy.maintenance.is_empty() {
            self.sessions_at = Some(Timestamp::MAX);
            self.deadline = None;
            return Vec::new();
        }
        let planned = plan::plan_sessions(policy, state, now, until);
        let unknown = planned
            .into_iter()
            .filter(|s| !state.sessions.contains_key(&s.id));
        let (due, later): (Vec<_>, Vec<_>) = unknown.partition(|s| s.announce_at <= now);
        let again = now.saturating_add(AHEAD / 2).unwrap_or(Timestamp::MAX);
        self.sessions_at = Some(later.iter().map(|s| s.announce_at).min().unwrap_or(again));
        self.deadline = later.iter().map(|s| s.notice_by).min();
        due
    }
}

/// Until when sessions are looked for.
fn ahead(policy: &Policy, now: Timestamp) -> Timestamp {
    let lead = policy
        .apps
        .values()
        .filter_map(|app| app.lead.checked_add(app.margin))
        .max();
    let ahead = lead.unwrap_or_default().saturating_add(AHEAD);
    now.saturating_add(ahead).unwrap_or(Timestamp::MAX)
}
