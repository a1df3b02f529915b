//! What happens, as events: the lines of `simulate --json` and of the daemon's log.
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::core::fact::{About, AttemptEnded, Fact};
use crate::core::notice::Kind;
use crate::core::plan::diff::Change;
use crate::core::policy::Name;
use crate::core::run::{Dues, Outcome, RunId, SessionId, What};
use crate::core::session::{Code, Reason};
use crate::core::wish::{Asked, Wish};

/// The word for an event: a fixed interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    DaemonStarted,
    DaemonStopped,
    /// Only a simulation sees it happen.
    DaemonKilled,
    ClockStepped,
    Suspended,
    /// A reload changed what is planned; there is no fact for it.
    PlanChanged,
    SessionOpened,
    SessionPlanned,
    SessionAnnounced,
    SessionChanged,
    SessionStarting,
    SessionEntering,
    SessionActive,
    SessionLeaving,
    SessionLeft,
    SessionReopened,
    SessionPostponed,
    SessionClosed,
    EnterStarted,
    EnterEnded,
    LeaveStarted,
    LeaveEnded,
    RunStarted,
    RunEnded,
    /// A step that ended without an attempt.
    StepEnded,
    RunSkipped,
    RunDeferred,
    QuestionStarted,
    QuestionEnded,
    AlarmStarted,
    AlarmEnded,
    NoticeAccepted,
    NoticeDelayed,
    NoticeRefused,
    NoticeGivenUp,
    /// An operator asked for something.
    Asked,
    PauseEnded,
    /// Something needs a person, and the operators are told.
    Alarm,
    /// Something needs a person; it is shown, nobody is called.
    AttentionRaised,
    AttentionCleared,
}

/// One event. What does not apply is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Line {
    /// The wall clock as the daemon sees it.
    pub at: Timestamp,
    pub event: Happening,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The place of a hook in the file, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// How many due instants it stands for, where that is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dues: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(
        rename = "elapsed_s",
        skip_serializing_if = "Option::is_none",
        serialize_with = "super::seconds::optional"
    )]
    pub elapsed: Option<SignedDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// What is asked: `only_if`, `healthy` or `in_service`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<&'static str>,
    /// Of a notice or of what needs a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// What needs a person: the same key is raised once and cleared once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Free words: from outside in part, to be made harmless before a terminal sees them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it goes on: the next attempt, or the session that takes this one's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    #[serde(
        rename = "step_s",
        skip_serializing_if = "Option::is_none",
        serialize_with = "super::seconds::optional"
    )]
    pub step: Option<SignedDuration>,
    #[serde(
        rename = "for_s",
        skip_serializing_if = "Option::is_none",
        serialize_with = "super::seconds::optional"
    )]
    pub lasted: Option<SignedDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Line {
    /// An event that says no more than that it happened.
    pub fn new(at: Timestamp, event: Happening) -> Self {
        Self {
            at,
            event,
            app: None,
            window: None,
            session: None,
            job: None,
            host: None,
            hook: None,
            run: None,
            attempt: None,
            due: None,
            dues: None,
            outcome: None,
            exit_code: None,
            elapsed: None,
            recipient: None,
            question: None,
            kind: None,
            key: None,
            reason: None,
            text: None,
            next: None,
            step: None,
            lasted: None,
            version: None,
        }
    }

    /// The machine was asleep; there is no fact for it.
    pub fn suspended(at: Timestamp, lasted: SignedDuration) -> Self {
        Self {
            lasted: Some(lasted),
            ..Self::new(at, Happening::Suspended)
        }
    }

    /// What a reload does to one session.
    pub fn plan_changed(at: Timestamp, change: &Change<'_>) -> Self {
        let words: Vec<&str> = change.aspects.iter().map(|aspect| aspect.word()).collect();
        let line = Self {
            text: Some(words.join(", ")),
            next: change.after.map(|session| session.starts),
            ..Self::new(at, Happening::PlanChanged)
        };
        match change.shown() {
            Some(session) => line.of(&session.id),
            None => line,
        }
    }

    fn of(mut self, session: &SessionId) -> Self {
        let mut parts = session.split('/');
        self.app = parts.next().map(str::to_owned);
        self.window = parts.next().map(str::to_owned);
        self.session = Some(session.clone());
        self
    }

    fn because(mut self, reason: Option<&Reason>) -> Self {
        if let Some(reason) = reason {
            self.reason = Some(reason.code.word());
            self.text = Some(reason.text.clone()).filter(|t| !t.is_empty());
        }
        self
    }

    fn owed(mut self, due: Option<Dues>) -> Self {
        self.due = due.map(|d| d.last);
        self.dues = due.map(|d| d.count).filter(|n| *n > 1);
        self
    }

    fn attempt(mut self, run: RunId, attempt: u32, what: &What) -> Self {
        if let Some(session) = what.session() {
            self = self.of(session);
        }
        self.job = what.job().cloned();
        self.host = Some(what.host().to_owned());
        self.run = Some(run.to_string());
        self.attempt = Some(attempt);
        match what {
            What::Enter { hook, .. } | What::Leave { hook, .. } => self.hook = Some(*hook),
            What::Alarm { key } => {
                self.key = Some(key.clone());
                self.host = None;
            }
            What::Ask { .. } | What::Health { .. } | What::Peer { .. } => {
                self.question = Some(what.word());
            }
            What::Step { .. } | What::Periodic { .. } => {}
        }
        self
    }

    fn about(mut self, about: &About) -> Self {
        if let Some(session) = &about.session {
            self = self.of(session);
        }
        self.recipient = Some(about.recipient.clone());
        self.kind = Some(about.kind.word());
        self
    }
}

