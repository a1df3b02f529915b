//! What a run prints: counted, and kept in its log up to a limit, the beginning and the end.
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Bytes read at once: as much as a pipe holds.
const CHUNK: usize = 64 << 10;
/// What a pipe can hold beyond the end of its writers, at the most an unprivileged process can make of it.
const PIPE: u64 = 2 << 20;
/// The most that is held in memory for the end of the log.
const MAX_TAIL: u64 = 8 << 20;
/// Bytes of output that are reported with the result.
const REPORTED: usize = 400;

/// The reading end of the run's pipe, and its log.
pub(super) struct Output<'a> {
    pipe: Option<OwnedFd>,
    path: Option<&'a Path>,
    id: &'a str,
    began: Timestamp,
    /// How much goes into the log as it comes, and how much is kept behind that.
    head: u64,
    tail: usize,
    log: Option<File>,
    error: Option<String>,
    chunk: Vec<u8>,
    /// The last bytes beyond the head: at least `tail` of them where there are so many.
    kept: Vec<u8>,
    last: Vec<u8>,
    total: u64,
}

/// What is known of the output in the end.
pub(super) struct Printed {
    pub bytes: u64,
    pub written: bool,
    pub error: Option<String>,
    pub tail: String,
}

impl<'a> Output<'a> {
    pub fn new(pipe: OwnedFd, path: Option<&'a Path>, limit: u64, id: &'a str) -> Self {
        let tail = (limit / 2).min(MAX_TAIL);
        Self {
            pipe: Some(pipe),
            path,
            id,
            began: now(),
            head: limit - tail,
            tail: tail as usize,
            log: None,
            error: None,
            chunk: Vec::new(),
            kept: Vec::new(),
            last: Vec::new(),
            total: 0,
        }
    }

    /// What to wait for; `None` when everybody has closed the pipe.
    pub fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads once. Must only be called when the pipe is readable: then it does not block.
    pub fn read(&mut self) -> u64 {
        let Some(pipe) = &self.pipe else { return 0 };
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.clear();
        chunk.reserve_exact(CHUNK);
        match rustix::io::read(pipe, rustix::buffer::spare_capacity(&mut chunk)) {
            Ok(0) => self.pipe = None,
            Ok(_) => self.take(&chunk),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.pipe = None,
        }
        let length = chunk.len() as u64;
        self.chunk = chunk;
        length
    }

    /// Reads what is left in the pipe when all of the run is dead, and waits for nothing: somebody else may hold it.
    pub fn drain(&mut self) {
        let mut read = 0;
        while let Some(pipe) = &self.pipe {
            let mut polled = [PollFd::new(pipe, PollFlags::IN)];
            let ready = poll(&mut polled, Some(&Timespec::default())).is_ok_and(|count| count > 0);
            if !ready || read > PIPE {
                return;
            }
            read += self.read();
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        self.remember(bytes);
        let room = self.head.saturating_sub(self.total).min(bytes.len() as u64) as usize;
        self.total += bytes.len() as u64;
        if room > 0 {
            let (head, rest) = bytes.split_at(room);
            self.write(head);
            bytes = rest;
        }
        if self.path.is_none() || self.tail == 0 {
            return;
        }
        // A part of the tail that is already too old is not even copied; the rest moves once per `tail` bytes.
        self.kept
            .extend_from_slice(&bytes[bytes.len().saturating_sub(self.tail)..]);
        if self.kept.len() >= 2 * self.tail {
            self.kept.drain(..self.kept.len() - self.tail);
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        self.last
            .extend_from_slice(&bytes[bytes.len().saturating_sub(REPORTED)..]);
        let old = self.last.len().saturating_sub(REPORTED);
        self.last.drain(..old);
    }

    /// A log that cannot be written is reported and given up. The run goes on.
    fn write(&mut self, bytes: &[u8]) {
        let Some(path) = self.path else { return };
        if self.error.is_some() {
            return;
        }
        let written = match &mut self.log {
            Some(log) => log.write_all(bytes),
            None => create(path).and_then(|mut log| {
                writeln!(log, "offhours: run {} began {}", self.id, self.began)?;
                log.write_all(bytes)?;
                self.log = Some(log);
                Ok(())
            }),
        };
        self.error = written
            .err()
            .map(|error| format!("cannot write the log {}: {error}", path.display()));
    }

    /// Completes the log. `ended` says how the run ended.
    pub fn finish(mut self, ended: &str) -> Printed {
        let kept = std::mem::take(&mut self.kept);
        let beyond = self.total.saturating_sub(self.head);
        let tail = &kept[kept.len().saturating_sub(self.tail)..];
        let left_out = beyond - tail.len() as u64;
        if left_out > 0 {
            self.write(
                format!("\noffhours: {left_out} bytes of output left out here\n").as_bytes(),
            );
        }
        if !tail.is_empty() {
            self.write(tail);
        }
        if self.log.is_some() {
            let line = if self.last.ends_with(b"\n") { "" } else { "\n" };
            let text = format!("{line}offhours: run {} ended {}, {ended}\n", self.id, now());
            self.write(text.as_bytes());
        }
        Printed {
            bytes: self.total,
            written: self.log.is_some(),
            error: self.error,
            tail: String::from_utf8_lossy(&self.last).into_owned(),
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    match (options.open(path), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            options.open(path)
        }
        (opened, _) => opened,
    }
}
