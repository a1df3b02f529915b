//! What the operator declared, validated: the only form of the configuration that decisions are made from.
//!
//! A policy holds no secret, no address of a server and no path but those that commands need: those are settings of
//! the shell (`config::Settings`). Everything here was checked by `config`, so that decisions need no second look.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::calendar::{CronExpr, DayTime, Freeze, Window, Work, Zone};

/// A name from the configuration: cheap to copy, compared by text.
pub type Name = Arc<str>;

/// The host where commands are started when nothing else is said.
pub const LOCAL: &str = "local";

/// Everything that decisions depend on, in the order of the file.
#[derive(Clone, Debug)]
pub struct Policy {
    /// This installation, in subjects, on the page and in metrics.
    pub name: Name,
    /// The file's default zone, for what has none of its own.
    pub zone: Zone,
    pub windows: IndexMap<Name, Window>,
    pub freezes: Vec<Freeze>,
    pub hosts: IndexMap<Name, Arc<Host>>,
    pub apps: IndexMap<Name, App>,
    pub maintenance: IndexMap<Name, MaintenanceJob>,
    pub periodic: IndexMap<Name, PeriodicJob>,
    pub notice: NoticePolicy,
    pub limits: Limits,
    pub keep: Keep,
}

/// What users see: owns the hooks and the people to be told.
#[derive(Clone, Debug)]
pub struct App {
    pub name: Name,
    pub description: Option<String>,
    /// Who is told of this app's maintenance; never empty when the app has maintenance jobs.
    pub notify: Vec<Audience>,
    /// Whom people may ask: shown in notices.
    pub contact: Arc<[String]>,
    /// The minimum time between an accepted notice and the start.
    pub lead: SignedDuration,
    pub margin: SignedDuration,
    /// In order.
    pub enter: Vec<Hook>,
    /// In the order of the file; run in reverse.
    pub leave: Vec<Hook>,
    /// The time kept free at the end of an occurrence for the leave hooks.
    pub leave_reserve: SignedDuration,
    /// How long entering waits for the app's periodic jobs.
    pub drain: SignedDuration,
}

/// A role with its people, or one plain address.
#[derive(Clone, Debug, PartialEq)]
pub struct Audience {
    /// The role's name; plain addresses together form the role `""`.
    pub role: Name,
    /// Shared: many apps may name the same role.
    pub people: Arc<[Person]>,
    /// When they are told of all that comes until the next time; none: of each session by itself.
    pub digest: Option<Arc<DayTime>>,
}

impl App {
    /// When a session that opens then is to be known: its first notice is sent, or its digest comes.
    pub fn announce_at(&self, opens: Timestamp) -> Timestamp {
        let alone = self.tell_at(opens);
        let digests = self.notify.iter().filter_map(|a| a.digest.as_ref());
        let first = digests.filter_map(|digest| digest.latest(alone)).min();
        first.map_or(alone, |first| first.min(alone))
    }

    /// When those are told of it who get no digest.
    pub fn tell_at(&self, opens: Timestamp) -> Timestamp {
        let by = opens.saturating_sub(self.lead).unwrap_or(opens);
        by.saturating_sub(self.margin).unwrap_or(by)
    }
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub language: Language,
    /// IANA name, known to exist.
    pub time_zone: Name,
}

/// The languages notices are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    En,
    De,
}

/// Another machine, reached over SSH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: Name,
    /// `user@host`, or an alias of the configuration of SSH.
    pub ssh: String,
    pub port: Option<u16>,
    /// The only key that is tried.
    pub identity: Option<PathBuf>,
    /// The way there: `user@host:port`, several with commas.
    pub jump: Option<String>,
    /// Files of SSH, instead of its own.
    pub known_hosts: Option<PathBuf>,
    pub ssh_config: Option<PathBuf>,
    pub connect_timeout: SignedDuration,
    /// A connection that is silent for three of these is broken.
    pub alive_interval: SignedDuration,
    pub groups: Vec<Name>,
    /// Work on it has these beside those of its job, for the exceptions of freezes.
    pub labels: Vec<Name>,
    /// Maintenance of it happens only while this window is open, too.
    pub window: Option<Name>,
    /// What goes in front of every command there: `["sudo", "-n"]`.
    pub r#become: Vec<String>,
    /// Lock files on the host that every maintenance of it holds.
    pub locks: Vec<String>,
}

