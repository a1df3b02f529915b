//! What a notice says: facts, gathered by the caller. Nothing here reads a clock, a file or a zone database.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

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
    /// Something needs a person; says `Letter::text` and little else.
    Operators,
}

impl LetterKind {
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
            Self::Operators => "operators",
        }
    }
}

/// The language of a letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    En,
    De,
}

/// The one person (or list) a letter goes to.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// A bare address, `user@example.org`.
    pub email: String,
    pub name: Option<String>,
    pub language: Language,
    /// Times are shown in this zone.
    pub zone: TimeZone,
    /// Its IANA name, shown beside the times.
    pub zone_name: String,
}

/// One job of the session, as the letter tells it.
#[derive(Clone, Debug, Default)]
pub struct LetterJob {
    pub name: String,
    pub description: Option<String>,
    /// In the order in which they are worked; long lists are cut short in the text.
    pub hosts: Vec<String>,
    /// Whether it is needed is known only then.
    pub if_needed: bool,
    /// How it ended, one of the outcome words (`succeeded`, `timed_out`, …); letters about the past only.
    pub outcome: Option<String>,
    /// A line of detail, possibly from the job itself: shown cleaned and bounded.
    pub detail: Option<String>,
}

/// One notice to one recipient: everything its text says.
#[derive(Clone, Debug)]
pub struct Letter {
    pub kind: LetterKind,
    /// Without angle brackets; the same each time this notice is sent.
    pub message_id: String,
    /// The first message of the session's thread, without angle brackets.
    pub in_reply_to: Option<String>,
    /// Date header and DTSTAMP.
    pub date: Timestamp,
    /// Name of this installation.
    pub installation: String,
    pub app: String,
    pub app_description: Option<String>,
    pub window: String,
    /// Id of the session.
    pub session: String,
    /// UID of the calendar entry, the same for all letters of a session.
    pub uid: String,
    /// SEQUENCE of the calendar entry.
    pub sequence: u32,
    pub opens: Timestamp,
    pub closes: Timestamp,
    /// When users notice: start of the calendar entry.
    pub starts: Timestamp,
    /// Length of the calendar entry.
    pub expected: SignedDuration,
    pub jobs: Vec<LetterJob>,
    /// Why: of the change, cancellation, postponement or failure.
    pub reason: Option<String>,
    /// Postponed: when the other occurrence starts.
    pub next: Option<Timestamp>,
    /// Whom to contact, one entry a line.
    pub contact: Vec<String>,
    pub recipient: Recipient,
    /// Operators: what is the matter, line by line.
    pub text: Vec<String>,
}
