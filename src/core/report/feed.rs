//! What a calendar shows: the sessions that are recorded, as people were told of them, and those that are planned.
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::core::decide::FRESH;
use crate::core::notice::Kind;
use crate::core::plan::{Plan, PlannedSession, outlook};
use crate::core::policy::{Name, Policy};
use crate::core::run::{Outcome, SessionId};
use crate::core::session::{Phase, Session};
use crate::core::state::State;

/// How far ahead the feed looks.
pub const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 90);
/// No more entries than this, the next ones.
pub const ENTRIES: usize = 2_000;
/// What is looked at first, to know how many sessions there are in a week.
const PROBED: SignedDuration = SignedDuration::from_hours(24 * 7);

/// All entries of one installation, in the order in which they start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    pub installation: Name,
    /// Tells this installation's entries from another's.
    pub nonce: String,
    pub now: Timestamp,
    /// The apps one can ask for: those of the file, and those of what is shown.
    pub apps: BTreeSet<Name>,
    pub entries: Vec<Entry>,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub session: SessionId,
    pub app: Name,
    pub app_description: Option<String>,
    pub window: Name,
    pub starts: Timestamp,
    pub ends: Timestamp,
    /// That of the invitation that was sent last.
    pub sequence: u32,
    pub standing: Standing,
    /// When that was put into words; none where nobody was told yet.
    pub told: Option<Timestamp>,
    pub jobs: Vec<EntryJob>,
    /// Postponed: to when.
    pub next: Option<Timestamp>,
    pub contact: Vec<String>,
}

/// One job of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntryJob {
    pub name: Name,
    pub description: Option<String>,
    pub hosts: Vec<Name>,
    pub if_needed: bool,
}

/// Whether one can count on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Planned: nobody was told yet, and it may still move.
    Planned,
    /// People are told of it.
    Told,
    /// It will not happen, or not then.
    Cancelled,
}

/// The plan that a feed is made from: ninety days ahead, less where there are more sessions than are shown.
pub fn feed_plan(policy: &Policy, state: &State, now: Timestamp) -> Plan {
    let plan = |ahead: SignedDuration| {
        let until = now.saturating_add(ahead).unwrap_or(now);
        outlook(policy, state, now, until)
    };
    let probe = plan(PROBED);
    // The loop waits for this: what would be cut off is not planned.
    let weeks = ENTRIES / probe.sessions.len().max(1) + 1;
    let ahead = PROBED.saturating_mul(i32::try_from(weeks).unwrap_or(i32::MAX));
    if ahead > PROBED {
        plan(ahead.min(AHEAD))
    } else {
        probe
    }
}

/// What the calendar shows. Rehearsals, and what brings apps back after a state was lost, concern nobody else.
pub fn feed(policy: &Policy, state: &State, plan: &Plan, now: Timestamp) -> Feed {
    let told = told(state);
    let shown = |s: &&Session| !s.is_rehearsal() && &*s.window != FRESH;
    let recorded = state.sessions.values().filter(shown);
    let recorded = recorded.map(|session| of_session(policy, session, told.get(&session.id)));
    let planned = plan.sessions.iter();
    let planned = planned.filter(|planned| !state.sessions.contains_key(&planned.id));
    let planned = planned.map(|planned| of_plan(policy, planned));
    let mut entries: Vec<Entry> = recorded.chain(planned).collect();
    entries.sort_by(|a, b| (a.starts, &a.session).cmp(&(b.starts, &b.session)));
    entries.truncate(ENTRIES);
    let apps = policy.apps.keys().chain(entries.iter().map(|e| &e.app));
    Feed {
        installation: policy.name.clone(),
        nonce: state.nonce.clone(),
        now,
        apps: apps.cloned().collect(),
        entries,
    }
}

/// Of each session: the highest SEQUENCE that an invitation was written with, and when.
fn told(state: &State) -> BTreeMap<&SessionId, (u32, Timestamp)> {
    let mut told: BTreeMap<&SessionId, (u32, Timestamp)> = BTreeMap::new();
    for notice in state.notices.values() {
        let invites =
            notice.kind.is_ahead() || matches!(notice.kind, Kind::Cancelled | Kind::Postponed);
        let Some(session) = notice.session.as_ref().filter(|_| invites) else {
            continue;
        };
        let this = (notice.sequence, notice.owed);
        let last = told.entry(session).or_insert(this);
        *last = this.max(*last);
    }
    told
}

fn of_session(policy: &Policy, session: &Session, told: Option<&(u32, Timestamp)>) -> Entry {
    let closed = session.closed.as_ref();
    let standing = match closed.map(|closed| closed.outcome) {
        Some(Outcome::Cancelled) => Standing::Cancelled,
        // Once it has begun no mail takes the invitation back.
        Some(Outcome::Postponed) if session.entered.is_none() => Standing::Cancelled,
        None if session.phase == Phase::Asking => Standing::Planned,
        _ => Standing::Told,
    };
    let mut jobs: Vec<EntryJob> = Vec::new();
    for step in &session.steps {
        add(policy, &mut jobs, &step.job, &step.host, step.if_needed);
    }
    Entry {
        session: session.id.clone(),
        starts: session.starts,
        ends: ends(session.starts, session.expected),
        sequence: told.map_or(session.sequence, |(sequence, _)| {
            session.sequence.max(*sequence)
        }),
        standing,
        told: told.map(|(_, at)| *at),
        jobs,
        next: closed
            .and_then(|closed| closed.next)
            .filter(|_| standing == Standing::Cancelled),
        ..blank(policy, &session.app, &session.window)
    }
}

fn of_plan(policy: &Policy, planned: &PlannedSession) -> Entry {
    let mut jobs: Vec<EntryJob> = Vec::new();
    for step in &planned.steps {
        add(policy, &mut jobs, &step.job, &step.host, step.if_needed);
    }
    Entry {
        session: planned.id.clone(),
        starts: planned.starts,
        ends: ends(planned.starts, planned.expected),
        jobs,
        ..blank(policy, &planned.app, &planned.window)
    }
}

fn blank(policy: &Policy, app: &Name, window: &Name) -> Entry {
    let known = policy.apps.get(app);
    Entry {
        session: Name::from(""),
        app: app.clone(),
        app_description: known.and_then(|app| app.description.clone()),
        window: window.clone(),
        starts: Timestamp::MIN,
        ends: Timestamp::MIN,
        sequence: 0,
        standing: Standing::Planned,
        told: None,
        jobs: Vec::new(),
        next: None,
        contact: known.map(|app| app.contact.to_vec()).unwrap_or_default(),
    }
}

fn ends(starts: Timestamp, expected: SignedDuration) -> Timestamp {
    starts.saturating_add(expected).unwrap_or(starts)
}

fn add(policy: &Policy, jobs: &mut Vec<EntryJob>, job: &Name, host: &Name, if_needed: bool) {
    match jobs.iter_mut().rfind(|known| known.name == *job) {
        Some(known) => known.hosts.push(host.clone()),
        None => jobs.push(EntryJob {
            name: job.clone(),
            description: policy
                .maintenance
                .get(job)
                .and_then(|job| job.description.clone()),
            hosts: vec![host.clone()],
            if_needed,
        }),
    }
}
