//! What people would be told of an app's next session, by the code that tells them: on a copy of the state, what leads
//! up to the mail is made to happen.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::letters::{digest, letter};
use super::opening::recipients;
use super::{Decision, Turn};
use crate::core::agenda::Agenda;
use crate::core::fact::Fact;
use crate::core::letter::{Letter, LetterKind};
use crate::core::notice::{Kind, Notice, Progress};
use crate::core::plan::{PlannedSession, next_sessions};
use crate::core::policy::{Language, Name, Person, Policy};
use crate::core::run::{Outcome, SessionId};
use crate::core::session::{Code, Phase, Reason, Session, StepState};
use crate::core::state::{AttentionKind, State};

/// A digest lists what comes in a week.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Sessions that a digest is shown with.
const IN_DIGEST: usize = 5;

/// Why there is nothing to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// None is recorded, and none is planned in the next 400 days.
    Session,
    /// Nobody is told of this.
    Recipient,
}

/// The mail of this kind about the app's next session, recorded or planned: to the first who is told in `language`, or
/// who is told at all. What a session has yet to go through is made up.
///
/// # Errors
/// Where there is no such session, or nobody who is told.
pub fn preview(
    policy: &Policy,
    state: &State,
    app: &Name,
    kind: LetterKind,
    language: Option<Language>,
    now: Timestamp,
) -> Result<Letter, Missing> {
    let mut state = state.clone();
    if state.nonce.is_empty() {
        state.nonce = "preview".into();
    }
    let recorded = |state: &State| {
        let open = |session: &&Session| {
            session.app == *app && session.phase != Phase::Closed && session.overridden.is_none()
        };
        let next = state
            .sessions
            .values()
            .filter(open)
            .min_by_key(|session| session.starts);
        next.map(|session| session.id.clone())
    };
    let recorded = recorded(&state);
    let planned = match (&recorded, kind) {
        (Some(_), kind) if kind != LetterKind::Digest => Vec::new(),
        _ => planned(policy, &state, app, now),
    };
    let mut turn = Turn {
        policy,
        state: &mut state,
        agenda: &mut Agenda::default(),
        now,
        decision: Decision::default(),
        put_off: BTreeSet::new(),
    };
    let mut ids: Vec<SessionId> = recorded.into_iter().collect();
    for session in planned {
        if !ids.contains(&session.id) {
            turn.open(&session);
            ids.push(session.id);
        }
    }
    let first = ids.first().cloned().ok_or(Missing::Session)?;
    for id in &ids {
        turn.make_known(id);
    }
    turn.make_happen(&first, kind);
    let audiences = match (kind, policy.apps.get(app)) {
        (LetterKind::Operators, _) => &policy.notice.operators,
        (_, Some(app)) => &app.notify,
        (_, None) => return Err(Missing::Session),
    };
    let person = recipient(&recipients(audiences), language).ok_or(Missing::Recipient)?;
    // A digest is made of announcements.
    let told_as = match kind {
        LetterKind::Digest => Kind::Advance.word(),
        kind => kind.word(),
    };
    let mut told: Vec<Notice> = state
        .notices
        .values()
        .filter(|n| n.person.email == person.email && n.kind.word() == told_as)
        .filter(|n| match kind {
            LetterKind::Operators => n.session.is_none(),
            LetterKind::Digest => n.session.as_ref().is_some_and(|id| ids.contains(id)),
            _ => n.session.as_ref() == Some(&first),
        })
        .cloned()
        .collect();
    for notice in &mut told {
        notice.person.language = language.unwrap_or(notice.person.language);
    }
    let letter = match kind {
        LetterKind::Digest => digest(policy, &state, &told.iter().collect::<Vec<_>>()),
        _ => told.last().map(|notice| letter(policy, &state, notice)),
    };
    letter.ok_or(Missing::Recipient)
}

fn recipient<'p>(
    told: &[(Vec<Name>, &'p Person)],
    language: Option<Language>,
) -> Option<&'p Person> {
    let mut people = told.iter().map(|(_, person)| *person);
    let speaks = |person: &&Person| language.is_none_or(|language| person.language == language);
    people.clone().find(speaks).or_else(|| people.next())
}

/// The app's next sessions within a week of the first of them.
fn planned(policy: &Policy, state: &State, app: &Name, now: Timestamp) -> Vec<PlannedSession> {
    let mut sessions = next_sessions(policy, state, app, now, |found, _| !found.is_empty());
    sessions.sort_by_key(|session| session.starts);
    if let Some(first) = sessions.first().map(|session| session.starts) {
        sessions.retain(|session| session.starts.duration_since(first) < WEEK);
        sessions.truncate(IN_DIGEST);
    }
    sessions
}

impl Turn<'_> {
    /// Everybody has been told of the session.
    fn make_known(&mut self, id: &SessionId) {
        if let Some(session) = self.state.sessions.get(id).cloned()
            && session.phase == Phase::Asking
        {
            self.announce(&session);
        }
        let at = self.now;
        let about = self.state.notices.values_mut();
        for notice in about.filter(|n| n.session.as_ref() == Some(id) && n.kind == Kind::Advance) {
            notice.progress = Progress::Accepted { at };
        }
    }

    /// What this kind of mail follows from.
    fn make_happen(&mut self, id: &SessionId, kind: LetterKind) {
        let Some(session) = self.state.sessions.get(id).cloned() else {
            return;
        };
        // What is told of a session that began is told then.
        if !matches!(
            kind,
            LetterKind::Advance | LetterKind::Digest | LetterKind::Changed | LetterKind::Cancelled
        ) {
            self.now = self.now.max(session.starts);
        }
        let failed = Reason::from(Code::JobFailed);
        let next = self.next_chance(&session);
        match kind {
            LetterKind::Advance | LetterKind::Digest | LetterKind::Test => {}
            LetterKind::Changed => {
                let sequence = session.sequence.saturating_add(1);
                let notices = self.notices_for(&session, Kind::Changed, sequence);
                self.record(Fact::NoticesOwed { notices });
            }
            LetterKind::Started => self.tell(id, Kind::Started),
            LetterKind::Finished => {
                self.make_done(id, |_| (Outcome::Succeeded, None));
                self.tell_of_end(id, Kind::Finished, Outcome::Succeeded, None, None);
            }
            LetterKind::Failed => {
                self.make_done(id, |step| match step {
                    0 => (Outcome::Failed, None),
                    _ => (Outcome::Postponed, Some(Code::Stopped.into())),
                });
                self.tell_of_end(id, Kind::Failed, Outcome::Failed, Some(&failed), next);
            }
            LetterKind::Postponed => {
                let why = Reason::from(Code::Unavailable);
                self.tell_of_end(id, Kind::Postponed, Outcome::Postponed, Some(&why), next);
            }
            LetterKind::Cancelled => {
                let why = Reason::from(Code::Removed);
                self.tell_of_end(id, Kind::Cancelled, Outcome::Cancelled, Some(&why), None);
            }
            LetterKind::Operators => {
                let text = format!("{id} failed: {}", super::session::words(&failed));
                self.tell_operators("preview", AttentionKind::SessionFailed, text);
            }
        }
    }

    fn make_done(&mut self, id: &SessionId, how: impl Fn(usize) -> (Outcome, Option<Reason>)) {
        let Some(session) = self.state.sessions.get_mut(id) else {
            return;
        };
        session.entered = Some(self.now);
        for (at, step) in session.steps.iter_mut().enumerate() {
            let (outcome, reason) = how(at);
            step.state = StepState::Done { outcome, reason };
        }
    }
}
