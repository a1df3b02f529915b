//! What a clock that was set changes.

use jiff::{SignedDuration, Timestamp};

use super::lane;
use crate::core::notice::Progress;
use crate::core::session::{Phase, StepState};
use crate::core::state::{AlarmState, PeriodicState, State};

/// The clock was set by so much, to `at`.
pub(super) fn stepped(state: &mut State, at: Timestamp, by: SignedDuration) {
    shift_timers(state, by);
    state.live.asleep_since = at.min(state.last);
    state.live.awake_since = at;
    if by.is_negative() {
        for periodic in state.periodic.values_mut() {
            wait_again(periodic, at);
            come_again(periodic, at);
        }
        openings_again(state, at);
    }
}

/// What came due under a clock that was ahead, and still waits for something else, comes due when it really does.
fn wait_again(periodic: &mut PeriodicState, at: Timestamp) {
    let waits = periodic.pending.map(|pending| pending.due);
    let Some(due) = waits.filter(|due| *due > at && *due == periodic.accounted) else {
        return;
    };
    periodic.pending = None;
    periodic.accounted = just_before(due);
}

fn just_before(at: Timestamp) -> Timestamp {
    at.saturating_sub(SignedDuration::from_nanos(1))
        .unwrap_or(at)
}

/// What was passed over by a clock that was ahead is due when it really comes; what was run is not run again.
fn come_again(periodic: &mut PeriodicState, at: Timestamp) {
    let Some((first, last)) = periodic.passed_over.filter(|(_, last)| *last > at) else {
        return;
    };
    periodic.passed_over = None;
    if periodic.accounted > last {
        periodic.served_ahead = Some((last, periodic.accounted));
    }
    periodic.accounted = at.max(just_before(first));
}

/// Openings to come that no session served, and none is open for, are looked at again.
fn openings_again(state: &mut State, at: Timestamp) {
    for (key, handled) in &mut state.handled {
        if *handled <= at {
            continue;
        }
        let served = state.served.get(key).copied();
        let open = state
            .sessions
            .values()
            .filter(|s| s.phase != Phase::Closed && s.overridden.is_none())
            .filter(|s| lane(&s.app, &s.window) == *key)
            .map(|s| s.opens);
        let last = open.chain(served).max();
        *handled = last.map_or(at, |last| last.max(at)).min(*handled);
    }
}

/// Timers that count elapsed time move with the wall clock.
fn shift_timers(state: &mut State, by: SignedDuration) {
    let shift = |at: &mut Timestamp| *at = at.saturating_add(by).unwrap_or(*at);
    // What was not tried yet waits for the calendar, not for so much time.
    let tried = state.notices.values_mut().filter(|n| n.attempts > 0);
    for notice in tried {
        if let Progress::Owed { not_before } = &mut notice.progress {
            shift(not_before);
        }
    }
    for session in state.sessions.values_mut() {
        if let Some(at) = &mut session.hook.not_before {
            shift(at);
        }
        for step in &mut session.steps {
            if let StepState::Backoff { until, .. } = &mut step.state {
                shift(until);
            }
        }
    }
    for periodic in state.periodic.values_mut() {
        if let Some(at) = periodic
            .active
            .as_mut()
            .and_then(|active| active.retry_at.as_mut())
        {
            shift(at);
        }
    }
    state.told.values_mut().for_each(|told| shift(&mut told.at));
    for attention in state.attention.values_mut() {
        if let AlarmState::Owed { not_before, .. } = &mut attention.alarm {
            shift(not_before);
        }
    }
}