impl Host {
    /// Whether a word of an operator means it: its name, or `@` and one of its groups.
    pub fn is_meant(&self, word: &str) -> bool {
        match word.strip_prefix('@') {
            Some(group) => self.groups.iter().any(|own| **own == *group),
            None => *word == *self.name,
        }
    }

    /// How what runs as this user gets there.
    pub fn way(&self, user: Option<&Name>) -> Way {
        let to = match self.port {
            None => self.ssh.clone(),
            Some(port) => format!("{} {port}", self.ssh),
        };
        let mut r#become = self.r#become.clone();
        if let Some(user) = user {
            r#become.extend(["-u".to_owned(), user.to_string()]);
        }
        Way { to, r#become }
    }
}

/// How something got to where it runs on a host: only there can its end be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The destination, and the port where one is named.
    pub to: String,
    /// What goes in front of its command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub r#become: Vec<String>,
}

/// A command as it will be executed: nothing is left to be looked up but the user's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Never empty; the program is absolute or found in PATH.
    pub argv: Vec<String>,
    pub dir: Arc<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(String, String)>,
    /// The program is a file beside the configuration: a host is sent it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
    /// The folder is one that was named: it is that of a host, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dir_named: bool,
}

/// An enter or leave hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    pub command: Command,
    pub host: Name,
    pub timeout: SignedDuration,
    pub grace: SignedDuration,
}

/// When a maintenance job is due.
#[derive(Clone, Debug)]
pub enum Due {
    /// `every = "window"`: at every occurrence.
    Window,
    /// `every = "request"`: only when an operator asks.
    Request,
    /// `schedule`: the first occurrence that contains the instant or opens after it.
    Schedule(CronExpr, Zone),
}

/// What happens to the rest of a session when a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    Stop,
    Continue,
}

/// How failures are tried again: `attempts` counts the first try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    pub attempts: u32,
    pub backoff: SignedDuration,
}

/// Disruptive work: belongs to an app and a window, is announced.
#[derive(Clone, Debug)]
pub struct MaintenanceJob {
    pub name: Name,
    pub description: Option<String>,
    pub app: Name,
    pub window: Name,
    pub due: Due,
    pub command: Command,
    /// Where it runs, in order; never empty.
    pub hosts: Vec<Name>,
    /// Given by the operator; else learned; else the timeout.
    pub estimate: Option<SignedDuration>,
    pub timeout: SignedDuration,
    pub grace: SignedDuration,
    /// Beside the job's own lock.
    pub locks: Vec<Name>,
    /// Jobs of the same app that come first, where they are in the same session.
    pub after: Vec<Name>,
    /// Jobs, also of other apps, that must have succeeded before.
    pub proven_by: Vec<ProvenBy>,
    /// Higher first.
    pub priority: i32,
    pub labels: Vec<Name>,
    /// Those of its hosts, each once.
    pub host_labels: Vec<Name>,
    pub only_if: Option<Probe>,
    pub retry: Retry,
    pub on_failure: OnFailure,
    /// Whether a step that was cut off may be repeated.
    pub repeat_on_interrupt: bool,
    /// How it goes over its hosts.
    pub rolling: Rolling,
    /// It restarts the machine: it has succeeded when that has come up anew.
    pub reboot: bool,
    /// The role whose consent a request of it needs.
    pub approval: Option<Name>,
}

impl MaintenanceJob {
    /// What freezes ask of it.
    pub fn work(&self) -> Work<'_> {
        Work {
            window: &self.window,
            app: Some(&self.app),
            labels: &self.labels,
            host_labels: &self.host_labels,
        }
    }
}

/// How a job goes over its hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rolling {
    /// So many at once.
    pub parallel: Share,
    /// So many may fail before the session ends.
    pub max_failures: Share,
    /// So many come first, one after another; each has to succeed.
    pub canary: usize,
    /// After those, before the rest.
    pub wait: SignedDuration,
    /// After each, before the next.
    pub pause: SignedDuration,
    /// What has to be well on a host before the next one is touched.
    pub healthy: Option<Health>,
    /// Which others have to be well before a host is touched.
    pub in_service: Option<InService>,
}

