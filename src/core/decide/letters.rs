//! What a notice says, as facts.

use jiff::SignedDuration;

use super::tally::{Ends, by_job, ends, said, worst};
use crate::core::calendar::{ClockEffect, Occurrence};
use crate::core::letter::{Letter, LetterEnd, LetterJob, LetterKind};
use crate::core::notice::{Kind, Notice, NoticeId};
use crate::core::policy::{Due, Name, Policy};
use crate::core::run::Outcome;
use crate::core::session::{Session, Step, StepState};
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
            .map(|s| match ended {
                true => jobs_done(policy, state, s),
                false => jobs_ahead(policy, s),
            })
            .unwrap_or_default(),
        reason: match session.and_then(Session::emergency) {
            Some(why) if !ended => Some(why.to_owned()),
            _ => text(1).filter(|_| ended),
        },
        next: text(2).filter(|_| ended).and_then(|at| at.parse().ok()),
        early: notice.kind == Kind::Failed
            && text(0).is_some_and(|outcome| outcome == Outcome::Cancelled.word()),
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

fn described(policy: &Policy, job: &Name, steps: &[&Step]) -> LetterJob {
    let known = policy.maintenance.get(job);
    LetterJob {
        name: job.to_string(),
        description: known.and_then(|job| job.description.clone()),
        hosts: steps.iter().map(|step| step.host.to_string()).collect(),
        ..LetterJob::default()
    }
}

/// What is still to be done, by job.
fn jobs_ahead(policy: &Policy, session: &Session) -> Vec<LetterJob> {
    let jobs = by_job(session).into_iter().filter_map(|(job, mut steps)| {
        steps.retain(|step| !step.done());
        let if_needed = steps.first()?.if_needed;
        Some(LetterJob {
            if_needed,
            ..described(policy, job, &steps)
        })
    });
    jobs.collect()
}

/// What became of each job.
fn jobs_done(policy: &Policy, state: &State, session: &Session) -> Vec<LetterJob> {
    let again = to_be_asked_for(policy, state, session);
    let done = |(job, steps): (&Name, Vec<&Step>)| {
        let ends = ends(session, &steps);
        // The worst of them is what people need to know.
        let worst = worst(&steps);
        let outcome = worst.and_then(|step| match step.state {
            StepState::Done { outcome, .. } => Some(outcome.word().to_string()),
            _ => None,
        });
        let host = worst.map(|step| &step.host).filter(|_| ends.len() > 1);
        let detail = worst.and_then(said).map(|said| match host {
            Some(host) => format!("{host}: {said}"),
            None => said,
        });
        let of = |ends: &Ends<'_>| LetterEnd {
            outcome: ends.word.to_owned(),
            hosts: ends.steps.iter().map(|s| s.host.to_string()).collect(),
            bad: ends.bad,
        };
        LetterJob {
            outcome,
            detail,
            ends: ends.iter().map(of).collect(),
            ask_again: again.contains(&job),
            ..described(policy, job, &steps)
        }
    };
    by_job(session).into_iter().map(done).collect()
}

/// The jobs of a session of which something was put off that nothing will do before it is requested again.
pub(super) fn to_be_asked_for<'s>(
    policy: &Policy,
    state: &State,
    session: &'s Session,
) -> Vec<&'s Name> {
    let left = |step: &Step| match step.state {
        StepState::Done { outcome, .. } => {
            matches!(outcome, Outcome::Postponed | Outcome::Interrupted)
        }
        _ => true,
    };
    let waits = |step: &Step| {
        let past = state.maintenance.get(&step.job);
        past.is_some_and(|past| past.request_for(&step.host).is_some())
    };
    let on_request = |job: &Name| {
        let job = policy.maintenance.get(job);
        job.is_some_and(|job| matches!(job.due, Due::Request))
    };
    let jobs = by_job(session).into_iter().filter(|(job, steps)| {
        on_request(job) && steps.iter().any(|step| left(step) && !waits(step))
    });
    let real = jobs.filter(|_| !session.is_rehearsal());
    real.map(|(job, _)| job).collect()
}
