//! What is recorded. The names and fields here are the format of the state file: they are added to, never changed.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::notice::{Notice, NoticeId};
use super::policy::{Hook, Name, Way};
use super::run::{Dues, Outcome, RunId, SessionId, What};
use super::session::{Code, Need, Reason, Restarts, Session, SessionResult, Step, Told};
use super::state::AttentionKind;
use super::wish::{Asked, Wish};

/// One thing that happened, or was begun. Durable before its effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    StateCreated {
        nonce: String,
    },
    DaemonStarted {
        boot: String,
        version: String,
    },
    DaemonStopped {
        clean: bool,
    },
    /// Timers that count elapsed time move with the wall clock.
    ClockStepped {
        by: SignedDuration,
    },
    /// Jobs seen for the first time, each with the instant from which its dues count.
    JobsKnown {
        maintenance: Vec<(Name, Timestamp)>,
        periodic: Vec<Name>,
    },
    JobsForgotten {
        maintenance: Vec<Name>,
        periodic: Vec<Name>,
    },

    SessionOpened {
        session: Box<Session>,
    },
    /// The questions are answered: these steps are told, to these people.
    SessionPlanned {
        session: SessionId,
        starts: Timestamp,
        expected: SignedDuration,
        steps: Vec<Step>,
        notices: Vec<Notice>,
    },
    SessionAnnounced {
        session: SessionId,
    },
    SessionStarting {
        session: SessionId,
    },
    /// From here on the leave hooks are owed.
    SessionEntering {
        session: SessionId,
        enter_count: usize,
        leave: Vec<(usize, Hook)>,
    },
    /// Entered once more: the machine was restarted by one of its steps.
    SessionReentered {
        session: SessionId,
        enter_count: usize,
        leave: Vec<(usize, Hook)>,
    },
    /// The leave hooks of its app were changed while it is being left: these are owed now, from the first on.
    LeaveChanged {
        session: SessionId,
        leave: Vec<(usize, Hook)>,
    },
    SessionActive {
        session: SessionId,
    },
    /// It is to be left once what runs of it has ended.
    SessionEnding {
        session: SessionId,
        result: SessionResult,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    SessionLeaving {
        session: SessionId,
        result: SessionResult,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    SessionLeft {
        session: SessionId,
    },
    /// A second round after an interruption.
    SessionReopened {
        session: SessionId,
        repeat: Vec<usize>,
    },
    SessionClosed {
        session: SessionId,
        outcome: Outcome,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Timestamp>,
    },
    /// The configuration changed: what is not begun ends no later than this.
    SessionBounded {
        session: SessionId,
        closes: Timestamp,
    },
    /// The configuration changed what is told.
    SessionRevised {
        session: SessionId,
        told: Box<Told>,
        sequence: u32,
        #[serde(default, skip_serializing_if = "Restarts::no")]
        restarts: Restarts,
        notices: Vec<Notice>,
    },
    /// The change was accepted in time.
    SessionConfirmed {
        session: SessionId,
    },
    /// The change was not accepted in time, or taken back: what was announced before applies again.
    SessionReverted {
        session: SessionId,
        sequence: u32,
        notices: Vec<Notice>,
    },
    /// An answer to `only_if` that was given without asking, or a question to be asked again.
    StepNeed {
        session: SessionId,
        step: usize,
        need: Option<Need>,
    },
    /// A step ended without an attempt.
    StepDone {
        session: SessionId,
        step: usize,
        job: Name,
        host: Name,
        due: Dues,
        outcome: Outcome,
        reason: Reason,
    },

    AttemptStarted {
        run: RunId,
        attempt: u32,
        what: What,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Dues>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop_by: Option<Timestamp>,
        /// It restarts the machine the daemon runs on.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reboot: bool,
        /// To another host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        way: Option<Box<Way>>,
    },
    AttemptEnded(Box<AttemptEnded>),
    /// A job that others wait for has done on this host what it was to do.
    Proven {
        job: Name,
        host: Name,
    },

    NoticesOwed {
        notices: Vec<Notice>,
    },
    /// These are told in one mail, that of the first.
    NoticesBundled {
        into: NoticeId,
        notices: Vec<NoticeId>,
    },
    NoticeSending {
        notice: NoticeId,
        attempt: u32,
    },
    NoticeAccepted {
        notice: NoticeId,
        #[serde(flatten)]
        about: About,
    },
    /// Not accepted for now; `unknown` where it may have been delivered all the same.
    NoticeDelayed {
        notice: NoticeId,
        why: String,
        unknown: bool,
        retry_at: Timestamp,
        #[serde(flatten)]
        about: About,
    },
    NoticeRefused {
        notice: NoticeId,
        why: String,
        #[serde(flatten)]
        about: About,
    },
    /// A later mail to the same person says what applies now.
    NoticeOvertaken {
        notice: NoticeId,
        #[serde(flatten)]
        about: About,
    },
    NoticeGivenUp {
        notice: NoticeId,
        why: String,
        #[serde(flatten)]
        about: About,
    },

    /// Due instants that were not served.
    Skipped {
        job: Name,
        host: Name,
        due: Dues,
        reason: Reason,
    },
    /// A periodic due instant waits for something other than the clock.
    RunDeferred {
        job: Name,
        due: Timestamp,
        reason: Code,
    },

    AttentionRaised {
        key: Name,
        kind: AttentionKind,
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<Name>,
        /// The alarm command has to be run.
        alarm: bool,
    },
    AttentionCleared {
        key: Name,
    },
    /// The operators are owed a mail about matters of this group.
    OperatorsTold {
        group: Name,
        kind: AttentionKind,
        notices: Vec<Notice>,
    },
    /// An operator asked for something; what follows from it has facts of its own.
    Asked(Box<Asked>),
    /// A pause is over by itself.
    PauseEnded {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<Name>,
    },
    /// Of such a matter they were told within the hour: it is told with a count.
    AttentionRepeated {
        group: Name,
        key: Name,
        text: String,
    },
}

/// What a notice is about, repeated so that each line can be read by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub kind: super::notice::Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    pub recipient: String,
}

