//! One execution of something, how it ended, and what it was for.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::policy::Name;

/// The number of a run in this installation; shown to people as it is.
pub type RunId = u64;

/// `APP/WINDOW/DATE`, with `.2`, `.3` for a second one that day.
pub type SessionId = Name;

/// How a run, a step or a session ended: a fixed interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Succeeded,
    Failed,
    TimedOut,
    Signalled,
    SpawnFailed,
    Unreachable,
    Cancelled,
    Interrupted,
    Postponed,
    Skipped,
}

impl Outcome {
    pub const ALL: [Self; 10] = [
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Signalled,
        Self::SpawnFailed,
        Self::Unreachable,
        Self::Cancelled,
        Self::Interrupted,
        Self::Postponed,
        Self::Skipped,
    ];

    /// The word used in every interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Signalled => "signalled",
            Self::SpawnFailed => "spawn_failed",
            Self::Unreachable => "unreachable",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Postponed => "postponed",
            Self::Skipped => "skipped",
        }
    }

    /// Whether somebody should look at it.
    pub fn is_bad(self) -> bool {
        matches!(
            self,
            Self::Failed
                | Self::TimedOut
                | Self::Signalled
                | Self::SpawnFailed
                | Self::Unreachable
                | Self::Interrupted
        )
    }
}

/// What an attempt is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum What {
    /// A maintenance job on a host, within a session.
    Step {
        session: SessionId,
        step: usize,
        job: Name,
        host: Name,
    },
    /// Asking `only_if` of a step.
    Ask {
        session: SessionId,
        step: usize,
        job: Name,
        host: Name,
    },
    /// Looking whether a host is well after a step.
    Health {
        session: SessionId,
        step: usize,
        job: Name,
        host: Name,
    },
    /// Looking whether another host is well before the one of a step is touched.
    Peer {
        session: SessionId,
        step: usize,
        job: Name,
        host: Name,
    },
    Enter {
        session: SessionId,
        hook: usize,
        host: Name,
    },
    Leave {
        session: SessionId,
        hook: usize,
        host: Name,
    },
    Periodic {
        job: Name,
        #[serde(default = "local", skip_serializing_if = "is_local")]
        host: Name,
    },
    /// The operators' alarm command, about one matter.
    Alarm { key: Name },
}

fn local() -> Name {
    super::policy::LOCAL.into()
}

fn is_local(host: &Name) -> bool {
    **host == *super::policy::LOCAL
}

impl What {
    /// Whether it only looks, and changes nothing.
    pub fn is_question(&self) -> bool {
        matches!(
            self,
            Self::Ask { .. } | Self::Health { .. } | Self::Peer { .. }
        )
    }

    pub fn job(&self) -> Option<&Name> {
        match self {
            Self::Step { job, .. }
            | Self::Ask { job, .. }
            | Self::Health { job, .. }
            | Self::Peer { job, .. }
            | Self::Periodic { job, .. } => Some(job),
            _ => None,
        }
    }

    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Step { session, .. }
            | Self::Ask { session, .. }
            | Self::Health { session, .. }
            | Self::Peer { session, .. }
            | Self::Enter { session, .. }
            | Self::Leave { session, .. } => Some(session),
            _ => None,
        }
    }

    pub fn host(&self) -> &str {
        match self {
            Self::Step { host, .. }
            | Self::Ask { host, .. }
            | Self::Health { host, .. }
            | Self::Peer { host, .. }
            | Self::Enter { host, .. }
            | Self::Leave { host, .. }
            | Self::Periodic { host, .. } => host,
            Self::Alarm { .. } => super::policy::LOCAL,
        }
    }

    /// The word for it in listings: `step`, `only_if`, `healthy`, `in_service`, `enter`, `leave`, `periodic`, `alarm`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Step { .. } => "step",
            Self::Ask { .. } => "only_if",
            Self::Health { .. } => "healthy",
            Self::Peer { .. } => "in_service",
            Self::Enter { .. } => "enter",
            Self::Leave { .. } => "leave",
            Self::Periodic { .. } => "periodic",
            Self::Alarm { .. } => "alarm",
        }
    }
}

