//! Notices as mail: from facts to a message with a calendar entry, its delivery, and what the server made of it.
//!
//! [`compose`] turns a [`Letter`] into a message and is pure. [`Mailer::send`] delivers it once and classifies the
//! answer. Whether and when to try again is decided elsewhere.
mod answer;
mod clean;
mod compose;
mod content;
mod error;
mod file;
mod invitation;
mod letter;
mod mailer;
mod moment;
mod sendmail;
mod settings;
mod smtp;
mod words;

pub use answer::Answer;
pub use compose::{Composed, compose, fingerprint};
pub use error::{ComposeError, SetupError};
pub use invitation::{entry_end, fold_calendar, organizer, uid, utc};
pub use letter::{Language, Letter, LetterJob, LetterKind, Recipient};
pub use lettre::message::Mailbox;
pub use mailer::Mailer;
pub use settings::{MailSettings, SmtpSettings, Tls, Transport};

#[cfg(test)]
mod tests;
