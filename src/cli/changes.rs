//! Woken by the kernel when something in a folder is written.
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Room for what the kernel tells at once.
const TOLD: usize = 16 << 10;

/// Folders that are watched.
pub struct Changes(OwnedFd);

impl Changes {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self(inotify::init(
            CreateFlags::CLOEXEC | CreateFlags::NONBLOCK,
        )?))
    }

    /// A folder that is watched already is so no more than once.
    pub fn watch(&self, folder: &Path) -> io::Result<()> {
        // Not what is closed: who reads the state opens its files as one who could write.
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE;
        inotify::add_watch(&self.0, folder, flags)?;
        Ok(())
    }

    /// Until something was written, or for `at_most`; whether something was.
    pub fn wait(&self, at_most: Option<Duration>) -> io::Result<bool> {
        let limit = at_most.and_then(|limit| Timespec::try_from(limit).ok());
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // All that was told counts as one.
        let mut room = [MaybeUninit::uninit(); TOLD];
        let mut reader = Reader::new(&self.0, &mut room);
        let mut written = false;
        loop {
            match reader.next() {
                Ok(_) => written = true,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(written),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn who_reads_is_not_woken_by_that() {
        let dir = tempfile::tempdir().expect("folder");
        let changes = Changes::new().expect("inotify");
        changes.watch(dir.path()).expect("watched");
        let file = dir.path().join("state.db-wal");
        let now = Some(Duration::ZERO);
        std::fs::write(&file, "first").expect("written");
        assert!(changes.wait(now).expect("waited"));
        // As SQLite does for a reader.
        let open = || std::fs::File::options().read(true).append(true).open(&file);
        drop(open().expect("opened"));
        assert!(!changes.wait(now).expect("waited"));
        open()
            .and_then(|mut file| file.write_all(b"second"))
            .expect("written");
        assert!(changes.wait(None).expect("waited"));
    }
}
