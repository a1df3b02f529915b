//! Notices as mail: from facts to a message with a calendar entry, its delivery, and what the server made of it.
//!
//! [`compose`] turns a [`Letter`] into a message and is pure; [`compose_with`] does so with an operator's [`Templates`].
//! [`Mailer::send`] delivers it once and classifies the answer. Whether and when to try again is decided elsewhere.
mod answer;
mod clean;
mod compose;
mod content;
mod error;
mod facts;
mod file;
mod invitation;
mod letter;
mod mailer;
mod moment;
mod sendmail;
mod settings;
mod smtp;
mod templates;
mod words;

pub use answer::Answer;
pub use compose::{Composed, compose, compose_with, fingerprint};
pub use error::{ComposeError, SetupError};
pub use invitation::{entry_end, fold_calendar, organizer, uid, utc};
pub use letter::{Language, Letter, LetterEnd, LetterJob, LetterKind, Recipient};
pub use lettre::message::Mailbox;
pub use mailer::{Delivery, Mailer};
pub use settings::{MailHost, MailSettings, SmtpSettings, Tls, Transport};
pub use templates::{TemplateProblem, Templates};

#[cfg(test)]
mod tests;
