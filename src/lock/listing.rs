//! Which locks are held, without touching any: trying a lock would take it for a moment, and a job that starts in that
//! moment would find it held. The kernel lists them.
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirEntryExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use super::LockError;
use super::file::read_line;
use super::filesystem::lists_lock_inodes;

/// One lock file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockState {
    /// The file's name without `.lock`.
    pub name: String,
    pub held: bool,
    /// The process that took it, where the kernel tells.
    pub pid: Option<u32>,
    /// What the holder wrote; `None` where nobody holds it, or the holder writes nothing (as `flock FILE CMD`).
    pub holder: Option<String>,
    /// When the holder wrote it.
    pub since: Option<SystemTime>,
}

/// The most lock files that are looked at, and the most of the kernel's list that is read.
const MAX_FILES: usize = 10_000;
const MAX_LIST: u64 = 16 << 20;

/// The lock files of a folder, by name. A folder that is not there has none. A holder that this process's pid namespace
/// does not see (a container beside this one) is not seen here either, though its lock is honoured.
pub fn list(folder: &Path) -> Result<Vec<LockState>, LockError> {
    let failed = |source| LockError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let locks = kernel_list("/proc/locks")?;
    let mounts = kernel_list("/proc/self/mountinfo")?;
    // Of thousands of files a few are held: only those are opened, where the folder tells which they may be.
    let may_be_held = lists_lock_inodes(folder).then(|| locked_inodes(&locks));
    let mut states = Vec::new();
    for entry in entries.take(MAX_FILES) {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".lock"));
        let Some(name) = name else { continue };
        if may_be_held
            .as_ref()
            .is_some_and(|inodes| !inodes.contains(&entry.ino()))
        {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                states.push(LockState {
                    name: name.to_owned(),
                    held: false,
                    pid: None,
                    holder: None,
                    since: None,
                });
            }
            continue;
        }
        let options = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let Ok(file) = File::options().read(true).custom_flags(options).open(&path) else {
            continue;
        };
        let holding = identity(&file, &mounts).and_then(|id| holder_in(&locks, &id));
        let holder = holding.and_then(|_| read_line(&file));
        states.push(LockState {
            name: name.to_owned(),
            held: holding.is_some(),
            pid: holding
                .and_then(|pid| u32::try_from(pid).ok())
                .filter(|pid| *pid > 0),
            since: holder
                .as_ref()
                .and_then(|_| file.metadata().ok()?.modified().ok()),
            holder,
        });
    }
    states.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(states)
}

/// The process that holds the flock on an open file, where the kernel tells.
pub(super) fn holder(file: &File) -> Option<u32> {
    let locks = kernel_list("/proc/locks").ok()?;
    let mounts = kernel_list("/proc/self/mountinfo").ok()?;
    let pid = holder_in(&locks, &identity(file, &mounts)?)?;
    u32::try_from(pid).ok().filter(|pid| *pid > 0)
}

fn kernel_list(path: &str) -> Result<String, LockError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_LIST).read_to_end(&mut bytes));
    read.map_err(|source| LockError::Read {
        path: path.into(),
        source,
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `MAJOR:MINOR:INODE` as the kernel's list has it. The device is the file system's, which stat(2) does not tell on
/// btrfs and overlayfs: the list of mounts does.
fn identity(file: &File, mounts: &str) -> Option<String> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let (mount, inode) = (field("mnt_id:")?, field("ino:")?);
    let of_mount = |line: &&str| line.split(' ').next() == Some(mount);
    let device = mounts.lines().find(of_mount)?.split(' ').nth(2)?;
    let (major, minor) = device.split_once(':')?;
    let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    Some(format!("{major:02x}:{minor:02x}:{inode}"))
}

/// The inodes that somebody holds or waits for, on whatever file system.
pub(super) fn locked_inodes(locks: &str) -> HashSet<u64> {
    let files = locks
        .lines()
        .flat_map(|line| line.split_ascii_whitespace())
        .filter(|field| field.matches(':').count() == 2);
    files
        .filter_map(|file| file.rsplit(':').next()?.parse().ok())
        .collect()
}

/// The pid of the process that holds the flock. Lines of waiting processes have an arrow in second place.
pub(super) fn holder_in(locks: &str, identity: &str) -> Option<i64> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        match fields.as_slice() {
            [_, "FLOCK", _, _, pid, file, ..] if *file == identity => {
                Some(pid.parse().unwrap_or(0))
            }
            _ => None,
        }
    })
}
