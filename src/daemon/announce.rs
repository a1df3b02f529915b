//! Events in words, for the log and for those who listen. Nobody who reads slowly holds up the loop.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::clock;
use crate::core::calendar::Zone;
use crate::core::report::Line;
use crate::systemd;

/// Lines that wait to be written.
const WAITING: usize = 10_000;
/// Lines kept for a listener that is behind.
const LISTENED: usize = 1_000;

/// How long a reader may take for what is left at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Bytes written at once.
const AT_ONCE: usize = 64 * 1024;

/// Writes what comes until nobody has anything more to say: all that waits in one go.
fn write_all(stdout: &mut File, lines: &Receiver<String>, missing: &AtomicU64, form: Form) {
    let mut text = String::new();
    while let Ok(line) = lines.recv() {
        let lost = missing.swap(0, Ordering::Relaxed);
        if lost > 0 && form == Form::Words {
            text.push_str(&format!(
                "({lost} lines were left out: they were not read in time)\n"
            ));
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

/// How events are written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line of words each.
    Words,
    /// One JSON object a line.
    Json,
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

/// Writes events to standard output from a thread of its own, and tells them to listeners.
pub struct Announcer {
    out: Option<SyncSender<String>>,
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
        let (out, lines) = sync_channel::<String>(WAITING);
        let left_out = Arc::new(AtomicU64::new(0));
        let missing = Arc::clone(&left_out);
        // Not by the lock of standard output, which would be held as long as a reader stands still.
        let mut stdout = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
        let (done, written) = sync_channel(1);
        std::thread::Builder::new()
            .name("events".into())
            .spawn(move || {
                // Dropped when all is written: that is what is waited for.
                let _done: SyncSender<()> = done;
                write_all(&mut stdout, &lines, &missing, form);
            })?;
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
        let text = match self.form {
            Form::Words => self
                .stamp
                .put(line.at, &crate::text::clean(&line.to_string())),
            // The fields are plain: this cannot fail.
            Form::Json => serde_json::to_string(&line).unwrap_or_default(),
        };
        self.say(text);
        let _ = self.listeners.send(line);
    }

    /// Writes a line of words; nothing where events are JSON.
    pub fn words(&self, text: &str) {
        if self.form == Form::Words {
            self.say(self.stamp.put(clock::now(), text));
        }
    }

    fn say(&self, text: String) {
        if let Some(out) = &self.out
            && let Err(TrySendError::Full(_)) = out.try_send(text)
        {
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
