//! Everything that one mail says, as facts: the words are put around it by `mail`.

use jiff::{SignedDuration, Timestamp};

use super::policy::Person;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterKind {
    Advance,
    Changed,
    Cancelled,
    Postponed,
    Failed,
    Finished,
    Started,
    /// Something needs a person: to the operators.
    Operators,
}

/// One job as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterJob {
    pub name: String,
    pub description: Option<String>,
    pub hosts: Vec<String>,
    /// It follows another job and is asked only then.
    pub if_needed: bool,
    /// One word, in mails about what happened.
    pub outcome: Option<String>,
    pub detail: Option<String>,
}

/// One mail to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub kind: LetterKind,
    /// The part before the `@`, fixed for the notice.
    pub message_id: String,
    /// The first message of the thread, likewise.
    pub in_reply_to: Option<String>,
    pub date: Timestamp,
    pub installation: String,
    /// Empty where the mail is about no app.
    pub app: String,
    pub app_description: Option<String>,
    pub window: String,
    pub session: String,
    /// One calendar entry a session.
    pub uid: String,
    pub sequence: u32,
    pub opens: Timestamp,
    pub closes: Timestamp,
    pub starts: Timestamp,
    pub expected: SignedDuration,
    pub jobs: Vec<LetterJob>,
    pub reason: Option<String>,
    /// Postponed: to when.
    pub next: Option<Timestamp>,
    pub contact: Vec<String>,
    pub recipient: Person,
    /// To the operators: what is the matter.
    pub text: Vec<String>,
}