fn asked_line(line: Line, asked: &Asked) -> Line {
    let line = match &asked.wish {
        Wish::Request { job, .. } | Wish::Approve { job } | Wish::Withdraw { job } => Line {
            job: Some(job.clone()),
            ..line
        },
        Wish::Cancel { session } => line.of(session),
        Wish::Postpone { session, to } => Line {
            next: *to,
            ..line.of(session)
        },
        Wish::Pause { app, until } => Line {
            app: app.as_ref().map(|app| app.to_string()),
            next: *until,
            ..line
        },
        Wish::Resume { app } => Line {
            app: app.as_ref().map(|app| app.to_string()),
            ..line
        },
        Wish::Leave { app } => Line {
            app: Some(app.to_string()),
            ..line
        },
    };
    Line {
        kind: Some(asked.wish.word()),
        text: Some(asked.said()),
        ..line
    }
}

/// The events of one fact: none for bookkeeping, two for a session that is postponed.
pub fn event(at: Timestamp, fact: &Fact) -> Vec<Line> {
    use Happening as H;
    let new = |event| Line::new(at, event);
    let line = match fact {
        Fact::StateCreated { .. }
        | Fact::JobsKnown { .. }
        | Fact::JobsForgotten { .. }
        | Fact::StepNeed { .. }
        | Fact::SessionBounded { .. }
        | Fact::SessionConfirmed { .. }
        | Fact::Proven { .. }
        | Fact::NoticesOwed { .. }
        | Fact::NoticesBundled { .. }
        | Fact::OperatorsTold { .. }
        | Fact::AttentionRepeated { .. }
        | Fact::NoticeSending { .. } => return Vec::new(),
        Fact::DaemonStarted { version, .. } => Line {
            version: Some(version.clone()),
            ..new(H::DaemonStarted)
        },
        Fact::DaemonStopped { clean } => Line {
            text: (!clean).then(|| "an app is still in maintenance".to_owned()),
            ..new(H::DaemonStopped)
        },
        Fact::ClockStepped { by } => Line {
            step: Some(*by),
            ..new(H::ClockStepped)
        },
        Fact::SessionOpened { session } => Line {
            text: session.overridden.as_ref().map(|o| match o.emergency {
                true => format!("emergency: {}", o.reason),
                false => format!("rehearsal: {}", o.reason),
            }),
            next: Some(session.starts),
            ..new(H::SessionOpened).of(&session.id)
        },
        Fact::SessionPlanned {
            session, starts, ..
        } => Line {
            next: Some(*starts),
            ..new(H::SessionPlanned).of(session)
        },
        Fact::Asked(asked) => asked_line(new(H::Asked), asked),
        Fact::PauseEnded { app } => Line {
            app: app.as_ref().map(|app| app.to_string()),
            ..new(H::PauseEnded)
        },
        Fact::SessionAnnounced { session } => new(H::SessionAnnounced).of(session),
        Fact::SessionRevised {
            session,
            told,
            notices,
            ..
        } => Line {
            next: Some(told.starts),
            // Nothing of it changed: others hear of it, too.
            text: notices
                .first()
                .filter(|notice| notice.kind == Kind::Advance)
                .map(|_| "more people are told of it".into()),
            ..new(H::SessionChanged).of(session)
        },
        Fact::SessionReverted { session, .. } => Line {
            text: Some("as it was announced before".into()),
            ..new(H::SessionChanged).of(session)
        },
        Fact::SessionStarting { session } => new(H::SessionStarting).of(session),
        Fact::SessionEntering { session, .. } | Fact::SessionReentered { session, .. } => {
            new(H::SessionEntering).of(session)
        }
        Fact::LeaveChanged { session, .. } => Line {
            text: Some("its leave hooks were changed: they run from the first on".into()),
            ..new(H::SessionChanged).of(session)
        },
        Fact::SessionActive { session } => new(H::SessionActive).of(session),
        Fact::SessionEnding { .. } => return Vec::new(),
        Fact::SessionLeaving {
            session, reason, ..
        } => new(H::SessionLeaving).of(session).because(reason.as_ref()),
        Fact::SessionLeft { session } => new(H::SessionLeft).of(session),
        Fact::SessionReopened { session, .. } => new(H::SessionReopened).of(session),
        Fact::SessionClosed {
            session,
            outcome,
            reason,
            next,
        } => {
            let line = |event| Line {
                outcome: Some(*outcome),
                next: *next,
                ..new(event).of(session).because(reason.as_ref())
            };
            let mut lines = Vec::with_capacity(2);
            if *outcome == Outcome::Postponed {
                lines.push(line(H::SessionPostponed));
            }
            lines.push(line(H::SessionClosed));
            return lines;
        }
        Fact::StepDone {
            session,
            job,
            host,
            due,
            outcome,
            reason,
            ..
        } => Line {
            job: Some(job.clone()),
            host: Some(host.to_string()),
            outcome: Some(*outcome),
            ..new(H::StepEnded)
                .of(session)
                .because(Some(reason))
                .owed(Some(*due))
        },
        Fact::AttemptStarted {
            run,
            attempt,
            what,
            due,
            ..
        } => new(started(what)).attempt(*run, *attempt, what).owed(*due),
        Fact::AttemptEnded(ended) => attempt_ended(at, ended),
        Fact::NoticeAccepted { about, .. } => new(H::NoticeAccepted).about(about),
        Fact::NoticeDelayed {
            about,
            why,
            retry_at,
            ..
        } => Line {
            text: Some(why.clone()),
            next: Some(*retry_at),
            ..new(H::NoticeDelayed).about(about)
        },
        Fact::NoticeRefused { about, why, .. } => Line {
            text: Some(why.clone()),
            ..new(H::NoticeRefused).about(about)
        },
        Fact::NoticeOvertaken { about, .. } => Line {
            text: Some("a change took its place".into()),
            ..new(H::NoticeGivenUp).about(about)
        },
        Fact::NoticeGivenUp { about, why, .. } => Line {
            text: Some(why.clone()),
            ..new(H::NoticeGivenUp).about(about)
        },
        Fact::Skipped {
            job,
            host,
            due,
            reason,
        } => Line {
            job: Some(job.clone()),
            host: Some(host.to_string()),
            outcome: Some(Outcome::Skipped),
            ..new(H::RunSkipped).because(Some(reason)).owed(Some(*due))
        },
        Fact::RunDeferred { job, due, reason } => Line {
            job: Some(job.clone()),
            due: Some(*due),
            reason: Some(Code::word(*reason)),
            ..new(H::RunDeferred)
        },
        Fact::AttentionRaised {
            key,
            kind,
            text,
            app,
            ..
        } => Line {
            key: Some(key.clone()),
            kind: Some(kind.word()),
            text: Some(text.clone()),
            app: app.as_ref().map(ToString::to_string),
            ..new(if kind.alarms() {
                H::Alarm
            } else {
                H::AttentionRaised
            })
        },
        Fact::AttentionCleared { key } => Line {
            key: Some(key.clone()),
            ..new(H::AttentionCleared)
        },
    };
    vec![line]
}

