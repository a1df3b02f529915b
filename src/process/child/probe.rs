//! Whether a process can live in a control group that was made for it.
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::process::{WaitOptions, WaitStatus, waitpid};

use super::cgroup::Cgroup;
use super::job::{fork_into, to_pid};

/// Forks into a fresh group as runs are; an error says how that went wrong. Linux 6.18, for one, kills such a process at
/// once if the group that it was forked from has ever seen a `cgroup.kill`, also one meant for a group above: it
/// compares how often that happened to the two groups. A service whose group is used again would have every run killed.
///
/// The caller has one thread, and SIGCHLD its default action.
pub(super) fn try_group(parent: &Path) -> Result<(), String> {
    let id = format!("probe.{}", std::process::id());
    let group = Cgroup::new(parent, &id).ok_or("no group can be made")?;
    // SAFETY: this process has one thread, and the child ends here.
    let pid = match unsafe { fork_into(group.folder.as_fd()) } {
        // SAFETY: `_exit` is always allowed.
        0 => unsafe { libc::_exit(0) },
        pid => to_pid(pid).map_err(|error| format!("nothing can be started: {error}"))?,
    };
    let status = loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => break status,
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                let error = io::Error::from(error);
                return Err(format!("the end of a process cannot be seen: {error}"));
            }
        }
    };
    judge(status)
}

fn judge(status: WaitStatus) -> Result<(), String> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => Ok(()),
        (_, Some(signal)) => Err(format!("a new process is killed by signal {signal}")),
        (code, None) => Err(format!(
            "a new process ends with code {}",
            code.unwrap_or_default()
        )),
    }
}
