//! Whose turn it is in a session that is under way: what keeps one host waiting while others are worked on.

use jiff::Timestamp;

use super::{Link, NOT_ITS_TURN, Rule, at};
use crate::core::decide::{Roll, is_busy, places, roll};
use crate::core::policy::{Name, Policy};
use crate::core::report::counted;
use crate::core::session::{Code, Phase, Session, Step, StepState};
use crate::core::state::State;

/// The session that is under way, or does not wait, with this job on this host.
pub(super) fn under_way<'s>(
    state: &'s State,
    job: &str,
    host: &str,
) -> Option<(&'s Session, &'s Step)> {
    let now_or_soon = |session: &&Session| match session.phase {
        Phase::Starting | Phase::Entering | Phase::Active | Phase::Leaving | Phase::Left => true,
        Phase::Asking | Phase::Planned | Phase::Announced => session.emergency().is_some(),
        Phase::Closed => false,
    };
    let mut sessions = state.sessions.values().filter(now_or_soon);
    sessions.find_map(|session| {
        let mut steps = session.steps.iter();
        let step = steps.find(|s| *s.job == *job && *s.host == *host)?;
        Some((session, step))
    })
}

/// Why a step of that session does not run, or that it is about to.
pub(super) fn turn(policy: &Policy, (session, step): (&Session, &Step), now: Timestamp) -> Link {
    let waits = |text: String, until| Link::prevents(Rule::Turn, NOT_ITS_TURN, text, until);
    let id = &session.id;
    match session.phase {
        Phase::Active => {}
        Phase::Leaving | Phase::Left => {
            let why = session
                .reason
                .as_ref()
                .map_or(Code::Interrupted, |why| why.code);
            let text = format!("{id} is being left: {}", why.words());
            return Link::prevents(Rule::Turn, why.word(), text, None);
        }
        _ => {
            return waits(
                format!("{id} is about to take the app out of service"),
                None,
            );
        }
    }
    if let Some((_, why)) = &session.ending {
        let why = why.as_ref().map_or(Code::Interrupted, |why| why.code);
        let text = format!("{id} ends as soon as what runs has ended: {}", why.words());
        return Link::prevents(Rule::Turn, why.word(), text, None);
    }
    match &step.state {
        StepState::Waiting => waiting(policy, session, step, now),
        StepState::Guarded(guard) => {
            let job = policy.maintenance.get(&step.job);
            let service = job.and_then(|job| job.rolling.in_service.as_ref());
            let text = format!(
                "other hosts have to be well before it is touched, {}: {} so far, {} being looked at",
                service.map_or(0, |service| service.least()),
                counted(guard.well.len(), "is", "are"),
                guard.under_way,
            );
            Link::prevents(Rule::Turn, Code::TooFewInService.word(), text, None)
        }
        StepState::Asking { .. } => waits(
            "it is being asked whether there is anything to do".into(),
            None,
        ),
        StepState::Backoff { until, .. } => waits(
            format!("it failed, and is tried again on {}", at(policy, *until)),
            Some(*until),
        ),
        StepState::Checking { .. } | StepState::Unchecked => waits(
            "its work is done; whether the host is well is being looked at".into(),
            None,
        ),
        StepState::Running { .. } | StepState::Done { .. } => {
            Link::holds(Rule::Turn, format!("it is being done in {id}"))
        }
    }
}

fn waiting(policy: &Policy, session: &Session, step: &Step, now: Timestamp) -> Link {
    let waits = |text: String, until| Link::prevents(Rule::Turn, NOT_ITS_TURN, text, until);
    let is_waiting = |step: &&Step| step.state == StepState::Waiting;
    let mut line = session.steps.iter().filter(is_waiting);
    let before = line.position(|other| (&other.job, &other.host) == (&step.job, &step.host));
    let queue = match before.unwrap_or(0) {
        0 => String::new(),
        before => format!("; {} before it", counted(before, "waits", "wait")),
    };
    if let Some(other) = session
        .steps
        .iter()
        .find(|s| s.job != step.job && is_busy(s))
    {
        return waits(
            format!("{} of the same session is under way{queue}", other.job),
            None,
        );
    }
    let mut asked = session
        .steps
        .iter()
        .filter(|s| matches!(s.state, StepState::Guarded(_)));
    if let Some(other) = asked.next() {
        let text = format!(
            "before {} is touched other hosts are being asked whether they are well{queue}",
            other.host
        );
        return waits(text, None);
    }
    let job = policy.maintenance.get(&step.job);
    let (done, busy, at_once) = job.map_or((0, 0, 1), |job| places(session, job));
    let canary = job.map_or(0, |job| job.rolling.canary);
    match roll(session, step, job) {
        Roll::Later if done < canary => {
            let first = first_of(session, &step.job);
            let text =
                format!("{first} has to succeed first; {done} of the first {canary} have{queue}");
            waits(text, None)
        }
        Roll::Later => waits(
            format!("it waits for its turn: {busy} of {at_once} places are taken{queue}"),
            None,
        ),
        Roll::At(next) if next > now => waits(
            format!(
                "nothing is begun before {}: there is a pause{queue}",
                at(policy, next)
            ),
            Some(next),
        ),
        Roll::Now | Roll::At(_) if !queue.is_empty() => {
            waits(format!("it waits for its turn{queue}"), None)
        }
        Roll::Now | Roll::At(_) => {
            Link::holds(Rule::Turn, format!("it is the next of {}", session.id))
        }
    }
}

/// The host that is being worked on.
fn first_of<'s>(session: &'s Session, job: &str) -> &'s Name {
    let mut own = session.steps.iter().filter(|step| *step.job == *job);
    let busy = own
        .clone()
        .find(|step| is_busy(step))
        .or_else(|| own.next());
    busy.map_or(&session.app, |step| &step.host)
}
