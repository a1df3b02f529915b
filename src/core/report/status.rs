//! What is: the answer to "is all well, and if not, what waits for me".
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::attention::{self, AttentionItem, FailingOnHosts};
use super::diagnosis::{self, Diagnosis, Mail, Windows};
use super::periodic::{self, Periodic};
use super::rollout::{self, Rollout};
use super::upcoming::{self, Next};
use super::when::counted;
use super::wishes::{self, PauseItem, RequestItem};
use crate::core::plan::Plan;
use crate::core::policy::{Name, Policy};
use crate::core::run::SessionId;
use crate::core::session::{Phase, Session};
use crate::core::state::State;

/// No more entries than this in a list.
const LISTED: usize = 200;
/// No more apps than this.
const APPS: usize = 1000;

/// Everything that `status` shows. Lists are bounded; [`Counts`] has the full numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// This installation.
    pub name: Name,
    /// The zone of the file: that of the people who run this.
    pub time_zone: String,
    pub now: Timestamp,
    /// Whether nothing waits for a person.
    pub well: bool,
    #[serde(flatten)]
    pub shell: Shell,
    /// The worst first.
    pub attention: Vec<AttentionItem>,
    /// Periodic jobs that fail on several hosts: all of them, also those that are not in `attention`.
    pub failing_on_hosts: Vec<FailingOnHosts>,
    pub paused: Vec<PauseItem>,
    pub requested: Vec<RequestItem>,
    pub running: Vec<RunningItem>,
    /// Of sessions that are going on: jobs with several hosts.
    pub rollouts: Vec<Rollout>,
    pub apps: Vec<AppStatus>,
    pub next: Vec<Next>,
    pub periodic: Periodic,
    pub mail: Mail,
    pub hosts: Diagnosis,
    pub state: Diagnosis,
    pub windows: Windows,
    pub counts: Counts,
}

/// What only the shell knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shell {
    pub daemon: Daemon,
    /// The folder of the lock files, for `flock` by hand.
    pub lock_dir: Option<String>,
    pub state_dir: Option<String>,
    pub locks: Vec<Lock>,
}

/// The daemon's process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Daemon {
    pub running: bool,
    pub pid: Option<i32>,
    /// When it was started; of one that does not run, when it last recorded something.
    pub since: Option<Timestamp>,
    pub version: Option<String>,
}

/// A lock file that somebody holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lock {
    pub name: String,
    pub held: bool,
    pub run: Option<String>,
    pub pid: Option<i32>,
    #[serde(rename = "age_s", serialize_with = "super::seconds::optional")]
    pub age: Option<SignedDuration>,
    /// Who holds it, where that is not one of our runs; from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

/// Where an app is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    InService,
    Entering,
    InMaintenance,
    Leaving,
}

impl AppState {
    /// The word used in every interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::InService => "in_service",
            Self::Entering => "entering",
            Self::InMaintenance => "in_maintenance",
            Self::Leaving => "leaving",
        }
    }
}

/// One app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppStatus {
    pub app: Name,
    pub state: AppState,
    /// Since when it is so, where that is remembered.
    pub since: Option<Timestamp>,
    /// The session that has it out of service.
    pub session: Option<SessionId>,
    /// The end of that session's occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes: Option<Timestamp>,
}

/// An attempt whose process is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunningItem {
    pub run: String,
    pub attempt: u32,
    pub what: &'static str,
    pub job: Option<Name>,
    pub host: Option<String>,
    pub session: Option<SessionId>,
    pub due: Option<Timestamp>,
    pub started: Timestamp,
    pub stop_by: Option<Timestamp>,
    pub pid: Option<i32>,
    /// Who holds the lock it waits for; from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// The daemon that started it is gone, and nothing of it holds a lock any more: the next start settles it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut_off: bool,
    /// How it ended on its host is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unheard: Option<Unheard>,
}

/// A run whose end was not heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unheard {
    /// From outside.
    pub why: String,
    /// The host is asked until then.
    pub until: Timestamp,
}

