//! Control groups that cannot be used although they are there.
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use offhours::process::{Cgroups, Launcher};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recv, sendmsg, socketpair,
};
use tempfile::TempDir;

use crate::lab::{PATIENCE, ended, exited, script, setup, wait_until};

/// A group of the test's own, which is removed with those right below it.
struct Group(PathBuf);

impl Group {
    /// `None`, said aloud, where no cgroup v2 can be written to.
    fn new(name: &str) -> Option<Self> {
        let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
        let group = mounts.into_iter().find_map(|mount| {
            let path = mount.join(format!("offhours-{name}-{}", std::process::id()));
            let is_unified = mount.join("cgroup.controllers").exists();
            (is_unified && std::fs::create_dir(&path).is_ok()).then_some(Self(path))
        });
        let group = group.filter(|group| group.0.join("cgroup.kill").exists());
        if group.is_none() {
            eprintln!("SKIPPED: {name}: no cgroup v2 with cgroup.kill that can be written to");
        }
        group
    }

    fn below(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let gone = || {
            for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
                let _ = std::fs::remove_dir(entry.path());
            }
            std::fs::remove_dir(&self.0).is_ok()
        };
        // A failed test leaves a launcher that has yet to end, and must not fail twice.
        if std::thread::panicking() {
            gone();
        } else {
            wait_until("the group is empty", gone);
        }
    }
}

fn kill_all_in(group: &Path) {
    std::fs::write(group.join("cgroup.kill"), "1").unwrap();
}

/// The program, started in this group. Written by a process of its own: a file that this one has open for writing is
/// inherited by what other tests start at the time, and cannot be executed.
fn started_in(dir: &Path, group: &Path) -> PathBuf {
    let (path, group) = (dir.join("started-in"), group.display());
    let text = format!(
        "#!/bin/sh\necho $$ > '{group}/cgroup.procs' || exit\nexec '{}' \"$@\"\n",
        env!("CARGO_BIN_EXE_offhours")
    );
    let write = "printf %s \"$1\" > \"$0\" && chmod 700 \"$0\"";
    let written = Command::new("/bin/sh")
        .args(["-c", write])
        .arg(&path)
        .arg(text)
        .status();
    assert!(written.unwrap().success());
    path
}

async fn runs_in(home: &Path) {
    let dir = TempDir::new().unwrap();
    let mut setup = setup(dir.path());
    setup.exe = started_in(dir.path(), home);
    setup.cgroups = Cgroups::Below(home.to_owned());
    let launcher = Launcher::start(setup).await.unwrap();
    for _ in 0..3 {
        let result = ended(&mut launcher.spawn(script(dir.path(), "cat /proc/self/cgroup"))).await;
        assert_eq!(result.end, exited(0), "{}", result.tail);
    }
    let left = std::fs::read_dir(home).unwrap().flatten();
    let left: Vec<_> = left
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_processes_were_once_killed_can_be_worked_in() {
    let Some(group) = Group::new("killed") else {
        return;
    };
    kill_all_in(&group.0);
    runs_in(&group.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_can_one_below_it() {
    let Some(group) = Group::new("killed-above") else {
        return;
    };
    let home = group.below("home");
    kill_all_in(&group.0);
    runs_in(&home).await;
}

fn pair(kind: SocketType) -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap()
}

/// What a launcher in this group, for groups in it, says: when it is ready, and to each of two batches.
fn words_in(home: &Path) -> [String; 3] {
    let dir = TempDir::new().unwrap();
    let (ours, theirs) = pair(SocketType::SEQPACKET);
    set_socket_timeout(&ours, Timeout::Recv, Some(PATIENCE)).unwrap();
    let mut launcher = Command::new(started_in(dir.path(), home))
        .arg("internal-exec")
        .arg(dir.path().join("runs.lock"))
        .arg("1024")
        .arg(home)
        .stdin(Stdio::from(theirs))
        .spawn()
        .unwrap();
    let word = || {
        let mut buffer = [0; 8192];
        let (length, _) = recv(&ours, &mut buffer, RecvFlags::empty()).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let batch = || {
        // A run whose daemon is gone before it asked for anything.
        let (_, run) = pair(SocketType::STREAM);
        let runs = [run.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        assert!(rights.push(SendAncillaryMessage::ScmRights(&runs)));
        sendmsg(
            &ours,
            &[IoSlice::new(b"R")],
            &mut rights,
            SendFlags::NOSIGNAL,
        )
        .unwrap();
    };
    let ready = word();
    batch();
    let first = word();
    batch();
    let words = [ready, first, word()];
    drop(ours);
    assert!(launcher.wait().unwrap().success());
    words
}

#[test]
fn a_group_that_works_is_not_remarked_on() {
    let Some(group) = Group::new("works") else {
        return;
    };
    assert_eq!(words_in(&group.0), ["R", "R", "R"]);
}

#[test]
fn a_group_that_does_not_work_is_remarked_on_once() {
    let Some(group) = Group::new("full") else {
        return;
    };
    // Fails on every kernel, unlike a group that was killed.
    std::fs::write(group.0.join("cgroup.max.descendants"), "0").unwrap();
    let [ready, first, second] = words_in(&group.0);
    assert_eq!((ready.as_str(), second.as_str()), ("R", "R"));
    let place = group.0.to_str().unwrap();
    assert!(
        first.starts_with("Rruns get no control groups: in ") && first.contains(place),
        "{first}"
    );
    assert!(first.ends_with("no group can be made"), "{first}");
}

#[test]
fn a_killed_process_is_what_is_remarked_where_the_kernel_kills() {
    let Some(group) = Group::new("remark") else {
        return;
    };
    kill_all_in(&group.0);
    let [ready, first, second] = words_in(&group.0);
    assert_eq!((ready.as_str(), second.as_str()), ("R", "R"));
    if first == "R" {
        eprintln!("SKIPPED: this kernel starts processes below a group that was killed");
    } else {
        assert!(
            first.ends_with("a new process is killed by signal 9"),
            "{first}"
        );
    }
}
