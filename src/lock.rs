//! Locks that people and programs can share: plain `flock`s on files that are never removed, so that `flock FILE CMD`
//! of a shell is honoured, and honours ours.
//!
//! A lock belongs to an open file, not to a file name: it is gone when the last process that has it open is gone. While
//! it is held the file says by whom, for people; nothing is ever decided by that text (but how long to wait for a lock).
mod file;
mod filesystem;
mod instance;
mod listing;

pub use file::{Candidate, Held, open};
pub use filesystem::refuse_network;
pub use instance::{Holder, Instance, Kind, acquire};
pub use listing::{LockState, list};

use std::io;
use std::path::PathBuf;

/// Why a lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("cannot open the lock file {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot lock {path}: {source}")]
    Lock { path: PathBuf, source: io::Error },
    #[error("cannot write to the lock file {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("the lock file {path} is removed again and again")]
    Removed { path: PathBuf },
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is on {kind}: locks and state need a local file system")]
    Network { path: PathBuf, kind: &'static str },
    #[error("{path} is held by {holder}")]
    Held { path: PathBuf, holder: Holder },
}

#[cfg(test)]
mod tests;
