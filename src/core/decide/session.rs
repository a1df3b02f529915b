//! How a session goes on, from its first question to its end.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use super::closing::is_all_done;
use super::leaving::leave_order;
use super::tally;
use crate::core::fact::Fact;
use crate::core::notice::Kind;
use crate::core::plan::{Sight, fits};
use crate::core::policy::{DuringMaintenance, Name, Policy};
use crate::core::run::{Outcome, SessionId, What};
use crate::core::session::{Code, Phase, Reason, Session, SessionResult, Step, StepState, Wished};
use crate::core::state::AttentionKind;

impl Turn<'_> {
    /// Takes every transition of every open session that is due now.
    pub(super) fn advance_sessions(&mut self) {
        // The one that was to start earlier goes first where two want the same.
        let mut ids: Vec<(Timestamp, SessionId)> = self
            .state
            .sessions
            .values()
            .filter(|s| s.phase != Phase::Closed)
            .map(|s| (s.starts, s.id.clone()))
            .collect();
        ids.sort();
        for (_, id) in ids {
            for _ in 0..super::ROUNDS {
                if self.decision.fault.is_some() || !self.advance(&id) {
                    break;
                }
            }
        }
    }

    /// One transition; whether there was one.
    fn advance(&mut self, id: &SessionId) -> bool {
        let Some(session) = self.state.sessions.get(id).cloned() else {
            return false;
        };
        // Alone, only rehearsals go on, and what is in maintenance is brought back.
        let waits = !session.is_rehearsal() && !session.phase.in_maintenance();
        if self.state.live.alone && waits {
            return false;
        }
        let before = (self.decision.facts.len(), self.decision.effects.len());
        self.watch(&session);
        if self.end_as_wished(&session) {
            return (self.decision.facts.len(), self.decision.effects.len()) != before;
        }
        match session.phase {
            Phase::Asking => self.ask_before_telling(&session),
            Phase::Planned => self.wait_for_acceptance(&session),
            Phase::Announced => self.wait_for_start(&session),
            Phase::Starting => self.ask_before_entering(&session),
            Phase::Entering => self.enter(&session),
            Phase::Active => self.work(&session),
            Phase::Leaving => self.leave(&session),
            Phase::Left => self.conclude(&session),
            Phase::Closed => {}
        }
        (self.decision.facts.len(), self.decision.effects.len()) != before
    }

    fn wait_for_acceptance(&mut self, session: &Session) {
        let notices = self.state.notices.about(&session.id);
        if crate::core::notice::enough(
            &self.policy.notice.accepted,
            session,
            notices,
            session.notice_by,
        ) {
            self.record(Fact::SessionAnnounced {
                session: session.id.clone(),
            });
            self.clear_of_app(&session.app, |kind| kind == AttentionKind::Unannounced);
        } else if self.now >= session.notice_by {
            let refused = self.last_answer(session);
            self.postpone(session, Reason::new(Code::Unannounced, refused));
        }
    }

    /// Not before it was told, not before the lead is over, not on top of another.
    fn wait_for_start(&mut self, session: &Session) {
        if session.before.is_some() {
            return self.wait_for_change(session);
        }
        if self.now < session.starts || self.held_back() {
            return;
        }
        let paused = self.is_paused(session);
        if let Some(why) = self.too_late(session) {
            let why = if paused { Code::Paused.into() } else { why };
            return self.postpone(session, why);
        }
        if paused {
            return;
        }
        if session.overridden.is_none() {
            let lead_since = self.now.saturating_sub(session.lead).unwrap_or(self.now);
            let notices = self.state.notices.about(&session.id);
            if !crate::core::notice::enough(
                &self.policy.notice.accepted,
                session,
                notices,
                lead_since,
            ) {
                return;
            }
        }
        // What begins now would be cut off.
        if self.conflict(session).is_some() || self.state.is_rebooting() {
            return;
        }
        if self.draining(session) {
            let drain = self
                .policy
                .apps
                .get(&session.app)
                .map_or(SignedDuration::ZERO, |app| app.drain);
            if session
                .starts
                .saturating_add(drain)
                .is_ok_and(|until| self.now >= until)
            {
                self.postpone(session, Code::Drain.into());
            }
            return;
        }
        self.record(Fact::SessionStarting {
            session: session.id.clone(),
        });
    }

    /// Whether an operator keeps it from beginning. What an operator wants to see now is another's wish.
    fn is_paused(&self, session: &Session) -> bool {
        !session.is_rehearsal() && self.state.pause_of(Some(&session.app)).is_some()
    }

    /// Why a session cannot begin any more.
    pub(super) fn too_late(&self, session: &Session) -> Option<Reason> {
        if !self.policy.apps.contains_key(&session.app) {
            return Some(Code::Removed.into());
        }
        if session.is_rehearsal() {
            return None;
        }
        if self.now >= session.closes {
            return Some(Code::WindowPassed.into());
        }
        if session.overridden.is_some() {
            return None;
        }
        (!anything_fits(self.policy, session, self.now)).then(|| Code::DoesNotFit.into())
    }

    /// Another session that has the app, or one of the locks.
    fn conflict(&self, session: &Session) -> Option<&Session> {
        self.state.sessions.values().find(|other| {
            other.id != session.id
                && (other.phase.in_maintenance()
                    || matches!(other.phase, Phase::Starting | Phase::Left))
                && (other.app == session.app || shares(&other.locks, &session.locks))
        })
    }

    /// Whether a periodic job of the app is running that may not run during maintenance.
    fn draining(&self, session: &Session) -> bool {
        self.state
            .running
            .values()
            .any(|running| match &running.what {
                What::Periodic { job, .. } => self
                    .policy
                    .periodic
                    .get(job)
                    .and_then(|job| job.app.as_ref())
                    .is_some_and(|(app, during)| {
                        *app == session.app && *during == DuringMaintenance::Hold
                    }),
                _ => false,
            })
    }

    /// The questions are answered: either there is something to do, or the app is left in peace.
    pub(super) fn begin(&mut self, session: &Session) {
        let waiting = session.steps.iter().any(|s| s.state == StepState::Waiting);
        let rehearsed = session.is_rehearsal();
        let put_off = session.steps.iter().find_map(|step| match &step.state {
            StepState::Done {
                outcome: Outcome::Postponed,
                reason,
            } => Some(reason.clone().unwrap_or(Code::NotProven.into())),
            _ => None,
        });
        if let Some(why) = put_off.filter(|_| !waiting && !rehearsed) {
            return self.postpone(session, why);
        }
        if !waiting && !rehearsed {
            return self.close(session, Outcome::Skipped, Some(Code::NothingToDo.into()));
        }
        let Some(app) = self.policy.apps.get(&session.app) else {
            return self.postpone(session, Code::Removed.into());
        };
        let hooks = session.overridden.as_ref().is_none_or(|r| r.hooks);
        let leave = if hooks {
            leave_order(&app.leave)
        } else {
            Vec::new()
        };
        let enter_count = if hooks { app.enter.len() } else { 0 };
        self.record(Fact::SessionEntering {
            session: session.id.clone(),
            enter_count,
            leave,
        });
        if self.policy.notice.kinds.started {
            self.tell(&session.id, Kind::Started);
        }
    }

    fn enter(&mut self, session: &Session) {
        if session.hook.running.is_some() {
            return;
        }
        if self.held_back() {
            return self.begin_leaving(
                session,
                SessionResult::Interrupted,
                Code::Interrupted.into(),
            );
        }
        if session.outside(self.now) {
            return self.begin_leaving(
                session,
                SessionResult::Interrupted,
                Code::OutsideWindow.into(),
            );
        }
        if session.hook.not_before.is_some_and(|at| at > self.now) {
            return;
        }
        if session.hook.index >= session.enter_count {
            return self.record(Fact::SessionActive {
                session: session.id.clone(),
            });
        }
        let hooks = self.policy.apps.get(&session.app).map(|app| &app.enter);
        let Some(hook) = hooks.and_then(|hooks| hooks.get(session.hook.index)) else {
            return self.begin_leaving(session, SessionResult::Interrupted, Code::Removed.into());
        };
        let stop_by = Self::stop_by(session, session.closes, hook.grace);
        if stop_by.is_some_and(|at| at <= self.now) {
            return self.begin_leaving(session, SessionResult::Failure, Code::DoesNotFit.into());
        }
        let what = What::Enter {
            session: session.id.clone(),
            hook: session.hook.index,
            host: hook.host.clone(),
        };
        let run = session.hook.run.map(|run| (run, session.hook.attempts));
        self.start_hook(what, &hook.clone(), run, stop_by);
    }

    /// The app is back. A session that was cut off may go on once; else it is over.
    fn conclude(&mut self, session: &Session) {
        if self.held_back() {
            return;
        }
        if session.result == SessionResult::Interrupted
            && session.wished.is_none()
            && session.round == 1
            && session.overridden.is_none()
        {
            let again = |step: &Step| match &step.state {
                StepState::Waiting => true,
                StepState::Done {
                    outcome: Outcome::Interrupted,
                    ..
                } => self
                    .policy
                    .maintenance
                    .get(&step.job)
                    .is_some_and(|job| job.repeat_on_interrupt),
                _ => false,
            };
            let room = |step: &Step| {
                self.now < session.closes
                    && fits(self.now, step.estimate, sight(self.policy, session, step))
            };
            if session.steps.iter().any(|step| again(step) && room(step)) {
                let repeat = session
                    .steps
                    .iter()
                    .enumerate()
                    .filter(|(_, step)| again(step) && !matches!(step.state, StepState::Waiting))
                    .map(|(index, _)| index)
                    .collect();
                return self.record(Fact::SessionReopened {
                    session: session.id.clone(),
                    repeat,
                });
            }
        }
        let bad = session
            .steps
            .iter()
            .any(|step| matches!(step.state, StepState::Done { outcome, .. } if outcome.is_bad()));
        let code = session.reason.as_ref().map(|reason| reason.code);
        let postponed = |step: &Step| {
            matches!(
                &step.state,
                StepState::Done {
                    outcome: Outcome::Postponed,
                    ..
                } | StepState::Waiting
            )
        };
        let outcome = match (session.result, code) {
            // However what ran for it took that.
            _ if session.wished.is_some() => Outcome::Cancelled,
            // Nothing but leaving was asked of it.
            _ if &*session.window == FRESH => Outcome::Succeeded,
            (SessionResult::Interrupted, _) => Outcome::Interrupted,
            (_, Some(Code::Unavailable | Code::TemporaryFailure)) => Outcome::Postponed,
            (SessionResult::Failure, _) => Outcome::Failed,
            (SessionResult::Success, _) if bad => Outcome::Failed,
            _ if !session.steps.is_empty() && session.steps.iter().all(postponed) => {
                Outcome::Postponed
            }
            _ => Outcome::Succeeded,
        };
        let wished = session.wished.as_ref().map(Wished::why);
        let reason = wished.or(session.reason.as_ref()).cloned();
        // All that failed counts, not only what ended it.
        let reason = match reason.filter(|reason| reason.code != Code::JobFailed) {
            None => tally::failures(session)
                .map(|text| Reason::new(Code::JobFailed, text))
                .or(session.reason.clone()),
            reason => reason,
        };
        // All of it was put off: the first that was says why.
        let reason = reason.or_else(|| {
            let all_off = outcome == Outcome::Postponed;
            session.steps.iter().find_map(|step| match &step.state {
                StepState::Done { reason, .. } if all_off => reason.clone(),
                _ => None,
            })
        });
        self.close(session, outcome, reason);
    }

    /// Ends a session before the app was touched; its work goes to another occurrence.
    pub(super) fn postpone(&mut self, session: &Session, reason: Reason) {
        self.close(session, Outcome::Postponed, Some(reason));
    }

    /// The end of a session: what is left of it is carried, people are told.
    pub(super) fn close(&mut self, session: &Session, outcome: Outcome, reason: Option<Reason>) {
        let why = reason.clone().unwrap_or(Code::Interrupted.into());
        self.carry_rest(session, &why);
        let known = self.state.sessions.get(&session.id).cloned();
        let session = known.as_ref().unwrap_or(session);
        if !matches!(outcome, Outcome::Succeeded | Outcome::Skipped) {
            let lane = (session.app.clone(), session.window.clone());
            self.put_off.insert(lane);
        }
        let next = self.next_chance(session);
        let id = session.id.clone();
        let told = self.told(session);
        let text = self.end_in_words(session, reason.as_ref());
        match outcome {
            Outcome::Succeeded | Outcome::Skipped => self.clear_of_app(&session.app, |_| true),
            // Whoever asked for it need not be called.
            Outcome::Postponed if why.code == Code::Operator => {}
            Outcome::Postponed
                if !session.is_rehearsal() && (told || why.code == Code::Unannounced) =>
            {
                let kind = match why.code {
                    Code::Unannounced => AttentionKind::Unannounced,
                    _ => AttentionKind::Postponed,
                };
                let text = format!("{id} was postponed: {text}");
                self.raise(
                    &format!("{}:{id}", kind.word()),
                    kind,
                    text,
                    Some(&session.app),
                );
            }
            // Who ended it early need not know what failed until then.
            Outcome::Cancelled => {
                if let Some(kind) = self.left_undone(session) {
                    let text = format!("{id} was ended early: {text}");
                    self.raise(&format!("session:{id}"), kind, text, Some(&session.app));
                }
            }
            Outcome::Failed => {
                let text = format!("{id} failed: {text}");
                self.raise(
                    &format!("session:{id}"),
                    AttentionKind::SessionFailed,
                    text,
                    Some(&session.app),
                );
            }
            Outcome::Interrupted => {
                let text = format!("{id} was interrupted: {text}");
                self.raise(
                    &format!("session:{id}"),
                    AttentionKind::Interrupted,
                    text,
                    Some(&session.app),
                );
            }
            _ => {}
        }
        let kinds = self.policy.notice.kinds;
        let kind = match outcome {
            Outcome::Succeeded => kinds.finished.then_some(Kind::Finished),
            Outcome::Skipped => (told && kinds.finished).then_some(Kind::Finished),
            Outcome::Postponed if session.entered.is_some() => kinds.failed.then_some(Kind::Failed),
            // That a new time is announced is promised only where there is one.
            Outcome::Postponed if next.is_none() => told.then_some(Kind::Cancelled),
            Outcome::Postponed => told.then_some(Kind::Postponed),
            // What has begun is no announcement any more that could be taken back.
            Outcome::Cancelled if session.entered.is_some() => match is_all_done(session) {
                true => kinds.finished.then_some(Kind::Finished),
                false => kinds.failed.then_some(Kind::Failed),
            },
            Outcome::Cancelled => told.then_some(Kind::Cancelled),
            _ => kinds.failed.then_some(Kind::Failed),
        };
        // Nobody was told that it begins.
        if let Some(kind) = kind.filter(|_| &*session.window != FRESH) {
            self.tell_of_end(&id, kind, outcome, reason.as_ref(), next);
        }
        self.record(Fact::SessionClosed {
            session: id,
            outcome,
            reason,
            next,
        });
        self.agenda.stir();
    }

    fn carry_rest(&mut self, session: &Session, why: &Reason) {
        for (index, step) in session.steps.iter().enumerate() {
            if matches!(step.state, StepState::Done { .. }) {
                continue;
            }
            let outcome = match step.state {
                StepState::Unchecked | StepState::Checking { .. } => Outcome::Interrupted,
                _ if Self::is_cancelled(session) => Outcome::Cancelled,
                _ => Outcome::Postponed,
            };
            self.step_done(session, index, outcome, why.clone());
        }
    }

    /// An app that stays in maintenance past its window raises an alarm.
    fn watch(&mut self, session: &Session) {
        if session.phase.in_maintenance() && self.now >= session.closes && !session.is_rehearsal() {
            let key = format!("stuck:{}", session.app);
            if !self.state.attention.contains_key(key.as_str()) {
                let text = format!(
                    "{} is still in maintenance after its window has closed",
                    session.app
                );
                self.raise(
                    &key,
                    AttentionKind::StuckInMaintenance,
                    text,
                    Some(&session.app),
                );
            }
        }
    }
}

