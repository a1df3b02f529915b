//! One lock file: opened, tried, held, released.
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::LockError;

/// The most of a holder line that is read or written.
const LINE: usize = 512;
/// How often a lock file may vanish between opening and locking it.
const REMOVALS: u32 = 8;

/// Opens a file for locking, and creates it (0600) if it is not there. One on a file system that may only be read can
/// be locked as well.
pub fn open(path: &Path) -> io::Result<File> {
    let open = |write| {
        OpenOptions::new()
            .read(true)
            .write(write)
            .create(write)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
    };
    match open(true) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => open(false),
        opened => opened,
    }
}

/// A lock file that is open and not locked by us.
#[derive(Debug)]
pub struct Candidate {
    file: File,
    path: PathBuf,
}

/// A lock we hold. Dropping it empties the file and releases the lock.
#[derive(Debug)]
pub struct Held {
    file: File,
    path: PathBuf,
    written: bool,
}

impl Candidate {
    /// Opens the lock file, and creates it (0600) if it is not there.
    pub fn open(path: &Path) -> Result<Self, LockError> {
        let file = open(path).map_err(|source| LockError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Takes the lock if nobody holds it; gives the candidate back if somebody does.
    pub fn try_hold(mut self) -> Result<Result<Held, Self>, LockError> {
        for _ in 0..REMOVALS {
            match fs2::FileExt::try_lock_exclusive(&self.file) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Err(self)),
                Err(source) => {
                    return Err(LockError::Lock {
                        path: self.path,
                        source,
                    });
                }
            }
            match self.into_held()? {
                Ok(held) => return Ok(Ok(held)),
                Err(reopened) => self = reopened,
            }
        }
        Err(LockError::Removed { path: self.path })
    }

    /// Blocks the thread until the lock is ours. First come, first served.
    pub fn hold(mut self) -> Result<Held, LockError> {
        for _ in 0..REMOVALS {
            loop {
                match fs2::FileExt::lock_exclusive(&self.file) {
                    Ok(()) => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(source) => {
                        return Err(LockError::Lock {
                            path: self.path,
                            source,
                        });
                    }
                }
            }
            match self.into_held()? {
                Ok(held) => return Ok(held),
                Err(reopened) => self = reopened,
            }
        }
        Err(LockError::Removed { path: self.path })
    }

    /// What the holder wrote.
    pub fn holder(&self) -> Option<String> {
        read_line(&self.file)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A lock on a file that was removed meanwhile guards nothing: others would lock the new file of that name.
    fn into_held(self) -> Result<Result<Held, Self>, LockError> {
        let data = self.file.metadata().map_err(|source| LockError::Lock {
            path: self.path.clone(),
            source,
        })?;
        if data.nlink() == 0 {
            return Self::open(&self.path).map(Err);
        }
        Ok(Ok(Held {
            file: self.file,
            path: self.path,
            written: data.len() > 0,
        }))
    }
}

impl Held {
    /// Says who holds the lock, in one line, instead of what the file said before.
    pub fn describe(&mut self, line: &str) -> Result<(), LockError> {
        let failed = |source| LockError::Write {
            path: self.path.clone(),
            source,
        };
        if self.written {
            self.file.set_len(0).map_err(failed)?;
        }
        self.written = true;
        let mut text: Vec<u8> = line
            .bytes()
            .map(|byte| if byte < b' ' { b' ' } else { byte })
            .take(LINE - 1)
            .collect();
        text.push(b'\n');
        self.file.write_all_at(&text, 0).map_err(failed)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.written {
            // The text is for people; the lock itself is released by closing the file.
            let _ = self.file.set_len(0);
        }
    }
}

/// The first line of a lock file, if there is one.
pub(super) fn read_line(file: &File) -> Option<String> {
    let mut buffer = [0; LINE];
    let length = file.read_at(&mut buffer, 0).ok()?;
    let line = buffer[..length].split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line).trim().to_owned();
    (!line.is_empty()).then_some(line)
}
