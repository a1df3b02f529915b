//! Room for the worst night: a file that is given up when the disk is full, so that what brings the apps back can
//! still be recorded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::error::StoreError;
use super::files;

pub(super) const SIZE: u64 = 4 * 1024 * 1024;

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("reserve")
}

/// Gives the room back to the file system; whether there was any.
pub(super) fn release(dir: &Path) -> Result<bool, StoreError> {
    files::remove(&path(dir))
}

/// Takes the room again; whether there is a whole reserve now. Where that would leave less than the same again, there
/// is none: the facts need it more.
pub(super) fn restore(dir: &Path) -> Result<bool, StoreError> {
    let path = path(dir);
    if fs::symlink_metadata(&path).is_ok_and(|about| about.is_file() && about.len() == SIZE) {
        return Ok(true);
    }
    let room =
        rustix::fs::statvfs(dir).map_err(|e| StoreError::io(dir, "look for room on", e.into()))?;
    if room.f_bavail.saturating_mul(room.f_frsize) < 2 * SIZE {
        return Ok(false);
    }
    let unfinished = dir.join("reserve.new");
    files::remove(&unfinished)?;
    let made = fill(&unfinished).and_then(|()| fs::rename(&unfinished, &path));
    match made {
        Ok(()) => Ok(true),
        Err(e) => {
            files::remove(&unfinished)?;
            match StoreError::io(&path, "reserve room", e) {
                StoreError::Full { .. } => Ok(false),
                other => Err(other),
            }
        }
    }
}

/// Whether the file system is too small for a reserve, whatever else is on it.
pub(super) fn never_fits(dir: &Path) -> bool {
    rustix::fs::statvfs(dir).is_ok_and(|fs| fs.f_blocks.saturating_mul(fs.f_frsize) < 2 * SIZE)
}

fn fill(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, SIZE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => zeros(&mut file),
        Err(e) => Err(e.into()),
    }
}

fn zeros(file: &mut File) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), SIZE), file)?;
    file.flush()
}
