//! What the daemon serves beside its work: the page and the control socket.

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::refusal::Refusal;
use crate::config::Settings;
use crate::control;
use crate::core::plan::outlook;
use crate::core::policy::Policy;
use crate::core::state::State;
use crate::daemon::real::Real;
use crate::daemon::{Heard, Turns};
use crate::exit::Exit;
use crate::http::{self, Access, Snapshot, Source};
use crate::store::Store;
use crate::surroundings;

/// How far ahead the page looks.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 35);

/// What is being served, until it is ended.
pub struct Beside {
    shutdown: Option<oneshot::Sender<()>>,
    http: Option<JoinHandle<()>>,
    control: JoinHandle<()>,
    socket: std::path::PathBuf,
}

/// Starts serving.
///
/// # Errors
/// An address or a socket that cannot be had.
pub async fn serve(
    settings: &Arc<Settings>,
    turns: &mut Turns<Store, Real>,
    tell: &mpsc::Sender<Heard>,
) -> anyhow::Result<Beside> {
    let failed = |text: String| Refusal {
        exit: Exit::Failed,
        text,
    };
    let listener = control::bind(&settings.control_socket).map_err(|error| {
        failed(format!(
            "cannot listen at {}: {error}",
            settings.control_socket.display()
        ))
    })?;
    let ears = control::Ears {
        tell: tell.clone(),
        events: turns.world().listeners(),
    };
    let control = tokio::spawn(control::serve(listener, ears));
    let (mut shutdown, mut serving) = (None, None);
    if let Some(config) = &settings.http {
        let listeners = http::bind(config)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let (source, asked) = Source::new();
        tokio::spawn(answer(
            asked,
            tell.clone(),
            Arc::clone(settings),
            turns.world().counters.clone(),
        ));
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async {
            let _ = stopped.await;
        };
        serving = Some(tokio::spawn(http::serve(
            listeners,
            source,
            Access::new(config),
            until,
        )));
        shutdown = Some(stop);
    }
    Ok(Beside {
        shutdown,
        http: serving,
        control,
        socket: settings.control_socket.clone(),
    })
}

impl Beside {
    /// Ends serving; answers under way are finished.
    pub async fn end(self) {
        self.control.abort();
        // The next start replaces what could not be removed.
        let _ = std::fs::remove_file(&self.socket);
        drop(self.shutdown);
        if let Some(http) = self.http {
            let _ = http.await;
        }
    }
}

/// Carries questions to the loop, one at a time.
async fn answer(
    mut asked: mpsc::Receiver<http::Asked>,
    tell: mpsc::Sender<Heard>,
    settings: Arc<Settings>,
    counters: Arc<std::sync::Mutex<crate::core::report::Counters>>,
) {
    while let Some(question) = asked.recv().await {
        let (settings, counters) = (Arc::clone(&settings), Arc::clone(&counters));
        let look = move |policy: &Policy, state: &State, now: jiff::Timestamp| {
            let until = now.saturating_add(AHEAD).unwrap_or(now);
            let plan = outlook(policy, state, now, until);
            let mut shell =
                surroundings::shell(&settings.state_dir, state, now).unwrap_or_default();
            // Of itself the daemon knows without looking at its lock from outside.
            shell.daemon.running = true;
            shell.daemon.pid = i32::try_from(std::process::id()).ok();
            shell.daemon.version = Some(env!("CARGO_PKG_VERSION").into());
            let counters = counters
                .lock()
                .map(|counters| counters.clone())
                .unwrap_or_default();
            // Answered by the loop itself: whatever the last life left was settled in its first turn.
            let _ = question.send(Snapshot::new(
                policy, state, &plan, shell, counters, true, now,
            ));
        };
        if tell.send(Heard::Look(Box::new(look))).await.is_err() {
            return;
        }
    }
}
