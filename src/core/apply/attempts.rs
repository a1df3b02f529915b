//! What the beginning and the end of an attempt change.

use jiff::Timestamp;

use super::{account, find, periodic_of, step_of};
use crate::core::fact::AttemptEnded;
use crate::core::run::{Outcome, RunId, What};
use crate::core::session::{Guard, HookState, Need, Phase, StepState};
use crate::core::state::{Active, AlarmState, PeriodicState, State, remember};

pub(super) fn attempt_started(
    state: &mut State,
    run: RunId,
    attempt: u32,
    what: &What,
    due: Option<Timestamp>,
) -> Result<(), String> {
    match what {
        What::Step {
            session,
            step,
            host,
            ..
        } => {
            state
                .sessions
                .values_mut()
                .for_each(|other| other.is_touched(host));
            let step = step_of(find(state, session)?, *step)?;
            let failures = match step.state {
                StepState::Backoff { failures, .. } => failures,
                _ => 0,
            };
            step.state = StepState::Running {
                run,
                attempt,
                failures,
            };
        }
        What::Ask { session, step, .. } => {
            step_of(find(state, session)?, *step)?.state = StepState::Asking { run };
        }
        What::Health { session, step, .. } => {
            step_of(find(state, session)?, *step)?.state = StepState::Checking { run };
        }
        What::Peer {
            session,
            step,
            host,
            ..
        } => {
            let step = step_of(find(state, session)?, *step)?;
            let mut guard = match std::mem::replace(&mut step.state, StepState::Waiting) {
                StepState::Guarded(guard) => guard,
                _ => Guard::default(),
            };
            guard.asked.push(host.clone());
            guard.under_way = guard.under_way.saturating_add(1);
            step.state = StepState::Guarded(guard);
        }
        What::Enter { session, hook, .. } | What::Leave { session, hook, .. } => {
            let session = find(state, session)?;
            if matches!(what, What::Enter { .. }) {
                let started = hook.checked_add(1).ok_or("there is no such hook")?;
                session.enter_started = session.enter_started.max(started);
            }
            session.hook.running = Some(run);
            session.hook.run = Some(run);
            session.hook.attempts = attempt;
            session.hook.not_before = None;
        }
        What::Periodic { job, .. } => {
            let due = due.ok_or("a periodic run has a due instant")?;
            let periodic = periodic_of(state, job)?;
            let failures = periodic.active.as_ref().map_or(0, |active| active.failures);
            periodic.account(due);
            periodic.pending = periodic.pending.filter(|pending| pending.due > due);
            periodic.active = Some(Box::new(Active {
                run,
                attempt,
                due,
                failures,
                retry_at: None,
            }));
        }
        What::Alarm { key } => {
            if let Some(attention) = state.attention.get_mut(key) {
                attention.alarm = AlarmState::Running { run, attempt };
            }
        }
    }
    Ok(())
}

