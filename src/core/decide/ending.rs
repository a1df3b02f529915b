//! What an ended attempt means: done, again, put off, or failed.

use jiff::SignedDuration;

use super::Turn;
use super::rolling::failed_of;
use super::session::{anything_fits, sight};
use crate::core::fact::{AttemptEnded, Fact, RetryAt};
use crate::core::plan::fits;
use crate::core::policy::{LOCAL, OnFailure, Retry};
use crate::core::run::{End, Outcome, Report, RunId, Verdict, What};
use crate::core::session::{Code, Phase, Reason, SessionResult, StepState, Wished};
use crate::core::state::{AttentionKind, Running};

/// How long the alarm command is let alone between its attempts.
const ALARM_BACKOFF: SignedDuration = SignedDuration::from_secs(30);

/// What to make of an attempt.
struct Meaning {
    outcome: Outcome,
    reason: Option<Reason>,
    carried: bool,
    retry: Option<RetryAt>,
}

impl Meaning {
    fn over(outcome: Outcome, reason: Option<Reason>) -> Self {
        Self {
            outcome,
            reason,
            carried: false,
            retry: None,
        }
    }
}

impl Turn<'_> {
    /// An attempt is over.
    pub(in crate::core) fn ended(&mut self, run: RunId, report: &Report) {
        // Said twice, or of a life before this: nothing is to be done about it.
        let Some(running) = self.state.running.get(&run).cloned() else {
            return;
        };
        let mut report = report.clone();
        if self.state.live.unheard.contains(&run) {
            // Nobody was there all the time.
            let elapsed = self.now.duration_since(running.started);
            report.elapsed = report.elapsed.max(elapsed);
            if self.restarts_its_host(run) {
                report.end = crate::core::recover::restarted_unseen();
            }
        }
        let meaning = self.meaning(run, &running, &report);
        self.record_end(run, &running, &report, meaning);
        if self.state.live.unheard.remove(&run) {
            self.leave_at_last(&running);
        }
    }

    /// What a host was asked of is known now: its session is brought back, as all were at the start.
    fn leave_at_last(&mut self, running: &Running) {
        let session = running.what.session();
        let session = session.and_then(|id| self.state.sessions.get(id)).cloned();
        if let Some(session) = session
            && matches!(session.phase, Phase::Entering | Phase::Active)
        {
            let why = Code::Interrupted.into();
            self.begin_leaving(&session, SessionResult::Interrupted, why);
        }
    }

    /// What was to restart the machine has done so.
    pub(in crate::core) fn came_up(&mut self, run: RunId) {
        let Some(running) = self.state.running.get(&run).cloned() else {
            return;
        };
        let elapsed = self.now.duration_since(running.started);
        let report = Report {
            end: End::Exited { code: 0 },
            elapsed: elapsed.max(SignedDuration::ZERO),
            output_bytes: 0,
            log: false,
            tail: String::new(),
        };
        self.record_end(
            run,
            &running,
            &report,
            Meaning::over(Outcome::Succeeded, None),
        );
    }

    /// An attempt was decided and could not be recorded: nothing was begun, and its work is still due.
    pub(super) fn not_started(&mut self, run: RunId, report: &Report) {
        let Some(running) = self.state.running.get(&run).cloned() else {
            return;
        };
        let reason = Some(Reason::new(Code::StateUnwritable, report.words()));
        let meaning = match &running.what {
            What::Step { .. } | What::Enter { .. } => Meaning {
                carried: true,
                ..Meaning::over(Outcome::Postponed, reason)
            },
            What::Periodic { .. } => Meaning::over(Outcome::Skipped, reason),
            What::Ask { .. } | What::Health { .. } | What::Peer { .. } => {
                Meaning::over(Outcome::Interrupted, reason)
            }
            What::Leave { .. } | What::Alarm { .. } => return self.ended(run, report),
        };
        self.record_end(run, &running, report, meaning);
    }

    fn record_end(&mut self, run: RunId, running: &Running, report: &Report, meaning: Meaning) {
        let (outcome, reason, retry) = (meaning.outcome, meaning.reason.clone(), meaning.retry);
        self.record(Fact::AttemptEnded(Box::new(AttemptEnded {
            run,
            attempt: running.attempt,
            what: running.what.clone(),
            due: running.due,
            started: running.started,
            elapsed: report.elapsed,
            outcome,
            exit_code: report.exit_code(),
            reason: meaning.reason,
            output_bytes: report.output_bytes,
            log: report.log,
            tail: report.tail.clone(),
            carried: meaning.carried,
            to_be_seen: outcome == Outcome::Succeeded && self.is_to_be_seen(&running.what),
            retry,
        })));
        match &running.what {
            What::Step {
                session,
                step,
                job,
                host,
            } => {
                if outcome == Outcome::Succeeded && !self.is_to_be_seen(&running.what) {
                    self.prove(session, job, host);
                }
                let unknown = reason.is_some_and(|reason| reason.code == Code::EndUnknown);
                self.after_step(session, *step, (outcome, unknown), retry);
            }
            What::Enter { session, .. } => self.after_enter(session, outcome, reason, retry),
            What::Leave { session, .. } => {
                self.after_leave(session, running.attempt, outcome, reason)
            }
            What::Ask { session, job, .. } => self.after_ask(session, job, report, outcome),
            What::Health { session, step, .. } => {
                self.after_health((session, *step), outcome, report.words());
            }
            What::Periodic { job, .. } => self.after_periodic(job, outcome, reason.as_ref(), retry),
            // What follows is decided when all that were asked have answered.
            What::Peer { .. } | What::Alarm { .. } => {}
        }
    }

    fn meaning(&self, run: RunId, running: &Running, report: &Report) -> Meaning {
        let verdict = report.verdict();
        let said = Reason::new(Code::JobFailed, report.words());
        if let Verdict::Bad(Outcome::Interrupted) = verdict {
            return self.cut_off(run, running, report);
        }
        match &running.what {
            What::Step { session, step, .. } => {
                self.step_meaning(session, *step, running, verdict, said)
            }
            What::Periodic { job, .. } => self.periodic_meaning(job, verdict, report, said),
            What::Enter { session, .. } => self.enter_meaning(session, verdict, said),
            What::Leave { .. } => match verdict {
                Verdict::Done => Meaning::over(Outcome::Succeeded, None),
                Verdict::Bad(outcome) => self.leave_again(running.attempt, outcome, said),
                _ => self.leave_again(running.attempt, Outcome::Failed, said),
            },
            What::Ask { .. } | What::Health { .. } | What::Peer { .. } => match verdict {
                Verdict::Done => Meaning::over(Outcome::Succeeded, None),
                Verdict::Bad(outcome) => Meaning::over(outcome, Some(said)),
                _ => Meaning::over(Outcome::Failed, Some(said)),
            },
            What::Alarm { .. } => match verdict {
                Verdict::Done => Meaning::over(Outcome::Succeeded, None),
                Verdict::Bad(outcome) => self.alarm_again(running.attempt, outcome, said),
                _ => self.alarm_again(running.attempt, Outcome::Failed, said),
            },
        }
    }

    /// Stopped, or lost: by the window, by a stop of the daemon, by somebody's kill.
    fn cut_off(&self, run: RunId, running: &Running, report: &Report) -> Meaning {
        let stopped = self.state.live.stopped.contains(&run);
        let unheard = match &report.end {
            End::Unheard { why } => Some(why),
            _ => None,
        };
        let overdue = running.stop_by.is_some_and(|at| at <= self.now) && unheard.is_none();
        let reason = match stopped {
            _ if let Some(why) = unheard => Reason::new(Code::EndUnknown, why.clone()),
            _ if overdue && stopped => {
                Reason::new(Code::DoesNotFit, "ended so that the app is back in time")
            }
            true => Code::Interrupted.into(),
            false => Reason::new(Code::Interrupted, report.words()),
        };
        match &running.what {
            What::Step { .. }
                if stopped && running.pid.is_none() && unheard.is_none() && !self.held_back() =>
            {
                let waiting = running.waiting.clone();
                let locked = waiting.map(|holder| Reason::new(Code::Locked, holder));
                let why = locked.unwrap_or_else(|| self.why_not_begun(running, overdue, reason));
                Meaning {
                    carried: true,
                    ..Meaning::over(Outcome::Postponed, Some(why))
                }
            }
            What::Step { .. } | What::Enter { .. } if overdue && stopped => {
                Meaning::over(Outcome::TimedOut, Some(reason))
            }
            What::Step { job, .. } => {
                let repeat = self
                    .policy
                    .maintenance
                    .get(job)
                    .is_some_and(|job| job.repeat_on_interrupt);
                Meaning {
                    carried: repeat,
                    ..Meaning::over(Outcome::Interrupted, Some(reason))
                }
            }
            What::Leave { .. } => self.leave_again(running.attempt, Outcome::Interrupted, reason),
            What::Alarm { .. } => self.alarm_again(running.attempt, Outcome::Interrupted, reason),
            // Asked once more after a start; a question that dies by itself is not asked for ever.
            What::Ask { .. } if !stopped && running.started >= self.state.live.awake_since => {
                Meaning::over(Outcome::Failed, Some(reason))
            }
            _ => Meaning::over(Outcome::Interrupted, Some(reason)),
        }
    }

    /// Why what was stopped before it began, on a host that cannot be reached perhaps, was not let begin.
    fn why_not_begun(&self, running: &Running, overdue: bool, else_: Reason) -> Reason {
        let session = running.what.session();
        let session = session.and_then(|id| self.state.sessions.get(id));
        let wished = session.and_then(|session| session.wished.as_ref());
        let ending = session.and_then(|session| session.ending.as_ref());
        let ending = ending.and_then(|(_, reason)| reason.as_ref());
        match wished.map(Wished::why).or(ending) {
            Some(why) if why.code == Code::JobFailed => Reason::new(Code::Stopped, &*why.text),
            Some(why) if !overdue => why.clone(),
            _ => else_,
        }
    }

    fn step_meaning(
        &self,
        session: &str,
        step: usize,
        running: &Running,
        verdict: Verdict,
        said: Reason,
    ) -> Meaning {
        let Some(session) = self.state.sessions.get(session) else {
            return Meaning::over(Outcome::Failed, Some(said));
        };
        let (Some(step), Some(job)) = (
            session.steps.get(step),
            self.policy
                .maintenance
                .get(running.what.job().map_or("", |j| j)),
        ) else {
            // No longer configured: what it came to still counts.
            let outcome = outcome_of(verdict);
            return Meaning {
                carried: outcome == Outcome::Postponed,
                ..Meaning::over(outcome, Some(said).filter(|_| verdict != Verdict::Done))
            };
        };
        let failures = match step.state {
            StepState::Running { failures, .. } => failures,
            _ => 0,
        };
        let room = |pause: SignedDuration| {
            let at = self.now.saturating_add(pause).ok()?;
            let open = session.overridden.is_some()
                || fits(at, step.estimate, sight(self.policy, session, step));
            (open && !self.held_back()).then_some(at)
        };
        let put_off = |code: Code, text: String| Meaning {
            carried: true,
            ..Meaning::over(Outcome::Postponed, Some(Reason::new(code, text)))
        };
        match verdict {
            Verdict::Done => Meaning::over(Outcome::Succeeded, None),
            Verdict::Busy => put_off(Code::Locked, said.text),
            Verdict::Postpone => put_off(Code::Unavailable, String::new()),
            Verdict::Again => match room(job.retry.backoff) {
                Some(at) => Meaning {
                    retry: Some(RetryAt { at, failures }),
                    ..Meaning::over(Outcome::Postponed, Some(Code::TemporaryFailure.into()))
                },
                None => put_off(Code::TemporaryFailure, String::new()),
            },
            Verdict::Bad(outcome) => {
                let failures = failures.saturating_add(1);
                let again = (failures < job.retry.attempts)
                    .then(|| room(job.retry.backoff))
                    .flatten();
                let retry = again.map(|at| RetryAt { at, failures });
                Meaning {
                    retry,
                    ..Meaning::over(outcome, Some(said))
                }
            }
        }
    }

    fn periodic_meaning(
        &self,
        job: &str,
        verdict: Verdict,
        report: &Report,
        said: Reason,
    ) -> Meaning {
        let failures = self
            .state
            .periodic
            .get(job)
            .and_then(|p| p.active.as_ref())
            .map_or(0, |a| a.failures);
        let retry = self
            .policy
            .periodic
            .get(job)
            .map_or(NO_RETRY, |job| job.retry);
        let later = || {
            self.now
                .saturating_add(retry.backoff)
                .ok()
                .filter(|_| !self.held_back())
        };
        match verdict {
            Verdict::Done => Meaning::over(Outcome::Succeeded, None),
            Verdict::Busy => Meaning::over(
                Outcome::Skipped,
                Some(Reason::new(Code::Locked, report.words())),
            ),
            Verdict::Postpone => Meaning::over(Outcome::Postponed, Some(Code::Unavailable.into())),
            // Until the next due instant: that one serves as well.
            Verdict::Again => match later().filter(|at| self.before_next_due(job, *at)) {
                Some(at) => Meaning {
                    retry: Some(RetryAt { at, failures }),
                    ..Meaning::over(Outcome::Postponed, Some(Code::TemporaryFailure.into()))
                },
                None => Meaning::over(Outcome::Postponed, Some(Code::TemporaryFailure.into())),
            },
            Verdict::Bad(outcome) => {
                let failures = failures.saturating_add(1);
                let again = (failures < retry.attempts).then(later).flatten();
                let retry = again.map(|at| RetryAt { at, failures });
                Meaning {
                    retry,
                    ..Meaning::over(outcome, Some(said))
                }
            }
        }
    }

    fn before_next_due(&self, name: &str, at: jiff::Timestamp) -> bool {
        let (Some(job), Some(past)) = (
            self.policy.periodic.get(name),
            self.state.periodic.get(name),
        ) else {
            return false;
        };
        past.next_due(job).is_none_or(|next| at < next)
    }

    fn enter_meaning(&self, session: &str, verdict: Verdict, said: Reason) -> Meaning {
        let pause = SignedDuration::from_mins(1);
        match verdict {
            Verdict::Done => Meaning::over(Outcome::Succeeded, None),
            Verdict::Postpone | Verdict::Busy => {
                Meaning::over(Outcome::Postponed, Some(Code::Unavailable.into()))
            }
            Verdict::Again => {
                let at = self.now.saturating_add(pause).unwrap_or(self.now);
                let room =
                    self.state.sessions.get(session).is_some_and(|s| {
                        s.overridden.is_some() || anything_fits(self.policy, s, at)
                    });
                let retry = (room && !self.held_back()).then_some(RetryAt { at, failures: 0 });
                Meaning {
                    retry,
                    ..Meaning::over(Outcome::Postponed, Some(Code::TemporaryFailure.into()))
                }
            }
            Verdict::Bad(outcome) => Meaning::over(outcome, Some(said)),
        }
    }

    /// After 1 s, doubling to a minute, without end.
    fn leave_again(&self, attempt: u32, outcome: Outcome, reason: Reason) -> Meaning {
        let pause = SignedDuration::from_secs((1_i64 << attempt.saturating_sub(1).min(6)).min(60));
        let at = self.now.saturating_add(pause).unwrap_or(self.now);
        Meaning {
            retry: Some(RetryAt {
                at,
                failures: attempt,
            }),
            ..Meaning::over(outcome, Some(reason))
        }
    }

    fn alarm_again(&self, attempt: u32, outcome: Outcome, reason: Reason) -> Meaning {
        let at = self.now.saturating_add(ALARM_BACKOFF).unwrap_or(self.now);
        let retry = (attempt < crate::core::apply::ALARM_ATTEMPTS).then_some(RetryAt {
            at,
            failures: attempt,
        });
        Meaning {
            retry,
            ..Meaning::over(outcome, Some(reason))
        }
    }

    /// Whether a step is not done before its host was found well.
    fn is_to_be_seen(&self, what: &What) -> bool {
        let What::Step { job, .. } = what else {
            return false;
        };
        let job = self.policy.maintenance.get(job);
        job.is_some_and(|job| job.rolling.healthy.is_some())
    }

    pub(super) fn after_step(
        &mut self,
        id: &str,
        index: usize,
        (outcome, unknown): (Outcome, bool),
        retry: Option<RetryAt>,
    ) {
        self.agenda.stir();
        let Some(session) = self.state.sessions.get(id).cloned() else {
            return;
        };
        if retry.is_some() || !outcome.is_bad() {
            return;
        }
        // One host that fell silent counts as one that failed.
        if outcome == Outcome::Interrupted && !unknown {
            return self.begin_leaving(
                &session,
                SessionResult::Interrupted,
                Code::Interrupted.into(),
            );
        }
        let Some(step) = session.steps.get(index) else {
            return;
        };
        let stop = self
            .policy
            .maintenance
            .get(&step.job)
            .is_none_or(|job| job.on_failure == OnFailure::Stop);
        if stop && self.is_last_straw(&session, &step.job) {
            let place = match *step.host == *LOCAL {
                true => String::new(),
                false => format!(" on {}", step.host),
            };
            let said = match unknown {
                true => Code::EndUnknown.words(),
                false => outcome.word(),
            };
            let all = failed_of(&session, &step.job);
            let text = format!("{}{place}: {said}{all}", step.job);
            let why = Reason::new(Code::JobFailed, text);
            let rest = Reason::new(Code::Stopped, step.job.to_string());
            for (other_index, other) in session.steps.iter().enumerate() {
                if other.state == StepState::Waiting {
                    self.step_done(&session, other_index, Outcome::Postponed, rest.clone());
                }
            }
            self.begin_leaving(&session, SessionResult::Failure, why);
        }
    }

    fn after_enter(
        &mut self,
        id: &str,
        outcome: Outcome,
        reason: Option<Reason>,
        retry: Option<RetryAt>,
    ) {
        let Some(session) = self.state.sessions.get(id).cloned() else {
            return;
        };
        if retry.is_some() || outcome == Outcome::Succeeded {
            return;
        }
        let reason = reason.unwrap_or(Code::EnterFailed.into());
        match outcome {
            Outcome::Interrupted => {
                self.begin_leaving(&session, SessionResult::Interrupted, reason)
            }
            Outcome::Postponed => self.begin_leaving(&session, SessionResult::Failure, reason),
            _ => {
                let reason = Reason::new(Code::EnterFailed, reason.text);
                self.begin_leaving(&session, SessionResult::Failure, reason);
            }
        }
    }

    fn after_leave(&mut self, id: &str, attempt: u32, outcome: Outcome, reason: Option<Reason>) {
        // One failure may pass by itself; after three somebody should know.
        if outcome != Outcome::Succeeded
            && attempt >= 3
            && let Some(app) = self.state.sessions.get(id).map(|s| s.app.clone())
        {
            let why = reason.map(|r| r.text).unwrap_or_default();
            let text = format!(
                "{app} does not come back: its leave hook fails ({why}); it is tried again"
            );
            self.raise(
                &format!("leave:{app}"),
                AttentionKind::LeaveFailing,
                text,
                Some(&app),
            );
        }
    }

    fn after_ask(&mut self, id: &str, job: &str, report: &Report, outcome: Outcome) {
        let unknown = match outcome {
            Outcome::Succeeded | Outcome::Interrupted => false,
            Outcome::Failed => report.exit_code() != Some(1),
            _ => true,
        };
        let Some(app) = self
            .state
            .sessions
            .get(id)
            .map(|s| s.app.clone())
            .filter(|_| unknown)
        else {
            return;
        };
        let text = format!(
            "{job}: only_if gave no answer ({}); the job is planned all the same",
            report.words()
        );
        self.raise(
            &format!("only_if:{job}"),
            AttentionKind::Unknown,
            text,
            Some(&app),
        );
    }
}

const NO_RETRY: Retry = Retry {
    attempts: 1,
    backoff: SignedDuration::from_mins(1),
};

fn outcome_of(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Done => Outcome::Succeeded,
        Verdict::Bad(outcome) => outcome,
        Verdict::Again | Verdict::Postpone | Verdict::Busy => Outcome::Postponed,
    }
}
