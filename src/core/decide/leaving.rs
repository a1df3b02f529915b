//! How an app is brought back, and taken out of service once more.

use super::Turn;
use super::rolling::is_running;
use super::session::anything_fits;
use crate::core::fact::Fact;
use crate::core::policy::{Hook, Policy};
use crate::core::run::{SessionId, What};
use crate::core::session::{Phase, Reason, Session, SessionResult, Step, StepState};
use crate::core::state::AttentionKind;

impl Turn<'_> {
    /// The machine came up anew: where more is to be done the app is taken out of service once more, for the hooks cannot
    /// have lasted.
    pub(in crate::core) fn reenter(&mut self, id: &SessionId) {
        let Some(session) = self.state.sessions.get(id).cloned() else {
            return;
        };
        let free = session.overridden.is_some();
        let waiting = |step: &Step| step.state == StepState::Waiting;
        if !session.steps.iter().any(waiting)
            || !(free || anything_fits(self.policy, &session, self.now))
        {
            return;
        }
        let Some(app) = self.policy.apps.get(&session.app) else {
            return;
        };
        let hooks = session.overridden.as_ref().is_none_or(|r| r.hooks);
        self.record(Fact::SessionReentered {
            session: session.id.clone(),
            enter_count: if hooks { app.enter.len() } else { 0 },
            leave: if hooks {
                leave_order(&app.leave)
            } else {
                Vec::new()
            },
        });
    }

    pub(in crate::core) fn begin_leaving(
        &mut self,
        session: &Session,
        result: SessionResult,
        reason: Reason,
    ) {
        let reason = Some(reason).filter(|_| result != SessionResult::Success);
        // Others of its hosts may be at work: they are brought to their end, and nothing more begins.
        let known = self.state.sessions.get(&session.id);
        let Some(known) = known.filter(|s| matches!(s.phase, Phase::Entering | Phase::Active))
        else {
            return;
        };
        if known.steps.iter().any(is_running) {
            if known.ending.is_none() {
                self.record(Fact::SessionEnding {
                    session: session.id.clone(),
                    result,
                    reason,
                });
            }
            return;
        }
        // Why it was to end was known before what this is about came to its end.
        let (result, reason) = known.ending.clone().unwrap_or((result, reason));
        self.record(Fact::SessionLeaving {
            session: session.id.clone(),
            result,
            reason,
        });
    }

    /// In reverse order, each until it succeeds.
    pub(super) fn leave(&mut self, session: &Session) {
        if session.hook.running.is_some() {
            return;
        }
        // How many have succeeded says something of one list alone. Who mends the hooks does not wait for the old ones.
        let session = match changed(self.policy, session) {
            Some(leave) => {
                self.record(Fact::LeaveChanged {
                    session: session.id.clone(),
                    leave,
                });
                let Some(session) = self.state.sessions.get(&session.id) else {
                    return;
                };
                &session.clone()
            }
            None => session,
        };
        if session.hook.not_before.is_some_and(|at| at > self.now) {
            return;
        }
        let owed = owed(session);
        match owed.get(session.hook.index) {
            Some((place, hook)) => {
                let what = What::Leave {
                    session: session.id.clone(),
                    hook: *place,
                    host: hook.host.clone(),
                };
                let run = session.hook.run.map(|run| (run, session.hook.attempts));
                self.start_hook(what, hook, run, None);
            }
            None => {
                self.record(Fact::SessionLeft {
                    session: session.id.clone(),
                });
                self.clear_of_app(&session.app, |kind| {
                    matches!(
                        kind,
                        AttentionKind::StuckInMaintenance | AttentionKind::LeaveFailing
                    )
                });
            }
        }
    }
}

/// Leave hooks in the order in which they run, each with its place in the file.
pub(super) fn leave_order(hooks: &[Hook]) -> Vec<(usize, Hook)> {
    hooks.iter().cloned().enumerate().rev().collect()
}

/// The leave hooks of the current file, where the app is still there and they are not those that are recorded.
fn changed(policy: &Policy, session: &Session) -> Option<Vec<(usize, Hook)>> {
    let app = policy.apps.get(&session.app)?;
    if session.leave.is_empty() {
        return None;
    }
    let leave = leave_order(&app.leave);
    (leave != session.leave).then_some(leave)
}

/// The leave hooks that this session owes: of every enter hook that was started, and those that belong to none.
fn owed(session: &Session) -> Vec<(usize, Hook)> {
    let untouched = session.enter_started == 0 && session.enter_count > 0;
    let owes = |place: usize| match place < session.enter_count {
        true => place < session.enter_started,
        false => !untouched,
    };
    let hooks = session.leave.iter();
    hooks.filter(|(place, _)| owes(*place)).cloned().collect()
}
