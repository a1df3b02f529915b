//! What happened so far, folded from the recorded facts: all that decisions need to know of the past.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::notice::NoticeId;
use super::notices::Notices;
use super::policy::{Name, Way};
use super::run::{Dues, Outcome, RunId, SessionId, What};
use super::session::{Code, Session};

/// How many durations of a job are remembered for its estimate.
pub const SAMPLES: usize = 20;

/// The fold of all facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Tells this installation's processes and messages from another's.
    pub nonce: String,
    /// The boot the daemon was last started in.
    pub boot: String,
    /// Of the program that was last started as the daemon.
    #[serde(default)]
    pub version: String,
    /// The wall clock at the last fact.
    pub last: Timestamp,
    pub next_run: RunId,
    pub next_notice: NoticeId,
    pub maintenance: BTreeMap<Name, MaintenanceState>,
    pub periodic: BTreeMap<Name, PeriodicState>,
    /// Per `APP/WINDOW`: the opening of the last occurrence that got a session, or was passed over.
    pub handled: BTreeMap<Name, Timestamp>,
    /// Open ones, and closed ones whose notices are not settled.
    pub sessions: BTreeMap<SessionId, Session>,
    /// Per `APP/WINDOW`: the latest opening whose session took the app out of service.
    #[serde(default)]
    pub served: BTreeMap<Name, Timestamp>,
    /// Per `APP/WINDOW/DATE`: how many sessions there were, and when the last was opened.
    pub numbers: BTreeMap<Name, (u32, Timestamp)>,
    pub notices: Notices,
    /// Since when no mail is accepted, and why; none once one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_trouble: Option<MailTrouble>,
    /// When a mail was accepted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_accepted: Option<Timestamp>,
    pub attention: BTreeMap<Name, Attention>,
    /// Per group of matters: when the operators were last told, and what came since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<Name, Repeats>,
    pub running: BTreeMap<RunId, Running>,
    /// What operators have paused: an app, or everything under the empty name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paused: BTreeMap<Name, Pause>,
    /// Per app: how long entering took lately, in seconds, oldest first.
    #[serde(default)]
    pub entering: BTreeMap<Name, Vec<u32>>,
    /// What is true of this process only.
    #[serde(skip)]
    pub live: Live,
}

impl State {
    /// Those whose app is out of service, or on its way.
    pub fn all_in_maintenance(&self) -> impl Iterator<Item = &Session> {
        let sessions = self.sessions.values();
        sessions.filter(|session| session.phase.in_maintenance())
    }

    /// Whether this machine is being restarted.
    pub fn is_rebooting(&self) -> bool {
        self.running.values().any(|running| running.reboot)
    }

    /// The pause that keeps work of this app from beginning; of everything where there is no app.
    pub fn pause_of(&self, app: Option<&str>) -> Option<&Pause> {
        let of_all = self.paused.get("");
        of_all.or_else(|| app.and_then(|app| self.paused.get(app)))
    }
}

/// What is known of one daemon's life; not recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// Instants up to this one passed while nobody was there: set at start, after a clock step and after a suspend.
    pub awake_since: Timestamp,
    /// Somebody was last surely there at this instant before that.
    pub asleep_since: Timestamp,
    /// Since when the daemon is being stopped.
    pub stopping: Option<Timestamp>,
    /// The state cannot be written: nothing new is started.
    pub unwritable: Option<String>,
    /// Only what an operator asks for is done.
    pub alone: bool,
    /// It is to be started anew when nothing is under way.
    pub restart: bool,
    /// Nothing new begins since then, so that nothing is under way soon.
    pub draining: Option<Timestamp>,
    /// That took too long, and was given up then for a while.
    pub drained_in_vain: Option<Timestamp>,
    /// Attempts of the last life of which a host is being asked how they ended.
    pub unheard: std::collections::BTreeSet<RunId>,
    /// Stop was asked of these attempts.
    pub stopped: std::collections::BTreeSet<RunId>,
}

impl Live {
    /// How long stopping waits for what the mail server says to mails under way.
    const ANSWERS: SignedDuration = SignedDuration::from_secs(10);

    /// Whether nothing new may be started: the daemon is being stopped, or is to be started anew, or the state cannot be
    /// written.
    pub fn held_back(&self) -> bool {
        self.stopping.is_some() || self.draining.is_some() || self.unwritable.is_some()
    }

    /// Until when stopping waits for the answers of the mail server.
    pub fn answers_by(&self) -> Option<Timestamp> {
        self.stopping?.checked_add(Self::ANSWERS).ok()
    }
}

/// A maintenance job's past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MaintenanceState {
    pub hosts: BTreeMap<Name, HostState>,
    /// The instant from which its dues count, for a host not in `hosts`.
    pub since: Timestamp,
    /// Durations of the last successful runs, in seconds, oldest first.
    pub samples: Vec<u32>,
    /// What an operator asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Box<Requested>>,
}

