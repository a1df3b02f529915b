//! Hosts that are to stay in service: one is not touched unless enough of the others are well.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use super::rolling::{Else, is_busy};
use crate::core::policy::{InService, MaintenanceJob, Name};
use crate::core::run::{Outcome, What};
use crate::core::session::{Code, Guard, Reason, Session, Step, StepState};

/// Looked at together, at most.
const TOGETHER: usize = 16;

/// What was seen of a host counts for so long for the others that are begun after it: looking at all of them before each
/// would take longer than the work.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// The others that were not looked at yet.
#[derive(Default)]
struct Peers {
    /// Nothing is done on them.
    free: Vec<Name>,
    /// So many are being worked on: they are looked at when that is done.
    busy: usize,
}

impl Turn<'_> {
    /// Whether a step that may begin otherwise has to wait for its peers, or is put off because of them.
    pub(super) fn guard(
        &mut self,
        session: &Session,
        index: usize,
        step: &Step,
        job: &MaintenanceJob,
    ) -> bool {
        // Once it has begun to look its own host is being worked on, and not looked at any more: two that wait for each
        // other would wait until the window closes.
        let looks = matches!(step.state, StepState::Guarded(_));
        if !looks && self.is_watched(session, &step.host) {
            return true;
        }
        let rolling = &job.rolling;
        let Some((health, service)) = rolling.healthy.as_ref().zip(rolling.in_service.as_ref())
        else {
            return false;
        };
        let lately = self.seen_lately(session, step, service);
        let least = service.least();
        let guarded = |other: &Step| matches!(other.state, StepState::Guarded(_));
        let known = match &step.state {
            StepState::Guarded(guard) => guard.clone(),
            // Who is looked at for another step must not be touched before that begins.
            _ if session.steps.iter().any(guarded) => return true,
            _ => Guard::default(),
        };
        let well = well(&known, &lately, service);
        if well >= least {
            return false;
        }
        let (missing, peers) = (
            least - well,
            self.peers(session, step, service, (&known, &lately)),
        );
        if peers.free.len() + peers.busy < missing {
            let text = format!("{well} of the other hosts are well, {least} have to be");
            let why = Reason::new(Code::TooFewInService, text);
            self.step_done(session, index, Outcome::Postponed, why);
        } else if peers.free.len() >= missing {
            for host in peers.free.into_iter().take(missing.min(TOGETHER)) {
                let what = What::Peer {
                    session: session.id.clone(),
                    step: index,
                    job: step.job.clone(),
                    host,
                };
                self.look_at_health(session, step, what, health, Else::Failure);
            }
        }
        // Else those that are being worked on may be well in a moment.
        true
    }

    /// Whether another session looks at this host, or has seen that it is well, and is about to touch another for that
    /// reason: until then it is left alone. It does not wait for us in turn: whoever looks first comes first.
    fn is_watched(&self, session: &Session, host: &Name) -> bool {
        let mut others = self.state.sessions.values().filter(|s| s.id != session.id);
        others.any(|other| {
            let guarded = |step: &&Step| matches!(step.state, StepState::Guarded(_));
            let mut guarded = other.steps.iter().filter(guarded);
            guarded.any(|step| {
                let job = self.policy.maintenance.get(&step.job);
                let service = job.and_then(|job| job.rolling.in_service.as_ref());
                service.is_some_and(|service| service.hosts.contains(host))
            })
        })
    }

    /// Where something is being done, apart from the step itself.
    fn busy(&self, session: &Session, step: &Step) -> BTreeSet<&Name> {
        let mut busy: BTreeSet<&Name> = BTreeSet::new();
        for of in self.state.sessions.values() {
            let steps = of.steps.iter().filter(|other| is_busy(other));
            let other = |other: &&Step| of.id != session.id || other.host != step.host;
            busy.extend(steps.filter(other).map(|other| &other.host));
        }
        busy
    }

    /// The others that were well a moment ago, and that nothing has been done on since.
    fn seen_lately(&self, session: &Session, step: &Step, service: &InService) -> BTreeSet<Name> {
        if session.seen_well.is_empty() {
            return BTreeSet::new();
        }
        let busy = self.busy(session, step);
        let fresh = |at: &Timestamp| {
            let age = self.now.duration_since(*at);
            !age.is_negative() && age <= FRESH
        };
        let seen = service.hosts.iter().filter(|host| {
            let at = session.seen_well.get(*host);
            **host != step.host && at.is_some_and(fresh) && !busy.contains(*host)
        });
        seen.cloned().collect()
    }

    /// The others that were not looked at yet. The last come first: the first are going to be touched next.
    fn peers(
        &self,
        session: &Session,
        step: &Step,
        service: &InService,
        (guard, lately): (&Guard, &BTreeSet<Name>),
    ) -> Peers {
        let busy = self.busy(session, step);
        let asked: BTreeSet<&Name> = guard.asked.iter().chain(lately).collect();
        let mut peers = Peers::default();
        for host in service.hosts.iter().rev() {
            if *host == step.host || asked.contains(host) {
                continue;
            }
            match busy.contains(host) {
                true => peers.busy += 1,
                false => peers.free.push(host.clone()),
            }
        }
        peers
    }
}

/// How many are known to be well, of those that count now.
fn well(guard: &Guard, lately: &BTreeSet<Name>, service: &InService) -> usize {
    let known: BTreeSet<&Name> = guard.well.iter().chain(lately).collect();
    let counts = service.hosts.iter().filter(|host| known.contains(host));
    counts.count()
}
