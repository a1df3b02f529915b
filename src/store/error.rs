//! What can go wrong with the state, in words that name the file and the way out.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

// A damaged file says anything, and its words are shown to people.
use crate::text::clean;

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{}: written by a newer offhours (format {found}, this one knows {known}); start that version again, \
         or begin anew with `offhours run --fresh-state`, which moves it aside and runs every app's leave hooks first",
        path.display()
    )]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error(
        "{}: the state is damaged: {}; restore the file, or begin anew with \
         `offhours run --fresh-state`, which moves it aside and runs every app's leave hooks first",
        path.display(), clean(what)
    )]
    Damaged { path: PathBuf, what: String },
    #[error(
        "{}: fact {seq} cannot be used: {}; restore the file, or begin anew with \
         `offhours run --fresh-state`, which moves it aside and runs every app's leave hooks first",
        path.display(), clean(why)
    )]
    BadFact {
        path: PathBuf,
        seq: u64,
        why: String,
    },
    #[error("{}: no room to {verb}: the disk is full", path.display())]
    Full { path: PathBuf, verb: &'static str },
    /// Whoever looks under this name would not see what is written, and a second daemon could begin there.
    #[error(
        "{}: the state was moved or removed while in use: nothing can be recorded until it is back in its place",
        path.display()
    )]
    Gone { path: PathBuf },
    #[error("{}: cannot {verb}: it may only be read", path.display())]
    ReadOnly { path: PathBuf, verb: &'static str },
    #[error("{}: cannot {verb}: in use by another process", path.display())]
    Busy { path: PathBuf, verb: &'static str },
    #[error("{}: cannot {verb}: {source}", path.display())]
    Io {
        path: PathBuf,
        verb: &'static str,
        source: io::Error,
    },
    #[error("{}: cannot {verb}: {}", path.display(), clean(&source.to_string()))]
    Sql {
        path: PathBuf,
        verb: &'static str,
        source: rusqlite::Error,
    },
    /// Somebody else wrote, or the caller lost count.
    #[error("fact {expected} was to be recorded next, but the next one is {found}")]
    Conflict { expected: u64, found: u64 },
    /// The same attempt of the same run cannot begin twice.
    #[error("attempt {attempt} of run {run} has begun before: it is not begun a second time")]
    StartedBefore { run: u64, attempt: u32 },
    #[error("a fact of the kind `{kind}` cannot be recorded: {why}")]
    Unrecordable { kind: &'static str, why: String },
    #[error("the state at {next} cannot be kept as a snapshot: {why}")]
    BadSnapshot { next: u64, why: String },
}

impl StoreError {
    /// Whether the same call may succeed later without a hand: room, a device that answers again.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Full { .. }
                | Self::Busy { .. }
                | Self::Io { .. }
                | Self::ReadOnly { .. }
                | Self::Gone { .. }
        )
    }

    pub(super) fn io(path: &Path, verb: &'static str, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, verb },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, verb },
            _ => Self::Io { path, verb, source },
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_path_buf(),
            // The database speaks in several lines, with stars around some.
            what: what
                .into()
                .lines()
                .map(|line| line.trim_matches(['*', ' ']))
                .collect::<Vec<_>>()
                .join(": "),
        }
    }

    pub(super) fn sql(path: &Path, verb: &'static str, source: rusqlite::Error) -> Self {
        let owned = path.to_path_buf();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path: owned, verb },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TooBig) => {
                Self::Damaged {
                    path: owned,
                    what: format!("{source} (on trying to {verb})"),
                }
            }
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path: owned, verb },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path: owned, verb }
            }
            // SQLite reports a full disk as an input/output error where the index of its log could not grow.
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if no_room(path) => {
                Self::Full { path: owned, verb }
            }
            // Or that it cannot open what it may not create.
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if read_only(path) => {
                Self::ReadOnly { path: owned, verb }
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Self::Io {
                path: owned,
                verb,
                source: io::Error::other(source),
            },
            _ => Self::Sql {
                path: owned,
                verb,
                source,
            },
        }
    }
}

fn read_only(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    rustix::fs::statvfs(folder)
        .is_ok_and(|fs| fs.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

fn no_room(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    rustix::fs::statvfs(folder).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) < 64 * 1024)
}
