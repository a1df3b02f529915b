//! One maintenance of one app in one occurrence.

mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use steps::Steps;

use super::policy::{Hook, Name};
use super::run::{Dues, Outcome, RunId, SessionId};

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Known; its `only_if` questions are being asked before anybody is told.
    Asking,
    /// Its notices are owed.
    Planned,
    /// Its notices were accepted in time.
    Announced,
    /// Its time has come: the questions are asked again, before the app is touched.
    Starting,
    Entering,
    Active,
    Leaving,
    /// The app is back; what follows is decided: a second round, or the end.
    Left,
    Closed,
}

impl Phase {
    /// The word used in every interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Asking | Self::Planned => "planned",
            Self::Announced | Self::Starting => "announced",
            Self::Entering => "entering",
            Self::Active => "active",
            Self::Leaving | Self::Left => "leaving",
            Self::Closed => "closed",
        }
    }

    /// Whether the app is out of service, or on its way.
    pub fn in_maintenance(self) -> bool {
        matches!(self, Self::Entering | Self::Active | Self::Leaving)
    }
}

/// What a leave hook is told of the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionResult {
    #[default]
    Success,
    Failure,
    Interrupted,
}

impl SessionResult {
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Frozen when it became known: what people were told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub app: Name,
    pub window: Name,
    pub opens: Timestamp,
    /// The latest end that one of its jobs sees.
    pub closes: Timestamp,
    /// Not before this: it is what was told.
    pub starts: Timestamp,
    /// Rounded up to a quarter of an hour, as told.
    pub expected: SignedDuration,
    pub notice_by: Timestamp,
    pub lead: SignedDuration,
    /// Kept free at the end for the leave hooks.
    pub reserve: SignedDuration,
    pub steps: Steps,
    /// Locks of all its jobs: sessions that share one are never on top of each other.
    pub locks: Vec<Name>,
    pub phase: Phase,
    /// The calendar entry's SEQUENCE last told.
    pub sequence: u32,
    /// Only what was told with this SEQUENCE or a later one counts as an announcement.
    #[serde(default, skip_serializing_if = "is_first")]
    pub gate: u32,
    /// What was announced before a change that is not accepted yet: it applies again if it is not accepted in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Told>>,
    /// An operator's recorded override of window and notice.
    #[serde(default, alias = "rehearsal", skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
    /// 1, or 2 after an interruption.
    pub round: u8,
    pub entered: Option<Timestamp>,
    /// Enter hooks there were at entering.
    pub enter_count: usize,
    /// The enter hooks that were started in this round.
    pub enter_started: usize,
    /// The hook that is running or to be run next, of the phase.
    pub hook: HookState,
    /// Recorded at entering: what brings the app back, in the order of running, with the hook's place in the file.
    pub leave: Vec<(usize, Hook)>,
    pub result: SessionResult,
    /// Why it did not go as planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// When a step ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_ended: Option<Timestamp>,
    /// Hosts that were found well for this session and not touched since, and when.
    #[serde(default, skip_serializing_if = "is_unseen")]
    pub seen_well: Arc<BTreeMap<Name, Timestamp>>,
    /// It is to be left, for this reason, as soon as what runs of it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<(SessionResult, Option<Reason>)>,
    /// An operator wants it to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wished: Option<Wished>,
}

/// How an operator wants a session to end, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wished {
    Cancelled(Reason),
    /// Not to an occurrence that opens before `to`.
    Postponed {
        why: Reason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Timestamp>,
    },
}

impl Wished {
    pub fn why(&self) -> &Reason {
        match self {
            Self::Cancelled(why) | Self::Postponed { why, .. } => why,
        }
    }
}

fn is_first(sequence: &u32) -> bool {
    *sequence == 0
}

/// What a change of an announced session means for its lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restarts {
    /// It goes on.
    #[default]
    No,
    /// It begins anew; where it is not kept, what was announced before applies.
    ElseAsBefore,
    /// It begins anew; where it is not kept, the session is postponed.
    ElsePostponed,
}

impl Restarts {
    pub fn no(&self) -> bool {
        *self == Self::No
    }
}

fn is_unseen(seen: &Arc<BTreeMap<Name, Timestamp>>) -> bool {
    seen.is_empty()
}

/// The part of a session that people are told, and that a change of the configuration can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub opens: Timestamp,
    pub closes: Timestamp,
    pub starts: Timestamp,
    pub expected: SignedDuration,
    pub notice_by: Timestamp,
    #[serde(default, skip_serializing_if = "is_first")]
    pub gate: u32,
    pub steps: Steps,
    pub locks: Vec<Name>,
}