pub(super) fn attempt_ended(
    state: &mut State,
    at: Timestamp,
    ended: &AttemptEnded,
) -> Result<(), String> {
    match &ended.what {
        What::Step {
            session,
            step,
            job,
            host,
        } => {
            // A rehearsal proves nothing about what is due, but what it took is worth knowing.
            let rehearsal = find(state, session)?.is_rehearsal();
            let of = find(state, session)?;
            of.step_ended = Some(at);
            step_of(of, *step)?.state = match ended.retry {
                Some(retry) => StepState::Backoff {
                    run: ended.run,
                    attempt: ended.attempt,
                    failures: retry.failures,
                    until: retry.at,
                },
                None if ended.to_be_seen => StepState::Unchecked,
                None => StepState::Done {
                    outcome: ended.outcome,
                    reason: ended.reason.clone(),
                },
            };
            if ended.retry.is_none() && !ended.carried && !rehearsal {
                let until = ended.due.map_or(ended.started, |due| due.last);
                account(state, job, host, until);
            }
            if ended.outcome.is_bad()
                && ended.retry.is_none()
                && !rehearsal
                && let Some(known) = state.maintenance.get_mut(job)
                && let Some(known) = known.hosts.get_mut(host)
            {
                known.successes.clear();
            }
            if ended.outcome == Outcome::Succeeded
                && let Some(known) = state.maintenance.get_mut(job)
            {
                remember(&mut known.samples, ended.elapsed);
                if let Some(known) = known.hosts.get_mut(host) {
                    known.last_success = Some(at);
                }
            }
        }
        // What it means is recorded right behind this.
        What::Health {
            session,
            step,
            host,
            ..
        } => {
            let of = find(state, session)?;
            step_of(of, *step)?.state = StepState::Unchecked;
            // Nobody asks how others are where nobody has looked yet.
            if ended.outcome == Outcome::Succeeded && !of.seen_well.is_empty() {
                of.is_well(host, at);
            }
        }
        What::Peer {
            session,
            step,
            host,
            ..
        } => {
            // The session may be over, where it was cancelled meanwhile.
            let step = match state.sessions.get_mut(session) {
                Some(of) if of.phase != Phase::Closed => step_of(of, *step)?,
                _ => return Ok(()),
            };
            if let StepState::Guarded(guard) = &mut step.state {
                guard.under_way = guard.under_way.saturating_sub(1);
                let well = ended.outcome == Outcome::Succeeded;
                if well {
                    guard.well.push(host.clone());
                }
                guard.cut_off |= ended.outcome == Outcome::Interrupted;
                if guard.under_way == 0 && guard.cut_off {
                    step.state = StepState::Waiting;
                }
                if well {
                    find(state, session)?.is_well(host, at);
                }
            }
        }
        What::Ask { session, step, .. } => {
            // The session may have been cancelled while the question was being asked.
            let step = match state.sessions.get_mut(session) {
                Some(of) if of.phase != Phase::Closed => step_of(of, *step)?,
                _ => return Ok(()),
            };
            step.state = StepState::Waiting;
            if ended.outcome != Outcome::Interrupted {
                step.asked = Some(at);
                step.need = Some(match ended.exit_code {
                    Some(0) if ended.outcome == Outcome::Succeeded => Need::Needed,
                    Some(1) if ended.outcome == Outcome::Failed => Need::NothingToDo,
                    _ => Need::Unknown,
                });
            }
        }
        What::Enter { session, .. } | What::Leave { session, .. } => {
            let hook = &mut find(state, session)?.hook;
            hook.running = None;
            match ended.retry {
                Some(retry) => hook.not_before = Some(retry.at),
                None if ended.outcome == Outcome::Succeeded => {
                    *hook = HookState {
                        index: hook.index.saturating_add(1),
                        ..HookState::default()
                    };
                }
                None => {}
            }
        }
        What::Periodic { job, .. } => {
            // A job that left the configuration while it ran has no past to keep.
            if let Some(periodic) = state.periodic.get_mut(job) {
                periodic_ended(periodic, at, ended);
            }
        }
        What::Alarm { key } => {
            if let Some(attention) = state.attention.get_mut(key) {
                attention.alarm = match ended.retry {
                    Some(retry) => AlarmState::Owed {
                        not_before: retry.at,
                        last: Some((ended.run, ended.attempt)),
                    },
                    None => AlarmState::Done,
                };
            }
        }
    }
    Ok(())
}

fn periodic_ended(periodic: &mut PeriodicState, at: Timestamp, ended: &AttemptEnded) {
    match ended.retry {
        Some(retry) => {
            if let Some(active) = periodic.active.as_mut() {
                active.failures = retry.failures;
                active.retry_at = Some(retry.at);
            }
        }
        None => periodic.active = None,
    }
    match ended.outcome {
        Outcome::Succeeded => {
            periodic.last_success = Some(at);
            periodic.failures = 0;
        }
        outcome if outcome.is_bad() => periodic.failures = periodic.failures.saturating_add(1),
        _ => {}
    }
    if ended.outcome != Outcome::Skipped {
        periodic.last = Some((ended.outcome, at));
    }
}
