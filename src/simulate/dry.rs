//! `run --dry-run`: what the daemon would do from now on, beside a live one or without.

use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::Pretend;
use crate::config::Loaded;
use crate::core::apply::apply;
use crate::core::event::Event;
use crate::core::run::What;
use crate::core::session::StepState;
use crate::core::state::State;
use crate::daemon::announce::{Announcer, Form, Stamp};
use crate::daemon::{Ended, Turns};
use crate::exit::Exit;
use crate::store::{MemoryStore, Reader};

/// Plays the daemon on a copy of the state until it is stopped. Performs nothing, writes nothing.
///
/// # Errors
/// A state that cannot be read.
pub async fn dry_run(loaded: Loaded, form: Form) -> anyhow::Result<Exit> {
    let (state, next) = copy(&loaded.settings.state_dir)?;
    let (world, tell) = Pretend::new(Announcer::start(
        form,
        Stamp::of_stdout(&loaded.policy.zone),
    )?);
    let store = MemoryStore::new(state.clone(), next);
    let mut turns = Turns::new(Arc::new(loaded.policy), state, next, store, world);
    let stop = tokio::spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) else {
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = tell.send(Event::Shutdown.into()).await;
    });
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let first = Event::Started {
        boot: "dry-run".into(),
        version,
        nonce: "dryrun".into(),
        alone: false,
        found: Vec::new(),
    };
    let ended = turns.run(first).await;
    stop.abort();
    Ok(match ended {
        Ended::Asked { clean: true } => Exit::Ok,
        Ended::Asked { clean: false } => Exit::Failed,
        Ended::Fault(illegal) => return Err(illegal.into()),
    })
}

/// The state as it is recorded. What a live daemon is doing at this moment is taken as done well: this is no crash.
fn copy(state_dir: &Path) -> anyhow::Result<(State, u64)> {
    let Some(reader) = Reader::open(state_dir)? else {
        return Ok((State::default(), 1));
    };
    let (mut state, next) = reader.load(apply)?;
    let running = std::mem::take(&mut state.running);
    for (run, running) in running {
        match &running.what {
            What::Step { session, step, .. }
            | What::Ask { session, step, .. }
            | What::Peer { session, step, .. } => {
                if let Some(step) = state
                    .sessions
                    .get_mut(session)
                    .and_then(|s| s.steps.get_mut(*step))
                {
                    step.state = StepState::Waiting;
                }
            }
            What::Health { session, step, .. } => {
                let session = state.sessions.get_mut(session);
                if let Some(step) = session.and_then(|s| s.steps.get_mut(*step)) {
                    step.state = StepState::Unchecked;
                }
            }
            What::Enter { session, .. } | What::Leave { session, .. } => {
                if let Some(session) = state.sessions.get_mut(session) {
                    session.hook.running = None;
                    session.hook.run = None;
                }
            }
            What::Periodic { job, .. } => {
                if let Some(periodic) = state.periodic.get_mut(job) {
                    periodic.active = None;
                }
            }
            What::Alarm { .. } => {}
        }
        state.next_run = state.next_run.max(run + 1);
    }
    Ok((state, next))
}