fn started(what: &What) -> Happening {
    match what {
        What::Step { .. } | What::Periodic { .. } => Happening::RunStarted,
        What::Ask { .. } | What::Health { .. } | What::Peer { .. } => Happening::QuestionStarted,
        What::Enter { .. } => Happening::EnterStarted,
        What::Leave { .. } => Happening::LeaveStarted,
        What::Alarm { .. } => Happening::AlarmStarted,
    }
}

fn attempt_ended(at: Timestamp, ended: &AttemptEnded) -> Line {
    let event = match ended.what {
        What::Step { .. } | What::Periodic { .. } => Happening::RunEnded,
        What::Ask { .. } | What::Health { .. } | What::Peer { .. } => Happening::QuestionEnded,
        What::Enter { .. } => Happening::EnterEnded,
        What::Leave { .. } => Happening::LeaveEnded,
        What::Alarm { .. } => Happening::AlarmEnded,
    };
    Line {
        outcome: Some(ended.outcome),
        exit_code: ended.exit_code,
        elapsed: Some(ended.elapsed),
        next: ended.retry.map(|r| r.at),
        ..Line::new(at, event)
            .attempt(ended.run, ended.attempt, &ended.what)
            .because(ended.reason.as_ref())
            .owed(ended.due)
    }
}

#[cfg(test)]
mod tests;
