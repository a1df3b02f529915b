//! What a changed configuration makes of a session that is known and not begun.

use super::notices::{after_all, owe};
use super::{find, in_phase};
use crate::core::notice::{Kind, Notice, Progress};
use crate::core::policy::Name;
use crate::core::session::{Phase, Restarts, Told};
use crate::core::state::State;

/// Told anew. What was announced is kept while the change has to be accepted first.
pub(super) fn revised(
    state: &mut State,
    session: &Name,
    told: &Told,
    sequence: u32,
    restarts: Restarts,
    notices: &[Notice],
) -> Result<(), String> {
    let next = after_all(notices)?;
    let revised = in_phase(state, session, &[Phase::Planned, Phase::Announced])?;
    match (restarts, revised.phase) {
        (Restarts::ElseAsBefore, Phase::Announced) if revised.before.is_none() => {
            revised.before = Some(Box::new(Told::of(revised)));
        }
        (Restarts::ElsePostponed, _) => revised.phase = Phase::Planned,
        _ => {}
    }
    revised.tell(told.clone());
    let known = revised.sequence;
    revised.sequence = sequence;
    if sequence > known {
        take_over(state, session, sequence);
    }
    owe(state, notices, next);
    Ok(())
}

pub(super) fn confirmed(state: &mut State, session: &Name) -> Result<(), String> {
    match find(state, session)?.before.take() {
        Some(_) => Ok(()),
        None => Err(format!("session {session} has no change to be accepted")),
    }
}

pub(super) fn reverted(
    state: &mut State,
    session: &Name,
    sequence: u32,
    notices: &[Notice],
) -> Result<(), String> {
    let next = after_all(notices)?;
    let reverted = find(state, session)?;
    let Some(before) = reverted.before.take() else {
        return Err(format!("session {session} has nothing to go back to"));
    };
    let gate = reverted.gate;
    reverted.tell(*before);
    let known = reverted.sequence;
    reverted.sequence = sequence;
    // Who was not told of the change yet need not hear of it any more.
    for notice in state.notices.values_mut() {
        let about = notice.is_about(session) && notice.sequence >= gate;
        if about && notice.is_unsent() && notice.kind == Kind::Changed {
            notice.progress = Progress::Overtaken;
        }
    }
    if sequence > known {
        take_over(state, session, sequence);
    }
    owe(state, notices, next);
    Ok(())
}

/// What was not sent yet says what applies now; what may have been sent without an answer is followed by another mail.
fn take_over(state: &mut State, session: &Name, sequence: u32) {
    let about = state.notices.values_mut();
    for notice in about.filter(|n| n.kind.is_ahead() && n.is_about(session)) {
        if notice.is_unsent() {
            notice.sequence = sequence;
        } else if matches!(notice.progress, Progress::Owed { .. }) {
            notice.progress = Progress::Overtaken;
        }
    }
}
