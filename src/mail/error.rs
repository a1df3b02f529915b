//! What can be wrong before anything is sent.

use std::path::PathBuf;

/// A letter that cannot become a message.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    #[error("sender address {0:?} is not usable")]
    Sender(String),
    #[error("recipient address {0:?} is not usable")]
    Recipient(String),
    #[error("message id {0:?} is not usable")]
    MessageId(String),
    #[error("the end of the maintenance lies beyond the calendar")]
    Time,
    #[error("template {name}: {source}")]
    Template {
        name: &'static str,
        source: minijinja::Error,
    },
    #[error("cannot build the message: {0}")]
    Build(#[from] lettre::error::Error),
}

/// Mail settings that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("sender {0:?} is not a mail address")]
    From(String),
    #[error("mail host {0:?} is neither a name nor an address")]
    Host(String),
    #[error("no mail host is named")]
    NoHost,
    #[error("a user name for the mail server needs a password, and a password a user name")]
    Login,
    #[error("cannot read certificates from {path}: {source}")]
    ReadCertificates {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("no usable certificate in {path}: {why}")]
    Certificates { path: PathBuf, why: String },
    #[error("cannot prepare TLS: {0}")]
    Tls(String),
}