/// The due instants that one run serves: several before one occurrence count once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dues {
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u64,
}

impl Dues {
    pub fn one(at: Timestamp) -> Self {
        Self {
            first: at,
            last: at,
            count: 1,
        }
    }
}

/// How the processes of an attempt ended, as the one-job child saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    Exited {
        code: i32,
    },
    Signalled {
        signal: i32,
    },
    /// The time bound passed; `code` is what the first process ended with, where it did.
    TimedOut {
        code: Option<i32>,
    },
    /// Ended because it was asked to.
    Stopped {
        code: Option<i32>,
    },
    SpawnFailed {
        why: String,
    },
    /// The one-job child itself died; its processes were ended.
    Lost,
    /// The host was not reached: nothing was started.
    Unreachable {
        why: String,
    },
    /// It was begun on a host, and how it ended was not heard and cannot be heard any more: its time there is over.
    Unheard {
        why: String,
    },
    /// A lock was held by somebody else; nothing was started.
    Busy {
        lock: String,
        holder: String,
    },
}

/// What a client of a host left behind that was ended together with the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It heard the end.
    Ended(End),
    /// It was ordered at this time, and the host has to be asked.
    Unheard { ordered: Option<Timestamp> },
}

/// What is known of an attempt when it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub end: End,
    pub elapsed: SignedDuration,
    /// Bytes printed; the log keeps head and tail of them.
    pub output_bytes: u64,
    /// Whether a log file was written.
    pub log: bool,
    /// The end of the output, one line, made harmless for terminals.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// How a command's answer is read: sysexits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Done,
    /// 75: repeat it after a pause, which counts as no attempt.
    Again,
    /// 69: postpone to the next occurrence.
    Postpone,
    Bad(Outcome),
    /// Nothing was started: a lock was held.
    Busy,
}

impl Report {
    pub fn verdict(&self) -> Verdict {
        match &self.end {
            End::Exited { code: 0 } => Verdict::Done,
            End::Exited { code: 75 } => Verdict::Again,
            End::Exited { code: 69 } => Verdict::Postpone,
            End::Exited { .. } => Verdict::Bad(Outcome::Failed),
            End::Signalled { .. } => Verdict::Bad(Outcome::Signalled),
            End::TimedOut { .. } => Verdict::Bad(Outcome::TimedOut),
            End::Stopped { .. } | End::Lost => Verdict::Bad(Outcome::Interrupted),
            End::SpawnFailed { .. } => Verdict::Bad(Outcome::SpawnFailed),
            End::Unreachable { .. } => Verdict::Bad(Outcome::Unreachable),
            End::Unheard { .. } => Verdict::Bad(Outcome::Interrupted),
            End::Busy { .. } => Verdict::Busy,
        }
    }

    pub fn exit_code(&self) -> Option<i32> {
        match self.end {
            End::Exited { code } => Some(code),
            End::TimedOut { code } | End::Stopped { code } => code,
            _ => None,
        }
    }

    /// In words, for people; empty where the exit code says all.
    pub fn words(&self) -> String {
        match &self.end {
            End::Exited { code: 0 } => String::new(),
            End::Exited { code } => format!("exit code {code}"),
            End::Signalled { signal } => format!("ended by signal {signal}"),
            End::TimedOut { code: Some(code) } => {
                format!("left processes behind until the timeout (exit code {code})")
            }
            End::TimedOut { code: None } => "ended at the timeout".into(),
            End::Stopped { .. } => "ended before its time".into(),
            End::SpawnFailed { why } | End::Unreachable { why } => why.clone(),
            End::Unheard { why } => format!("how it ended is not known: {why}"),
            End::Lost => "its supervisor was killed".into(),
            End::Busy { holder, lock } if holder.is_empty() => format!("locked: {lock}"),
            End::Busy { holder, .. } => format!("locked by {holder}"),
        }
    }
}
