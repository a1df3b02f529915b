//! Everything that one mail says, as facts: the words are put around it by `mail`.

use jiff::{SignedDuration, Timestamp};

use super::policy::Person;

mod sample;

pub use sample::About;

/// What a letter is about; decides subject, opening sentence and whether a calendar part goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterKind {
    /// Maintenance is announced.
    Advance,
    /// Announced maintenance changed.
    Changed,
    /// Announced maintenance will not happen.
    Cancelled,
    /// Announced maintenance moves to another occurrence, which has its own announcement.
    Postponed,
    /// Maintenance has begun.
    Started,
    /// Maintenance ended and did what it should.
    Finished,
    /// Maintenance ended and did not do what it should.
    Failed,
    /// Several are announced at once: `Letter::parts`.
    Digest,
    /// Something needs a person; says `Letter::text` and little else.
    Operators,
    /// Whether mail arrives at all: about no maintenance.
    Test,
}

impl LetterKind {
    pub const ALL: [Self; 10] = [
        Self::Advance,
        Self::Changed,
        Self::Cancelled,
        Self::Postponed,
        Self::Started,
        Self::Finished,
        Self::Failed,
        Self::Digest,
        Self::Operators,
        Self::Test,
    ];

    /// A short lower-case word, stable: part of file names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Advance => "advance",
            Self::Changed => "changed",
            Self::Cancelled => "cancelled",
            Self::Postponed => "postponed",
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Digest => "digest",
            Self::Operators => "operators",
            Self::Test => "test",
        }
    }
}

/// One job as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterJob {
    pub name: String,
    pub description: Option<String>,
    pub hosts: Vec<String>,
    /// It follows another job and is asked only then.
    pub if_needed: bool,
    /// One word, in mails about what happened: of several hosts that of the worst.
    pub outcome: Option<String>,
    /// What is known of that.
    pub detail: Option<String>,
    /// The hosts by how they ended, in mails about what happened.
    pub ends: Vec<LetterEnd>,
    /// Something of it is left, and is not done before somebody asks for it again.
    pub ask_again: bool,
}

/// Hosts that ended alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterEnd {
    /// An outcome, or `not_begun`.
    pub outcome: String,
    pub hosts: Vec<String>,
    /// Somebody should look at them.
    pub bad: bool,
}

/// One mail to one recipient: a person as configured, until `mail` has looked up their zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter<R = Person> {
    pub kind: LetterKind,
    /// Fixed for the notice: the part before the `@`, until `mail` adds the sender's domain.
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
    /// How much longer than usual the window is open, for the clocks change in it; negative: shorter.
    pub longer: SignedDuration,
    pub starts: Timestamp,
    pub expected: SignedDuration,
    pub jobs: Vec<LetterJob>,
    pub reason: Option<String>,
    /// Postponed: to when.
    pub next: Option<Timestamp>,
    /// It was ended before all of it was done, as somebody wished.
    pub early: bool,
    pub contact: Vec<String>,
    pub recipient: R,
    /// To the operators: what is the matter.
    pub text: Vec<String>,
    /// Of a digest: each as it would be told alone, in the order in which they start. Empty else.
    pub parts: Vec<Self>,
}

impl<R> Letter<R> {
    /// The same letter, to the recipient as `known` gives it.
    pub fn to<Q>(self, known: &impl Fn(R) -> Q) -> Letter<Q> {
        let parts = self.parts.into_iter().map(|part| part.to(known));
        Letter {
            parts: parts.collect(),
            kind: self.kind,
            message_id: self.message_id,
            in_reply_to: self.in_reply_to,
            date: self.date,
            installation: self.installation,
            app: self.app,
            app_description: self.app_description,
            window: self.window,
            session: self.session,
            uid: self.uid,
            sequence: self.sequence,
            opens: self.opens,
            closes: self.closes,
            longer: self.longer,
            starts: self.starts,
            expected: self.expected,
            jobs: self.jobs,
            reason: self.reason,
            next: self.next,
            early: self.early,
            contact: self.contact,
            recipient: known(self.recipient),
            text: self.text,
        }
    }
}
