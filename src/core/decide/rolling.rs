//! How a job goes over its hosts: how many at once, in what distance, how many may fail, and what has to be well before the
//! next is touched.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use super::start::Attempt;
use crate::core::effect::LockWait;
use crate::core::policy::{Command, Health, MaintenanceJob, Name, Policy};
use crate::core::run::{Outcome, What};
use crate::core::session::{Code, Phase, Reason, Session, SessionResult, Step, StepState};

/// When the next step of a session may begin.
pub(in crate::core) enum Roll {
    Now,
    /// Nothing but time keeps it.
    At(Timestamp),
    /// When something that is under way has ended.
    Later,
}

/// Whether something of a step is under way, or owed to it.
pub(in crate::core) fn is_busy(step: &Step) -> bool {
    !matches!(step.state, StepState::Waiting | StepState::Done { .. })
}

/// Whether an attempt of it is under way.
pub(super) fn is_running(step: &Step) -> bool {
    match &step.state {
        StepState::Running { .. } | StepState::Asking { .. } | StepState::Checking { .. } => true,
        StepState::Guarded(guard) => guard.under_way > 0,
        _ => false,
    }
}

/// How a job goes on in this session.
struct Progress {
    hosts: usize,
    /// Those that it was done on, well or not.
    done: usize,
    failed: usize,
    busy: usize,
}

impl Progress {
    fn of(session: &Session, job: &Name) -> Self {
        let own = || session.steps.iter().filter(|step| step.job == *job);
        let outcome = |step: &Step| match step.state {
            StepState::Done { outcome, .. } => Some(outcome),
            _ => None,
        };
        let worked = |outcome: &Outcome| *outcome == Outcome::Succeeded || outcome.is_bad();
        Self {
            hosts: own().count(),
            done: own().filter_map(outcome).filter(worked).count(),
            failed: own().filter_map(outcome).filter(|o| o.is_bad()).count(),
            busy: own().filter(|step| is_busy(step)).count(),
        }
    }

    /// How many may be worked on at once.
    fn at_once(&self, job: &MaintenanceJob) -> usize {
        // One after another until the first have shown that it works.
        let trying = self.done + self.busy < job.rolling.canary;
        match trying || self.done < job.rolling.canary {
            true => 1,
            // A host that failed takes its place as long as the session lasts.
            false => job
                .rolling
                .parallel
                .of(self.hosts)
                .saturating_sub(self.failed)
                .max(1),
        }
    }
}

/// How many hosts of a job a session has done, is working on, and may work on at once.
pub(in crate::core) fn places(session: &Session, job: &MaintenanceJob) -> (usize, usize, usize) {
    let own = Progress::of(session, &job.name);
    (own.done, own.busy, own.at_once(job))
}

/// How many hosts a job has failed on, in words to be put behind others; nothing of a job on one host.
pub(super) fn failed_of(session: &Session, job: &Name) -> String {
    let own = Progress::of(session, job);
    match own.hosts {
        0 | 1 => String::new(),
        hosts => format!(" ({} of {hosts} hosts failed)", own.failed),
    }
}

/// When a step may begin, as far as the others of its session, and those of its job, decide.
pub(in crate::core) fn roll(session: &Session, step: &Step, job: Option<&MaintenanceJob>) -> Roll {
    if session
        .steps
        .iter()
        .any(|s| s.job != step.job && is_busy(s))
    {
        return Roll::Later;
    }
    let Some(job) = job else {
        let busy = session.steps.iter().any(is_busy);
        return if busy { Roll::Later } else { Roll::Now };
    };
    let (own, rolling) = (Progress::of(session, &step.job), &job.rolling);
    if own.busy >= own.at_once(job) {
        return Roll::Later;
    }
    let pause = match own.done {
        0 => SignedDuration::ZERO,
        done if done == rolling.canary => rolling.wait.max(rolling.pause),
        _ => rolling.pause,
    };
    match session.step_ended.and_then(|at| at.checked_add(pause).ok()) {
        Some(at) if !pause.is_zero() => Roll::At(at),
        _ => Roll::Now,
    }
}

/// When the next step of a session begins that nothing but time keeps from it.
pub fn rolls_on_at(policy: &Policy, session: &Session) -> Option<Timestamp> {
    if session.phase != Phase::Active {
        return None;
    }
    let mut steps = session.steps.iter();
    let step = steps.find(|step| step.state == StepState::Waiting)?;
    match roll(session, step, policy.maintenance.get(&step.job)) {
        Roll::At(at) => Some(at),
        Roll::Now | Roll::Later => None,
    }
}

