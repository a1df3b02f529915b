//! What a predecessor left behind.
//!
//! The supervisors of a daemon that was killed see its end at once, end their runs, and go. Until then each of them
//! keeps a shared lock on one file: [`wait_gone`]. A supervisor that was itself killed ends nothing; what it left is
//! found by a variable of its environment: [`end_by_cookie`].
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use super::child::cgroup;
use super::child::tree::{all_processes, descendants, parent_of};
use super::spec::Cgroups;

/// Why it is not known that nothing is left.
#[derive(Debug, thiserror::Error)]
pub enum SurvivorError {
    #[error("cannot open {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot lock {path}: {source}")]
    Lock { path: PathBuf, source: io::Error },
    #[error("runs of an earlier daemon are still being ended ({path} is locked)")]
    StillThere { path: PathBuf },
    #[error("processes of an earlier run cannot be ended: {pids:?}")]
    Unkillable { pids: Vec<i32> },
}

/// How long the end of killed processes is waited for.
const DEATH: Duration = Duration::from_secs(10);
/// Longer than this nobody should wonder why nothing happens.
const QUIET: Duration = Duration::from_secs(1);
/// How much of an environment is read. The kernel takes no more in all.
const ENVIRONMENT: u64 = 4 << 20;

/// Waits until no supervisor of an earlier launcher is left: `runs_lock` is what [`Setup`](super::Setup) named. Must
/// come before this daemon's own [`Launcher::start`](super::Launcher::start). Blocks the thread.
pub fn wait_gone(runs_lock: &Path, wait_up_to: Duration) -> Result<(), SurvivorError> {
    let path = || runs_lock.to_owned();
    let file = crate::lock::open(runs_lock).map_err(|source| SurvivorError::Open {
        path: path(),
        source,
    })?;
    match fs2::FileExt::try_lock_exclusive(&file) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(source) => {
            return Err(SurvivorError::Lock {
                path: path(),
                source,
            });
        }
    }
    // A flock cannot be given a deadline. If it comes too late nobody receives it, and the file is closed in the thread.
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("survivors".into())
        .spawn(move || sender.send(fs2::FileExt::lock_exclusive(&file)))
        .map_err(|source| SurvivorError::Lock {
            path: path(),
            source,
        })?;
    let quiet = QUIET.min(wait_up_to);
    let locked = receiver.recv_timeout(quiet).or_else(|_| {
        tracing::warn!(
            longest_s = wait_up_to.as_secs(),
            "waiting until the runs of an earlier daemon are ended"
        );
        receiver.recv_timeout(wait_up_to.saturating_sub(quiet))
    });
    match locked {
        Ok(locked) => locked.map_err(|source| SurvivorError::Lock {
            path: path(),
            source,
        }),
        Err(_) => Err(SurvivorError::StillThere { path: path() }),
    }
}

/// Ends all processes whose environment has one of `cookies`, such as `OFFHOURS_RUN=…`, and all of `marks` (which may
/// be empty), and everything below them: SIGTERM, SIGKILL after `grace`. Returns how many there were. Blocks the thread,
/// for `grace` and ten seconds at most. Never call it with the cookie of a run whose supervisor lives: it would race
/// with it.
///
/// What cleared its environment and left its parents is not found; where runs have control groups [`end_group`] gets it.
pub fn end_by_cookie(
    cookies: &[&str],
    marks: &[&str],
    grace: Duration,
) -> Result<usize, SurvivorError> {
    let cookies: BTreeSet<&[u8]> = cookies.iter().map(|cookie| cookie.as_bytes()).collect();
    let is_ours = |variables: &[&[u8]]| {
        variables.iter().any(|variable| cookies.contains(variable))
            && marks
                .iter()
                .all(|mark| variables.contains(&mark.as_bytes()))
    };
    end_where(is_ours, grace)
}

