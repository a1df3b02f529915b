//! The daemon's own log, on standard error: what the events on standard output do not tell.
//!
//! A reader that stands still must not hold up the daemon, so a thread of its own writes, and what it cannot take in
//! time is left out.
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::systemd;

/// How the state's tables come to be is nobody's business.
const USUAL: &str = "info,rusqlite_migration=warn";
/// Lines that wait to be written.
const WAITING: usize = 1_000;
/// How long a reader may take for what is left at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Keeps the log going; what was said is written before this is gone.
#[derive(Debug)]
#[must_use]
pub struct Logging(SyncSender<Said>);

#[derive(Debug)]
enum Said {
    Line(Vec<u8>),
    /// Dropped when everything before it is written.
    End(#[expect(dead_code, reason = "what counts is that it is dropped")] SyncSender<()>),
}

/// Starts logging. `OFFHOURS_LOG` chooses what (what matters to an operator without it); under systemd the journal
/// adds the time.
///
/// # Errors
/// Where no thread can be started.
pub fn start(colour: bool) -> io::Result<Logging> {
    let filter = EnvFilter::try_from_env("OFFHOURS_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let journal = systemd::is_journal(io::stderr());
    // Not by the lock of standard error, which would be held as long as a reader stands still.
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let (say, said) = sync_channel(WAITING);
    std::thread::Builder::new()
        .name("log".into())
        .spawn(move || write(stderr, &said))?;
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Lines(say.clone()))
        .with_ansi(colour);
    // A second start in one process finds the first one's in place.
    let _ = if journal {
        base.without_time().with_target(false).try_init()
    } else {
        base.with_target(false).try_init()
    };
    Ok(Logging(say))
}

fn write(mut stderr: File, said: &Receiver<Said>) {
    for said in said {
        if let Said::Line(line) = said {
            // Nobody is left to be told where standard error is gone.
            let _ = stderr.write_all(&line);
        }
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let (end, ended) = sync_channel(1);
        if self.0.try_send(Said::End(end)).is_ok() {
            let _ = ended.recv_timeout(LAST_WORDS);
        }
    }
}

#[derive(Clone)]
struct Lines(SyncSender<Said>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Lines {
    /// Called once for each line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.0.try_send(Said::Line(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
