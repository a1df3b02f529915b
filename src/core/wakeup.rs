//! When to look again: the earliest instant at which something follows without anything happening outside.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::agenda::Agenda;
use super::decide::{rolls_on_at, told_again_at};
use super::notice::Progress;
use super::policy::{Name, Policy};
use super::session::{Phase, Session, Step, StepState};
use super::state::{AlarmState, State};

/// The instant of the next transition that time alone brings; none: only events do.
///
/// Strictly after `now`: what was due was looked at in the turn before, and waits for something else.
pub fn wakeup(
    policy: &Policy,
    state: &State,
    agenda: &Agenda,
    now: Timestamp,
) -> Option<Timestamp> {
    let mut next = Next { now, at: None };
    next.consider(state.live.answers_by());
    state
        .paused
        .values()
        .for_each(|pause| next.consider(pause.until));
    for running in state.running.values() {
        next.consider(running.stop_by);
    }
    for session in state.sessions.values() {
        consider_session(policy, state, session, &mut next);
        next.consider(rolls_on_at(policy, session));
    }
    for notice in state.notices.values() {
        if let Progress::Owed { not_before } = notice.progress {
            next.consider(Some(not_before));
        }
    }
    for told in state.told.values() {
        next.consider(told_again_at(told));
    }
    for attention in state.attention.values() {
        if let AlarmState::Owed { not_before, .. } = attention.alarm {
            next.consider(Some(not_before));
        }
    }
    let waits = [state.live.draining, state.live.drained_in_vain];
    for since in waits.into_iter().flatten() {
        next.consider(since.checked_add(policy.limits.stop_timeout).ok());
    }
    if !state.live.held_back() {
        next.consider(agenda.next_sessions());
        // What is due while there is no room is started when a run ends.
        if state.periodic_running() < policy.limits.runs {
            next.consider(agenda.next_periodic());
        }
        // Thousands may wait for the same few windows.
        let windows: BTreeSet<&Name> = agenda
            .held
            .iter()
            .filter_map(|index| policy.periodic.get_index(*index))
            .filter_map(|(_, job)| job.window.as_ref().map(|(name, _)| name))
            .collect();
        for window in windows.into_iter().filter_map(|w| policy.windows.get(w)) {
            next.consider(window.next_opening(now).map(|o| o.opens));
        }
    }
    next.at
}

struct Next {
    now: Timestamp,
    at: Option<Timestamp>,
}

impl Next {
    fn consider(&mut self, at: Option<Timestamp>) {
        let at = at.filter(|at| *at > self.now);
        self.at = match (self.at, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

fn consider_session(policy: &Policy, state: &State, session: &Session, next: &mut Next) {
    if session.phase == Phase::Closed {
        return;
    }
    match session.phase {
        Phase::Planned => next.consider(Some(session.notice_by)),
        Phase::Announced => {
            next.consider(session.before.as_ref().map(|_| session.notice_by));
            next.consider(Some(session.starts));
            next.consider(Some(session.closes));
            let drain = policy.apps.get(&session.app).map(|app| app.drain);
            next.consider(drain.and_then(|drain| session.starts.checked_add(drain).ok()));
            // After a step of the clock the lead may end later than the start.
            let about = state.notices.about(&session.id);
            for notice in about.filter(|n| n.kind.is_ahead()) {
                let accepted = notice.accepted_at();
                next.consider(accepted.and_then(|at| at.checked_add(session.lead).ok()));
            }
        }
        Phase::Starting => next.consider(Some(session.starts)),
        Phase::Entering | Phase::Active | Phase::Leaving => {
            next.consider(session.hook.not_before);
            next.consider(Some(session.closes));
            for step in &session.steps {
                match step.state {
                    // One may wait for others: the last instant at which it still fits.
                    StepState::Waiting | StepState::Guarded(_) => {
                        next.consider(step.opens);
                        next.consider(last_fit(session, step));
                        next.consider(step.closes.checked_sub(step.cutoff).ok());
                    }
                    StepState::Backoff { until, .. } => next.consider(Some(until)),
                    // Where a lock is waited for: the last instant at which it still fits.
                    StepState::Running { .. } => {
                        next.consider(last_fit(session, step));
                        next.consider(step.closes.checked_sub(step.cutoff).ok());
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// The last instant at which a step can start and end before its app has to be left.
fn last_fit(session: &Session, step: &Step) -> Option<Timestamp> {
    let room = step.closes.checked_sub(session.reserve);
    room.and_then(|at| at.checked_sub(step.estimate)).ok()
}
