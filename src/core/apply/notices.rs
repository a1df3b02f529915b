//! What becomes of notices.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{after, notice_of};
use crate::core::notice::{Kind, Notice, NoticeId, Progress};
use crate::core::policy::Name;
use crate::core::session::Phase;
use crate::core::state::{AttentionKind, MailTrouble, Repeats, State};

/// The number of the notice that follows all of these; 0 where there are none.
pub(super) fn after_all(notices: &[Notice]) -> Result<NoticeId, String> {
    let last = notices.iter().map(|notice| notice.id).max();
    last.map_or(Ok(0), after)
}

/// `next` is [`after_all`] of them.
pub(super) fn owe(state: &mut State, notices: &[Notice], next: NoticeId) {
    state.next_notice = state.next_notice.max(next);
    for notice in notices {
        state.notices.insert(notice.clone());
        if let Some(session) = notice
            .session
            .as_ref()
            .and_then(|id| state.sessions.get_mut(id))
        {
            session.sequence = session.sequence.max(notice.sequence);
        }
    }
}

/// From here on they are told together, or not at all.
pub(super) fn bundle(
    state: &mut State,
    into: NoticeId,
    notices: &[NoticeId],
) -> Result<(), String> {
    notice_of(state, into)?;
    for id in notices {
        let notice = notice_of(state, *id)?;
        if *id == into || !matches!(notice.progress, Progress::Owed { .. }) {
            return Err(format!("notice {id} cannot be told within another"));
        }
        notice.within = Some(into);
    }
    Ok(())
}

/// What was told this long ago is told anew at once.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(2);

pub(super) fn operators_told(
    state: &mut State,
    at: Timestamp,
    group: &Name,
    kind: AttentionKind,
    notices: &[Notice],
) -> Result<(), String> {
    let next = after_all(notices)?;
    state.told.retain(|_, told| {
        let old = told.at.checked_add(FORGOTTEN).is_ok_and(|old| old <= at);
        !old || !told.again.is_empty()
    });
    let told = Repeats {
        at,
        kind,
        again: BTreeMap::new(),
        first: notices.is_empty(),
    };
    state.told.insert(group.clone(), told);
    owe(state, notices, next);
    Ok(())
}

pub(super) fn repeated(state: &mut State, group: &Name, key: &Name, text: &str) {
    let Some(told) = state.told.get_mut(group) else {
        return;
    };
    if told.again.len() < Repeats::COUNTED || told.again.contains_key(key) {
        let (count, last) = told.again.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        text.clone_into(last);
    }
}

pub(super) fn settle(
    state: &mut State,
    id: NoticeId,
    progress: Progress,
    answer: Option<&String>,
) -> Result<(), String> {
    let notice = notice_of(state, id)?;
    notice.progress = progress;
    if answer.is_some() {
        notice.answer = answer.cloned();
    }
    match (notice.kind, notice.session.clone()) {
        (Kind::Operators, _) | (_, None) => state.notices.remove(id),
        (_, Some(session)) => forget_settled(state, &session),
    }
    Ok(())
}

/// Whether it goes the way of rehearsals, which says nothing about mail.
pub(super) fn is_rehearsed(state: &State, id: NoticeId) -> bool {
    let session = state.notices.get(&id).and_then(|n| n.session.as_ref());
    let session = session.and_then(|id| state.sessions.get(id));
    session.is_some_and(|session| session.is_rehearsal())
}

/// One was accepted: mail goes.
pub(super) fn mail_leaves(state: &mut State, at: Timestamp) {
    state.mail_trouble = None;
    state.mail_accepted = Some(at);
}

/// One was not: since when that is so stays, why is what was said last.
pub(super) fn mail_stays(state: &mut State, at: Timestamp, why: &str) {
    let trouble = state.mail_trouble.get_or_insert_with(|| MailTrouble {
        since: at,
        why: String::new(),
    });
    why.clone_into(&mut trouble.why);
}

/// What was not yet told of a session that is over is of no use any more.
pub(super) fn give_up_unsent(state: &mut State, session: &Name) {
    for notice in state.notices.values_mut() {
        let ahead = notice.kind.is_ahead() && notice.session.as_ref() == Some(session);
        if ahead && matches!(notice.progress, Progress::Owed { .. }) {
            notice.progress = Progress::GivenUp {
                why: "the session is over".into(),
            };
        }
    }
}

/// A closed session is kept until all that is owed about it is settled.
pub(super) fn forget_settled(state: &mut State, session: &Name) {
    let closed = state
        .sessions
        .get(session)
        .is_some_and(|s| s.phase == Phase::Closed);
    if !closed {
        return;
    }
    let of_people = |n: &&Notice| n.kind != Kind::Operators;
    let about = state.notices.about(session).filter(of_people);
    if about.clone().all(Notice::settled) {
        let settled: Vec<NoticeId> = about.map(|n| n.id).collect();
        settled.into_iter().for_each(|id| state.notices.remove(id));
        state.sessions.remove(session);
    }
}
