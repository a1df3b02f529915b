//! Notices as mail: from facts to a message with a calendar entry, its delivery, and what the server made of it.
//!
//! [`compose`] turns a [`Letter`] into a message and is pure. [`Mailer::send`] delivers it once and classifies the
//! answer. Whether and when to try again is decided elsewhere.
mod answer;
mod compose;
mod error;
mod letter;
mod mailer;
mod settings;

pub use answer::Answer;
pub use compose::{Composed, compose};
pub use error::{ComposeError, SetupError};
pub use letter::{Language, Letter, LetterJob, LetterKind, Recipient};
pub use lettre::message::Mailbox;
pub use mailer::Mailer;
pub use settings::{MailSettings, SmtpSettings, Tls, Transport};
