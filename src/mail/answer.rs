//! What became of a delivery.

use super::clean;

/// The classified answer. `why` is one printable line of at most 300 characters without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server (or file, or program) has taken responsibility for the message.
    Accepted {
        /// What it said, cleaned like `why`.
        server: String,
    },
    /// Not delivered, and nothing speaks against trying again.
    Temporary { why: String },
    /// Not delivered; the server refuses this recipient or this message for good.
    Permanent { why: String },
    /// The message was handed over whole but no answer came: it may have been delivered.
    Unknown { why: String },
}

/// What an answer may say at most.
const MAX: usize = 300;

impl Answer {
    /// The word for it in logs and for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Temporary { .. } => "temporary",
            Self::Permanent { .. } => "permanent",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// What the other side said, or why there was no answer.
    pub fn said(&self) -> &str {
        match self {
            Self::Accepted { server } => server,
            Self::Temporary { why } | Self::Permanent { why } | Self::Unknown { why } => why,
        }
    }

    pub(super) fn accepted(server: &str) -> Self {
        Self::Accepted {
            server: clean::line(server, MAX),
        }
    }

    pub(super) fn temporary(why: &str) -> Self {
        Self::Temporary {
            why: clean::line(why, MAX),
        }
    }

    pub(super) fn permanent(why: &str) -> Self {
        Self::Permanent {
            why: clean::line(why, MAX),
        }
    }

    pub(super) fn unknown(why: &str) -> Self {
        Self::Unknown {
            why: clean::line(why, MAX),
        }
    }
}