impl About {
    pub fn of(notice: &Notice) -> Self {
        Self {
            kind: notice.kind,
            session: notice.session.clone(),
            recipient: notice.person.email.clone(),
        }
    }
}

/// How an attempt ended: the line of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnded {
    pub run: RunId,
    pub attempt: u32,
    pub what: What,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Dues>,
    pub started: Timestamp,
    /// By the monotonic clock.
    pub elapsed: SignedDuration,
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    #[serde(default)]
    pub output_bytes: u64,
    #[serde(default)]
    pub log: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
    /// The step is still due afterwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub carried: bool,
    /// Whether the host is well is looked at next.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub to_be_seen: bool,
    /// Another attempt of the same run follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryAt>,
}

/// The next attempt of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryAt {
    pub at: Timestamp,
    /// Attempts so far that count as failures.
    pub failures: u32,
}

impl Fact {
    /// The word for it: the `fact` field of its serialised form.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StateCreated { .. } => "state_created",
            Self::DaemonStarted { .. } => "daemon_started",
            Self::DaemonStopped { .. } => "daemon_stopped",
            Self::ClockStepped { .. } => "clock_stepped",
            Self::JobsKnown { .. } => "jobs_known",
            Self::JobsForgotten { .. } => "jobs_forgotten",
            Self::SessionOpened { .. } => "session_opened",
            Self::SessionPlanned { .. } => "session_planned",
            Self::SessionAnnounced { .. } => "session_announced",
            Self::SessionStarting { .. } => "session_starting",
            Self::SessionEntering { .. } => "session_entering",
            Self::SessionReentered { .. } => "session_reentered",
            Self::LeaveChanged { .. } => "leave_changed",
            Self::SessionActive { .. } => "session_active",
            Self::SessionEnding { .. } => "session_ending",
            Self::SessionLeaving { .. } => "session_leaving",
            Self::SessionLeft { .. } => "session_left",
            Self::SessionReopened { .. } => "session_reopened",
            Self::SessionClosed { .. } => "session_closed",
            Self::SessionBounded { .. } => "session_bounded",
            Self::SessionRevised { .. } => "session_revised",
            Self::SessionConfirmed { .. } => "session_confirmed",
            Self::SessionReverted { .. } => "session_reverted",
            Self::StepNeed { .. } => "step_need",
            Self::StepDone { .. } => "step_done",
            Self::AttemptStarted { .. } => "attempt_started",
            Self::AttemptEnded(_) => "attempt_ended",
            Self::Proven { .. } => "proven",
            Self::NoticesOwed { .. } => "notices_owed",
            Self::NoticesBundled { .. } => "notices_bundled",
            Self::Asked(_) => "asked",
            Self::PauseEnded { .. } => "pause_ended",
            Self::NoticeSending { .. } => "notice_sending",
            Self::NoticeAccepted { .. } => "notice_accepted",
            Self::NoticeDelayed { .. } => "notice_delayed",
            Self::NoticeRefused { .. } => "notice_refused",
            Self::NoticeOvertaken { .. } => "notice_overtaken",
            Self::NoticeGivenUp { .. } => "notice_given_up",
            Self::Skipped { .. } => "skipped",
            Self::RunDeferred { .. } => "run_deferred",
            Self::AttentionRaised { .. } => "attention_raised",
            Self::AttentionCleared { .. } => "attention_cleared",
            Self::OperatorsTold { .. } => "operators_told",
            Self::AttentionRepeated { .. } => "attention_repeated",
        }
    }

    /// The job it is about, for looking it up.
    pub fn job(&self) -> Option<&Name> {
        match self {
            Self::AttemptStarted { what, .. } => what.job(),
            Self::AttemptEnded(ended) => ended.what.job(),
            Self::StepDone { job, .. }
            | Self::Proven { job, .. }
            | Self::Skipped { job, .. }
            | Self::RunDeferred { job, .. } => Some(job),
            Self::Asked(asked) => match &asked.wish {
                Wish::Request { job, .. } | Wish::Withdraw { job } => Some(job),
                _ => None,
            },
            _ => None,
        }
    }

    /// The session it is about, for looking it up.
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::SessionOpened { session } => Some(&session.id),
            Self::Asked(asked) => match &asked.wish {
                Wish::Cancel { session } | Wish::Postpone { session, .. } => Some(session),
                _ => None,
            },
            Self::SessionPlanned { session, .. }
            | Self::SessionAnnounced { session }
            | Self::SessionStarting { session }
            | Self::SessionEntering { session, .. }
            | Self::SessionReentered { session, .. }
            | Self::LeaveChanged { session, .. }
            | Self::SessionActive { session }
            | Self::SessionLeaving { session, .. }
            | Self::SessionEnding { session, .. }
            | Self::SessionLeft { session }
            | Self::SessionReopened { session, .. }
            | Self::SessionClosed { session, .. }
            | Self::SessionBounded { session, .. }
            | Self::SessionRevised { session, .. }
            | Self::SessionConfirmed { session }
            | Self::SessionReverted { session, .. }
            | Self::StepNeed { session, .. }
            | Self::StepDone { session, .. } => Some(session),
            Self::AttemptStarted { what, .. } => what.session(),
            Self::AttemptEnded(ended) => ended.what.session(),
            Self::NoticeAccepted { about, .. }
            | Self::NoticeDelayed { about, .. }
            | Self::NoticeRefused { about, .. }
            | Self::NoticeOvertaken { about, .. }
            | Self::NoticeGivenUp { about, .. } => about.session.as_ref(),
            _ => None,
        }
    }

    /// The run it is about, for looking it up.
    pub fn run(&self) -> Option<RunId> {
        match self {
            Self::AttemptStarted { run, .. } => Some(*run),
            Self::AttemptEnded(ended) => Some(ended.run),
            _ => None,
        }
    }
}
