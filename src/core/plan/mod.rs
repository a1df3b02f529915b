//! What will happen: a pure function of policy, recorded state, now and horizon. It runs no command.
mod anew;
pub mod diff;
mod lane;
mod of_app;
mod periodic;
mod place;
mod resources;
mod sessions;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

pub use anew::{anew, in_place_of};
pub use lane::first_due_after;
pub use of_app::next_sessions;
pub use periodic::{PERIODIC_CAP, jitter_offset, next_run};
pub use place::{Row, Sight, Source, estimate, estimate_from, fits, order, place, quarter};
pub use sessions::{next_id, sessions_of};

use super::calendar::Occurrence;
use super::policy::{LOCAL, MaintenanceJob, Name, Policy};
use super::run::{Dues, SessionId};
use super::session::{Phase, Reason, Step, StepState};
use super::state::State;

/// What will happen between two instants.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub from: Timestamp,
    pub until: Timestamp,
    /// In the order of their occurrences.
    pub sessions: Vec<PlannedSession>,
    /// In order; at most [`PERIODIC_CAP`].
    pub periodic: Vec<PlannedRun>,
    /// Whether `periodic` was cut.
    pub periodic_cut: bool,
    /// What is due and was put off, with the reason and the next chance.
    pub unplanned: Vec<Unplanned>,
}

/// One maintenance of one app in one occurrence.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedSession {
    pub id: SessionId,
    pub app: Name,
    pub window: Name,
    pub opens: Timestamp,
    pub closes: Timestamp,
    pub starts: Timestamp,
    pub ends: Timestamp,
    pub announce_at: Timestamp,
    pub notice_by: Timestamp,
    pub phase: Phase,
    pub expected: SignedDuration,
    pub steps: Vec<PlannedStep>,
}

impl PlannedSession {
    /// The span in which it may run.
    pub fn occurrence(&self) -> Occurrence {
        Occurrence {
            opens: self.opens,
            closes: self.closes,
        }
    }
}

/// One job on one host within a planned session.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedStep {
    pub job: Name,
    pub host: Name,
    pub starts: Timestamp,
    pub ends: Timestamp,
    pub estimate: SignedDuration,
    /// How that is known.
    pub source: Source,
    pub if_needed: bool,
    pub dues: Dues,
    /// The opening of the occurrence as this job sees it.
    pub opens: Timestamp,
    /// The end of the occurrence as this job sees it.
    pub closes: Timestamp,
    pub cutoff: SignedDuration,
}

impl From<&PlannedStep> for Step {
    fn from(planned: &PlannedStep) -> Self {
        Self {
            job: planned.job.clone(),
            host: planned.host.clone(),
            dues: planned.dues,
            starts: planned.starts,
            estimate: planned.estimate,
            opens: Some(planned.opens),
            closes: planned.closes,
            cutoff: planned.cutoff,
            if_needed: planned.if_needed,
            need: None,
            asked: None,
            state: StepState::Waiting,
        }
    }
}

/// What stands for a host among locks: sessions that share one are never on top of each other. This machine is not
/// shared.
pub fn host_lock(host: &Name) -> Option<Name> {
    (**host != *LOCAL).then(|| format!("host {host}").into())
}

/// The locks of these jobs, and their hosts, each once.
pub fn locks<'a>(policy: &Policy, jobs: impl Iterator<Item = &'a Name>) -> Vec<Name> {
    // They are given host by host, and each of them has thousands.
    let jobs: BTreeSet<&Name> = jobs.collect();
    let jobs = jobs.iter().filter_map(|job| policy.maintenance.get(*job));
    let mut locks: Vec<Name> = Vec::new();
    for job in jobs {
        locks.extend(job.locks.iter().cloned());
        locks.extend(job.hosts.iter().filter_map(host_lock));
    }
    locks.sort_unstable();
    locks.dedup();
    locks
}

/// One due instant of a periodic job.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    pub job: Name,
    pub host: Name,
    pub at: Timestamp,
}

/// Something that is due and did not find its place at first.
#[derive(Clone, Debug, PartialEq)]
pub struct Unplanned {
    pub job: Name,
    pub host: Name,
    pub reason: Reason,
    pub next_chance: Option<Timestamp>,
}

/// What will happen from `now` on until `until`, both sessions whose occurrence opens before `until` and periodic runs.
pub fn plan(policy: &Policy, state: &State, now: Timestamp, until: Timestamp) -> Plan {
    let (sessions, unplanned) = sessions::sessions(policy, state, now, until);
    let (periodic, periodic_cut) = periodic::runs(policy, state, now, until);
    Plan {
        from: now,
        until,
        sessions,
        periodic,
        periodic_cut,
        unplanned,
    }
}

