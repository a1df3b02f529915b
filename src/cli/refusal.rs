//! Errors that decide the exit code.
use std::io::ErrorKind;
use std::path::Path;

use crate::control::{self, ControlError};
use crate::exit::Exit;

/// A command that could not be done, with the code that says why.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    pub exit: Exit,
    pub text: String,
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        Self {
            exit: error.exit(),
            text: error.to_string(),
        }
    }
}

/// What a command ends with that asked the daemon, and what could not be printed.
pub fn by_daemon(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<ControlError>() {
        Ok(error) => Refusal::from(error).into(),
        Err(error) => error,
    }
}

/// Whether a daemon is there to be asked; one that is behind with it is, too.
///
/// # Errors
/// It is there for others alone.
pub fn is_listening(socket: &Path) -> anyhow::Result<bool> {
    match control::connect(socket) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let path = socket.display();
            Err(refused(format!(
                "{path} may be opened by its owner and by [control] group only"
            )))
        }
        Err(_) => Ok(false),
    }
}

/// The command line asks for something that makes no sense.
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    Refusal {
        exit: Exit::Usage,
        text: text.into(),
    }
    .into()
}

/// The end of a sentence about a name that is not there: the one that may be meant.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = crate::config::keys::nearest(name, known);
    near.map_or(String::new(), |near| format!("; did you mean {near}?"))
}

/// The state forbids it.
pub fn refused(text: impl Into<String>) -> anyhow::Error {
    Refusal {
        exit: Exit::Refused,
        text: text.into(),
    }
    .into()
}