/// As [`end_by_cookie`], for processes with a variable that begins like this, such as `OFFHOURS_RUN=shop.`.
pub fn end_by_prefix(prefix: &str, grace: Duration) -> Result<usize, SurvivorError> {
    end_where(
        |variables| {
            variables
                .iter()
                .any(|variable| variable.starts_with(prefix.as_bytes()))
        },
        grace,
    )
}

/// Kills what is left in the control group of a run ([`RunSpec::id`](super::RunSpec::id)) whose supervisor is dead. Does
/// nothing where runs have no groups. Not before [`end_by_cookie`]: this leaves no grace.
pub fn end_group(cgroups: &Cgroups, id: &str) {
    if let Some(parent) = cgroup::parent(cgroups) {
        cgroup::kill_left(&parent, id);
    }
}

fn end_where(is_ours: impl Fn(&[&[u8]]) -> bool, grace: Duration) -> Result<usize, SurvivorError> {
    let mut found = BTreeMap::new();
    find(&is_ours, &mut found);
    signal(&found, &[Signal::TERM, Signal::CONT]);
    wait_for_end(&found, Instant::now() + grace);
    let deadline = Instant::now() + DEATH;
    let mut count = found.len();
    // Again after every death: what was being forked while its parent was killed is found in the next round.
    loop {
        found.retain(|_, process| !has_ended(process));
        count += find(&is_ours, &mut found);
        if found.is_empty() {
            return Ok(count);
        }
        if Instant::now() >= deadline {
            return Err(SurvivorError::Unkillable {
                pids: found.into_keys().collect(),
            });
        }
        signal(&found, &[Signal::KILL]);
        wait_for_end(
            &found,
            deadline.min(Instant::now() + Duration::from_secs(1)),
        );
    }
}

/// Adds what is not known yet, and returns how many.
fn find(is_ours: &impl Fn(&[&[u8]]) -> bool, found: &mut BTreeMap<i32, OwnedFd>) -> usize {
    let before = found.len();
    let own = getpid();
    for pid in all_processes().filter(|pid| *pid != own) {
        if found.contains_key(&number(pid)) || !carries(pid, is_ours) {
            continue;
        }
        // The number may have passed to another process since: what the descriptor stands for is looked at again.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        if !carries(pid, is_ours) || has_ended(&process) {
            continue;
        }
        found.insert(number(pid), process);
        for below in descendants(pid) {
            let Ok(process) = pidfd_open(below.pid, PidfdFlags::empty()) else {
                continue;
            };
            if parent_of(below.pid) == Some(below.parent)
                && below.pid != own
                && !has_ended(&process)
            {
                found.entry(number(below.pid)).or_insert(process);
            }
        }
    }
    found.len() - before
}

fn number(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}

fn carries(pid: Pid, is_ours: &impl Fn(&[&[u8]]) -> bool) -> bool {
    let mut environment = Vec::new();
    let Ok(file) = File::open(format!("/proc/{pid}/environ")) else {
        return false;
    };
    // A zombie has none, and one of another user is none of ours.
    if file
        .take(ENVIRONMENT)
        .read_to_end(&mut environment)
        .is_err()
    {
        return false;
    }
    let variables: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
    is_ours(&variables)
}

fn signal(found: &BTreeMap<i32, OwnedFd>, signals: &[Signal]) {
    for process in found.values() {
        for signal in signals {
            let _ = pidfd_send_signal(process, *signal);
        }
    }
}

/// Waits until all of them have ended.
fn wait_for_end(found: &BTreeMap<i32, OwnedFd>, deadline: Instant) {
    for process in found.values() {
        let left = deadline.saturating_duration_since(Instant::now());
        ended_within(process, left);
    }
}

fn has_ended(process: &OwnedFd) -> bool {
    ended_within(process, Duration::ZERO)
}

fn ended_within(process: &OwnedFd, wait: Duration) -> bool {
    let wait = Timespec::try_from(wait).unwrap_or_default();
    let mut polled = [PollFd::new(process, PollFlags::IN)];
    poll(&mut polled, Some(&wait)).is_ok_and(|ready| ready > 0)
}