/// A wish that a maintenance job be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requested {
    /// Its due instant.
    pub at: Timestamp,
    pub hosts: Vec<Name>,
    pub by: String,
    /// Who that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<u32>,
    pub reason: String,
    /// It is to be now: see [`super::wish::Wish::Request`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// The role whose consent it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Name>,
}

/// Since when nothing begins, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    pub by: String,
    pub reason: String,
}

/// A maintenance job's past on one host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostState {
    /// Every due instant up to this has its record.
    pub accounted: Timestamp,
    pub last_success: Option<Timestamp>,
    /// Successes since the last bad end, oldest first, of a job that others wait for; see [`super::proof`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub successes: Vec<Timestamp>,
}

impl MaintenanceState {
    /// The due instant of a request that this host has not served, and that the calendar may serve.
    pub fn request_for(&self, host: &str) -> Option<Timestamp> {
        let regular = |r: &&Requested| !r.emergency && r.approval.is_none();
        let requested = self.requested.as_deref().filter(regular)?;
        let asked = requested.hosts.iter().any(|name| &**name == host);
        Some(requested.at).filter(|at| asked && *at > self.accounted(host))
    }

    /// Whether a request waits for somebody's consent.
    pub fn is_held(&self) -> bool {
        self.requested
            .as_ref()
            .is_some_and(|r| r.approval.is_some())
    }

    /// Whether an operator's request is not served yet.
    pub fn is_requested(&self) -> bool {
        let requested = self.requested.as_ref();
        let mut hosts = requested.into_iter().flat_map(|r| r.hosts.iter());
        hosts.any(|host| self.request_for(host).is_some())
    }

    pub fn accounted(&self, host: &str) -> Timestamp {
        self.hosts.get(host).map_or(self.since, |h| h.accounted)
    }

    pub fn learned(&self) -> Option<SignedDuration> {
        learned(&self.samples)
    }
}

/// The 95th percentile of what something took in seconds (oldest first), never under the last.
pub fn learned(samples: &[u32]) -> Option<SignedDuration> {
    let last = *samples.last()?;
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
    let p95 = sorted.get(index).copied().unwrap_or(last);
    Some(SignedDuration::from_secs(i64::from(p95.max(last))))
}

/// Adds a duration to what is remembered, rounded up to whole seconds.
pub fn remember(samples: &mut Vec<u32>, took: SignedDuration) {
    if samples.len() >= SAMPLES {
        samples.remove(0);
    }
    let seconds = took
        .as_secs()
        .saturating_add(i64::from(took.subsec_nanos() > 0));
    samples.push(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX));
}

/// A periodic job's past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeriodicState {
    /// Every due instant up to this has its record, or is the one being served.
    pub accounted: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Box<Active>>,
    /// An instant that waits for something other than the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<(Outcome, Timestamp)>,
    /// Bad ends since the last success.
    #[serde(default)]
    pub failures: u32,
    /// First and last of the instants that passed last while nobody was there: they come again where the clock is set
    /// back over them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<(Timestamp, Timestamp)>,
    /// The clock was set back: what is due after the first of these, up to the second, was served under the later clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_ahead: Option<(Timestamp, Timestamp)>,
}

impl PeriodicState {
    /// Every due instant up to this has its record now.
    pub fn account(&mut self, until: Timestamp) {
        self.accounted = self.accounted.max(until);
        if let Some((after, to)) = self
            .served_ahead
            .filter(|(after, _)| self.accounted >= *after)
        {
            debug_assert!(after <= to);
            self.accounted = self.accounted.max(to);
            self.served_ahead = None;
        }
    }

    /// What passes up to `now` and was not served under a clock that was ahead.
    pub fn open_until(&self, now: Timestamp) -> Timestamp {
        self.served_ahead.map_or(now, |(after, _)| after.min(now))
    }

    /// The next due instant that was not served.
    pub fn next_due(&self, job: &super::policy::PeriodicJob) -> Option<Timestamp> {
        let due = job.schedule.next_after(&job.zone, self.accounted);
        match self.served_ahead {
            Some((after, to)) if due.is_none_or(|due| due > after) => {
                job.schedule.next_after(&job.zone, self.accounted.max(to))
            }
            _ => due,
        }
    }
}

/// A periodic run that is not over: an attempt is running, or the next one is owed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Active {
    pub run: RunId,
    pub attempt: u32,
    pub due: Timestamp,
    /// Attempts that count as failures.
    pub failures: u32,
    /// The next attempt is owed then; none while one is running.
    pub retry_at: Option<Timestamp>,
}

/// A periodic due instant that was put off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    pub due: Timestamp,
    pub reason: Code,
}

