//! The folder of one connection, and the `ssh` processes that belong to it.
//!
//! The `openssh` crate neither tells the process of a master nor ends one that it waits for no longer. The path of the
//! control socket is in the command line of each, and in that of no other program.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Bytes of a command line that are looked at.
const COMMAND_LINE: u64 = 16 << 10;

/// A folder of our own. Dropping it ends what still serves it, and removes it.
#[derive(Debug)]
pub(super) struct Folder {
    pub path: PathBuf,
}

impl Folder {
    pub fn make(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Writes the configuration that `ssh` is to read, and returns its path.
    pub fn configure(&self, text: &str) -> io::Result<PathBuf> {
        let path = self.path.join("config");
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }

    /// Whether a process serves it.
    pub fn is_served(&self) -> bool {
        !serving(&self.path).is_empty()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        end_below(&self.path);
        // What is left is swept at the next start.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Ends every `ssh` whose control socket is below a folder.
pub(super) fn end_below(folder: &Path) {
    for pid in serving(folder) {
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        // The number may have become somebody else's since.
        if serves(pid, folder) {
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    }
}

/// Refuses a folder that somebody else made, or could put something into; and a link to one.
pub(super) fn require_own(dir: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(dir)?;
    let own = found.uid() == rustix::process::geteuid().as_raw();
    if found.is_dir() && own && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let why = format!("{} is not ours alone", dir.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// Removes the folders that a predecessor left. A master that is still there ends by itself a while after the last run
/// that it carries; new ones do not find it.
pub(super) fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.as_bytes().iter().all(u8::is_ascii_digit);
        if ours && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn serving(folder: &Path) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter(|pid| serves(*pid, folder)).collect()
}

fn serves(pid: Pid, folder: &Path) -> bool {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let own = rustix::process::geteuid().as_raw();
    if !fs::metadata(&proc).is_ok_and(|data| data.uid() == own) {
        return false;
    }
    let mut line = Vec::new();
    let read = File::open(proc.join("cmdline"))
        .and_then(|file| file.take(COMMAND_LINE).read_to_end(&mut line));
    let mut needle = folder.as_os_str().as_bytes().to_vec();
    needle.push(b'/');
    if read.is_err() || !line.windows(needle.len()).any(|part| part == needle) {
        return false;
    }
    let program = fs::read_link(proc.join("exe"));
    // While it is being replaced by a newer one, the name of the old has a word behind it.
    program.is_ok_and(|path| {
        let name = path.file_name().unwrap_or(OsStr::new("")).as_bytes();
        name == b"ssh" || name.starts_with(b"ssh ")
    })
}