/// The same without the periodic runs, which may be very many.
pub fn outlook(policy: &Policy, state: &State, now: Timestamp, until: Timestamp) -> Plan {
    let (sessions, unplanned) = sessions::sessions(policy, state, now, until);
    Plan {
        from: now,
        until,
        sessions,
        periodic: Vec::new(),
        periodic_cut: false,
        unplanned,
    }
}

/// Only the sessions of it: what the daemon asks before it announces.
pub fn plan_sessions(
    policy: &Policy,
    state: &State,
    now: Timestamp,
    until: Timestamp,
) -> Vec<PlannedSession> {
    sessions::sessions(policy, state, now, until).0
}

/// The parts of an occurrence that this job may use.
pub fn visible(policy: &Policy, job: &MaintenanceJob, occurrence: Occurrence) -> Vec<Occurrence> {
    let mut spans = Vec::new();
    for freeze in &policy.freezes {
        let touching = freeze.spans(occurrence.opens, occurrence.closes);
        if !touching.is_empty() && freeze.applies(&job.work()) {
            spans.extend_from_slice(&touching);
        }
    }
    super::calendar::subtract(occurrence, &spans)
}

/// The parts of an occurrence, as the job sees it, in which a host may be touched: its own window is open, and no freeze
/// holds that tells hosts apart.
pub fn visible_on(
    policy: &Policy,
    job: &MaintenanceJob,
    host: &Name,
    piece: Occurrence,
) -> Vec<Occurrence> {
    let window = policy.hosts.get(host).and_then(|host| host.window.as_ref());
    let pieces = match window.and_then(|window| policy.windows.get(window)) {
        None => vec![piece],
        Some(window) => window
            .occurrences(piece.opens, piece.closes)
            .map(|own| Occurrence {
                opens: own.opens.max(piece.opens),
                closes: own.closes.min(piece.closes),
            })
            .collect(),
    };
    let freezes = policy.freezes.iter();
    let spans: Vec<_> = freezes
        .filter(|freeze| freeze.applies_on(host, &job.work()))
        .flat_map(|freeze| freeze.spans(piece.opens, piece.closes).into_owned())
        .collect();
    if spans.is_empty() {
        return pieces;
    }
    let left = |piece: Occurrence| super::calendar::subtract(piece, &spans);
    pieces.into_iter().flat_map(left).collect()
}

/// Whether something but the job's own window and freezes bounds when this host may be touched.
pub fn is_bounded(policy: &Policy, host: &Name) -> bool {
    let own = policy
        .hosts
        .get(host)
        .is_some_and(|host| host.window.is_some());
    own || policy.freezes.iter().any(|f| f.tells_apart(host))
}

/// The freezes that keep a job from running at `at`.
pub fn frozen_by<'a>(policy: &'a Policy, job: &MaintenanceJob, at: Timestamp) -> Vec<&'a Name> {
    let freezes = policy.freezes.iter();
    freezes
        .filter(|f| f.holds(at))
        .filter(|f| f.applies(&job.work()))
        .map(|f| &f.name)
        .collect()
}

/// The earliest occurrence of the job's window, as the job sees it, that can still be announced, and in which one of these
/// hosts may be touched.
pub fn next_chance(
    policy: &Policy,
    job: &MaintenanceJob,
    hosts: &[Name],
    lead: SignedDuration,
    now: Timestamp,
) -> Option<Timestamp> {
    next_chance_for(policy, job, hosts, lead, (now, Timestamp::MIN))
}

/// The same for what is due then: the occurrence contains that instant or opens after it.
pub fn next_chance_for(
    policy: &Policy,
    job: &MaintenanceJob,
    hosts: &[Name],
    lead: SignedDuration,
    (now, due): (Timestamp, Timestamp),
) -> Option<Timestamp> {
    let window = policy.windows.get(&job.window)?;
    let mut from = now.saturating_add(lead).ok()?;
    // A year of frozen occurrences is as good as none.
    for _ in 0..400 {
        let occurrence = window.next_opening(from)?;
        let mut pieces = visible(policy, job, occurrence).into_iter();
        let open = |host: &Name, piece: Occurrence| {
            !is_bounded(policy, host) || !visible_on(policy, job, host, piece).is_empty()
        };
        let fits =
            |piece: &Occurrence| piece.closes > due && hosts.iter().any(|host| open(host, *piece));
        if let Some(piece) = pieces.find(fits) {
            return Some(piece.opens);
        }
        from = occurrence.closes;
    }
    None
}
