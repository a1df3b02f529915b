//! What the core asks of the shell.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::letter::Letter;
use super::notice::NoticeId;
use super::policy::{Command, Host, Way};
use super::run::{RunId, What};

/// Something to be done outside, once the facts of the turn are durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Start(Box<Start>),
    /// End the run's processes: SIGTERM, grace, SIGKILL.
    Stop {
        run: RunId,
    },
    /// Ask a host how an attempt of the last life ended; by then nothing of it is left there.
    Ask {
        run: RunId,
        attempt: u32,
        host: Option<Arc<Host>>,
        /// How it got there.
        way: Option<Box<Way>>,
        /// Files of locks that it held here, and holds until it has ended there.
        locks: Vec<String>,
        until: Timestamp,
    },
    Send {
        notice: NoticeId,
        letter: Box<Letter>,
    },
    /// Everything is done that stopping asks for; `clean` where no app was left in maintenance.
    Exit {
        clean: bool,
    },
}

/// One attempt to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    pub run: RunId,
    pub attempt: u32,
    pub what: What,
    pub command: Command,
    /// The contract: the `OFFHOURS_` variables and the command's own.
    pub env: Vec<(String, String)>,
    /// File names in the folder of locks.
    pub locks: Vec<String>,
    pub lock_wait: LockWait,
    pub timeout: SignedDuration,
    pub grace: SignedDuration,
    pub log_limit: u64,
    /// It restarts the machine it runs on.
    pub reboot: bool,
    /// Where it is to run.
    pub place: Place,
}

/// The machine that something is to be done on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Here,
    /// Over SSH; none where the host left the configuration.
    Host(Option<Arc<Host>>),
}

/// How long a held lock is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    For(SignedDuration),
    /// Until the run is stopped.
    UntilStopped,
}

impl Effect {
    /// Bringing an app back, ending and telling that something is wrong happen even when nothing can be recorded.
    pub fn even_unrecorded(&self) -> bool {
        match self {
            Self::Start(start) => matches!(start.what, What::Leave { .. } | What::Alarm { .. }),
            Self::Stop { .. } | Self::Ask { .. } | Self::Exit { .. } => true,
            Self::Send { letter, .. } => letter.kind == super::letter::LetterKind::Operators,
        }
    }
}
