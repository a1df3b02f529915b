//! One message owed to one recipient, and how far it is.

use std::collections::{BTreeMap, HashMap};

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
    /// What was announced has changed: this is what applies now.
    Changed,
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
            Self::Changed => "changed",
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Postponed => "postponed",
            Self::Cancelled => "cancelled",
            Self::Operators => "operators",
        }
    }
}

impl Kind {
    /// Whether it says what will be: only before that is it of use.
    pub fn is_ahead(self) -> bool {
        matches!(self, Self::Advance | Self::Changed)
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
    /// A later mail to the same person says what applies now.
    Overtaken,
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
    /// Told with all that comes until the next time, where that is possible.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub digest: bool,
    /// Told in the mail of this notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<NoticeId>,
    /// The first message of the thread, to this recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<NoticeId>,
    /// To the operators: subject and words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    pub progress: Progress,
}

impl Notice {
    /// Owed at once, and about nothing yet.
    pub fn new(id: NoticeId, kind: Kind, roles: Vec<Name>, person: Person, now: Timestamp) -> Self {
        Self {
            id,
            kind,
            session: None,
            roles,
            person,
            sequence: 0,
            owed: now,
            attempts: 0,
            answer: None,
            uncertain: false,
            digest: false,
            within: None,
            thread: None,
            text: Vec::new(),
            progress: Progress::Owed { not_before: now },
        }
    }

    pub fn is_about(&self, session: &str) -> bool {
        self.session.as_deref() == Some(session)
    }

    /// Waits to be sent, and its time has come.
    pub fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.progress, Progress::Owed { not_before } if not_before <= now)
    }

    /// Nobody can have it yet.
    pub fn is_unsent(&self) -> bool {
        matches!(self.progress, Progress::Owed { .. }) && !self.uncertain
    }

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

/// Whether enough people accepted by `by` what applies to a session: by one of the notices of its last change that had
/// to be announced, or of a later one.
pub fn enough<'a>(
    rule: &Accepted,
    session: &Session,
    notices: impl Iterator<Item = &'a Notice> + Clone,
    by: Timestamp,
) -> bool {
    let counts =
        |notice: &&Notice| notice.session.as_ref() == Some(&session.id) && notice.kind.is_ahead();
    let accepted = |notice: &Notice| {
        notice.sequence >= session.gate && notice.accepted_at().is_some_and(|at| at <= by)
    };
    let notices = notices.filter(counts);
    // Asked again after every answer, of thousands: the usual answer is that there is nothing yet.
    if !notices.clone().any(accepted) {
        return false;
    }
    if *rule == Accepted::All {
        // Of each person: has accepted, and has not refused for good.
        let mut people: HashMap<&str, (bool, bool)> = HashMap::new();
        for notice in notices {
            let person = people.entry(&notice.person.email).or_insert((false, true));
            person.0 |= accepted(notice);
            person.1 &= !matches!(notice.progress, Progress::Refused { .. });
        }
        return people.values().all(|(accepted, waits)| *accepted || !waits);
    }
    let mut roles: BTreeMap<&str, bool> = BTreeMap::new();
    for notice in notices {
        let accepted = accepted(notice);
        for role in &notice.roles {
            *roles.entry(role).or_default() |= accepted;
        }
    }
    match rule {
        Accepted::All | Accepted::EachRole => roles.values().all(|reached| *reached),
        Accepted::Roles(wanted) => {
            let wanted = |role: &&str| wanted.iter().any(|name| **name == **role);
            let any = roles.keys().any(wanted);
            let mut asked = roles.iter().filter(|(role, _)| !any || wanted(role));
            asked.all(|(_, reached)| *reached)
        }
    }
}

/// How long to wait after the n-th attempt (from 1) that was refused for now: 5 s, doubling to five minutes.
pub fn backoff(attempt: u32) -> jiff::SignedDuration {
    let seconds = 5_i64 << attempt.saturating_sub(1).min(6);
    jiff::SignedDuration::from_secs(seconds.min(300))
}

/// A notice that is of use after the fact is tried for this long.
pub const TRIED_FOR: jiff::SignedDuration = jiff::SignedDuration::from_hours(72);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::policy::Language;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn session(gate: u32) -> Session {
        let blank = r#"{"id": "shop/night/2027-01-04", "app": "shop", "window": "night",
            "opens": "2027-01-04T22:00:00Z", "closes": "2027-01-05T02:00:00Z", "starts": "2027-01-04T22:00:00Z",
            "expected": "PT15M", "notice_by": "2027-01-04T10:00:00Z", "lead": "PT12H", "reserve": "PT0S", "steps": [],
            "locks": [], "phase": "planned", "sequence": 0, "round": 1, "entered": null, "enter_count": 0,
            "enter_started": 0, "hook": {"index": 0, "running": null, "run": null, "attempts": 0, "not_before": null},
            "leave": [], "result": "success"}"#;
        Session {
            gate,
            ..serde_json::from_str(blank).unwrap()
        }
    }

    fn notice(who: &str, role: &str, sequence: u32, progress: Progress) -> Notice {
        let kind = if sequence == 0 {
            Kind::Advance
        } else {
            Kind::Changed
        };
        let person = Person {
            email: who.into(),
            name: None,
            language: Language::En,
            time_zone: "UTC".into(),
        };
        let now = at("2027-01-04T09:00:00Z");
        Notice {
            session: Some("shop/night/2027-01-04".into()),
            sequence,
            progress,
            ..Notice::new(1, kind, vec![role.into()], person, now)
        }
    }

    fn accepted(time: &str) -> Progress {
        Progress::Accepted {
            at: at(&format!("2027-01-04T{time}Z")),
        }
    }

    #[test]
    fn the_deadline_is_to_the_second_and_includes_its_own() {
        let by = at("2027-01-04T10:00:00Z");
        for (time, early) in [("09:59:59", true), ("10:00:00", true), ("10:00:01", false)] {
            let notice = notice("a", "tech", 0, accepted(time));
            for rule in [Accepted::EachRole, Accepted::All] {
                let notices = std::iter::once(&notice);
                assert_eq!(
                    enough(&rule, &session(0), notices, by),
                    early,
                    "{time} {rule:?}"
                );
            }
        }
    }

    #[test]
    fn a_change_that_counts_is_accepted_by_all_who_were_to_accept_what_was_before() {
        let by = at("2027-01-04T10:00:00Z");
        let mut notices = vec![
            notice("a", "tech", 0, accepted("09:00:00")),
            notice("c", "support", 0, accepted("09:00:00")),
            notice("a", "tech", 1, accepted("09:30:00")),
        ];
        let enough = |gate, notices: &[Notice]| {
            enough(&Accepted::EachRole, &session(gate), notices.iter(), by)
        };
        assert!(enough(0, &notices));
        assert!(!enough(1, &notices), "support does not know of the change");
        notices.push(notice("c", "support", 1, accepted("09:45:00")));
        assert!(enough(1, &notices));
    }
}
