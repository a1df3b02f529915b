//! What was: the rows of `history`.
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::core::fact::{AttemptEnded, Fact};
use crate::core::policy::Name;
use crate::core::run::{Dues, Outcome, SessionId};
use crate::core::session::{Code, Reason};
use crate::core::wish::{Asked, Wish};

/// One end: of an attempt, of a due instant that was not served, of a session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// `step`, `periodic`, `only_if`, `enter`, `leave`, `alarm`, `session`; of an operator the command: `pause`.
    pub what: &'static str,
    pub job: Option<Name>,
    pub host: Option<String>,
    pub run: Option<String>,
    pub attempt: Option<u32>,
    pub app: Option<String>,
    pub session: Option<SessionId>,
    /// The latest of the due instants that it stands for.
    pub due: Option<Timestamp>,
    /// The first of them, where there is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_first: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_count: Option<u64>,
    pub started: Option<Timestamp>,
    pub ended: Timestamp,
    /// By the monotonic clock.
    #[serde(rename = "elapsed_s", serialize_with = "super::seconds::optional")]
    pub elapsed: Option<SignedDuration>,
    pub outcome: Outcome,
    pub exit_code: Option<i32>,
    /// One of the fixed words.
    pub reason: Option<&'static str>,
    /// The reason in free words, in part from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When its work can happen instead, or the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    pub output_bytes: u64,
    /// Whether `logs` has something to show.
    pub log: bool,
    /// The end of the output, one line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// The row of a fact that ends something; `None` for all others.
pub fn rows(at: Timestamp, fact: &Fact) -> Option<Row> {
    match fact {
        Fact::AttemptEnded(ended) => Some(of_attempt(at, ended)),
        Fact::StepDone {
            session,
            job,
            host,
            due,
            outcome,
            reason,
            ..
        } => Some(Row {
            job: Some(job.clone()),
            host: Some(host.to_string()),
            ..bare("step", at, *outcome)
                .of(session)
                .because(Some(reason))
                .owed(Some(*due))
        }),
        Fact::Skipped {
            job,
            host,
            due,
            reason,
        } => Some(Row {
            job: Some(job.clone()),
            host: Some(host.to_string()),
            ..bare("periodic", at, Outcome::Skipped)
                .because(Some(reason))
                .owed(Some(*due))
        }),
        Fact::SessionClosed {
            session,
            outcome,
            reason,
            next,
        } => Some(Row {
            next: *next,
            ..bare("session", at, *outcome)
                .of(session)
                .because(reason.as_ref())
        }),
        Fact::Asked(asked) => Some(of_wish(at, asked)),
        _ => None,
    }
}

/// What an operator asked for, and why; that it was recorded is how it ended.
fn of_wish(at: Timestamp, asked: &Asked) -> Row {
    let row = bare(asked.wish.word(), at, Outcome::Succeeded);
    let row = match &asked.wish {
        Wish::Request { job, .. } | Wish::Approve { job } | Wish::Withdraw { job } => Row {
            job: Some(job.clone()),
            ..row
        },
        Wish::Cancel { session } => row.of(session),
        Wish::Postpone { session, to } => Row {
            next: *to,
            ..row.of(session)
        },
        Wish::Pause { app, until } => Row {
            app: app.as_ref().map(|app| app.to_string()),
            next: *until,
            ..row
        },
        Wish::Resume { app } => Row {
            app: app.as_ref().map(|app| app.to_string()),
            ..row
        },
        Wish::Leave { app } => Row {
            app: Some(app.to_string()),
            ..row
        },
    };
    row.because(Some(&Reason::new(Code::Operator, asked.words())))
}

fn of_attempt(at: Timestamp, ended: &AttemptEnded) -> Row {
    let mut row = Row {
        job: ended.what.job().cloned(),
        host: Some(ended.what.host().to_owned()),
        run: Some(ended.run.to_string()),
        attempt: Some(ended.attempt),
        started: Some(ended.started),
        elapsed: Some(ended.elapsed),
        exit_code: ended.exit_code,
        next: ended.retry.map(|r| r.at),
        output_bytes: ended.output_bytes,
        log: ended.log,
        tail: ended.tail.clone(),
        ..bare(ended.what.word(), at, ended.outcome)
            .because(ended.reason.as_ref())
            .owed(ended.due)
    };
    if let Some(session) = ended.what.session() {
        row = row.of(session);
    }
    row
}

fn bare(what: &'static str, ended: Timestamp, outcome: Outcome) -> Row {
    Row {
        what,
        job: None,
        host: None,
        run: None,
        attempt: None,
        app: None,
        session: None,
        due: None,
        due_first: None,
        due_count: None,
        started: None,
        ended,
        elapsed: None,
        outcome,
        exit_code: None,
        reason: None,
        text: None,
        next: None,
        output_bytes: 0,
        log: false,
        tail: String::new(),
    }
}

impl Row {
    fn of(mut self, session: &SessionId) -> Self {
        self.app = session.split('/').next().map(str::to_owned);
        self.session = Some(session.clone());
        self
    }

    fn because(mut self, reason: Option<&Reason>) -> Self {
        if let Some(reason) = reason {
            self.reason = Some(reason.code.word());
            let words = reason.code.words();
            self.text = Some(match &*reason.text {
                "" => words.to_owned(),
                // Its text is the name of a job, and says nothing by itself.
                text if reason.code == Code::Stopped => format!("{words}: {text}"),
                text => text.to_owned(),
            });
        }
        self
    }

    fn owed(mut self, due: Option<Dues>) -> Self {
        if let Some(due) = due {
            self.due = Some(due.last);
            if due.count > 1 {
                self.due_first = Some(due.first);
                self.due_count = Some(due.count);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests;