/// An attempt whose process was started and whose end is not recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    pub attempt: u32,
    pub what: What,
    pub due: Option<Dues>,
    pub started: Timestamp,
    /// The wall clock at which it is ended, where its window decides that.
    pub stop_by: Option<Timestamp>,
    /// It restarts this machine, and with it the daemon.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reboot: bool,
    /// To another host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Box<Way>>,
    /// It waits for a lock, held by this.
    #[serde(skip)]
    pub waiting: Option<String>,
    /// How it ended on its host is not known, why that is so, and until when the host is asked.
    #[serde(skip)]
    pub unheard: Option<(String, Timestamp)>,
    #[serde(skip)]
    pub pid: Option<i32>,
}

/// Mail does not leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailTrouble {
    /// Of the first mail that was not accepted since one was.
    pub since: Timestamp,
    /// What was said to the last one, from outside: one line.
    pub why: String,
}

/// Something waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    pub kind: AttentionKind,
    pub text: String,
    pub since: Timestamp,
    /// Cleared when a session of this app succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<Name>,
    /// The alarm command has to be run about it.
    pub alarm: AlarmState,
}

/// What the operators were told of a group of matters, and what happened again since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeats {
    pub at: Timestamp,
    pub kind: AttentionKind,
    /// By key: how often, and in what words last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub again: BTreeMap<Name, (u32, String)>,
    /// Nothing was told of it yet: what comes at once is waited for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
}

impl Repeats {
    /// Matters of one group that are counted one by one; what is beyond that is in the history.
    pub const COUNTED: usize = 1_000;
}

/// How far the alarm command is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum AlarmState {
    /// Nobody is called about this kind, or there is no command.
    None,
    /// `last`: the run and attempt that failed before.
    Owed {
        not_before: Timestamp,
        last: Option<(RunId, u32)>,
    },
    Running {
        run: RunId,
        attempt: u32,
    },
    Done,
}

/// Why a person is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttentionKind {
    /// A session could not be announced in time.
    Unannounced,
    /// An announced session did not happen.
    Postponed,
    /// A recipient was refused by the mail server for good, or could not be told.
    Notice,
    /// A session failed.
    SessionFailed,
    /// A step was cut off and may not be repeated.
    Interrupted,
    /// An app stays in maintenance past its window.
    StuckInMaintenance,
    /// A leave hook fails.
    LeaveFailing,
    /// A periodic job's last run went badly.
    PeriodicFailing,
    /// `only_if` could not be answered.
    Unknown,
    /// The clock was set back, and what was served under the later clock is not served again.
    ClockSetBack,
    /// The state cannot be written, or only because its reserve was given up.
    StateTrouble,
    /// A template of notices cannot be used.
    Template,
}

/// How bad something is that waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// It is tried again by itself, and there may be thousands.
    Passing,
    Plain,
    /// A night went wrong, or did not happen at all: it cannot wait for the morning.
    Grave,
    /// Something is down.
    Down,
}

/// The keys of what needs a person about the state itself: it cannot be written; its reserve was given up.
pub const UNWRITABLE: &str = "state";
pub const ROOM_GIVEN: &str = "state:room";
/// The key of what is wrong with the templates of notices.
pub const TEMPLATES: &str = "templates";

impl AttentionKind {
    /// The word used in every interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unannounced => "unannounced",
            Self::Postponed => "postponed",
            Self::Notice => "notice",
            Self::SessionFailed => "session_failed",
            Self::Interrupted => "interrupted",
            Self::StuckInMaintenance => "stuck_in_maintenance",
            Self::LeaveFailing => "leave_failing",
            Self::PeriodicFailing => "periodic_failing",
            Self::Unknown => "unknown",
            Self::ClockSetBack => "clock_set_back",
            Self::StateTrouble => "state_trouble",
            Self::Template => "template",
        }
    }

    /// How bad it is, beside the others.
    pub fn gravity(self) -> Gravity {
        match self {
            Self::StuckInMaintenance | Self::LeaveFailing | Self::StateTrouble => Gravity::Down,
            Self::SessionFailed | Self::Unannounced => Gravity::Grave,
            Self::PeriodicFailing => Gravity::Passing,
            _ => Gravity::Plain,
        }
    }

    /// Something is down: nobody waits to hear of it.
    pub fn is_urgent(self) -> bool {
        self.gravity() == Gravity::Down
    }

    /// Whether the operators are told by mail and alarm command; the rest is shown by `status` and the metrics.
    pub fn alarms(self) -> bool {
        !matches!(self, Self::PeriodicFailing | Self::Unknown)
    }
}

impl State {
    /// The session that has the app out of service, if one has.
    pub fn in_maintenance(&self, app: &str) -> Option<&Session> {
        self.all_in_maintenance().find(|s| &*s.app == app)
    }

    /// Whether something needs a person about the state itself.
    pub fn in_trouble(&self) -> bool {
        [UNWRITABLE, ROOM_GIVEN]
            .iter()
            .any(|key| self.attention.contains_key(*key))
    }

    /// Periodic attempts that are running.
    pub fn periodic_running(&self) -> usize {
        self.running
            .values()
            .filter(|r| matches!(r.what, What::Periodic { .. }))
            .count()
    }
}