/// How many there are, listed or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub attention: usize,
    pub running: usize,
    pub apps: usize,
    pub in_maintenance: usize,
    pub next: usize,
}

/// The state as people and programs read it. What only the shell knows is added by [`Status::with`].
pub fn status(policy: &Policy, state: &State, plan: &Plan, now: Timestamp) -> Status {
    let apps = apps(policy, state);
    let (next, more) = upcoming::next(policy, state, plan);
    let mut status = Status {
        name: policy.name.clone(),
        time_zone: policy.zone.name().to_owned(),
        now,
        well: state.attention.is_empty() && state.live.unwritable.is_none(),
        shell: Shell::default(),
        attention: attention::items(state),
        failing_on_hosts: attention::on_hosts(policy, state),
        paused: wishes::pauses(state),
        requested: wishes::requests(state),
        running: running(state),
        rollouts: rollout::rollouts(policy, state, now),
        counts: Counts {
            attention: attention::count(state),
            running: state.running.len(),
            apps: apps.len(),
            in_maintenance: apps
                .iter()
                .filter(|a| a.state != AppState::InService)
                .count(),
            next: next.len() + more,
        },
        apps,
        next,
        periodic: periodic::periodic(policy, state),
        mail: diagnosis::mail(&policy.zone, state, now),
        hosts: diagnosis::hosts(&policy.zone, policy.hosts.len(), state, now),
        state: diagnosis::state_of(&policy.zone, state, now),
        windows: diagnosis::windows(policy, now),
    };
    // What is out of service is never cut off the list.
    status.apps.sort_by_key(|a| a.state == AppState::InService);
    status.apps.truncate(APPS);
    status
}

impl Status {
    /// Adds what only the shell knows. A daemon that is not there waits for a person where it has work to do.
    #[must_use]
    pub fn with(mut self, policy: &Policy, shell: Shell) -> Self {
        let work = !policy.maintenance.is_empty() || !policy.periodic.is_empty();
        if !shell.daemon.running && (work || self.counts.in_maintenance > 0) {
            let text = match self.counts.in_maintenance {
                0 if shell.daemon.since.is_none() => {
                    "the daemon has not run yet: nothing is started and nobody is told".to_owned()
                }
                0 => "the daemon does not run: nothing is started and nobody is told".to_owned(),
                n => format!(
                    "the daemon does not run, and {} in maintenance: start it, it brings them back first",
                    counted(n, "app is", "apps are")
                ),
            };
            let since = shell.daemon.since.unwrap_or(self.now);
            let item = AttentionItem {
                key: "daemon".into(),
                kind: "daemon_down",
                text,
                since,
                app: None,
                critical: true,
            };
            self.attention.insert(0, item);
            self.counts.attention += 1;
            self.well = false;
        }
        for item in &mut self.running {
            let holds = |lock: &Lock| lock.held && lock.run.as_ref() == Some(&item.run);
            item.cut_off = !shell.daemon.running && !shell.locks.iter().any(holds);
        }
        // Nobody works on the others.
        for rollout in self.rollouts.iter_mut().filter(|_| !shell.daemon.running) {
            let of = |item: &&RunningItem| {
                item.session.as_ref() == Some(&rollout.session)
                    && item.job.as_ref() == Some(&rollout.job)
            };
            let here = self.running.iter().filter(of).filter(|i| !i.cut_off);
            rollout.running = here.count();
        }
        self.shell = shell;
        self
    }

    /// The daemon runs, and nobody can ask it anything.
    #[must_use]
    pub fn silent(mut self, why: &str) -> Self {
        let item = AttentionItem {
            key: "daemon".into(),
            kind: "daemon_silent",
            text: format!("the daemon runs and does not answer: {why}"),
            since: self.now,
            app: None,
            critical: true,
        };
        self.attention.insert(0, item);
        self.counts.attention += 1;
        self.well = false;
        self
    }

