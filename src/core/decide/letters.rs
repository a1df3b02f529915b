//! What a notice says, as facts.

use jiff::SignedDuration;

use super::session::words;
use crate::core::calendar::{ClockEffect, Occurrence};
use crate::core::letter::{Letter, LetterJob, LetterKind};
use crate::core::notice::{Kind, Notice, NoticeId};
use crate::core::policy::Policy;
use crate::core::session::{Session, StepState};
use crate::core::state::State;

/// The calendar entry of a session, until the sender's domain is added: the same in every mail and in the feed.
pub fn uid(nonce: &str, session: &str) -> String {
    format!("offhours-{nonce}-{}", session.replace('/', "-"))
}

/// Several announcements in one mail, that of the first of them.
pub(super) fn digest(policy: &Policy, state: &State, notices: &[&Notice]) -> Option<Letter> {
    let mut parts: Vec<Letter> = notices.iter().map(|n| letter(policy, state, n)).collect();
    let whole = parts.first()?.clone();
    parts.sort_by(|a, b| (a.starts, &a.session).cmp(&(b.starts, &b.session)));
    Some(Letter {
        kind: LetterKind::Digest,
        parts,
        ..whole
    })
}

/// What a notice says.
pub fn letter(policy: &Policy, state: &State, notice: &Notice) -> Letter {
    let session = notice
        .session
        .as_ref()
        .and_then(|id| state.sessions.get(id));
    let id = |notice: NoticeId| format!("offhours.{}.{notice}", state.nonce);
    let app = session.and_then(|s| policy.apps.get(&s.app));
    let text = |index: usize| {
        notice
            .text
            .get(index)
            .filter(|text| !text.is_empty())
            .cloned()
    };
    let ended = matches!(
        notice.kind,
        Kind::Finished | Kind::Failed | Kind::Postponed | Kind::Cancelled
    );
    Letter {
        kind: match notice.kind {
            Kind::Advance => LetterKind::Advance,
            Kind::Changed => LetterKind::Changed,
            Kind::Started => LetterKind::Started,
            Kind::Finished => LetterKind::Finished,
            Kind::Failed => LetterKind::Failed,
            Kind::Postponed => LetterKind::Postponed,
            Kind::Cancelled => LetterKind::Cancelled,
            Kind::Operators => LetterKind::Operators,
        },
        message_id: match notice.kind {
            // It may be sent before it is recorded: a life that does not know of it gives its number again.
            Kind::Operators => format!("{}.{}", id(notice.id), notice.owed.as_millisecond()),
            _ => id(notice.id),
        },
        in_reply_to: notice.thread.map(id),
        date: notice.owed,
        installation: policy.name.to_string(),
        app: session.map(|s| s.app.to_string()).unwrap_or_default(),
        app_description: app.and_then(|app| app.description.clone()),
        window: session.map(|s| s.window.to_string()).unwrap_or_default(),
        session: session.map(|s| s.id.to_string()).unwrap_or_default(),
        uid: session
            .map(|s| uid(&state.nonce, &s.id))
            .unwrap_or_default(),
        sequence: notice.sequence,
        opens: session.map_or(notice.owed, |s| s.opens),
        closes: session.map_or(notice.owed, |s| s.closes),
        longer: session.map_or(SignedDuration::ZERO, |s| longer(policy, s)),
        starts: session.map_or(notice.owed, |s| s.starts),
        expected: session.map(|s| s.expected).unwrap_or_default(),
        jobs: session
            .map(|s| letter_jobs(policy, s, ended))
            .unwrap_or_default(),
        reason: match session.and_then(Session::emergency) {
            Some(why) if !ended => Some(why.to_owned()),
            _ => text(1).filter(|_| ended),
        },
        next: text(2).filter(|_| ended).and_then(|at| at.parse().ok()),
        contact: app.map(|app| app.contact.to_vec()).unwrap_or_default(),
        recipient: notice.person.clone(),
        text: if notice.kind == Kind::Operators {
            notice.text.clone()
        } else {
            Vec::new()
        },
        parts: Vec::new(),
    }
}

/// How much longer than usual its window is open, for the clocks change.
fn longer(policy: &Policy, session: &Session) -> SignedDuration {
    let piece = Occurrence {
        opens: session.opens,
        closes: session.closes,
    };
    let window = policy.windows.get(&session.window);
    match window.and_then(|window| window.clock_effect(&piece)) {
        Some(ClockEffect::Longer(longer)) => longer,
        _ => SignedDuration::ZERO,
    }
}

/// The steps of a session by job, in their order.
fn letter_jobs(policy: &Policy, session: &Session, ended: bool) -> Vec<LetterJob> {
    let mut jobs: Vec<LetterJob> = Vec::new();
    for step in session.steps.iter().filter(|step| ended || !step.done()) {
        let (outcome, detail) = match &step.state {
            StepState::Done { outcome, reason } if ended => {
                (Some(outcome.word().to_string()), reason.as_ref().map(words))
            }
            _ => (None, None),
        };
        match jobs.iter_mut().find(|job| job.name == *step.job) {
            Some(job) => {
                job.hosts.push(step.host.to_string());
                // The worst of them is what people need to know.
                if detail.is_some() || job.outcome.is_none() {
                    (job.outcome, job.detail) = (outcome, detail);
                }
            }
            None => jobs.push(LetterJob {
                name: step.job.to_string(),
                description: policy
                    .maintenance
                    .get(&step.job)
                    .and_then(|job| job.description.clone()),
                hosts: vec![step.host.to_string()],
                if_needed: step.if_needed && !ended,
                outcome,
                detail,
            }),
        }
    }
    jobs
}