/// Hosts of which enough have to be well, without the one that is touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InService {
    /// Never empty.
    pub hosts: Vec<Name>,
    pub at_least: Share,
}

impl InService {
    /// How many, rounded up.
    pub fn least(&self) -> usize {
        match self.at_least {
            Share::Count(count) => count,
            Share::Percent(percent) => self.hosts.len().saturating_mul(percent).div_ceil(100),
        }
    }
}

impl Rolling {
    /// One after another, and the first failure ends it.
    pub fn one_by_one() -> Self {
        Self {
            parallel: Share::Count(1),
            max_failures: Share::Count(0),
            canary: 0,
            wait: SignedDuration::ZERO,
            pause: SignedDuration::ZERO,
            healthy: None,
            in_service: None,
        }
    }
}

/// A number of hosts, or a part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    Count(usize),
    Percent(usize),
}

impl Share {
    /// Of so many, rounded down.
    pub fn of(self, hosts: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => hosts.saturating_mul(percent) / 100,
        }
    }
}

/// A command that has to succeed so often in a row, within this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub command: Command,
    pub successes: u32,
    pub timeout: SignedDuration,
}

/// Another job that must have succeeded and stayed well for so long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenBy {
    pub job: Name,
    pub succeeded_for: SignedDuration,
}

/// A question put to a command: 0 yes, 1 no, anything else unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub command: Command,
    pub timeout: SignedDuration,
}

/// What happens when a periodic job is due while its last run is still going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// The due instant is recorded as skipped.
    Skip,
    /// One run follows when the running one has ended.
    Queue,
}

/// What happens to instants that passed while nobody was there to serve them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The latest is run once, if it is not older than this (none: one period of the schedule).
    Once { within: Option<SignedDuration> },
    /// All are recorded as skipped.
    Skip,
}

/// What happens to an instant outside the job's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// It is run once when the window opens.
    Defer,
    Skip,
}

/// What happens to an instant while the job's app is in maintenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuringMaintenance {
    /// It waits until the app is back.
    Hold,
    Run,
}

/// A regular, harmless job on a schedule.
#[derive(Clone, Debug)]
pub struct PeriodicJob {
    pub name: Name,
    pub description: Option<String>,
    pub schedule: CronExpr,
    pub zone: Zone,
    pub command: Command,
    pub host: Name,
    pub timeout: SignedDuration,
    pub grace: SignedDuration,
    pub overlap: Overlap,
    pub missed: Missed,
    pub window: Option<(Name, Outside)>,
    pub app: Option<(Name, DuringMaintenance)>,
    pub locks: Vec<Name>,
    /// How long a held lock is waited for.
    pub lock_wait: SignedDuration,
    pub retry: Retry,
    /// The start is moved by a fixed part of this, different for each job.
    pub jitter: SignedDuration,
}

/// Who is told, and how early.
#[derive(Clone, Debug)]
pub struct NoticePolicy {
    pub accepted: Accepted,
    /// Who is told when something needs a person.
    pub operators: Vec<Audience>,
    /// A command for the same.
    pub alarm: Option<Alarm>,
    pub kinds: NoticeKinds,
    /// Who would get more mails than this about sessions of one night gets one instead.
    pub digest_after: usize,
}

/// The command that is run when something needs a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    pub command: Command,
    pub timeout: SignedDuration,
}

/// Whose acceptance makes a session announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// In every role at least one address.
    EachRole,
    /// Every address that was not refused for good.
    All,
    /// In each of these roles at least one address; the others are told, and hold back nothing. Where none of these is
    /// told of an app, each role is asked for.
    Roles(Arc<[Name]>),
}

/// Which of the mails that may be left out are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticeKinds {
    pub started: bool,
    pub finished: bool,
    pub failed: bool,
}

/// Bounds on what goes on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Periodic runs at once; what is due beyond it waits its turn.
    pub runs: usize,
    /// Bytes of output kept of one attempt.
    pub log_bytes: u64,
    /// How long stopping may take before it is left to the next start.
    pub stop_timeout: SignedDuration,
}

/// How long history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    pub sessions: SignedDuration,
    /// Runs kept of one periodic job.
    pub runs: u32,
    pub failures: SignedDuration,
    /// Bytes of all logs together.
    pub logs: u64,
}
