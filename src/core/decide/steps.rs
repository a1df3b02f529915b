//! The jobs of a session, one after another.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use super::rolling::{Roll, is_busy, is_running, roll};
use super::session::sight;
use super::start::Attempt;
use crate::core::effect::LockWait;
use crate::core::fact::Fact;
use crate::core::plan::{fits, is_bounded, visible_on};
use crate::core::policy::{Command, LOCAL, MaintenanceJob, Name};
use crate::core::proof::{Planned, is_staging, not_yet, ready_at};
use crate::core::run::{Outcome, What};
use crate::core::session::{Code, Need, Phase, Reason, Session, SessionResult, Step, StepState};

impl Turn<'_> {
    /// The questions that are asked before anybody is told: of the jobs that follow no other.
    pub(super) fn ask_before_telling(&mut self, session: &Session) {
        // The answer of today says little about a night that is days away.
        if !self.held_back() && (self.told_early(session) || !self.ask_open(session)) {
            self.announce(session);
        }
    }

    /// Whether it is told earlier than by itself, for it is part of a digest.
    pub(super) fn told_early(&self, session: &Session) -> bool {
        let app = self.policy.apps.get(&session.app);
        let early = app.is_some_and(|app| self.now < app.tell_at(session.opens));
        early && session.overridden.is_none()
    }

    /// The same questions again, before the app is touched.
    pub(super) fn ask_before_entering(&mut self, session: &Session) {
        if self.held_back() {
            return;
        }
        // The clock may have been set back.
        if self.now < session.starts && session.overridden.is_none() {
            return;
        }
        // Asking took its time, or nobody was there for a while.
        let asking = |step: &Step| matches!(step.state, StepState::Asking { .. });
        if !session.steps.iter().any(asking)
            && let Some(why) = self.too_late(session)
        {
            return self.postpone(session, why);
        }
        if self.ask_open(session) {
            return;
        }
        for (index, step) in session.steps.iter().enumerate() {
            if step.state != StepState::Waiting {
                continue;
            }
            if step.need == Some(Need::NothingToDo) {
                self.step_done(session, index, Outcome::Skipped, Code::NothingToDo.into());
            } else if session.overridden.is_none()
                && let Some(why) = self.unproven(step, self.now.max(step.starts))
            {
                self.step_done(session, index, Outcome::Postponed, why);
            }
        }
        // The steps were changed just now.
        if let Some(session) = self.state.sessions.get(&session.id).cloned() {
            self.begin(&session);
        }
    }

    /// Whether a step is asked only when another has worked: one that is still to come.
    pub(super) fn follows(&self, session: &Session, step: &Step) -> bool {
        let job = self.policy.maintenance.get(&step.job);
        step.if_needed
            && session.steps.iter().any(|other| {
                other.state == StepState::Waiting
                    && other.need != Some(Need::NothingToDo)
                    && job.is_some_and(|job| job.after.contains(&other.job))
            })
    }

    /// Asks the first open question; whether there is one.
    fn ask_open(&mut self, session: &Session) -> bool {
        for (index, step) in session.steps.iter().enumerate() {
            match step.state {
                StepState::Asking { .. } => return true,
                StepState::Waiting
                    if step.need.is_none()
                        && !self.follows(session, step)
                        && self.ask(session, index, step) =>
                {
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Asks `only_if` of a step; false where the job has none.
    fn ask(&mut self, session: &Session, index: usize, step: &Step) -> bool {
        let Some(probe) = self
            .policy
            .maintenance
            .get(&step.job)
            .and_then(|job| job.only_if.clone())
        else {
            return false;
        };
        let what = What::Ask {
            session: session.id.clone(),
            step: index,
            job: step.job.clone(),
            host: step.host.clone(),
        };
        let attempt = Attempt {
            what,
            run: None,
            due: None,
            locks: Vec::new(),
            lock_wait: LockWait::UntilStopped,
            timeout: probe.timeout,
            grace: jiff::SignedDuration::from_secs(10),
            stop_by: None,
            reboot: false,
        };
        self.start(attempt, &probe.command);
        true
    }

    /// The next thing to do of an active session.
    pub(super) fn work(&mut self, session: &Session) {
        let before = (self.decision.facts.len(), self.decision.effects.len());
        let busy = session.steps.iter().enumerate();
        for (index, step) in busy.filter(|(_, step)| is_busy(step)) {
            self.go_on(session, index, step);
        }
        // What follows is decided from what that came to.
        if (self.decision.facts.len(), self.decision.effects.len()) != before {
            return;
        }
        let running = session.steps.iter().any(is_running);
        if let Some((result, reason)) = &session.ending {
            if !running {
                self.end(session, *result, reason.clone());
            }
            return;
        }
        let busy = session.steps.iter().any(is_busy);
        let waiting = |step: &Step| step.state == StepState::Waiting;
        let left = session.steps.iter().any(waiting);
        let interrupted = match () {
            () if self.held_back() => Some(Code::Interrupted),
            () if left && session.outside(self.now) => Some(Code::OutsideWindow),
            () => None,
        };
        if let Some(why) = interrupted {
            if !running {
                self.begin_leaving(session, SessionResult::Interrupted, why.into());
            }
            return;
        }
        // How the last life of the daemon ended for it is not known yet.
        if self.is_unheard(&session.id) {
            return;
        }
        let mut steps = session.steps.iter().enumerate();
        match steps.find(|(_, step)| waiting(step)) {
            Some((index, step)) => {
                let job = self.policy.maintenance.get(&step.job);
                let may = match roll(session, step, job) {
                    Roll::Now => true,
                    Roll::At(at) => self.now >= at,
                    Roll::Later => false,
                };
                // What restarts this machine would cut off the others.
                let alone = job.is_none_or(|job| !(job.reboot && *step.host == *LOCAL)) || !busy;
                if may && alone {
                    self.next_step(session, index, step);
                }
            }
            None if busy => {}
            None => {
                let bad = |step: &Step| matches!(step.state, StepState::Done { outcome, .. } if outcome.is_bad());
                let failed = session.steps.iter().any(bad);
                let result = if failed {
                    SessionResult::Failure
                } else {
                    SessionResult::Success
                };
                self.record(Fact::SessionLeaving {
                    session: session.id.clone(),
                    result,
                    reason: None,
                });
            }
        }
    }

    /// Nothing of it runs any more: what was still to follow does not.
    fn end(&mut self, session: &Session, result: SessionResult, reason: Option<Reason>) {
        let why = reason.clone().unwrap_or(Code::Interrupted.into());
        for (index, step) in session.steps.iter().enumerate().filter(|(_, s)| is_busy(s)) {
            let outcome = match step.state {
                StepState::Unchecked => Outcome::Interrupted,
                _ => Outcome::Postponed,
            };
            self.step_done(session, index, outcome, why.clone());
        }
        self.record(Fact::SessionLeaving {
            session: session.id.clone(),
            result,
            reason,
        });
    }

    /// A step that waits too long for a lock is given up; one that waits for its next attempt gets it.
    fn go_on(&mut self, session: &Session, index: usize, step: &Step) {
        match step.state {
            StepState::Running { run, .. } => {
                let Some(running) = self.state.running.get(&run) else {
                    return;
                };
                // While a lock is waited for, only as long as the step still fits.
                // The loop wakes at the last instant at which it fits: one later is too late to be looked for.
                let next = self.now.saturating_add(SignedDuration::from_nanos(1));
                let late = running.pid.is_none()
                    && running.waiting.is_some()
                    && session.overridden.is_none()
                    && !fits(
                        next.unwrap_or(self.now),
                        step.estimate,
                        sight(self.policy, session, step),
                    );
                if late {
                    self.stop(run);
                }
            }
            StepState::Backoff {
                run,
                attempt,
                until,
                ..
            } => {
                let job = self.policy.maintenance.get(&step.job).cloned();
                match job.filter(|_| self.has_host(&step.host)) {
                    None => {
                        self.step_done(session, index, Outcome::Cancelled, Code::Removed.into())
                    }
                    Some(_) if let Some(why) = self.stopped(session) => {
                        self.put_off_and_leave(session, index, why);
                    }
                    Some(_) if until > self.now => {}
                    Some(job)
                        if session.overridden.is_some()
                            || fits(self.now, step.estimate, sight(self.policy, session, step)) =>
                    {
                        self.start_step(session, index, step, &job, Some((run, attempt)));
                    }
                    Some(_) => {
                        self.step_done(session, index, Outcome::Postponed, Code::DoesNotFit.into())
                    }
                }
            }
            // A failure elsewhere is no reason not to know how this one came out.
            StepState::Unchecked if self.held_back() || is_interrupted(session) => {
                let why: Reason = Code::Interrupted.into();
                self.step_done(session, index, Outcome::Interrupted, why.clone());
                self.begin_leaving(session, SessionResult::Interrupted, why);
            }
            StepState::Unchecked => self.check_health(session, index, step),
            StepState::Guarded(ref guard) if guard.under_way == 0 => {
                match self.stopped(session) {
                    Some(why) => self.put_off_and_leave(session, index, why),
                    // Time has passed: all that decides is looked at again.
                    None => self.next_step(session, index, step),
                }
            }
            _ => {}
        }
    }

    /// Whether a host is in the configuration still.
    pub(super) fn has_host(&self, host: &Name) -> bool {
        **host == *LOCAL || self.policy.hosts.contains_key(host)
    }

    /// Why nothing of a session is begun any more.
    fn stopped(&self, session: &Session) -> Option<Code> {
        match () {
            () if self.held_back() || session.ending.is_some() => Some(Code::Interrupted),
            () if session.outside(self.now) => Some(Code::OutsideWindow),
            () => None,
        }
    }

    fn put_off_and_leave(&mut self, session: &Session, index: usize, why: Code) {
        self.step_done(session, index, Outcome::Postponed, why.into());
        self.begin_leaving(session, SessionResult::Interrupted, why.into());
    }

    fn next_step(&mut self, session: &Session, index: usize, step: &Step) {
        let job = self.policy.maintenance.get(&step.job).cloned();
        let Some(job) = job.filter(|_| self.has_host(&step.host)) else {
            return self.step_done(session, index, Outcome::Cancelled, Code::Removed.into());
        };
        let free = session.overridden.is_some();
        // Others were faster than planned: its own piece of the occurrence has not begun.
        if !free && step.opens.is_some_and(|opens| self.now < opens) {
            return;
        }
        if !free && !fits(self.now, step.estimate, sight(self.policy, session, step)) {
            return self.step_done(session, index, Outcome::Postponed, Code::DoesNotFit.into());
        }
        if !free && !self.host_is_open(session, step, &job) {
            let words = format!("{} may not be touched now", step.host);
            let why = Reason::new(Code::OutsideWindow, words);
            return self.step_done(session, index, Outcome::Postponed, why);
        }
        if let Some(why) = self.unproven(step, self.now).filter(|_| !free) {
            return self.step_done(session, index, Outcome::Postponed, why);
        }
        // Something that was put off for a reason of its own takes along what follows it.
        let put_off = session.steps.iter().find(|other| {
            job.after.contains(&other.job)
                && matches!(
                    &other.state,
                    StepState::Done {
                        outcome: Outcome::Postponed,
                        ..
                    }
                )
        });
        if let Some(other) = put_off {
            let reason = Reason::new(Code::Stopped, format!("{} was postponed", other.job));
            return self.step_done(session, index, Outcome::Postponed, reason);
        }
        // It would cut off what others do here; they are waited for, as long as there is room.
        if job.reboot && *step.host == *LOCAL && self.others_work(session) {
            return;
        }
        if job.only_if.is_some() && !free {
            if step.need == Some(Need::NothingToDo) {
                return self.step_done(session, index, Outcome::Skipped, Code::NothingToDo.into());
            }
            if self.stale(session, step) && self.ask(session, index, step) {
                return;
            }
        }
        if self.guard(session, index, step, &job) {
            return;
        }
        self.start_step(session, index, step, &job, None);
    }

    /// Whether the host's own window, and freezes of hosts, leave room for the step: they may have changed since it was
    /// planned.
    fn host_is_open(&self, session: &Session, step: &Step, job: &MaintenanceJob) -> bool {
        if !is_bounded(self.policy, &step.host) {
            return true;
        }
        let window = self.policy.windows.get(&session.window);
        let Some(occurrence) = window.and_then(|window| window.open_at(self.now)) else {
            return true;
        };
        let Ok(ends) = self.now.saturating_add(step.estimate) else {
            return false;
        };
        let pieces = visible_on(self.policy, job, &step.host, occurrence);
        let mut here = pieces.iter().filter(|piece| piece.contains(self.now));
        here.any(|piece| ends <= piece.closes)
    }

    /// Whether another app is in maintenance and does not itself wait to restart this machine.
    fn others_work(&self, session: &Session) -> bool {
        let restarts = |other: &Session| {
            let mut steps = other.steps.iter();
            let next = steps.find(|step| step.state == StepState::Waiting);
            let idle = !other.steps.iter().any(|step| {
                matches!(
                    step.state,
                    StepState::Running { .. } | StepState::Asking { .. }
                )
            });
            other.phase == Phase::Active
                && idle
                && next.is_some_and(|step| {
                    let job = self.policy.maintenance.get(&step.job);
                    *step.host == *LOCAL && job.is_some_and(|job| job.reboot)
                })
        };
        let busy = |other: &Session| {
            other.phase.in_maintenance() || matches!(other.phase, Phase::Starting | Phase::Left)
        };
        let mut others = self.state.sessions.values();
        others.any(|other| other.id != session.id && busy(other) && !restarts(other))
    }

    /// Whether the answer is older than work that may have changed it.
    fn stale(&self, session: &Session, step: &Step) -> bool {
        match (step.need, step.asked) {
            (Some(_), Some(asked)) => {
                // Asked right before entering: good for the first, not after others have worked.
                let worked = session
                    .steps
                    .iter()
                    .any(|s| matches!(s.state, StepState::Done { .. }));
                worked && session.entered.is_some_and(|entered| asked < entered)
            }
            _ => true,
        }
    }

    fn start_step(
        &mut self,
        session: &Session,
        index: usize,
        step: &Step,
        job: &MaintenanceJob,
        run: Option<(crate::core::run::RunId, u32)>,
    ) {
        let what = What::Step {
            session: session.id.clone(),
            step: index,
            job: step.job.clone(),
            host: step.host.clone(),
        };
        let attempt = Attempt {
            what,
            run,
            due: Some(step.dues),
            locks: job.locks.clone(),
            lock_wait: LockWait::UntilStopped,
            timeout: job.timeout,
            grace: job.grace,
            stop_by: Self::stop_by(session, step.closes, job.grace),
            reboot: job.reboot,
        };
        match attempt.reboot && *step.host == *LOCAL {
            true => self.start(attempt, &until_down(&job.command)),
            false => self.start(attempt, &job.command),
        }
    }

    /// Ends a step without another attempt.
    pub(super) fn step_done(
        &mut self,
        session: &Session,
        index: usize,
        outcome: Outcome,
        reason: Reason,
    ) {
        let Some(step) = session.steps.get(index) else {
            return;
        };
        // With nothing to do all is as it should be.
        let proves = outcome == Outcome::Skipped && reason.code == Code::NothingToDo;
        self.record(Fact::StepDone {
            session: session.id.clone(),
            step: index,
            job: step.job.clone(),
            host: step.host.clone(),
            due: step.dues,
            outcome,
            reason,
        });
        if proves {
            self.prove(&session.id, &step.job, &step.host);
        }
    }

    /// A job has done on this host what it was to do: others may wait for that. A rehearsal proves nothing.
    pub(super) fn prove(&mut self, session: &str, job: &Name, host: &Name) {
        if !self
            .state
            .sessions
            .get(session)
            .is_some_and(Session::is_rehearsal)
            && is_staging(self.policy, job)
        {
            self.record(Fact::Proven {
                job: job.clone(),
                host: host.clone(),
            });
        }
    }

    /// Why a step may not run at `at`: what its job waits for has not succeeded for long enough.
    fn unproven(&self, step: &Step, at: Timestamp) -> Option<Reason> {
        let job = self.policy.maintenance.get(&step.job)?;
        if job.proven_by.is_empty() {
            return None;
        }
        match ready_at(self.policy, self.state, &Planned::new(), job, &step.host) {
            Ok(ready) if ready <= at => None,
            Ok(_) => Some(not_yet(job)),
            Err(why) => Some(why),
        }
    }
}

/// Whether a session is to end for a reason that leaves no time to look.
fn is_interrupted(session: &Session) -> bool {
    let ending = session.ending.as_ref();
    ending.is_some_and(|(result, _)| *result == SessionResult::Interrupted)
}

/// What restarts this machine says only that it will: so it is waited for as long as the machine is up.
fn until_down(command: &Command) -> Command {
    let wait = "\"$@\" && exec sleep 2147483647";
    let shell = ["/bin/sh", "-c", wait, "reboot"].map(str::to_owned);
    Command {
        argv: shell
            .into_iter()
            .chain(command.argv.iter().cloned())
            .collect(),
        ..command.clone()
    }
}