impl Turn<'_> {
    /// Whether a failure ends the session: all that may fail have, or it was one of the first.
    pub(super) fn is_last_straw(&self, session: &Session, job: &Name) -> bool {
        let own = Progress::of(session, job);
        let Some(job) = self.policy.maintenance.get(job) else {
            return true;
        };
        let may_fail = job.rolling.max_failures.of(own.hosts);
        own.failed > may_fail || own.done <= job.rolling.canary
    }

    /// The job has done its work on a host: before the next one is touched it has to be well.
    pub(super) fn check_health(&mut self, session: &Session, index: usize, step: &Step) {
        let job = self.policy.maintenance.get(&step.job);
        let Some(health) = job.and_then(|job| job.rolling.healthy.clone()) else {
            return self.step_done(session, index, Outcome::Succeeded, Code::Healthy.into());
        };
        if !self.has_host(&step.host) {
            // Its work is done, and there is nobody to be asked.
            return self.step_done(session, index, Outcome::Succeeded, Code::Removed.into());
        }
        let what = What::Health {
            session: session.id.clone(),
            step: index,
            job: step.job.clone(),
            host: step.host.clone(),
        };
        self.look_at_health(session, step, what, &health, Else::AgainUntilTheTimeout);
    }

    /// Starts a look at whether a host is well, for a step.
    pub(super) fn look_at_health(
        &mut self,
        session: &Session,
        step: &Step,
        what: What,
        health: &Health,
        otherwise: Else,
    ) {
        let grace = SignedDuration::from_secs(10);
        let attempt = Attempt {
            what,
            run: None,
            due: None,
            locks: Vec::new(),
            lock_wait: LockWait::UntilStopped,
            timeout: health.timeout,
            grace,
            stop_by: Self::stop_by(session, step.closes, grace),
            reboot: false,
        };
        self.start(attempt, &in_a_row(health, otherwise));
    }

    /// What its health came to.
    pub(super) fn after_health(
        &mut self,
        (id, index): (&str, usize),
        outcome: Outcome,
        words: String,
    ) {
        let Some(session) = self.state.sessions.get(id).cloned() else {
            return;
        };
        let Some(step) = session.steps.get(index) else {
            return;
        };
        match outcome {
            Outcome::Succeeded => {
                self.step_done(&session, index, Outcome::Succeeded, Code::Healthy.into());
                self.prove(id, &step.job, &step.host);
            }
            Outcome::Interrupted => {
                let why: Reason = Code::Interrupted.into();
                self.step_done(&session, index, Outcome::Interrupted, why.clone());
                self.begin_leaving(&session, SessionResult::Interrupted, why);
            }
            _ => {
                let text = format!("the host is not well: {words}");
                let why = Reason::new(Code::Unhealthy, text);
                self.step_done(&session, index, Outcome::Failed, why);
                self.after_step(id, index, (Outcome::Failed, false), None);
            }
        }
    }
}

/// What follows where a host is not well.
#[derive(Clone, Copy)]
pub(super) enum Else {
    /// It may still become so.
    AgainUntilTheTimeout,
    /// It counts as it is.
    Failure,
}

/// So many successes in a row, within the time that bounds the whole.
fn in_a_row(health: &Health, otherwise: Else) -> Command {
    let script = "n=0; wanted=$1; otherwise=$2; shift 2\n\
        until [ \"$n\" -ge \"$wanted\" ]; do\n\
            if \"$@\"; then n=$((n + 1)); elif [ \"$otherwise\" = fail ]; then exit 1; else n=0; fi\n\
            [ \"$n\" -ge \"$wanted\" ] || sleep 2\n\
        done";
    let wanted = health.successes.to_string();
    let otherwise = match otherwise {
        Else::AgainUntilTheTimeout => "again",
        Else::Failure => "fail",
    };
    let shell = ["/bin/sh", "-c", script, "healthy", &wanted, otherwise].map(str::to_owned);
    let command = &health.command;
    Command {
        argv: shell
            .into_iter()
            .chain(command.argv.iter().cloned())
            .collect(),
        beside: false,
        ..command.clone()
    }
}
