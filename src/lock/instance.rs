//! The instance lock: who may write the state.
use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Candidate, Held, LockError, listing};

/// Who takes the instance lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Holds it as long as it lives: not worth waiting for.
    Daemon,
    /// Holds it for a moment.
    Command,
}

/// The instance lock, held. Dropping it releases it.
#[derive(Debug)]
pub struct Instance {
    _held: Held,
    /// The folder around it is locked as well: the file may be taken for a stale one and removed.
    _folder: File,
}

/// Who holds the lock, as far as the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub kind: Option<Kind>,
    pub pid: Option<u32>,
    /// RFC 3339.
    pub since: Option<String>,
}

/// The line of a lock that was taken but not yet described is empty for a moment.
const DESCRIBED_WITHIN: Duration = Duration::from_millis(100);

/// How often a folder that is locked is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// Takes the instance lock. One held by a command is waited for, up to `wait_up_to`; one held by a daemon is refused
/// at once. Blocks the thread. Where the lock is not had in time [`LockError::Held`] says who has it.
pub fn acquire(path: &Path, kind: Kind, wait_up_to: Duration) -> Result<Instance, LockError> {
    let deadline = Instant::now() + wait_up_to;
    let candidate = match Candidate::open(path)?.try_hold()? {
        Ok(held) => return own(held, kind, deadline),
        Err(candidate) => candidate,
    };
    let holder =
        |candidate: &Candidate| Holder::parse(candidate.holder().as_deref().unwrap_or_default());
    let described_by = Instant::now() + DESCRIBED_WITHIN.min(wait_up_to);
    let mut found = holder(&candidate);
    while found.kind.is_none() && Instant::now() < described_by {
        std::thread::sleep(Duration::from_millis(5));
        found = holder(&candidate);
    }
    if found.kind == Some(Kind::Daemon) {
        return Err(LockError::Held {
            path: path.to_owned(),
            holder: found,
        });
    }
    // A flock cannot be given a deadline. If it comes too late nobody receives it, and it is released where it was
    // taken; the thread ends with the process at the latest.
    let (sender, receiver) = mpsc::sync_channel(1);
    let spare = Candidate::open(path)?;
    std::thread::Builder::new()
        .name("instance-lock".into())
        .spawn(move || sender.send(candidate.hold()))
        .map_err(|source| LockError::Lock {
            path: path.to_owned(),
            source,
        })?;
    match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(held) => own(held?, kind, deadline),
        Err(_) => Err(LockError::Held {
            path: path.to_owned(),
            holder: holder(&spare),
        }),
    }
}

fn own(mut held: Held, kind: Kind, deadline: Instant) -> Result<Instance, LockError> {
    let folder = own_folder(held.path(), deadline)?;
    let since = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    // The line is for people only: a disk that takes nothing keeps no app in maintenance.
    let _ = held.describe(&format!("{kind} {} {since}", std::process::id()));
    Ok(Instance {
        _held: held,
        _folder: folder,
    })
}

/// Locks the folder of the lock file. Programs that tidy up lock a folder for a moment, so that it is tried until the
/// deadline.
fn own_folder(path: &Path, deadline: Instant) -> Result<File, LockError> {
    let path = path.parent().unwrap_or(path);
    let failed = |source| LockError::Lock {
        path: path.to_owned(),
        source,
    };
    let folder = File::open(path).map_err(failed)?;
    loop {
        match fs2::FileExt::try_lock_exclusive(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(failed(error)),
            Err(_) if Instant::now() < deadline => std::thread::sleep(AGAIN),
            Err(_) => {
                return Err(LockError::Held {
                    path: path.to_owned(),
                    holder: Holder {
                        kind: None,
                        pid: listing::holder(&folder),
                        since: None,
                    },
                });
            }
        }
    }
}

impl Holder {
    pub(super) fn parse(line: &str) -> Self {
        let mut words = line.split_ascii_whitespace();
        let kind = match words.next() {
            Some("daemon") => Some(Kind::Daemon),
            Some("command") => Some(Kind::Command),
            _ => None,
        };
        let pid = words.next().and_then(|pid| pid.parse().ok());
        let since = words
            .next()
            .filter(|since| since.parse::<Timestamp>().is_ok())
            .map(str::to_owned);
        Self { kind, pid, since }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Daemon => "daemon",
            Self::Command => "command",
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(Kind::Daemon) => out.write_str("a daemon")?,
            Some(Kind::Command) => out.write_str("a command")?,
            None => out.write_str("another program")?,
        }
        if let Some(pid) = self.pid {
            write!(out, ", pid {pid}")?;
        }
        if let Some(since) = &self.since {
            write!(out, ", since {since}")?;
        }
        Ok(())
    }
}
