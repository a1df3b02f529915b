//! What a supervisor listens to: the daemon, signals, a deadline, and one more descriptor.
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::process::spec::RunEvent;
use crate::process::wire;

pub(super) struct Events<'a> {
    socket: &'a OwnedFd,
    signals: &'a SignalFd,
    connected: bool,
    /// The run is to end: the daemon asked for it, or is gone, or somebody sent a SIGTERM.
    pub stop: bool,
    /// A child has changed since this was last reset.
    pub child: bool,
}

impl<'a> Events<'a> {
    pub fn new(socket: &'a OwnedFd, signals: &'a SignalFd) -> Self {
        Self {
            socket,
            signals,
            connected: true,
            stop: false,
            child: false,
        }
    }

    /// Waits until something happens or the deadline has come. True if `other` can be read, or has been closed.
    pub fn wait(
        &mut self,
        deadline: Option<Instant>,
        other: Option<BorrowedFd<'_>>,
    ) -> io::Result<bool> {
        let left =
            deadline.map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
        let ready = PollFlags::IN;
        let mut polled = [
            PollFd::new(self.signals, ready),
            PollFd::from_borrowed_fd(other.unwrap_or(self.signals.as_fd()), ready),
            PollFd::new(self.socket, ready),
        ];
        // A socket at its end is always ready: it has said what it had to say.
        let count = if self.connected { 3 } else { 2 };
        match poll(&mut polled[..count], left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let [signals, readable, socket] = polled.map(|polled| !polled.revents().is_empty());
        if signals {
            self.read_signals();
        }
        if socket && self.connected {
            self.read_socket();
        }
        Ok(readable && other.is_some())
    }

    /// Tells the daemon. Nobody to tell is no trouble: the lifeline says so by itself.
    pub fn tell(&self, event: &RunEvent) {
        let mut rest = &wire::encode_event(event)[..];
        while !rest.is_empty() {
            match send(self.socket, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => rest = &rest[sent..],
                Err(Errno::INTR) => {}
                // A handful of small events fits the socket's buffer; a daemon that stands still is not waited for.
                Err(_) => return,
            }
        }
    }

    /// The request, when all of it has arrived; `None`: it never will.
    pub fn request(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(4096);
        loop {
            let length = match bytes.first_chunk() {
                Some(prefix) => u32::from_le_bytes(*prefix) as usize,
                None => 0,
            };
            if length > wire::MAX_REQUEST {
                return None;
            }
            if bytes.len() >= wire::PREFIX + length.max(1) {
                self.stop |= bytes.split_off(wire::PREFIX + length).contains(&wire::STOP);
                bytes.drain(..wire::PREFIX);
                return Some(bytes);
            }
            bytes.reserve((wire::PREFIX + length).saturating_sub(bytes.len()).max(1));
            match recv(
                self.socket,
                rustix::buffer::spare_capacity(&mut bytes),
                RecvFlags::empty(),
            ) {
                Ok((0, _)) => return None,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut polled = [
                        PollFd::new(self.socket, PollFlags::IN),
                        PollFd::new(self.signals, PollFlags::IN),
                    ];
                    match poll(&mut polled, None) {
                        Ok(_) if polled[1].revents().is_empty() => {}
                        Err(Errno::INTR) => {}
                        Ok(_) | Err(_) => return None,
                    }
                }
                Err(_) => return None,
            }
        }
    }

    fn read_signals(&mut self) {
        // As many as there are kinds: each is pending once at most.
        let mut infos = [0; 4 * size_of::<libc::signalfd_siginfo>()];
        let Ok(length) = rustix::io::read(self.signals, &mut infos) else {
            return;
        };
        for info in infos[..length].chunks_exact(size_of::<libc::signalfd_siginfo>()) {
            // The number is the first field, ssi_signo.
            let signal = info
                .first_chunk()
                .map(|number| u32::from_ne_bytes(*number) as i32);
            if signal == Some(libc::SIGCHLD) {
                self.child = true
            } else {
                self.stop = true
            }
        }
    }

    fn read_socket(&mut self) {
        let mut bytes = [0; 16];
        match recv(self.socket, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((0, _)) => (self.connected, self.stop) = (false, true),
            Ok((length, _)) => self.stop |= bytes[..length].contains(&wire::STOP),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => (self.connected, self.stop) = (false, true),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    // What does not fit is beyond every timeout.
    Timespec::try_from(duration).unwrap_or(Timespec {
        tv_sec: i64::MAX,
        tv_nsec: 0,
    })
}