impl Told {
    pub fn of(session: &Session) -> Self {
        Self {
            opens: session.opens,
            closes: session.closes,
            starts: session.starts,
            expected: session.expected,
            notice_by: session.notice_by,
            gate: session.gate,
            steps: session.steps.clone(),
            locks: session.locks.clone(),
        }
    }

    /// What is still to be done, as `(job, host)` in order.
    pub fn work(&self) -> impl Iterator<Item = (&Name, &Name)> {
        let waiting = self.steps.iter().filter(|step| !step.done());
        waiting.map(|step| (&step.job, &step.host))
    }

    /// Whether a mail about it would say something else than one about the other.
    pub fn reads_otherwise(&self, other: &Self) -> bool {
        let times = |told: &Self| (told.opens, told.closes, told.starts, told.expected);
        times(self) != times(other) || !self.work().eq(other.work())
    }
}

impl Session {
    /// A host was found well.
    pub fn is_well(&mut self, host: &Name, at: Timestamp) {
        Arc::make_mut(&mut self.seen_well).insert(host.clone(), at);
    }

    /// Something is begun on a host: how it was before says nothing any more.
    pub fn is_touched(&mut self, host: &Name) {
        if self.seen_well.contains_key(host) {
            Arc::make_mut(&mut self.seen_well).remove(host);
        }
    }

    /// Takes over what is told now.
    pub fn tell(&mut self, told: Told) {
        self.opens = told.opens;
        self.closes = told.closes;
        self.starts = told.starts;
        self.expected = told.expected;
        self.notice_by = told.notice_by;
        self.gate = told.gate;
        self.steps = told.steps;
        self.locks = told.locks;
    }

    /// Whether its occurrence has not begun: the clock was set back under it.
    pub fn outside(&self, now: Timestamp) -> bool {
        self.overridden.is_none() && now < self.opens
    }

    /// Whether it is played to be looked at: it serves and proves nothing.
    pub fn is_rehearsal(&self) -> bool {
        self.overridden.as_ref().is_some_and(|o| !o.emergency)
    }

    /// Why it may not wait, where an operator said so.
    pub fn emergency(&self) -> Option<&str> {
        let overridden = self.overridden.as_ref()?;
        overridden.emergency.then_some(&*overridden.reason)
    }
}

/// An operator's wish to have a session now: a rehearsal, or work that cannot wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    pub reason: String,
    pub hooks: bool,
    pub jobs: bool,
    /// People are told by mail, and the work counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    pub at: Timestamp,
    pub outcome: Outcome,
    /// When its work can happen instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
}

/// Where the hooks of a phase are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookState {
    /// Index in the order of running.
    pub index: usize,
    pub running: Option<RunId>,
    /// The run whose next attempt is owed.
    pub run: Option<RunId>,
    pub attempts: u32,
    /// Not before this.
    pub not_before: Option<Timestamp>,
}

/// The answer to `only_if`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    Needed,
    NothingToDo,
    Unknown,
}

/// One job on one host within a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub job: Name,
    pub host: Name,
    pub dues: Dues,
    pub starts: Timestamp,
    pub estimate: SignedDuration,
    /// The opening of the occurrence as this job sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Timestamp>,
    /// The end of the occurrence as this job sees it.
    pub closes: Timestamp,
    pub cutoff: SignedDuration,
    /// It follows another job of the session and is asked only then.
    pub if_needed: bool,
    pub need: Option<Need>,
    /// When the answer was given.
    pub asked: Option<Timestamp>,
    pub state: StepState,
}

impl Step {
    pub fn done(&self) -> bool {
        matches!(self.state, StepState::Done { .. })
    }

