//! What the shell tells the core.

use jiff::{SignedDuration, Timestamp};

use super::notice::NoticeId;
use super::policy::Name;
use super::run::{Found, Report, RunId};
use super::session::Override;
use super::wish::Asked;

/// Something that happened outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The daemon is up: survivors of the last one are gone. `nonce` names this installation if the state is new.
    /// `alone`: only what an operator asks for is done, and entered apps are left.
    Started {
        boot: String,
        version: String,
        nonce: String,
        alone: bool,
        /// Of attempts on hosts: what is known of them here. Nothing else of the last life was left running.
        found: Vec<(RunId, Found)>,
    },
    /// The instant that was asked for has come, or may have.
    Woke,
    /// The wall clock moved against the elapsed time.
    ClockStepped {
        by: SignedDuration,
    },
    /// The machine was asleep for this long.
    Resumed {
        after: SignedDuration,
    },
    /// The policy was replaced.
    PolicyChanged,
    Waiting {
        run: RunId,
        holder: String,
    },
    /// How it ended on its host is not known, and the host is asked until then.
    Unheard {
        run: RunId,
        why: String,
        until: Timestamp,
    },
    Began {
        run: RunId,
        pid: i32,
    },
    Ended {
        run: RunId,
        report: Report,
    },
    Answered {
        notice: NoticeId,
        answer: Answer,
    },
    /// An operator wants to see a session of the app now.
    Rehearse {
        app: Name,
        rehearsal: Override,
    },
    /// An operator asks for something.
    Asked(Box<Asked>),
    /// Stop as soon as nothing is under way: somebody starts the daemon again at once.
    RestartWanted,
    /// Stop: no new step, what runs is ended, apps are left.
    Shutdown,
    /// The facts of the last turns could not be made durable; these effects were not performed.
    Unwritable {
        why: String,
        runs: Vec<RunId>,
        notices: Vec<NoticeId>,
    },
    /// They are durable now.
    Writable,
    /// The disk is full, and what was kept for that was given up: what is recorded now takes the last room.
    RoomGiven,
    /// Facts have been durable for a while, and room is kept again.
    StateWell,
    /// Whether the operator's templates of notices can be used; the built-in ones are where they cannot.
    Templates {
        broken: Option<String>,
    },
}

/// What the mail server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    Temporary {
        why: String,
    },
    Permanent {
        why: String,
    },
    /// It may have been delivered all the same.
    Unknown {
        why: String,
    },
}
