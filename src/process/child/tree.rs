//! Everything a run has started, and signals to all of it.
//!
//! The supervisor is a subreaper: a process whose parent ends becomes the supervisor's own child. So everything a run
//! started is below the supervisor at every moment, and no other process ever is.
use std::collections::BTreeSet;
use std::fs;

use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, kill_process, kill_process_group, pidfd_open,
    pidfd_send_signal,
};

/// How often new processes are looked for in one go. Every round is one generation of a tree that is being forked.
const ROUNDS: u32 = 100;

/// A process and the one it was found under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub pid: Pid,
    pub parent: Pid,
}

/// Sends the signals to all processes of the run, and to those that are forked meanwhile. Returns whom it reached.
/// `main` is the main process, if it has not been collected: its group is signalled as one, which nothing that is being
/// forked escapes.
pub(super) fn signal_all(signals: &[Signal], main: Option<Pid>) -> BTreeSet<i32> {
    let own = getpid();
    let mut reached = BTreeSet::new();
    if let Some(main) = main {
        for signal in signals {
            let _ = kill_process_group(main, *signal);
        }
    }
    for _ in 0..ROUNDS {
        let found: Vec<Member> = descendants(own)
            .into_iter()
            .filter(|found| !reached.contains(&number(found.pid)))
            .collect();
        if found.is_empty() {
            break;
        }
        for member in found {
            reached.insert(number(member.pid));
            let grouped = Some(member.pid) == main;
            if !grouped {
                signal_member(member, own, signals);
            }
        }
    }
    reached
}

fn number(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}

/// A child of ours keeps its number until we collect it. The number of a grandchild may have become somebody else's
/// since it was read, so that it is signalled through a descriptor, after a second look at whose child it is.
fn signal_member(member: Member, own: Pid, signals: &[Signal]) {
    if member.parent == own {
        for signal in signals {
            let _ = kill_process(member.pid, *signal);
        }
        return;
    }
    let Ok(process) = pidfd_open(member.pid, PidfdFlags::empty()) else {
        return;
    };
    let parent = parent_of(member.pid);
    if parent == Some(member.parent) || parent == Some(own) {
        for signal in signals {
            let _ = pidfd_send_signal(&process, *signal);
        }
    }
}

/// All processes below this one.
pub(in crate::process) fn descendants(root: Pid) -> Vec<Member> {
    let mut found = Vec::new();
    let Some(children) = children_of(root) else {
        return descendants_by_scan(root);
    };
    found.extend(children);
    let mut next = 0;
    while let Some(member) = found.get(next).copied() {
        next += 1;
        found.extend(children_of(member.pid).unwrap_or_default());
    }
    found
}

/// The children of all threads of a process; `None` where the kernel does not list them, or the process is gone.
fn children_of(parent: Pid) -> Option<Vec<Member>> {
    let mut found = Vec::new();
    let mut listed = false;
    for thread in fs::read_dir(format!("/proc/{parent}/task")).ok()?.flatten() {
        let Ok(list) = fs::read_to_string(thread.path().join("children")) else {
            continue;
        };
        listed = true;
        let pids = list
            .split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw));
        found.extend(pids.map(|pid| Member { pid, parent }));
    }
    listed.then_some(found)
}

/// For kernels without lists of children: from the parents of all processes.
fn descendants_by_scan(root: Pid) -> Vec<Member> {
    let all: Vec<Member> = all_processes()
        .filter_map(|pid| {
            Some(Member {
                pid,
                parent: parent_of(pid)?,
            })
        })
        .collect();
    let mut found: Vec<Member> = all
        .iter()
        .copied()
        .filter(|member| member.parent == root)
        .collect();
    let mut next = 0;
    while let Some(member) = found.get(next).copied() {
        next += 1;
        found.extend(all.iter().filter(|other| other.parent == member.pid));
    }
    found
}

/// All processes that can be seen.
pub(in crate::process) fn all_processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        entry
            .file_name()
            .to_str()?
            .parse()
            .ok()
            .and_then(Pid::from_raw)
    })
}

/// The parent of a process: the second field behind its name, which may contain anything.
pub(in crate::process) fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let name_ends = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(&stat[name_ends + 1..]).ok()?;
    fields
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
        .and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn both_ways_of_looking_find_a_child_and_its_child() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "cat; true"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let below = |found: Vec<Member>| found.iter().any(|member| member.parent == pid);
        while !below(descendants(pid)) || !below(descendants_by_scan(pid)) {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        assert!(descendants(getpid()).iter().any(|member| member.pid == pid));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
