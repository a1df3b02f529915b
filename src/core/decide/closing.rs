//! What is known of a session at its end: what was left of it, and when that can be done.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use super::letters::to_be_asked_for;
use super::session::words;
use super::tally;
use crate::core::plan;
use crate::core::policy::{Due, MaintenanceJob};
use crate::core::run::Outcome;
use crate::core::session::{Code, Reason, Session, Step, StepState, Wished};
use crate::core::state::AttentionKind;

impl Turn<'_> {
    /// When the work of this session can happen instead.
    pub(super) fn next_chance(&self, session: &Session) -> Option<Timestamp> {
        let app = self.policy.apps.get(&session.app)?;
        let after = self.now.max(session.notice_by);
        // One that is put off before its time does not take place at its own.
        let after = match &session.wished {
            Some(Wished::Postponed { to, .. }) => {
                let later = session
                    .opens
                    .checked_add(SignedDuration::from_nanos(1))
                    .ok()?;
                let from = to.map_or(later, |to| later.max(to));
                after.max(from.saturating_sub(app.lead).unwrap_or(from))
            }
            _ => after,
        };
        let chance = |step: &Step| {
            let job = self.policy.maintenance.get(&step.job)?;
            let due = self.due_again(job, step)?;
            let host = std::slice::from_ref(&step.host);
            plan::next_chance_for(self.policy, job, host, app.lead, (after, due))
        };
        session.steps.iter().filter_map(chance).min()
    }

    /// From when on the work of a step is due once more; none where it is done, or nobody asks for it.
    fn due_again(&self, job: &MaintenanceJob, step: &Step) -> Option<Timestamp> {
        if let StepState::Done {
            outcome: Outcome::Succeeded | Outcome::Skipped,
            ..
        } = step.state
        {
            return None;
        }
        let past = self.state.maintenance.get(&step.job);
        let accounted = past.map_or(Timestamp::MIN, |past| past.accounted(&step.host));
        let requested = past.is_some_and(|past| past.request_for(&step.host).is_some());
        match &job.due {
            _ if requested => Some(Timestamp::MIN),
            Due::Request => None,
            Due::Schedule(expr, zone) if accounted >= step.dues.last => {
                expr.next_after(zone, accounted)
            }
            Due::Window | Due::Schedule(..) => Some(Timestamp::MIN),
        }
    }

    /// Why it ended, what failed in it, and what has to be asked for again.
    pub(super) fn end_in_words(&self, session: &Session, reason: Option<&Reason>) -> String {
        let mut text = reason.map(words).unwrap_or_default();
        let said = reason.is_some_and(|reason| reason.code == Code::JobFailed);
        if let Some(failures) = tally::failures(session).filter(|_| !said) {
            text = match text.is_empty() {
                true => failures,
                false => format!("{text}; {failures}"),
            };
        }
        let left = to_be_asked_for(self.policy, self.state, session);
        let left: Vec<&str> = left.iter().map(|job| &***job).collect();
        match left.is_empty() {
            true => text,
            false => format!(
                "{text}; what is left of {} has to be requested again",
                left.join(", ")
            ),
        }
    }

    /// What an operator who ends a session early leaves to others: what failed, and what was cut off for good.
    pub(super) fn left_undone(&self, session: &Session) -> Option<AttentionKind> {
        let outcomes = || {
            session.steps.iter().filter_map(|step| match step.state {
                StepState::Done { outcome, .. } => Some((step, outcome)),
                _ => None,
            })
        };
        let repeats = |step: &Step| {
            let job = self.policy.maintenance.get(&step.job);
            job.is_some_and(|job| job.repeat_on_interrupt)
        };
        let cut_off =
            |(step, outcome): (&Step, Outcome)| outcome == Outcome::Interrupted && !repeats(step);
        let failed =
            |(_, outcome): (&Step, Outcome)| outcome.is_bad() && outcome != Outcome::Interrupted;
        if session.is_rehearsal() {
            None
        } else if outcomes().any(failed) {
            Some(AttentionKind::SessionFailed)
        } else {
            outcomes()
                .any(cut_off)
                .then_some(AttentionKind::Interrupted)
        }
    }
}

/// Whether nothing of it is left.
pub(super) fn is_all_done(session: &Session) -> bool {
    session.steps.iter().all(|step| {
        matches!(
            step.state,
            StepState::Done {
                outcome: Outcome::Succeeded | Outcome::Skipped,
                ..
            }
        )
    })
}
