//! Requests and replies, one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::core::wish::Wish;

/// The longest line either side reads, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// What an operator wishes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// One session of the app now; its events follow.
    Rehearse {
        app: String,
        reason: String,
        hooks: bool,
        jobs: bool,
    },
    /// Anything else an operator may wish; `dry_run` says what would come of it.
    Ask {
        wish: Wish,
        reason: String,
        #[serde(default)]
        dry_run: bool,
    },
    /// Stop as soon as nothing is under way; what supervises the daemon starts it again.
    Restart,
    /// Whether what happens can be recorded.
    Trouble,
}

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Not now, or not at all; nothing was done.
    Refused { why: String },
    /// It was asked for; what comes of it follows.
    Accepted,
    /// One event, and the same in words.
    Event {
        event: serde_json::Value,
        words: String,
    },
    /// Why nothing can be recorded; none where it can.
    Trouble { why: Option<String> },
    /// It is over.
    Done { well: bool },
}