/// What bounds a step of this session.
pub(super) fn sight(policy: &Policy, session: &Session, step: &Step) -> Sight {
    let job = policy.maintenance.get(&step.job);
    Sight {
        grace: job.map_or(SignedDuration::ZERO, |job| job.grace),
        closes: step.closes,
        cutoff: step.cutoff,
        reserve: session.reserve,
    }
}

/// Whether a step of the session that is not done finds room from `at` on.
pub(super) fn anything_fits(policy: &Policy, session: &Session, at: Timestamp) -> bool {
    session.steps.iter().any(|step| {
        !matches!(step.state, StepState::Done { .. })
            && fits(at, step.estimate, sight(policy, session, step))
    })
}

/// Whether two sorted lists have something in common.
fn shares(some: &[Name], others: &[Name]) -> bool {
    some.iter().any(|lock| others.binary_search(lock).is_ok())
}

/// A reason in words, with what is known beside it.
pub(super) fn words(reason: &Reason) -> String {
    match (&*reason.text, reason.code.words()) {
        ("", words) => words.into(),
        (text, words) => format!("{words}: {text}"),
    }
}

/// What stands for the window of a session that an operator wants to see now.
pub const REHEARSAL: &str = "rehearsal";
/// The same for work that cannot wait for one.
pub const EMERGENCY: &str = "emergency";

/// The window of the sessions that bring every app back when a state is begun anew: no window can be called this.
pub const FRESH: &str = "(fresh-state)";
