//! The transport that writes one `.eml` file a notice.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::tz::TimeZone;
use tokio::{task::spawn_blocking, time::timeout};

use super::{Answer, Composed, compose::fingerprint};

/// A folder that takes the messages.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    limit: Duration,
}

impl Folder {
    pub(super) fn new(dir: PathBuf, limit: Duration) -> Self {
        Self { dir, limit }
    }

    pub(super) fn name(&self) -> String {
        self.dir.display().to_string()
    }

    /// Why nothing could be written to it; one that is not there yet is made when it is needed.
    pub(super) fn unwritable(&self) -> Option<String> {
        let there = self.dir.ancestors().find(|dir| dir.exists())?;
        let access = rustix::fs::access(there, rustix::fs::Access::WRITE_OK);
        access
            .err()
            .map(|error| format!("{}: {error}", there.display()))
    }

    pub(super) async fn send(&self, message: &Composed) -> Answer {
        let name = name(message);
        let shown = self.dir.join(&name).display().to_string();
        let (dir, bytes) = (self.dir.clone(), message.bytes.clone());
        let written = spawn_blocking(move || write(&dir, &name, &bytes));
        match timeout(self.limit, written).await {
            Ok(Ok(Ok(()))) => Answer::accepted(&format!("written to {shown}")),
            Ok(Ok(Err(error))) => Answer::temporary(&format!("cannot write {shown}: {error}")),
            Ok(Err(error)) => Answer::unknown(&format!("writing {shown} broke off: {error}")),
            // The blocked write cannot be called back: a network folder may let it through later.
            Err(_) => Answer::unknown(&format!(
                "writing {shown} did not end within {} s",
                self.limit.as_secs_f32()
            )),
        }
    }
}

/// `20261117T080000Z-advance-ops@example.org-0123456789abcdef.eml`: sorts by time, the same each time it is sent.
fn name(message: &Composed) -> String {
    let at = message
        .date
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let to: String = message
        .envelope_to
        .to_string()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "@._-+".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(80)
        .collect();
    // Two addresses may look the same once cleaned, so the hash is over both.
    let hash = fingerprint(&format!("{}\n{}", message.message_id, message.envelope_to));
    format!("{at}-{}-{to}-{hash}.eml", message.kind.word())
}

/// Whole and durable, or not at all.
fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = dir.join(format!(".{name}.tmp"));
    let result = write_through(dir, &unfinished, &dir.join(name), bytes);
    if result.is_err() {
        // The first error is the one worth telling.
        let _ = fs::remove_file(&unfinished);
    }
    result
}

fn write_through(dir: &Path, unfinished: &Path, finished: &Path, bytes: &[u8]) -> io::Result<()> {
    // It may have been removed meanwhile, or there was no room for it when the daemon was started.
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // What a crash left behind, or a link somebody laid: never written through.
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(unfinished, finished)?;
    File::open(dir)?.sync_all()
}
