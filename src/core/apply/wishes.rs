//! What an operator's wish changes by itself.

use jiff::{SignedDuration, Timestamp};

use super::{find, lane};
use crate::core::policy::Name;
use crate::core::session::{Code, Phase, Reason, StepState, Wished};
use crate::core::state::{Pause, Requested, State};
use crate::core::wish::{Asked, Wish, in_maintenance, pause_key};

pub(super) fn asked(state: &mut State, at: Timestamp, asked: &Asked) -> Result<(), String> {
    let why = Reason::new(Code::Operator, asked.words());
    match &asked.wish {
        Wish::Request {
            job,
            hosts,
            emergency,
            approval,
        } => {
            let mut requested = Requested {
                at,
                hosts: hosts.clone(),
                by: asked.by.name.clone(),
                person: Some(asked.by.person()),
                reason: asked.reason.clone(),
                emergency: *emergency,
                approval: approval.clone(),
            };
            request(state, job, &mut requested)?;
            match state.maintenance.get_mut(job) {
                Some(past) => past.requested = Some(Box::new(requested)),
                None => return Err(format!("there is no job {job}")),
            }
            Ok(())
        }
        Wish::Approve { job } => {
            let past = state.maintenance.get_mut(job);
            match past.and_then(|past| past.requested.as_deref_mut()) {
                Some(requested) => {
                    requested.approval = None;
                    // Its time counts from now on: nobody could be told of it before.
                    requested.at = requested.at.max(at);
                    Ok(())
                }
                None => Err(format!("{job} was not asked for")),
            }
        }
        Wish::Withdraw { job } => match state.maintenance.get_mut(job) {
            Some(past) => {
                past.requested = None;
                Ok(())
            }
            None => Err(format!("there is no job {job}")),
        },
        Wish::Cancel { session } => wish(state, session, Wished::Cancelled(why)),
        Wish::Postpone { session, to } => {
            let known = find(state, session)?;
            let lane = lane(&known.app, &known.window);
            if let Some(to) = to {
                let before = to.saturating_sub(SignedDuration::from_nanos(1));
                let before = before.unwrap_or(*to);
                let handled = state.handled.entry(lane).or_insert(before);
                *handled = before.max(*handled);
            }
            wish(state, session, Wished::Postponed { why, to: *to })
        }
        Wish::Pause { app, until } => {
            let pause = Pause {
                since: at,
                until: *until,
                by: asked.by.name.clone(),
                reason: asked.reason.clone(),
            };
            state.paused.insert(pause_key(app.as_ref()), pause);
            Ok(())
        }
        Wish::Resume { app } => pause_ended(state, app.as_ref()),
        Wish::Leave { app } => match in_maintenance(state, app).map(|s| s.id.clone()) {
            Some(session) => wish(state, &session, Wished::Cancelled(why)),
            None => Err(format!("{app} is not in maintenance")),
        },
    }
}

pub(super) fn pause_ended(state: &mut State, app: Option<&Name>) -> Result<(), String> {
    let key = pause_key(app);
    let ended = state.paused.remove(&key);
    ended.map(drop).ok_or_else(|| format!("no pause of {key}"))
}

fn wish(state: &mut State, session: &Name, wished: Wished) -> Result<(), String> {
    let session = find(state, session)?;
    if session.phase == Phase::Closed {
        return Err(format!("session {} is over", session.id));
    }
    session.wished = Some(wished);
    Ok(())
}

/// The same job asked for twice, and not begun, is one request.
fn request(state: &mut State, job: &Name, requested: &mut Requested) -> Result<(), String> {
    let open = state.sessions.values().filter(|s| s.phase != Phase::Closed);
    let mut steps = open.flat_map(|s| &s.steps).filter(|s| s.job == *job);
    let begun = steps.any(|step| step.state != StepState::Waiting);
    let Some(past) = state.maintenance.get_mut(job) else {
        return Err(format!("there is no job {job}"));
    };
    let known = past.requested.take().filter(|_| !begun);
    let waiting = known.filter(|known| {
        let mut hosts = known.hosts.iter();
        hosts.any(|host| known.at > past.accounted(host))
    });
    // What was cancelled is served, and is wished for anew.
    let last = requested
        .hosts
        .iter()
        .map(|host| past.accounted(host))
        .max();
    if let Some(last) = last.filter(|last| !requested.emergency && *last >= requested.at) {
        let later = last.saturating_add(SignedDuration::from_nanos(1));
        requested.at = later.unwrap_or(last);
    }
    if let Some(known) = waiting {
        // What is planned for it serves both.
        requested.at = known.at;
        requested.emergency |= known.emergency;
        let hosts = &mut requested.hosts;
        let more = known.hosts.iter().filter(|host| !hosts.contains(host));
        let more: Vec<Name> = more.cloned().collect();
        hosts.extend(more);
    }
    Ok(())
}
