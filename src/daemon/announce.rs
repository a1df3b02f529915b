//! Events in words, for the log and for those who listen. Nobody who reads slowly holds up the loop.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::broadcast;

use crate::clock;
use crate::core::calendar::Zone;
use crate::core::report::{Happening, Line};
use crate::systemd;
use crate::systemd::journal::{Entry, Journal, Priority};

/// Lines that wait to be written.
const WAITING: usize = 10_000;
/// Lines kept for a listener that is behind.
const LISTENED: usize = 1_000;

/// How long a reader may take for what is left at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Bytes written at once.
const AT_ONCE: usize = 64 * 1024;

/// What is said of lines that had no room.
fn left_out(lost: u64) -> String {
    format!("({lost} lines were left out: they were not read in time)")
}

/// Writes what comes until nobody has anything more to say: all that waits in one go.
fn write_all(stdout: &mut File, lines: &Receiver<String>, missing: &AtomicU64, form: Form) {
    let mut text = String::new();
    while let Ok(line) = lines.recv() {
        let lost = missing.swap(0, Ordering::Relaxed);
        if lost > 0 && form == Form::Words {
            text.push_str(&left_out(lost));
            text.push('\n');
        }
        text.push_str(&line);
        text.push('\n');
        while text.len() < AT_ONCE
            && let Ok(line) = lines.try_recv()
        {
            text.push_str(&line);
            text.push('\n');
        }
        // Nobody reads any more: the daemon does its work all the same.
        let _ = stdout.write_all(text.as_bytes());
        text.clear();
    }
}

/// Sends what comes to the journal, or writes it as words where that is not to be reached any more.
fn send_all(journal: &Journal, stdout: &mut File, entries: &Receiver<Entry>, missing: &AtomicU64) {
    let mut send = |entry: &Entry| {
        if journal.send(entry).is_err() {
            let _ = writeln!(stdout, "{}", entry.text());
        }
    };
    while let Ok(entry) = entries.recv() {
        let lost = missing.swap(0, Ordering::Relaxed);
        if lost > 0 {
            send(&Entry::new(Priority::Warning, &left_out(lost)));
        }
        send(&entry);
    }
}

/// The words of an event, with all that a program may look for as fields.
fn entry(line: &Line) -> Entry {
    let bad = line.outcome.is_some_and(|outcome| outcome.is_bad());
    let priority = match line.event {
        Happening::Alarm => Priority::Error,
        Happening::AttentionRaised | Happening::NoticeDelayed | Happening::NoticeRefused => {
            Priority::Warning
        }
        _ if bad => Priority::Warning,
        _ => Priority::Info,
    };
    let mut entry = Entry::new(priority, &line.to_string());
    // The fields are plain: this cannot fail. The journal has the time, the message the words.
    let values = serde_json::to_value(line).unwrap_or_default();
    for (name, value) in values.as_object().into_iter().flatten() {
        match value {
            _ if name == "at" || name == "text" => {}
            Value::String(value) => entry.field(name, value),
            value => entry.field(name, &value.to_string()),
        }
    }
    entry
}

/// How events are written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line of words each.
    Words,
    /// One JSON object a line.
    Json,
    /// Entries with fields for the journal; words where it cannot be reached.
    Journal,
}

/// The time of day before a line of words, in the zone of the installation.
#[derive(Clone, Debug)]
pub struct Stamp(Option<Zone>);

impl Stamp {
    /// For standard output; none where the journal, which has its own, reads it.
    pub fn of_stdout(zone: &Zone) -> Self {
        Self((!systemd::is_journal(std::io::stdout())).then(|| zone.clone()))
    }

    fn put(&self, at: Timestamp, words: &str) -> String {
        match &self.0 {
            Some(zone) => format!(
                "{} {words}",
                zone.zoned(at).strftime("%Y-%m-%d %H:%M:%S %:z")
            ),
            None => words.to_owned(),
        }
    }
}

/// What the writer takes.
enum Out {
    Lines(SyncSender<String>),
    Entries(SyncSender<Entry>),
}

/// Writes events to standard output from a thread of its own, and tells them to listeners.
pub struct Announcer {
    out: Option<Out>,
    written: Receiver<()>,
    form: Form,
    stamp: Stamp,
    left_out: Arc<AtomicU64>,
    listeners: broadcast::Sender<Line>,
}

impl Announcer {
    /// Starts the writer.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn start(form: Form, stamp: Stamp) -> std::io::Result<Self> {
        let left_out = Arc::new(AtomicU64::new(0));
        let missing = Arc::clone(&left_out);
        // Not by the lock of standard output, which would be held as long as a reader stands still.
        let mut stdout = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
        let (done, written) = sync_channel::<()>(1);
        let writer = std::thread::Builder::new().name("events".into());
        let journal = (form == Form::Journal).then(Journal::open);
        let (out, form) = if let Some(Ok(journal)) = journal {
            let (out, entries) = sync_channel(WAITING);
            writer.spawn(move || {
                // Dropped when all is written: that is what is waited for.
                let _done = done;
                send_all(&journal, &mut stdout, &entries, &missing);
            })?;
            (Out::Entries(out), form)
        } else {
            let (out, lines) = sync_channel(WAITING);
            let form = match form {
                Form::Journal => Form::Words,
                form => form,
            };
            writer.spawn(move || {
                let _done = done;
                write_all(&mut stdout, &lines, &missing, form);
            })?;
            (Out::Lines(out), form)
        };
        let (listeners, _) = broadcast::channel(LISTENED);
        Ok(Self {
            out: Some(out),
            written,
            form,
            stamp,
            left_out,
            listeners,
        })
    }

    /// Tells one event.
    pub fn tell(&self, line: Line) {
        self.write(&line);
        let _ = self.listeners.send(line);
    }

    /// The same for the log alone: no listener hears of it.
    pub fn write(&self, line: &Line) {
        match (&self.out, self.form) {
            (Some(Out::Entries(out)), _) => self.say(out, entry(line)),
            // The fields are plain: this cannot fail.
            (Some(Out::Lines(out)), Form::Json) => {
                self.say(out, serde_json::to_string(line).unwrap_or_default());
            }
            (Some(Out::Lines(out)), _) => {
                let words = crate::text::clean(&line.to_string()).into_owned();
                self.say(out, self.stamp.put(line.at, &words));
            }
            (None, _) => {}
        }
    }

    /// Writes a line of words; nothing where events are JSON.
    pub fn words(&self, text: &str) {
        match &self.out {
            Some(Out::Entries(out)) => self.say(out, Entry::new(Priority::Info, text)),
            Some(Out::Lines(out)) if self.form == Form::Words => {
                self.say(out, self.stamp.put(clock::now(), text));
            }
            _ => {}
        }
    }

    fn say<T>(&self, out: &SyncSender<T>, what: T) {
        if let Err(TrySendError::Full(_)) = out.try_send(what) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A listener: it misses what it does not take in time.
    pub fn listeners(&self) -> broadcast::Sender<Line> {
        self.listeners.clone()
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        // What was told is written before the process ends, unless nobody takes it.
        self.out = None;
        let _ = self.written.recv_timeout(LAST_WORDS);
    }
}
