//! One message owed to one recipient, and how far it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::policy::{Accepted, Name, Person};
use super::run::SessionId;
use super::session::Session;

/// The number of a notice in this installation.
pub type NoticeId = u64;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Advance,
    Started,
    Finished,
    Failed,
    Postponed,
    Cancelled,
    /// To the operators: something needs a person.
    Operators,
}

impl Kind {
    /// The word used in every interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Advance => "advance",
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Postponed => "postponed",
            Self::Cancelled => "cancelled",
            Self::Operators => "operators",
        }
    }
}

/// How far a notice is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Progress {
    Owed {
        not_before: Timestamp,
    },
    Sending,
    Accepted {
        at: Timestamp,
    },
    /// For good, by the mail server.
    Refused {
        why: String,
    },
    /// It came too late to be of use, or was tried for too long.
    GivenUp {
        why: String,
    },
}

/// One message owed to one recipient about one session, or about one matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub id: NoticeId,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The roles through which this person is told; `""` for a plain address.
    pub roles: Vec<Name>,
    pub person: Person,
    pub sequence: u32,
    pub owed: Timestamp,
    pub attempts: u32,
    /// What the server said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// An attempt ended without an answer: it may have been delivered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
    /// The first message of the thread, to this recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<NoticeId>,
    /// To the operators: subject and words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    pub progress: Progress,
}

impl Notice {
    pub fn settled(&self) -> bool {
        !matches!(self.progress, Progress::Owed { .. } | Progress::Sending)
    }

    pub fn accepted_at(&self) -> Option<Timestamp> {
        match self.progress {
            Progress::Accepted { at } => Some(at),
            _ => None,
        }
    }
}

/// Whether enough of a session's advance notices were accepted by `by`.
pub fn enough<'a>(
    rule: Accepted,
    session: &Session,
    notices: impl Iterator<Item = &'a Notice>,
    by: Timestamp,
) -> bool {
    let mut roles: Vec<(&str, bool)> = Vec::new();
    let (mut all, mut any) = (true, false);
    for notice in notices {
        if notice.kind != Kind::Advance || notice.session.as_ref() != Some(&session.id) {
            continue;
        }
        let accepted = notice.accepted_at().is_some_and(|at| at <= by);
        any |= accepted;
        all &= accepted || matches!(notice.progress, Progress::Refused { .. });
        for name in &notice.roles {
            match roles.iter_mut().find(|(role, _)| *role == &**name) {
                Some((_, reached)) => *reached |= accepted,
                None => roles.push((name, accepted)),
            }
        }
    }
    any && match rule {
        Accepted::All => all,
        Accepted::EachRole => roles.iter().all(|(_, reached)| *reached),
    }
}

/// How long to wait after the n-th attempt (from 1) that was refused for now: 5 s, doubling to five minutes.
pub fn backoff(attempt: u32) -> jiff::SignedDuration {
    let seconds = 5_i64 << attempt.saturating_sub(1).min(6);
    jiff::SignedDuration::from_secs(seconds.min(300))
}

/// A notice that is of use after the fact is tried for this long.
pub const TRIED_FOR: jiff::SignedDuration = jiff::SignedDuration::from_hours(72);
