//! How far a session is, and when it is what.
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::core::plan::PlannedSession;

/// The same words wherever a planned session is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Course {
    pub phase: &'static str,
    pub opens: Timestamp,
    pub closes: Timestamp,
    pub starts: Timestamp,
    pub ends: Timestamp,
    #[serde(rename = "expected_s", serialize_with = "super::seconds::serialize")]
    pub expected: SignedDuration,
    pub announce_at: Timestamp,
    pub notice_by: Timestamp,
}

impl Course {
    pub fn of(session: &PlannedSession) -> Self {
        Self {
            phase: session.phase.word(),
            opens: session.opens,
            closes: session.closes,
            starts: session.starts,
            ends: session.ends,
            expected: session.expected,
            announce_at: session.announce_at,
            notice_by: session.notice_by,
        }
    }
}
