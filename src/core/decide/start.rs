//! How an attempt is started, and ended before its time.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use crate::core::contract;
use crate::core::effect::{Effect, LockWait, Place, Start};
use crate::core::fact::Fact;
use crate::core::notice::{Notice, Progress};
use crate::core::policy::{Command, Hook, LOCAL, Name};
use crate::core::run::{Dues, RunId, SessionId, What};
use crate::core::session::{Phase, Session};
use crate::core::state::Running;

/// Everything about an attempt but the command.
pub(super) struct Attempt {
    pub what: What,
    /// A new run, or the next attempt of one.
    pub run: Option<(RunId, u32)>,
    pub due: Option<Dues>,
    pub locks: Vec<Name>,
    pub lock_wait: LockWait,
    pub timeout: SignedDuration,
    pub grace: SignedDuration,
    /// SIGTERM no later than this.
    pub stop_by: Option<Timestamp>,
    /// It restarts this machine.
    pub reboot: bool,
}

/// What a run on a host may take beside time bound and grace, where nobody here ends it.
const ON_A_HOST: SignedDuration = SignedDuration::from_secs(75);

impl Turn<'_> {
    /// Records that an attempt begins, and asks for it.
    pub(super) fn start(&mut self, attempt: Attempt, command: &Command) {
        let (run, number) = match attempt.run {
            Some((run, last)) => (run, last.saturating_add(1)),
            None => (self.state.next_run.max(1), 1),
        };
        let what = attempt.what;
        let session = what.session().and_then(|id| self.state.sessions.get(id));
        let env = contract::variables(&what, command, session, (run, number), &self.state.nonce);
        let bound = attempt
            .stop_by
            .map(|at| at.duration_since(self.now).max(SignedDuration::ZERO));
        let start = Start {
            run,
            attempt: number,
            command: command.clone(),
            env,
            locks: contract::locks(&what, &attempt.locks),
            lock_wait: attempt.lock_wait,
            timeout: bound.map_or(attempt.timeout, |bound| bound.min(attempt.timeout)),
            grace: attempt.grace,
            log_limit: self.policy.limits.log_bytes,
            reboot: attempt.reboot,
            place: match what.host() {
                LOCAL => Place::Here,
                host => Place::Host(self.policy.hosts.get(host).cloned()),
            },
            what: what.clone(),
        };
        let here = what.host() == LOCAL;
        let there = self.policy.hosts.get(what.host()).filter(|_| !here);
        let way = there.map(|host| Box::new(host.way(command.user.as_ref())));
        let (due, stop_by, reboot) = (attempt.due, attempt.stop_by, attempt.reboot);
        self.record(Fact::AttemptStarted {
            run,
            attempt: number,
            what,
            due,
            stop_by,
            reboot: reboot && here,
            way,
        });
        self.effect(Effect::Start(Box::new(start)));
    }

    /// Starts a hook of a session; `bounded` where it may not run into the reserve.
    pub(super) fn start_hook(
        &mut self,
        what: What,
        hook: &Hook,
        run: Option<(RunId, u32)>,
        stop_by: Option<Timestamp>,
    ) {
        let attempt = Attempt {
            what,
            run,
            due: None,
            locks: Vec::new(),
            lock_wait: LockWait::UntilStopped,
            timeout: hook.timeout,
            grace: hook.grace,
            stop_by,
            reboot: false,
        };
        self.start(attempt, &hook.command);
    }

    /// Ends a run before its time, once.
    pub(super) fn stop(&mut self, run: RunId) {
        if self.state.live.stopped.insert(run) {
            self.effect(Effect::Stop { run });
        }
    }

    /// Ends what runs into the time that is kept for leaving.
    pub(super) fn stop_overdue(&mut self) {
        // What waits for a lock could begin at any time: not once the clock was set back before the opening.
        let outside = |r: &Running| {
            let session = r.what.session().and_then(|id| self.state.sessions.get(id));
            let disturbs = matches!(r.what, What::Step { .. } | What::Enter { .. });
            r.waiting.is_some() && disturbs && session.is_some_and(|s| s.outside(self.now))
        };
        let overdue = self
            .state
            .running
            .iter()
            // What is asked for on its host has nothing here that could be stopped.
            .filter(|(run, _)| !self.state.live.unheard.contains(run))
            .filter(|(_, r)| r.stop_by.is_some_and(|at| at <= self.now) || outside(r));
        let overdue: Vec<RunId> = overdue.map(|(run, _)| *run).collect();
        overdue.into_iter().for_each(|run| self.stop(run));
    }

    /// What runs is ended, but for what brings apps back and calls people, and what this stop may be the work of.
    pub(super) fn stop_all(&mut self) {
        let spared = |what: &What| matches!(what, What::Leave { .. } | What::Alarm { .. });
        let running: Vec<RunId> = self
            .state
            .running
            .iter()
            .filter(|(_, r)| !spared(&r.what) && !r.reboot)
            .map(|(run, _)| *run)
            .collect();
        running.into_iter().for_each(|run| self.stop(run));
    }

    /// When the last process of a session's work has to be asked to end: the grace and the leave hooks come after it.
    pub(super) fn stop_by(
        session: &Session,
        closes: Timestamp,
        grace: SignedDuration,
    ) -> Option<Timestamp> {
        if session.overridden.is_some() {
            return None;
        }
        closes
            .checked_sub(session.reserve)
            .and_then(|at| at.checked_sub(grace))
            .ok()
    }

    /// Where the daemon is to be started anew: begins nothing new while no app is being maintained, until nothing runs.
    /// What runs too long for that is not waited for: all goes on, and it is tried again later.
    pub(super) fn drain(&mut self) {
        if !self.state.live.restart {
            return;
        }
        let busy = |s: &Session| {
            s.phase.in_maintenance() || matches!(s.phase, Phase::Starting | Phase::Left)
        };
        let busy = self.state.sessions.values().any(busy);
        let over = |since: Timestamp| {
            let until = since.saturating_add(self.policy.limits.stop_timeout);
            until.is_ok_and(|until| self.now >= until)
        };
        let (draining, rested) = (self.state.live.draining, self.state.live.drained_in_vain);
        let live = &mut self.state.live;
        match draining {
            Some(since) if over(since) => {
                live.draining = None;
                live.drained_in_vain = Some(self.now);
            }
            None if !busy && rested.is_none_or(over) => {
                live.draining = Some(self.now);
                live.drained_in_vain = None;
            }
            _ => {}
        }
    }

    /// Has a host asked how an attempt of the last life ended: nothing is decided before.
    pub(in crate::core) fn ask_of(&mut self, run: RunId, ordered: Option<Timestamp>) {
        let Some(running) = self.state.running.get(&run) else {
            return;
        };
        let bound = self.bound_of(&running.what);
        // It may have waited for a lock here before.
        let since = ordered.unwrap_or(running.started).max(running.started);
        let until = since.saturating_add(bound);
        let ask = Effect::Ask {
            run,
            attempt: running.attempt,
            host: self.policy.hosts.get(running.what.host()).cloned(),
            way: running.way.clone(),
            locks: contract::locks(&running.what, self.named_locks(&running.what)),
            until: until.unwrap_or(self.now),
        };
        self.state.live.unheard.insert(run);
        self.effect(ask);
    }

    /// Whether an attempt is to restart another machine: that its command has ended says nothing of that.
    pub(in crate::core) fn restarts_its_host(&self, run: RunId) -> bool {
        let Some(What::Step { job, host, .. }) = self.state.running.get(&run).map(|r| &r.what)
        else {
            return false;
        };
        let job = self.policy.maintenance.get(job);
        **host != *LOCAL && job.is_some_and(|job| job.reboot)
    }

    fn named_locks(&self, what: &What) -> &[Name] {
        match what {
            What::Step { job, .. } => self.policy.maintenance.get(job).map(|job| &*job.locks),
            What::Periodic { job, .. } => self.policy.periodic.get(job).map(|job| &*job.locks),
            _ => None,
        }
        .unwrap_or_default()
    }

    /// Whether how something of a session ended on a host is not known yet.
    pub(in crate::core) fn is_unheard(&self, id: &SessionId) -> bool {
        let unheard = self.state.live.unheard.iter();
        let mut running = unheard.filter_map(|run| self.state.running.get(run));
        running.any(|running| running.what.session() == Some(id))
    }

    /// The longest time after which nothing of an attempt is left on its host.
    fn bound_of(&self, what: &What) -> SignedDuration {
        let step = what.job().and_then(|job| self.policy.maintenance.get(job));
        let periodic = what.job().and_then(|job| self.policy.periodic.get(job));
        let app = what.session().and_then(|id| self.state.sessions.get(id));
        let app = app.and_then(|session| self.policy.apps.get(&session.app));
        let (timeout, grace) = match what {
            What::Step { .. } => step.map(|job| (job.timeout, job.grace)),
            What::Health { .. } | What::Peer { .. } => step
                .and_then(|job| job.rolling.healthy.as_ref())
                .map(|health| (health.timeout, SignedDuration::from_secs(10))),
            What::Ask { .. } => step
                .and_then(|job| job.only_if.as_ref())
                .map(|probe| (probe.timeout, SignedDuration::from_secs(10))),
            What::Periodic { .. } => periodic.map(|job| (job.timeout, job.grace)),
            What::Enter { hook, .. } => app
                .and_then(|app| app.enter.get(*hook))
                .map(|hook| (hook.timeout, hook.grace)),
            What::Leave { hook, .. } => app
                .and_then(|app| app.leave.get(*hook))
                .map(|hook| (hook.timeout, hook.grace)),
            What::Alarm { .. } => None,
        }
        .unwrap_or((SignedDuration::from_hours(1), SignedDuration::from_secs(10)));
        timeout
            .saturating_add(grace.saturating_mul(2))
            .saturating_add(ON_A_HOST)
    }

    /// Whether a session waits for this machine to come up anew.
    pub(super) fn reboots(&self, session: &Session) -> bool {
        let mut running = self.state.running.values();
        running.any(|r| r.reboot && r.what.session() == Some(&session.id))
    }

    /// Exits when everything that stopping asks for is done.
    pub(super) fn maybe_exit(&mut self) {
        // Alone there is no next start soon: what is owed is tried once.
        let untried = |n: &Notice| {
            let fresh = n.attempts == 0 && n.is_due(self.now);
            n.progress == Progress::Sending || fresh && self.leader(n).is_none()
        };
        let telling = self.state.live.alone && self.state.notices.values().any(untried);
        // An answer that is not heard means the same mail again after the next start.
        let sending = |n: &Notice| n.progress == Progress::Sending;
        let telling = telling
            || self.state.live.draining.is_some() && self.state.notices.values().any(sending)
            || self.state.live.answers_by().is_some_and(|by| self.now < by)
                && self.state.notices.values().any(sending);
        let live = &self.state.live;
        if (live.stopping.is_some() || live.draining.is_some())
            && !telling
            && self.state.running.values().all(|running| running.reboot)
            && !self.state.sessions.values().any(|s| {
                // One whose machine is being restarted goes on after that.
                s.phase.in_maintenance() && !self.reboots(s)
            })
        {
            self.effect(Effect::Exit { clean: true });
        }
    }
}
