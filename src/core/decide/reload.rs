//! What a changed configuration means for sessions that are known and not begun.

use super::Turn;
use crate::core::fact::Fact;
use crate::core::plan::visible;
use crate::core::run::Outcome;
use crate::core::session::{Code, Phase, Reason, Session, Step, StepState};

impl Turn<'_> {
    /// Sessions that the new configuration knows nothing of are cancelled, and people are told; the others end no
    /// later than their window does now. What has begun is not disturbed.
    pub(in crate::core) fn reconcile(&mut self) {
        let waiting: Vec<Session> = self
            .state
            .sessions
            .values()
            .filter(|s| {
                matches!(s.phase, Phase::Asking | Phase::Planned | Phase::Announced)
                    && s.rehearsal.is_none()
            })
            .filter(|s| s.round == 1)
            .cloned()
            .collect();
        for session in waiting {
            if let Some(why) = self.no_longer_there(&session) {
                self.close(
                    &session,
                    Outcome::Cancelled,
                    Some(Reason::new(Code::Removed, why)),
                );
                continue;
            }
            for (index, step) in session.steps.iter().enumerate() {
                if !self.policy.maintenance.contains_key(&step.job)
                    && step.state == StepState::Waiting
                {
                    self.step_done(&session, index, Outcome::Cancelled, Code::Removed.into());
                } else if step.state == StepState::Waiting && self.frozen(&session, step) {
                    self.step_done(&session, index, Outcome::Postponed, Code::Frozen.into());
                }
            }
            if let Some(closes) = self
                .closes_now(&session)
                .filter(|closes| *closes < session.closes)
            {
                self.record(Fact::SessionBounded {
                    session: session.id.clone(),
                    closes,
                });
            }
        }
        self.agenda.stir();
    }

    fn no_longer_there(&self, session: &Session) -> Option<String> {
        if !self.policy.apps.contains_key(&session.app) {
            return Some(format!("the app {}", session.app));
        }
        if !session
            .steps
            .iter()
            .any(|step| self.policy.maintenance.contains_key(&step.job))
        {
            return Some("its jobs".into());
        }
        self.closes_now(session)
            .is_none()
            .then(|| format!("the occurrence of window {}", session.window))
    }

    /// Whether a step's own piece of the occurrence is gone, though others still have theirs.
    fn frozen(&self, session: &Session, step: &Step) -> bool {
        let window = self.policy.windows.get(&session.window);
        let job = self.policy.maintenance.get(&step.job);
        let (Some(occurrence), Some(job)) = (window.and_then(|w| w.open_at(step.starts)), job)
        else {
            return false;
        };
        !visible(self.policy, job, occurrence)
            .iter()
            .any(|piece| piece.contains(step.starts))
    }

    /// When the occurrence of the session's start closes by the new configuration, as its jobs see it.
    fn closes_now(&self, session: &Session) -> Option<jiff::Timestamp> {
        let occurrence = self
            .policy
            .windows
            .get(&session.window)?
            .open_at(session.starts)?;
        let jobs = session
            .steps
            .iter()
            .filter_map(|step| self.policy.maintenance.get(&step.job));
        let pieces = jobs.flat_map(|job| visible(self.policy, job, occurrence));
        pieces
            .filter(|piece| piece.contains(session.starts))
            .map(|piece| piece.closes)
            .max()
    }
}
