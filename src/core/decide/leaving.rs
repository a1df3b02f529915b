//! How an app is brought back, and taken out of service once more.

use super::Turn;
use super::session::anything_fits;
use crate::core::fact::Fact;
use crate::core::policy::{Hook, Policy};
use crate::core::run::{SessionId, What};
use crate::core::session::{Reason, Session, SessionResult, Step, StepState};
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
        self.record(Fact::SessionLeaving {
            session: session.id.clone(),
            result,
            reason,
        });
    }

    /// In reverse order, each until it succeeds.
    pub(super) fn leave(&mut self, session: &Session) {
        if session.hook.running.is_some() || session.hook.not_before.is_some_and(|at| at > self.now)
        {
            return;
        }
        let owed = owed_leave(self.policy, session);
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

/// The leave hooks that this session owes: of every enter hook that was started, and those that belong to none.
/// The current file's where the app is still there, else the recorded ones.
pub fn owed_leave(policy: &Policy, session: &Session) -> Vec<(usize, Hook)> {
    let hooks = match policy.apps.get(&session.app) {
        Some(app) if !session.leave.is_empty() => leave_order(&app.leave),
        _ => session.leave.clone(),
    };
    let untouched = session.enter_started == 0 && session.enter_count > 0;
    hooks
        .into_iter()
        .filter(|(place, _)| {
            if *place < session.enter_count {
                *place < session.enter_started
            } else {
                !untouched
            }
        })
        .collect()
}
