//! What the daemon serves beside its work: the page and the control socket.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::config::Settings;
use crate::control;
use crate::core::plan::outlook;
use crate::core::policy::Policy;
use crate::core::report::Counters;
use crate::core::state::State;
use crate::daemon::real::Real;
use crate::daemon::world::Look;
use crate::daemon::{Heard, Turns};
use crate::http::{self, Access, Asked, Calendar, Snapshot, Source};
use crate::mail::Mailbox;
use crate::store::Store;
use crate::surroundings;

/// Between two tries to have the addresses of the page.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// How far ahead the page looks.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 35);

/// What is being served, until it is ended.
pub struct Beside {
    shutdown: Option<oneshot::Sender<()>>,
    http: Option<JoinHandle<()>>,
    control: Option<JoinHandle<()>>,
    socket: std::path::PathBuf,
}

/// Starts serving. What cannot be had is said: an app in maintenance does not wait for it.
pub fn serve(
    settings: &Arc<Settings>,
    turns: &mut Turns<Store, Real>,
    tell: &mpsc::Sender<Heard>,
) -> Beside {
    let control = match control::bind(&settings.control) {
        Ok(listener) => {
            let ears = control::Ears {
                tell: tell.clone(),
                events: turns.world().listeners(),
                control: Arc::new(settings.control.clone()),
                readings: control::Readings::new("/proc/self/exe".into(), settings.file.clone()),
            };
            Some(tokio::spawn(control::serve(listener, ears)))
        }
        Err(error) => {
            let path = settings.control.socket.display();
            tracing::error!(%error, %path, "commands cannot reach this daemon: no control socket");
            None
        }
    };
    let (mut shutdown, mut serving) = (None, None);
    if settings.http.is_some() {
        let (source, asked) = Source::new();
        tokio::spawn(answer(
            asked,
            tell.clone(),
            Arc::clone(settings),
            turns.world().counters.clone(),
            turns.world().sender.clone(),
        ));
        let (stop, stopped) = oneshot::channel::<()>();
        serving = Some(tokio::spawn(page(Arc::clone(settings), source, stopped)));
        shutdown = Some(stop);
    }
    Beside {
        shutdown,
        http: serving,
        control,
        socket: settings.control.socket.clone(),
    }
}

/// Serves the page, as soon as its addresses can be had.
async fn page(settings: Arc<Settings>, source: Source, mut stopped: oneshot::Receiver<()>) {
    let Some(config) = &settings.http else {
        return;
    };
    let mut pause = FIRST_PAUSE;
    let listeners = loop {
        match http::bind(config).await {
            Ok(listeners) => break listeners,
            Err(error) => tracing::error!(%error, "no page is served; trying again"),
        }
        tokio::select! {
            _ = &mut stopped => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LAST_PAUSE);
    };
    let until = async {
        let _ = stopped.await;
    };
    http::serve(listeners, source, Access::new(config), until).await;
}

impl Beside {
    /// Ends serving; answers under way are finished.
    pub async fn end(self) {
        if let Some(control) = self.control {
            control.abort();
            // The next start replaces what could not be removed.
            let _ = std::fs::remove_file(&self.socket);
        }
        drop(self.shutdown);
        if let Some(http) = self.http {
            let _ = http.await;
        }
    }
}

/// Carries questions to the loop, one at a time.
async fn answer(
    mut asked: mpsc::Receiver<Asked>,
    tell: mpsc::Sender<Heard>,
    settings: Arc<Settings>,
    counters: Arc<Mutex<Counters>>,
    sender: Arc<Mutex<Option<Mailbox>>>,
) {
    while let Some(question) = asked.recv().await {
        let look: Look = match question {
            Asked::Snapshot(question) => {
                let (settings, counters) = (Arc::clone(&settings), Arc::clone(&counters));
                Box::new(move |policy, state, now| {
                    let snapshot = snapshot(policy, state, now, &settings, &counters);
                    let _ = question.send(snapshot);
                })
            }
            Asked::Calendar(question) => {
                let sender = Arc::clone(&sender);
                Box::new(move |policy, state, now| {
                    let sender = sender
                        .lock()
                        .map(|sender| sender.clone())
                        .unwrap_or_default();
                    let _ = question.send(Calendar::new(policy, state, sender, now));
                })
            }
        };
        if tell.send(Heard::Look(look)).await.is_err() {
            return;
        }
    }
}

fn snapshot(
    policy: &Policy,
    state: &State,
    now: jiff::Timestamp,
    settings: &Settings,
    counters: &Mutex<Counters>,
) -> Snapshot {
    let until = now.saturating_add(AHEAD).unwrap_or(now);
    let plan = outlook(policy, state, now, until);
    let mut shell = surroundings::shell(&settings.state_dir, state, now).unwrap_or_default();
    // Of itself the daemon knows without looking at its lock from outside.
    shell.daemon.running = true;
    shell.daemon.pid = i32::try_from(std::process::id()).ok();
    shell.daemon.version = Some(env!("CARGO_PKG_VERSION").into());
    let counters = counters
        .lock()
        .map(|counters| counters.clone())
        .unwrap_or_default();
    // Answered by the loop itself: whatever the last life left was settled in its first turn.
    Snapshot::new(policy, state, &plan, shell, counters, true, now)
}
