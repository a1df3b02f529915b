//! A state begun anew: nothing is known of what the old one left in maintenance, so every app is brought back first.
//!
//! A mark beside the state says that this has been begun. It goes only when the new state has recorded that all apps
//! are owed their leave hooks, and until then nothing else is started: a crash anywhere in between begins it again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::startup::StartError;
use crate::core::apply::apply;
use crate::core::decide::FRESH;
use crate::core::fact::Fact;
use crate::core::policy::Policy;
use crate::core::session::{Phase, Session, SessionResult};
use crate::core::state::State;
use crate::store::{self, Facts, Store};

fn mark(state_dir: &Path) -> PathBuf {
    state_dir.join("fresh-state.begun")
}

/// Whether an earlier start was asked for this and did not come to its end.
pub(super) fn begun(state_dir: &Path) -> bool {
    mark(state_dir).symlink_metadata().is_ok()
}

fn failed(verb: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Io { verb, path, source }
}

fn sync(dir: &Path) -> Result<(), StartError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(failed("sync", dir.into()))
}

/// Moves the old state aside.
pub(super) fn set_aside(state_dir: &Path, now: Timestamp) -> Result<(), StartError> {
    let mark = mark(state_dir);
    File::create(&mark)
        .and_then(|file| file.sync_all())
        .map_err(failed("write", mark))?;
    sync(state_dir)?;
    let suffix = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    for moved in store::set_aside(state_dir, &suffix)? {
        tracing::warn!(path = %moved.display(), "the old state was moved aside");
    }
    Ok(())
}

/// Records that every app with leave hooks is being left; gives the number of the next fact.
pub(super) fn owe_leaving(
    state_dir: &Path,
    store: &mut Store,
    state: &mut State,
    next: u64,
    policy: &Policy,
    now: Timestamp,
) -> Result<u64, StartError> {
    let apps = policy.apps.values().filter(|app| !app.leave.is_empty());
    let facts = apps.flat_map(|app| leaving(policy, &app.name, now));
    let next = record(store, state, next, now, facts.collect())?;
    let mark = mark(state_dir);
    fs::remove_file(&mark).map_err(failed("remove", mark))?;
    sync(state_dir)?;
    Ok(next)
}

/// Records that one app is being left, in a state that knows of nothing else.
pub(super) fn owe_leaving_of(
    app: &str,
    store: &mut Store,
    state: &mut State,
    next: u64,
    policy: &Policy,
    now: Timestamp,
) -> Result<u64, StartError> {
    record(store, state, next, now, leaving(policy, app, now))
}

fn record(
    store: &mut Store,
    state: &mut State,
    next: u64,
    now: Timestamp,
    facts: Vec<Fact>,
) -> Result<u64, StartError> {
    let facts: Vec<(Timestamp, Fact)> = facts.into_iter().map(|fact| (now, fact)).collect();
    for (at, fact) in &facts {
        apply(state, *at, fact).map_err(StartError::Illegal)?;
    }
    Ok(store.append(next, &facts)?)
}

/// A session that is on its way out of maintenance, and has no other end.
fn leaving(policy: &Policy, app: &str, now: Timestamp) -> Vec<Fact> {
    let Some(app) = policy.apps.get(app) else {
        return Vec::new();
    };
    let id: crate::core::run::SessionId =
        format!("{}/{FRESH}/{}", app.name, policy.zone.date(now)).into();
    let closes = now.saturating_add(app.leave_reserve).unwrap_or(now);
    let leave = app.leave.iter().cloned().enumerate().rev().collect();
    let session = Session {
        id: id.clone(),
        app: app.name.clone(),
        window: FRESH.into(),
        opens: now,
        closes,
        starts: now,
        expected: closes.duration_since(now),
        notice_by: now,
        lead: SignedDuration::ZERO,
        reserve: app.leave_reserve,
        steps: Vec::new().into(),
        seen_well: Default::default(),
        locks: Vec::new(),
        phase: Phase::Starting,
        sequence: 0,
        gate: 0,
        before: None,
        overridden: None,
        round: 1,
        entered: None,
        enter_count: 0,
        enter_started: 0,
        hook: Default::default(),
        leave: Vec::new(),
        result: SessionResult::Interrupted,
        reason: None,
        closed: None,
        step_ended: None,
        ending: None,
        wished: None,
    };
    vec![
        Fact::SessionOpened {
            session: Box::new(session),
        },
        // No enter hook is known to have been started: the leave hooks of all of them are owed.
        Fact::SessionEntering {
            session: id.clone(),
            enter_count: 0,
            leave,
        },
        Fact::SessionLeaving {
            session: id,
            result: SessionResult::Interrupted,
            reason: None,
        },
    ]
}
