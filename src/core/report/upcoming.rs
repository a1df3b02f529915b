//! The sessions that come next, and whether people were told.
use std::collections::BTreeMap;

use serde::Serialize;

use super::course::Course;
use crate::core::notice::Progress;
use crate::core::plan::{Plan, PlannedSession};
use crate::core::policy::{Name, Policy};
use crate::core::run::SessionId;
use crate::core::session::Phase;
use crate::core::state::State;

/// No more sessions than this are listed.
const LISTED: usize = 20;
/// No more addresses than this are listed for one session.
const WAITED_FOR: usize = 20;

/// A session that has not begun.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Next {
    pub session: SessionId,
    pub app: Name,
    pub window: Name,
    #[serde(flatten)]
    pub course: Course,
    pub announcement: Announcement,
    pub jobs: Vec<NextJob>,
}

/// One job of it, with the number of hosts it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextJob {
    pub job: Name,
    pub hosts: usize,
    pub if_needed: bool,
}

/// How far the telling is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Announcement {
    /// `to_be_sent`, `waiting`, `accepted`.
    pub state: &'static str,
    pub accepted: usize,
    pub of: usize,
    /// Addresses that have not accepted yet, or never will; at most twenty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// The sessions of the plan that have not begun, and how many there are beyond those listed.
pub(super) fn next(policy: &Policy, state: &State, plan: &Plan) -> (Vec<Next>, usize) {
    let mut told = told(state);
    let coming: Vec<&PlannedSession> = plan
        .sessions
        .iter()
        .filter(|s| {
            matches!(
                s.phase,
                Phase::Asking | Phase::Planned | Phase::Announced | Phase::Starting
            )
        })
        .collect();
    let listed = coming
        .iter()
        .take(LISTED)
        .map(|s| {
            let mut announcement = told.remove(&s.id).unwrap_or_default();
            if announcement.of == 0 {
                announcement.of = recipients(policy, &s.app);
            }
            announcement.state = match s.phase {
                Phase::Announced | Phase::Starting => "accepted",
                _ if announcement.accepted > 0 || !announcement.missing.is_empty() => "waiting",
                _ => "to_be_sent",
            };
            describe(s, announcement)
        })
        .collect();
    (listed, coming.len().saturating_sub(LISTED))
}

fn describe(session: &PlannedSession, announcement: Announcement) -> Next {
    let mut jobs: Vec<NextJob> = Vec::new();
    for step in &session.steps {
        match jobs.iter_mut().rfind(|j| j.job == step.job) {
            Some(job) => job.hosts += 1,
            None => {
                jobs.push(NextJob {
                    job: step.job.clone(),
                    hosts: 1,
                    if_needed: step.if_needed,
                });
            }
        }
    }
    Next {
        session: session.id.clone(),
        app: session.app.clone(),
        window: session.window.clone(),
        course: Course::of(session),
        announcement,
        jobs,
    }
}

/// Of each session: who has accepted what applies to it now, and who has not.
fn told(state: &State) -> BTreeMap<&SessionId, Announcement> {
    let mut people: BTreeMap<&SessionId, BTreeMap<&str, bool>> = BTreeMap::new();
    for notice in state.notices.values().filter(|n| n.kind.is_ahead()) {
        let Some((id, session)) = notice
            .session
            .as_ref()
            .and_then(|id| state.sessions.get_key_value(id))
        else {
            continue;
        };
        let valid = notice.sequence >= session.gate;
        let accepted = valid && matches!(notice.progress, Progress::Accepted { .. });
        let person = people.entry(id).or_default();
        *person.entry(&notice.person.email).or_default() |= accepted;
    }
    let announcement = |people: BTreeMap<&str, bool>| Announcement {
        accepted: people.values().filter(|accepted| **accepted).count(),
        of: people.len(),
        missing: people
            .iter()
            .filter(|(_, accepted)| !**accepted)
            .take(WAITED_FOR)
            .map(|(email, _)| (*email).to_owned())
            .collect(),
        ..Announcement::default()
    };
    people
        .into_iter()
        .map(|(session, people)| (session, announcement(people)))
        .collect()
}

fn recipients(policy: &Policy, app: &Name) -> usize {
    policy.apps.get(app).map_or(0, |a| {
        a.notify.iter().map(|audience| audience.people.len()).sum()
    })
}
