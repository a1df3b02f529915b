//! Hosts that are to stay in service: one is not touched unless enough of the others are well.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::Turn;
use super::rolling::is_busy;
use super::session::sight;
use super::start::Attempt;
use crate::core::effect::LockWait;
use crate::core::plan::fits;
use crate::core::policy::{Command, Health, InService, MaintenanceJob, Name};
use crate::core::run::{Outcome, What};
use crate::core::session::{Code, Guard, Reason, Session, SessionResult, Step, StepState};

/// Looked at together, at most.
const TOGETHER: usize = 16;

/// The others that were not looked at yet.
#[derive(Default)]
struct Peers {
    /// Nothing is done on them.
    free: Vec<Name>,
    /// This session works on them: they are counted when it has done so.
    busy: Vec<Name>,
}

impl Turn<'_> {
    /// Whether a step that may begin has to wait for its peers, or is put off because of them.
    pub(super) fn guard(
        &mut self,
        session: &Session,
        index: usize,
        step: &Step,
        job: &MaintenanceJob,
    ) -> bool {
        let Some((health, service)) = guarding(job) else {
            return false;
        };
        // Who is looked at for another step must not be touched before that begins.
        let others = session.steps.iter().filter(|other| *other != step);
        if others
            .clone()
            .any(|other| matches!(other.state, StepState::Guarded(_)))
        {
            return true;
        }
        self.ask_more((session, index, step), (health, service), &Guard::default());
        true
    }

    /// Goes on with a step whose peers are being looked at.
    pub(super) fn guarded(&mut self, session: &Session, index: usize, step: &Step, guard: &Guard) {
        if guard.under_way > 0 {
            return;
        }
        let Some(job) = self.policy.maintenance.get(&step.job).cloned() else {
            return self.step_done(session, index, Outcome::Cancelled, Code::Removed.into());
        };
        let stopped = match () {
            () if self.held_back() || session.ending.is_some() => Some(Code::Interrupted),
            () if session.outside(self.now) => Some(Code::OutsideWindow),
            () => None,
        };
        if let Some(why) = stopped {
            self.step_done(session, index, Outcome::Postponed, why.into());
            return self.begin_leaving(session, SessionResult::Interrupted, why.into());
        }
        let room = session.overridden.is_some()
            || fits(self.now, step.estimate, sight(self.policy, session, step));
        match guarding(&job) {
            _ if !room => {
                self.step_done(session, index, Outcome::Postponed, Code::DoesNotFit.into());
            }
            Some((health, service)) if well(guard, service) < service.least() => {
                self.ask_more((session, index, step), (health, service), guard);
            }
            _ => self.start_step(session, index, step, &job, None),
        }
    }

    /// Looks at as many of the others as are still wanted; puts the step off where there are too few.
    fn ask_more(
        &mut self,
        (session, index, step): (&Session, usize, &Step),
        (health, service): (&Health, &InService),
        guard: &Guard,
    ) {
        let peers = self.peers(session, step, service, guard);
        let missing = service.least().saturating_sub(well(guard, service));
        if peers.free.len() + peers.busy.len() < missing {
            let text = format!(
                "{} of {} other hosts are well, {} have to be",
                well(guard, service),
                service.hosts.len(),
                service.least()
            );
            let why = Reason::new(Code::TooFewInService, text);
            return self.step_done(session, index, Outcome::Postponed, why);
        }
        // Those that are being worked on may be well in a moment.
        if peers.free.len() < missing {
            return;
        }
        for host in peers.free.into_iter().take(missing.min(TOGETHER)) {
            let what = What::Peer {
                session: session.id.clone(),
                step: index,
                job: step.job.clone(),
                host,
            };
            let attempt = Attempt {
                what,
                run: None,
                due: None,
                locks: Vec::new(),
                lock_wait: LockWait::UntilStopped,
                timeout: health.timeout,
                grace: SignedDuration::from_secs(10),
                stop_by: Self::stop_by(session, step.closes, SignedDuration::from_secs(10)),
                reboot: false,
            };
            self.start(attempt, &is_well(health));
        }
    }

    /// The others that were not looked at yet. What another session works on is not well.
    fn peers(&self, session: &Session, step: &Step, service: &InService, guard: &Guard) -> Peers {
        let own = session.steps.iter().filter(|other| is_busy(other));
        let own: BTreeSet<&Name> = own.map(|other| &other.host).collect();
        let running = self.state.running.values().filter_map(|running| {
            let What::Step {
                session: of, host, ..
            } = &running.what
            else {
                return None;
            };
            (*of != session.id).then_some(host)
        });
        let others: BTreeSet<&Name> = running.collect();
        let asked: BTreeSet<&Name> = guard.asked.iter().collect();
        let mut peers = Peers::default();
        for host in &service.hosts {
            if *host == step.host || others.contains(host) || asked.contains(host) {
                continue;
            }
            match own.contains(host) {
                true => peers.busy.push(host.clone()),
                false => peers.free.push(host.clone()),
            }
        }
        peers
    }
}

fn guarding(job: &MaintenanceJob) -> Option<(&Health, &InService)> {
    let rolling = &job.rolling;
    rolling.healthy.as_ref().zip(rolling.in_service.as_ref())
}

/// How many are known to be well, of those that count now.
fn well(guard: &Guard, service: &InService) -> usize {
    let counts = guard
        .well
        .iter()
        .filter(|host| service.hosts.contains(host));
    counts.count()
}

/// So many successes in a row; the first failure says that it is not.
fn is_well(health: &Health) -> Command {
    let script = "n=0; wanted=$1; shift\n\
        until [ \"$n\" -ge \"$wanted\" ]; do\n\
            [ \"$n\" = 0 ] || sleep 2\n\
            \"$@\" || exit\n\
            n=$((n + 1))\n\
        done";
    let wanted = health.successes.to_string();
    let shell = ["/bin/sh", "-c", script, "healthy", &wanted].map(str::to_owned);
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
