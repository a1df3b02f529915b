//! What systemd is told: ready, alive, what goes on, reloading, stopping. Nothing at all where nobody asked.

mod inhibit;
pub mod journal;

pub use inhibit::Inhibitor;

use std::os::fd::AsFd;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::core::state::State;

/// How often more time is asked for while it stops.
const MORE: Duration = Duration::from_secs(10);

/// Whether what is written there goes to the journal, which adds the time by itself.
pub fn is_journal(stream: impl AsFd) -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    // Inherited by children whose output goes elsewhere: device and inode tell.
    rustix::fs::fstat(stream).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Whether a service manager started this process, and so starts it again as its unit says.
pub fn supervised() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// The service manager's ear.
#[derive(Debug)]
pub struct Notify {
    listening: bool,
    watchdog: Option<Duration>,
    next: tokio::time::Instant,
    said: String,
}

impl Notify {
    /// Looks whether a service manager listens, and how often it wants to hear that all is well.
    pub fn from_environment() -> Self {
        let listening = std::env::var_os("NOTIFY_SOCKET").is_some();
        let watchdog = sd_notify::watchdog_enabled()
            .map(|interval| interval / 3)
            .filter(|_| listening);
        Self {
            listening,
            watchdog,
            next: tokio::time::Instant::now(),
            said: String::new(),
        }
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if self.listening
            && let Err(error) = sd_notify::notify(states)
        {
            tracing::debug!(%error, "systemd was not told");
        }
    }

    /// Recovered: entered apps are being left, everything else is planned.
    pub fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    pub fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// Stopping goes on: it asks for a little more time, again and again, for as long as it may take. Never ends before that.
    pub async fn stopping_takes(&self, at_most: Duration) {
        let end = tokio::time::Instant::now() + at_most;
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return;
            }
            // What is granted lasts a while longer than it is until the next word.
            let more = u32::try_from((MORE * 2).as_micros()).unwrap_or(u32::MAX);
            self.tell(&[NotifyState::ExtendTimeoutUsec(more)]);
            tokio::time::sleep(left.min(MORE)).await;
        }
    }

    /// The configuration is being read again; [`ready`](Self::ready) ends it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(_) => self.tell(&[NotifyState::Reloading]),
        }
    }

    /// Returns when the watchdog wants to hear something; never where there is none.
    pub async fn watchdog(&self) {
        match self.watchdog {
            Some(_) => tokio::time::sleep_until(self.next).await,
            None => std::future::pending().await,
        }
    }

    /// The main loop is alive.
    pub fn alive(&mut self) {
        if let Some(interval) = self.watchdog
            && tokio::time::Instant::now() >= self.next
        {
            self.tell(&[NotifyState::Watchdog]);
            self.next = tokio::time::Instant::now() + interval;
        }
    }

    /// What goes on, in words, where that changed.
    pub fn status(&mut self, state: &State) {
        if !self.listening {
            return;
        }
        let words = words(state);
        if words != self.said {
            self.tell(&[NotifyState::Status(&words)]);
            self.said = words;
        }
    }
}

/// So many apps are named.
const NAMED: usize = 20;

/// Which apps are in maintenance, if any.
fn in_maintenance(state: &State) -> Option<String> {
    let mut apps = state.all_in_maintenance().map(|s| &*s.app);
    let named: Vec<&str> = apps.by_ref().take(NAMED).collect();
    let more = match apps.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!named.is_empty()).then(|| format!("in maintenance: {}{more}", named.join(", ")))
}

/// One line: what needs a person comes first.
fn words(state: &State) -> String {
    let mut parts = Vec::new();
    if state.live.unwritable.is_some() {
        parts.push("THE STATE CANNOT BE WRITTEN".to_string());
    }
    match state.attention.len() {
        0 => {}
        1 => parts.push("1 matter needs a person".into()),
        n => parts.push(format!("{n} matters need a person")),
    }
    parts.extend(in_maintenance(state));
    parts.push(match state.running.len() {
        0 => "idle".into(),
        1 => "1 run".into(),
        n => format!("{n} runs"),
    });
    parts.join("; ")
}
