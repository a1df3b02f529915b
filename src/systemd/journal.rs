//! Entries with fields for the journal, in its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).
//!
//! The crate tracing-journald sends from whoever logs, who waits as long as the journal does not read, and knows no
//! fields but those in the source. Here an entry is made where something is said, and sent by a writer's thread.

use std::io::{self, IoSlice, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr,
};

use crate::text;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";
/// Bytes of one value; a whole mail with its attachments fits.
const VALUE: usize = 512 * 1024;
/// Longer names are refused by the journal.
const NAME: usize = 64;
/// Before the names of our own fields, so that they are nobody else's.
const PREFIX: &str = "OFFHOURS_";

/// How much it matters, after syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

/// One entry, ready to be sent.
#[derive(Clone, Debug)]
pub struct Entry {
    bytes: Vec<u8>,
    text: String,
}

impl Entry {
    /// An entry that says this; harmful characters are left out.
    pub fn new(priority: Priority, message: &str) -> Self {
        let lines: Vec<_> = message.lines().map(text::clean).collect();
        let text = lines.join("\n");
        let mut entry = Self {
            bytes: Vec::with_capacity(256),
            text: String::new(),
        };
        entry.put("MESSAGE", &text);
        entry.put("PRIORITY", &(priority as u8).to_string());
        entry.put("SYSLOG_IDENTIFIER", "offhours");
        Self { text, ..entry }
    }

    /// Adds a field of our own, `OFFHOURS_` and this name in capitals.
    pub fn field(&mut self, name: &str, value: &str) {
        let capital = |c: char| match c.to_ascii_uppercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '_',
        };
        let name: String = PREFIX.chars().chain(name.chars().map(capital)).collect();
        self.put(&name, value);
    }

    /// A name and a value of any bytes, with its length between them.
    fn put(&mut self, name: &str, value: &str) {
        let name = name.get(..NAME).unwrap_or(name);
        let value = &value[..value.floor_char_boundary(VALUE)];
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(b'\n');
        let length = value.len() as u64;
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(b'\n');
    }

    /// What it says, for where there is no journal.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The way to the journal.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// That of this machine.
    ///
    /// # Errors
    /// Where nobody listens there.
    pub fn open() -> io::Result<Self> {
        Self::at(Path::new(SOCKET))
    }

    fn at(path: &Path) -> io::Result<Self> {
        // Never waits, as a first entry would for a journal that stands still.
        UnixDatagram::unbound()?.connect(path)?;
        Ok(Self {
            // Not connected: the journal may be started again.
            socket: UnixDatagram::unbound()?,
            path: path.to_owned(),
        })
    }

    /// Sends an entry; waits while the journal does not read.
    ///
    /// # Errors
    /// Where the journal cannot be reached any more.
    pub fn send(&self, entry: &Entry) -> io::Result<()> {
        match self.socket.send_to(&entry.bytes, &self.path) {
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => self.send_large(entry),
            sent => sent.map(drop),
        }
    }

    /// What fits into no datagram is handed over as a sealed file in memory.
    fn send_large(&self, entry: &Entry) -> io::Result<()> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = std::fs::File::from(memfd_create("offhours-entry", flags)?);
        file.write_all(&entry.bytes)?;
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        fcntl_add_seals(&file, seals)?;
        let descriptors = [file.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        beside.push(SendAncillaryMessage::ScmRights(&descriptors));
        let to = SocketAddrUnix::new(&*self.path)?;
        let nothing = [IoSlice::new(&[])];
        sendmsg_addr(
            &self.socket,
            &to,
            &nothing,
            &mut beside,
            SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