    /// Whether its session may still do it: also what was cut off, in a second round.
    pub fn claimed(&self) -> bool {
        let StepState::Done { outcome, .. } = self.state else {
            return true;
        };
        outcome == Outcome::Interrupted
    }
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum StepState {
    Waiting,
    Asking {
        run: RunId,
    },
    /// Others are being looked at, which have to be well before this host is touched.
    Guarded(Guard),
    /// `failures` of the attempts before this one counted.
    Running {
        run: RunId,
        attempt: u32,
        failures: u32,
    },
    /// Between attempts; `failures` of them counted.
    Backoff {
        run: RunId,
        attempt: u32,
        failures: u32,
        until: Timestamp,
    },
    /// Its job has succeeded; whether the host is well is being looked at.
    Checking {
        run: RunId,
    },
    /// The same, not begun yet.
    Unchecked,
    Done {
        outcome: Outcome,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
}

/// What is known of the hosts that are to stay in service while another is touched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Those that were looked at, or are being.
    pub asked: Vec<Name>,
    /// Those of them that are well.
    pub well: Vec<Name>,
    /// How many are being looked at.
    pub under_way: usize,
    /// Looking was cut off: it begins anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_off: bool,
}

/// A machine-readable reason with its words: fixed `code`, free `text`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub code: Code,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl Reason {
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

impl From<Code> for Reason {
    fn from(code: Code) -> Self {
        Self {
            code,
            text: String::new(),
        }
    }
}

/// Why something did not happen, or not as planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No notice was accepted early enough.
    Unannounced,
    /// What is left of the occurrence is too short.
    DoesNotFit,
    /// The occurrence was over before it could begin.
    WindowPassed,
    /// The command asked for it (69).
    Unavailable,
    /// The command asked to be repeated (75) for longer than there was time.
    TemporaryFailure,
    /// An enter hook failed.
    EnterFailed,
    /// A job of the session failed.
    JobFailed,
    /// An earlier step of the session failed.
    Stopped,
    /// `only_if` said so.
    NothingToDo,
    /// A periodic job of the app did not end in time.
    Drain,
    /// A lock is held by somebody else.
    Locked,
    /// The last run was still going.
    Overlap,
    /// Nobody was there to serve it.
    Missed,
    /// A newer due instant took its place.
    Superseded,
    OutsideWindow,
    /// The app is in maintenance.
    InMaintenance,
    /// The job is no longer in the configuration.
    Removed,
    /// The daemon was stopped, or died.
    Interrupted,
    /// The state could not be written.
    StateUnwritable,
    /// A freeze left nothing of the occurrence.
    Frozen,
    /// It was announced by a clock that was ahead.
    ClockSetBack,
    /// A job that it waits for has not succeeded for long enough.
    NotProven,
    /// An operator asked for it.
    Operator,
    /// An operator has paused it.
    Paused,
    /// The host is well after it.
    Healthy,
    /// The host was not well after it, in time.
    Unhealthy,
    /// Too few of the hosts that are to stay in service are well.
    TooFewInService,
    /// How a run ended on its host was not heard, and the host could not tell.
    EndUnknown,
}

impl Code {
    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unannounced => "no notice was accepted early enough",
            Self::DoesNotFit => "what is left of the window is too short",
            Self::WindowPassed => "the window was over",
            Self::Unavailable => "the command asked to be postponed (exit code 69)",
            Self::TemporaryFailure => {
                "the command asked to be repeated (exit code 75) until there was no time left"
            }
            Self::EnterFailed => "an enter hook failed",
            Self::JobFailed => "a job failed",
            Self::Stopped => "an earlier job of the session failed",
            Self::NothingToDo => "there was nothing to do",
            Self::Drain => "a periodic job of the app was still running",
            Self::Locked => "a lock is held",
            Self::Overlap => "the last run was still going",
            Self::Missed => "nobody was there to run it",
            Self::Superseded => "a newer due instant took its place",
            Self::OutsideWindow => "outside its window",
            Self::InMaintenance => "the app is in maintenance",
            Self::Removed => "no longer configured",
            Self::Interrupted => "offhours was stopped or died",
            Self::StateUnwritable => "the state could not be written",
            Self::Frozen => "a freeze",
            Self::ClockSetBack => "the clock was set back",
            Self::NotProven => "a job it waits for has not succeeded for long enough",
            Self::Operator => "asked for by an operator",
            Self::Paused => "paused by an operator",
            Self::Healthy => "the host is well",
            Self::Unhealthy => "the host is not well",
            Self::TooFewInService => "too few other hosts are well",
            Self::EndUnknown => "how it ended is not known",
        }
    }

    /// The word used in every interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unannounced => "unannounced",
            Self::DoesNotFit => "does_not_fit",
            Self::WindowPassed => "window_passed",
            Self::Unavailable => "unavailable",
            Self::TemporaryFailure => "temporary_failure",
            Self::EnterFailed => "enter_failed",
            Self::JobFailed => "job_failed",
            Self::Stopped => "stopped",
            Self::NothingToDo => "nothing_to_do",
            Self::Drain => "drain",
            Self::Locked => "locked",
            Self::Overlap => "overlap",
            Self::Missed => "missed",
            Self::Superseded => "superseded",
            Self::OutsideWindow => "outside_window",
            Self::InMaintenance => "in_maintenance",
            Self::Removed => "removed",
            Self::Interrupted => "interrupted",
            Self::StateUnwritable => "state_unwritable",
            Self::Frozen => "frozen",
            Self::ClockSetBack => "clock_set_back",
            Self::NotProven => "not_proven",
            Self::Operator => "operator",
            Self::Paused => "paused",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::TooFewInService => "too_few_in_service",
            Self::EndUnknown => "end_unknown",
        }
    }
}