    /// The same for readers who are not known: states, times and outcomes; no addresses, hosts, paths, or words that
    /// a command, a mail server or an operator said.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.shell.lock_dir = None;
        self.shell.state_dir = None;
        self.shell.daemon.pid = None;
        for lock in &mut self.shell.locks {
            // A lock of a job on a host has the host after this.
            lock.name
                .truncate(lock.name.find('@').unwrap_or(lock.name.len()));
            lock.pid = None;
            lock.holder = None;
        }
        for (number, item) in self.attention.iter_mut().enumerate() {
            item.text = item.kind.replace('_', " ");
            // Keys may be made from addresses.
            item.key = format!("{}:{number}", item.kind).into();
        }
        for all in &mut self.failing_on_hosts {
            all.text.clear();
        }
        // One of several hosts has it in its name.
        let periodic = &mut self.periodic;
        let names = periodic.failing.iter_mut().map(|failing| &mut failing.job);
        let names = names.chain(periodic.waiting.iter_mut().map(|waits| &mut waits.job));
        for name in names.chain(periodic.last.iter_mut().map(|last| &mut last.job)) {
            if let Some((job, _)) = name.split_once('@') {
                *name = job.into();
            }
        }
        for item in &mut self.running {
            item.host = None;
            item.pid = None;
            item.waiting = item.waiting.take().map(|_| "a lock".to_owned());
            if let Some(unheard) = &mut item.unheard {
                unheard.why.clear();
            }
        }
        for rollout in &mut self.rollouts {
            rollout.failed_hosts.clear();
        }
        for next in &mut self.next {
            next.announcement.missing.clear();
        }
        for pause in &mut self.paused {
            pause.by.clear();
            pause.reason.clear();
        }
        for request in &mut self.requested {
            request.by.clear();
            request.reason.clear();
            request.hosts.clear();
        }
        self.mail.answer = None;
        for (text, public) in [
            (&mut self.mail.text, &self.mail.public),
            (&mut self.state.text, &self.state.public),
            (&mut self.hosts.text, &self.hosts.public),
        ] {
            text.clone_from(public);
        }
        self
    }
}

fn running(state: &State) -> Vec<RunningItem> {
    state
        .running
        .iter()
        .take(LISTED)
        .map(|(run, r)| RunningItem {
            run: run.to_string(),
            attempt: r.attempt,
            what: r.what.word(),
            job: r.what.job().cloned(),
            host: Some(r.what.host().to_owned()),
            session: r.what.session().cloned(),
            due: r.due.map(|d| d.last),
            started: r.started,
            stop_by: r.stop_by,
            pid: r.pid,
            waiting: r.waiting.clone(),
            cut_off: false,
            unheard: r.unheard.as_ref().map(|(why, until)| Unheard {
                why: why.clone(),
                until: *until,
            }),
        })
        .collect()
}

fn apps(policy: &Policy, state: &State) -> Vec<AppStatus> {
    let mut out: BTreeMap<&Name, &Session> = BTreeMap::new();
    let mut back: BTreeMap<&Name, Timestamp> = BTreeMap::new();
    for session in state.sessions.values() {
        if session.phase.in_maintenance() {
            out.insert(&session.app, session);
        } else if let (Some(closed), Some(_)) = (&session.closed, session.entered) {
            let at = back.entry(&session.app).or_insert(closed.at);
            *at = (*at).max(closed.at);
        }
    }
    let gone = out
        .keys()
        .copied()
        .filter(|app| !policy.apps.contains_key(*app));
    let names: Vec<&Name> = policy.apps.keys().chain(gone).collect();
    names
        .into_iter()
        .map(|app| match out.get(app) {
            None => AppStatus {
                app: app.clone(),
                state: AppState::InService,
                since: back.get(app).copied(),
                session: None,
                closes: None,
            },
            Some(session) => AppStatus {
                app: app.clone(),
                state: match session.phase {
                    Phase::Entering => AppState::Entering,
                    Phase::Leaving => AppState::Leaving,
                    _ => AppState::InMaintenance,
                },
                since: session.entered,
                session: Some(session.id.clone()),
                closes: Some(session.closes),
            },
        })
        .collect()
}
