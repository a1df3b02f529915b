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
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&self.0, folder, flags)?;
        Ok(())
    }

    /// Until something was written, or for `at_most`.
    pub fn wait(&self, at_most: Option<Duration>) -> io::Result<()> {
        let limit = at_most.and_then(|limit| Timespec::try_from(limit).ok());
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // All that was told counts as one.
        let mut room = [MaybeUninit::uninit(); TOLD];
        let mut reader = Reader::new(&self.0, &mut room);
        loop {
            match reader.next() {
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
