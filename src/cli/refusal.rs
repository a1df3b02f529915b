//! Errors that decide the exit code.
use crate::exit::Exit;

/// A command that could not be done, with the code that says why.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    pub exit: Exit,
    pub text: String,
}

/// The command line asks for something that makes no sense.
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    Refusal {
        exit: Exit::Usage,
        text: text.into(),
    }
    .into()
}

/// The state forbids it.
pub fn refused(text: impl Into<String>) -> anyhow::Error {
    Refusal {
        exit: Exit::Refused,
        text: text.into(),
    }
    .into()
}
