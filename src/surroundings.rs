//! What stands around the state: the daemon's process and the lock files, for `status` and the page.
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::core::report::{Daemon, Lock, Shell};
use crate::core::state::State;
use crate::lock::{self, LockError, LockState};

/// The folder of the lock files.
pub fn lock_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("locks")
}

/// The file of the lock that the daemon holds as long as it lives.
pub fn instance_lock(state_dir: &Path) -> PathBuf {
    state_dir.join("instance.lock")
}

/// Looks at the daemon and the locks from outside. Touches no lock. Blocks on the file system.
///
/// # Errors
/// When a folder, or the kernel's list of locks, cannot be read.
pub fn shell(state_dir: &Path, state: &State, now: Timestamp) -> Result<Shell, LockError> {
    let daemon = lock::list(state_dir)?
        .into_iter()
        .find(|l| l.name == "instance" && l.held)
        .map(|l| daemon(&l))
        .unwrap_or_default();
    let locks = held(state_dir, state, now)?;
    Ok(Shell {
        daemon: match daemon.running {
            true => Daemon {
                version: Some(state.version.clone()).filter(|version| !version.is_empty()),
                ..daemon
            },
            // When it was last seen, where it ever was.
            false => Daemon {
                since: Some(state.last).filter(|_| !state.nonce.is_empty()),
                ..Daemon::default()
            },
        },
        lock_dir: Some(lock_dir(state_dir).display().to_string()),
        state_dir: Some(state_dir.display().to_string()),
        locks,
    })
}

/// Why nothing can be written to the state, as far as its file system shows it.
pub fn takes_nothing(state_dir: &Path) -> Option<&'static str> {
    let found = rustix::fs::statvfs(state_dir).ok()?;
    let read_only = found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
    let room = found.f_bavail.saturating_mul(found.f_frsize);
    match (read_only, room) {
        (true, _) => Some("its file system may only be read"),
        (false, ..ROOM) => Some("its disk is full"),
        _ => None,
    }
}

/// Less than this is none: the log beside the state grows by as much.
const ROOM: u64 = 64 * 1024;

/// The locks that somebody holds, by name.
///
/// # Errors
/// When the folder, or the kernel's list of locks, cannot be read.
pub fn held(state_dir: &Path, state: &State, now: Timestamp) -> Result<Vec<Lock>, LockError> {
    let locks = lock::list(&lock_dir(state_dir))?;
    Ok(locks
        .into_iter()
        .filter(|l| l.held)
        .map(|l| describe(l, state, now))
        .collect())
}

/// The holder's line is `daemon PID SINCE`; a command that holds the lock for a moment is no daemon. On a disk that
/// takes nothing there is no line, or that of an earlier holder: who stays without one is the daemon.
fn daemon(lock: &LockState) -> Daemon {
    let line = lock.holder.as_deref().unwrap_or_default();
    let mut words = line.split_ascii_whitespace();
    let kind = words.next();
    let said: Option<u32> = words.next().and_then(|pid| pid.parse().ok());
    let its_own = kind.is_some() && (lock.pid.is_none() || lock.pid == said);
    Daemon {
        running: kind == Some("daemon") || !its_own,
        pid: lock.pid.or(said).and_then(|pid| i32::try_from(pid).ok()),
        since: words
            .next()
            .and_then(|since| since.parse().ok())
            .filter(|_| its_own),
        version: None,
    }
}

fn describe(lock: LockState, state: &State, now: Timestamp) -> Lock {
    let holder = lock.holder.as_deref().unwrap_or_default();
    let mut words = holder.split(|c: char| !c.is_ascii_alphanumeric());
    let named = words
        .by_ref()
        .find(|w| *w == "run")
        .and_then(|_| words.next());
    let run = named
        .and_then(|n| n.parse().ok())
        .filter(|run| state.running.contains_key(run));
    let since = lock.since.and_then(|s| Timestamp::try_from(s).ok());
    Lock {
        name: lock.name,
        held: true,
        run: run.map(|run: u64| run.to_string()),
        pid: lock.pid.and_then(|pid| i32::try_from(pid).ok()),
        age: since.map(|s| now.duration_since(s).max(SignedDuration::ZERO)),
        holder: lock.holder,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lock::{Kind, acquire};

    #[test]
    fn the_daemon_is_seen_while_it_holds_its_lock() {
        let dir = tempfile::tempdir().expect("folder");
        let now = Timestamp::from_second(1_800_000_000).expect("instant");
        let daemon = || {
            shell(dir.path(), &State::default(), now)
                .expect("looked at")
                .daemon
        };
        assert_eq!(daemon(), Daemon::default());
        let lock = |kind| acquire(&instance_lock(dir.path()), kind, Duration::ZERO).expect("free");
        let held = lock(Kind::Daemon);
        let seen = daemon();
        assert!(seen.running && seen.since.is_some(), "{seen:?}");
        assert_eq!(seen.pid, i32::try_from(std::process::id()).ok());
        drop(held);
        let held = lock(Kind::Command);
        assert!(!daemon().running, "a command is no daemon");
        drop(held);
        for line in [
            "",
            "daemon 1 2027-01-15T08:00:00Z\n",
            "command 1 2027-01-15T08:00:00Z\n",
        ] {
            let held = lock(Kind::Daemon);
            std::fs::write(instance_lock(dir.path()), line).expect("a line of somebody else");
            let seen = daemon();
            assert!(seen.running && seen.since.is_none(), "{line:?}: {seen:?}");
            assert_eq!(seen.pid, i32::try_from(std::process::id()).ok());
            drop(held);
        }
        assert!(!daemon().running);
    }
}
