//! What decides about a periodic job.

use jiff::{SignedDuration, Timestamp};

use super::{
    Explanation, HostExplanation, LIMIT, Link, NOT_DUE, NextRun, Question, Rule, at, daemon,
    first_reason, unheard,
};
use crate::core::plan;
use crate::core::policy::{DuringMaintenance, Outside, PeriodicJob, Policy};
use crate::core::session::Code;
use crate::core::state::{PeriodicState, State};

/// Further ahead nothing is foreseen.
const AHEAD: SignedDuration = SignedDuration::from_hours(5 * 366 * 24);

pub(super) fn explain(
    policy: &Policy,
    state: &State,
    job: &PeriodicJob,
    question: &Question<'_>,
) -> Explanation {
    let now = question.now;
    let past = state.periodic.get(&job.name);
    let running = past
        .and_then(|past| past.active.as_deref())
        .is_some_and(|active| state.running.contains_key(&active.run));
    let mut chain = Vec::new();
    // Of what runs there is nothing to be asked.
    if running && !question.is_served {
        chain.push(unheard(policy, state));
    } else if !running {
        let of = job.app.as_ref().map(|(app, _)| &**app);
        chain.extend([
            daemon(policy, state, of, question),
            due(policy, job, past, now),
        ]);
        chain.extend(window(policy, job, now));
        chain.extend(app(policy, state, job));
        chain.push(limit(policy, state));
    }
    let until = now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
    let mut next = plan::next_run(policy, state, job, now, until);
    // What is held is served when the app is back.
    if let Some(back) = back_in_service(state, job)
        && let Some(at) = &mut next
    {
        *at = back.max(*at);
    }
    let host = HostExplanation {
        host: job.host.clone(),
        running: running && question.is_served,
        reason: first_reason(&chain),
        next: next.map(|at| NextRun {
            at,
            session: None,
            announce_at: None,
            notice_by: None,
        }),
        chain,
        last_success: past.and_then(|past| past.last_success),
        last: past.and_then(|past| past.last),
    };
    Explanation {
        job: job.name.clone(),
        kind: "periodic",
        now,
        app: job.app.as_ref().map(|(app, _)| app.clone()),
        window: job.window.as_ref().map(|(window, _)| window.clone()),
        hosts: vec![host],
        more_hosts: 0,
    }
}

/// When the session that has the app is expected to be over, where the job waits for that.
fn back_in_service(state: &State, job: &PeriodicJob) -> Option<Timestamp> {
    let (app, DuringMaintenance::Hold) = job.app.as_ref()? else {
        return None;
    };
    let session = state.in_maintenance(app)?;
    let ends = session.steps.iter().map(|step| {
        let ends = step.starts.checked_add(step.estimate);
        ends.unwrap_or(step.starts)
    });
    ends.max()
}

fn due(policy: &Policy, job: &PeriodicJob, past: Option<&PeriodicState>, now: Timestamp) -> Link {
    if let Some(pending) = past.and_then(|past| past.pending) {
        let since = at(policy, pending.due);
        return Link::holds(
            Rule::Due,
            format!("due since {since}: {}", pending.reason.words()),
        );
    }
    let retry = past.and_then(|past| past.active.as_ref()?.retry_at);
    if let Some(again) = retry.filter(|again| *again > now) {
        let text = format!("it failed, and is tried again on {}", at(policy, again));
        return Link::prevents(Rule::Due, NOT_DUE, text, Some(again));
    }
    let next = match past {
        Some(past) => past.next_due(job),
        None => job.schedule.next_after(&job.zone, now),
    };
    let offset = plan::jitter_offset(&policy.name, job);
    let next = next.and_then(|due| due.checked_add(offset).ok());
    match next {
        None => {
            let text = format!("{} never comes again", job.schedule.text());
            Link::prevents(Rule::Due, NOT_DUE, text, None)
        }
        Some(due) if due > now => {
            let ahead = past.is_some_and(|past| past.accounted > now);
            let why = match ahead {
                true => "the clock was set back, and what ran is not repeated: due again on",
                false => "due next on",
            };
            let text = format!("{why} {}", at(policy, due));
            Link::prevents(Rule::Due, NOT_DUE, text, Some(due))
        }
        Some(due) => Link::holds(Rule::Due, format!("due since {}", at(policy, due))),
    }
}

fn window(policy: &Policy, job: &PeriodicJob, now: Timestamp) -> Option<Link> {
    let (name, outside) = job.window.as_ref()?;
    let window = policy.windows.get(name)?;
    if let Some(open) = window.open_at(now) {
        let closes = at(policy, open.closes);
        let text = format!("window {name} is open until {closes}");
        return Some(Link::holds(Rule::Window, text));
    }
    let next = window.next_opening(now).map(|o| o.opens);
    let then = match outside {
        Outside::Defer => "what is due before waits for it",
        Outside::Skip => "what is due before is skipped",
    };
    let text = match next {
        Some(next) => format!("window {name} opens on {}; {then}", at(policy, next)),
        None => format!("window {name} does not open any more"),
    };
    let why = Code::OutsideWindow.word();
    Some(Link::prevents(Rule::Window, why, text, next))
}

fn app(policy: &Policy, state: &State, job: &PeriodicJob) -> Option<Link> {
    let (app, during) = job.app.as_ref()?;
    let Some(session) = state.in_maintenance(app) else {
        return Some(Link::holds(Rule::App, format!("{app} is in service")));
    };
    Some(match during {
        DuringMaintenance::Run => Link::holds(
            Rule::App,
            format!("{app} is in maintenance, and it runs all the same"),
        ),
        DuringMaintenance::Hold => Link::prevents(
            Rule::App,
            Code::InMaintenance.word(),
            format!(
                "{app} is in maintenance ({}), at the latest until {}",
                session.id,
                at(policy, session.closes)
            ),
            Some(session.closes),
        ),
    })
}

fn limit(policy: &Policy, state: &State) -> Link {
    let (runs, most) = (state.periodic_running(), policy.limits.runs);
    let text = format!("{runs} of at most {most} periodic jobs are running");
    if runs < most {
        Link::holds(Rule::Limit, text)
    } else {
        Link::prevents(Rule::Limit, LIMIT, text, None)
    }
}
