//! Control groups, where a part of the tree has been given to us.
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, Mode, OFlags};

use crate::process::spec::Cgroups;

/// The control group of one run. It is removed when dropped.
pub(super) struct Cgroup {
    path: PathBuf,
    pub folder: OwnedFd,
}

impl Cgroup {
    /// Makes the run's group; `None` where that is not possible: everything works without.
    pub fn new(parent: &Path, id: &str) -> Option<Self> {
        let path = parent.join(name(id));
        fs::create_dir(&path).ok()?;
        match rustix::fs::open(
            &path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Ok(folder) => Some(Self { path, folder }),
            Err(_) => {
                let _ = fs::remove_dir(&path);
                None
            }
        }
    }

    /// Kills everything in the group at once, so that nothing forks its way out. (Linux 5.14)
    pub fn kill(&self) {
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes a group and those a job made below it. None of them has a process left.
fn remove(path: &Path) {
    if fs::remove_dir(path).is_ok() {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

/// The folder below which runs get their groups.
pub(in crate::process) fn parent(choice: &Cgroups) -> Option<PathBuf> {
    match choice {
        Cgroups::Off => None,
        Cgroups::Auto => delegated(),
        Cgroups::Below(folder) => Some(folder.clone()),
    }
}

/// Removes what a predecessor could not: groups in which nothing lives any more. Runs of a launcher that died are
/// still in theirs.
pub(super) fn tidy(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_empty = || {
            fs::read_to_string(entry.path().join("cgroup.events"))
                .is_ok_and(|events| events.contains("populated 0"))
        };
        if entry.file_name().as_encoded_bytes().starts_with(b"run-") && is_empty() {
            remove(&entry.path());
        }
    }
}

/// Kills what is left in the group of a run whose supervisor is dead.
pub(in crate::process) fn kill_left(parent: &Path, id: &str) {
    let group = parent.join(name(id));
    let _ = fs::write(group.join("cgroup.kill"), "1");
}

fn name(id: &str) -> String {
    format!("run-{id}")
}

/// Our own group, if its owner said that we may divide it: systemd marks it so (`Delegate=yes`); and a group that an
/// unprivileged user can write to was given to that user. Root can write everywhere, which says nothing.
fn delegated() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let path = mount_point(&mounts)?.join(own);
    let mut value = [0; 8];
    let marked = ["user.delegate", "trusted.delegate"].iter().any(|name| {
        rustix::fs::getxattr(&path, *name, &mut value[..])
            .is_ok_and(|length| value[..length] == *b"1")
    });
    let given = !rustix::process::geteuid().is_root()
        && rustix::fs::access(&path, Access::WRITE_OK).is_ok()
        && rustix::fs::access(path.join("cgroup.procs"), Access::WRITE_OK).is_ok();
    (marked || given).then_some(path)
}

/// Where the unified hierarchy is mounted. A mount point with blanks is escaped there, and not looked for.
fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let is_unified = system.starts_with("cgroup2 ") && mount.split(' ').nth(3) == Some("/");
        is_unified.then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}
