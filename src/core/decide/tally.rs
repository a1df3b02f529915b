//! How the steps of a session ended, in few words: what people have to know of a hundred hosts.

use super::session::words;
use crate::core::policy::{LOCAL, Name};
use crate::core::run::Outcome;
use crate::core::session::{Code, Reason, Session, Step, StepState};

/// So many hosts are named, and so many jobs.
const NAMED: usize = 3;

/// What stands for the outcome of a step that its session did not come to.
pub(super) const NOT_BEGUN: &str = "not_begun";

/// Hosts of one job that ended alike.
pub(super) struct Ends<'a> {
    pub word: &'static str,
    pub bad: bool,
    pub steps: Vec<&'a Step>,
}

/// The steps of each job, in the order of the session.
pub(super) fn by_job(session: &Session) -> Vec<(&Name, Vec<&Step>)> {
    let mut places = std::collections::HashMap::new();
    let mut jobs: Vec<(&Name, Vec<&Step>)> = Vec::new();
    for step in &session.steps {
        let place = *places.entry(&step.job).or_insert(jobs.len());
        match jobs.get_mut(place) {
            Some((_, steps)) => steps.push(step),
            None => jobs.push((&step.job, vec![step])),
        }
    }
    jobs
}

/// How these ended: what succeeded first, then what went badly, then what was not done.
pub(super) fn ends<'a>(session: &Session, steps: &[&'a Step]) -> Vec<Ends<'a>> {
    let mut all: Vec<Ends<'a>> = Vec::new();
    for step in steps.iter().copied() {
        let (word, bad) = end(session, step);
        match all.iter_mut().find(|ends| ends.word == word) {
            Some(ends) => ends.steps.push(step),
            None => all.push(Ends {
                word,
                bad,
                steps: vec![step],
            }),
        }
    }
    all.sort_by_key(|ends| match ends.word {
        "succeeded" => 0,
        _ if ends.bad => 1,
        _ => 2,
    });
    all
}

/// How one ended, and whether that is bad.
fn end(session: &Session, step: &Step) -> (&'static str, bool) {
    let begun = session.entered.is_some();
    match &step.state {
        StepState::Done { outcome, reason } => {
            let off = matches!(outcome, Outcome::Postponed | Outcome::Cancelled);
            match off && begun && !asked_for_it(reason.as_ref()) {
                true => (NOT_BEGUN, false),
                false => (outcome.word(), outcome.is_bad()),
            }
        }
        StepState::Unchecked | StepState::Checking { .. } => (Outcome::Interrupted.word(), true),
        _ => (NOT_BEGUN, false),
    }
}

/// Whether it was begun, and asked to be put off.
fn asked_for_it(reason: Option<&Reason>) -> bool {
    let code = reason.map(|reason| reason.code);
    matches!(code, Some(Code::Unavailable | Code::TemporaryFailure))
}

/// The step that people have to know of first: what failed, what was cut off, what was not done, what succeeded.
pub(super) fn worst<'a>(steps: &[&'a Step]) -> Option<&'a Step> {
    let rank = |step: &&&Step| match &step.state {
        StepState::Done { outcome, .. } => match outcome {
            Outcome::Interrupted => 1,
            outcome if outcome.is_bad() => 0,
            Outcome::Postponed | Outcome::Cancelled => 2,
            Outcome::Skipped => 3,
            _ => 4,
        },
        _ => 2,
    };
    steps.iter().min_by_key(rank).copied()
}

/// What is known of how it ended; that a job failed is said by its outcome already.
pub(super) fn said(step: &Step) -> Option<String> {
    let StepState::Done { reason, .. } = &step.state else {
        return None;
    };
    let reason = reason.as_ref()?;
    Some(match reason.code {
        Code::JobFailed if !reason.text.is_empty() => reason.text.clone(),
        _ => words(reason),
    })
}

/// What went badly, for those who have to mend it: `up: 74 succeeded, 13 failed (h020, h021, h022, …), 12 not begun;
/// h020: exit code 1`.
pub(super) fn failures(session: &Session) -> Option<String> {
    let jobs = by_job(session);
    let told: Vec<String> = jobs
        .iter()
        .filter_map(|(job, steps)| of_job(session, job, steps))
        .collect();
    let more = told.len().saturating_sub(NAMED);
    let mut text = told.get(..NAMED).unwrap_or(&told).join("; ");
    if more > 0 {
        text = format!("{text}; and {more} more jobs");
    }
    Some(text).filter(|text| !text.is_empty())
}

fn of_job(session: &Session, job: &str, steps: &[&Step]) -> Option<String> {
    let ends = ends(session, steps);
    if !ends.iter().any(|ends| ends.bad) {
        return None;
    }
    let worst = worst(steps)?;
    let said = said(worst);
    let plain = |word: &str| word.replace('_', " ");
    if let [step] = steps {
        let on = match *step.host == *LOCAL {
            true => String::new(),
            false => format!(" on {}", step.host),
        };
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let (word, _) = end(session, step);
        return Some(format!("{job}{on} {}{said}", plain(word)));
    }
    let counts: Vec<String> = ends
        .iter()
        .map(|ends| {
            let count = format!("{} {}", ends.steps.len(), plain(ends.word));
            match ends.bad {
                true => format!("{count} ({})", hosts(ends)),
                false => count,
            }
        })
        .collect();
    let said = said.map(|said| format!("; {}: {said}", worst.host));
    Some(format!(
        "{job}: {}{}",
        counts.join(", "),
        said.unwrap_or_default()
    ))
}

fn hosts(ends: &Ends<'_>) -> String {
    let named = ends.steps.iter().take(NAMED).map(|step| &*step.host);
    let mut named: Vec<&str> = named.collect();
    if ends.steps.len() > NAMED {
        named.push("…");
    }
    named.join(", ")
}
