//! The daemon's own log, on standard error: what the events on standard output do not tell.
//!
//! A reader that stands still must not hold up the daemon, so a thread of its own writes, and what it cannot take in
//! time is left out.
mod entries;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::entries::Entries;
use super::load::Context;
use crate::daemon::announce::Form;
use crate::systemd;
use crate::systemd::journal::{Entry, Journal};

/// How the state's tables come to be is nobody's business.
const USUAL: &str = "info,rusqlite_migration=warn";
/// Lines that wait to be written.
const WAITING: usize = 1_000;
/// How long a reader may take for what is left at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How the operator wants what is said to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Fields for the journal where that reads, text elsewhere.
    Fitting,
    Json,
    Text,
}

impl Wanted {
    const VARIABLE: &str = "OFFHOURS_LOG_FORMAT";

    /// What the environment says; none where that is no known word.
    fn of(context: &Context) -> Option<Self> {
        match context.env.get(Self::VARIABLE) {
            None => Some(Self::Fitting),
            Some("json") => Some(Self::Json),
            Some("text") => Some(Self::Text),
            Some(_) => None,
        }
    }
}

/// How a daemon's events are to be written to standard output.
pub fn form(context: &Context) -> Form {
    match Wanted::of(context).unwrap_or(Wanted::Fitting) {
        _ if context.json => Form::Json,
        Wanted::Json => Form::Json,
        Wanted::Fitting if systemd::is_journal(io::stdout()) => Form::Journal,
        Wanted::Fitting | Wanted::Text => Form::Words,
    }
}

/// Keeps the log going; what was said is written before this is gone.
#[derive(Debug)]
#[must_use]
pub struct Logging {
    say: SyncSender<Said>,
    /// Whether programs read it.
    structured: bool,
}

impl Logging {
    /// Whether each line or entry is for programs: nothing else may stand between them.
    pub fn is_structured(&self) -> bool {
        self.structured
    }
}

#[derive(Debug)]
enum Said {
    Line(Vec<u8>),
    Entry(Entry),
    /// Dropped when everything before it is written.
    End(#[expect(dead_code, reason = "what counts is that it is dropped")] SyncSender<()>),
}

/// Starts logging. `OFFHOURS_LOG` chooses what (what matters to an operator without it), `OFFHOURS_LOG_FORMAT` how:
/// `json` or `text`; without it as entries with fields where standard error is the journal, else as text.
///
/// # Errors
/// Where no thread can be started.
pub fn start(context: &Context) -> io::Result<Logging> {
    let filter = EnvFilter::try_from_env("OFFHOURS_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let wanted = Wanted::of(context);
    let is_journal = systemd::is_journal(io::stderr());
    let journal = Some(is_journal && matches!(wanted, None | Some(Wanted::Fitting)))
        .filter(|fits| *fits)
        .and_then(|_| Journal::open().ok());
    let with_fields = journal.is_some();
    // Not by the lock of standard error, which would be held as long as a reader stands still.
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let (say, said) = sync_channel(WAITING);
    std::thread::Builder::new()
        .name("log".into())
        .spawn(move || write(stderr, journal, &said))?;
    // A second start in one process finds the first one's in place.
    let _ = if with_fields {
        let entries = Entries(say.clone());
        tracing_subscriber::registry()
            .with(filter)
            .with(entries)
            .try_init()
    } else {
        let base = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(Lines(say.clone()));
        match wanted {
            Some(Wanted::Json) => base.json().flatten_event(true).finish().try_init(),
            _ if is_journal => {
                let base = base.with_ansi(context.colour).without_time();
                base.with_target(false).finish().try_init()
            }
            _ => {
                let base = base.with_ansi(context.colour);
                base.with_target(false).finish().try_init()
            }
        }
    };
    if wanted.is_none() {
        tracing::warn!("{} is neither json nor text", Wanted::VARIABLE);
    }
    let structured = with_fields || wanted == Some(Wanted::Json);
    Ok(Logging { say, structured })
}

fn write(mut stderr: File, journal: Option<Journal>, said: &Receiver<Said>) {
    for said in said {
        // Nobody is left to be told where standard error is gone.
        match said {
            Said::Line(line) => drop(stderr.write_all(&line)),
            Said::Entry(entry) => {
                let sent = journal.as_ref().map(|journal| journal.send(&entry));
                if !matches!(sent, Some(Ok(()))) {
                    let _ = writeln!(stderr, "{}", entry.text());
                }
            }
            Said::End(_) => {}
        }
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let (end, ended) = sync_channel(1);
        if self.say.try_send(Said::End(end)).is_ok() {
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
