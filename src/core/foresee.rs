//! What would come of a wish: decided on a copy, by the code that decides it.

mod ending;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use ending::Ending;

use super::agenda::Agenda;
use super::decide::decide;
use super::event::Event;
use super::fact::Fact;
use super::notice::Notice;
use super::plan::sessions_of;
use super::policy::{Name, Policy};
use super::report::{Line, event, relative};
use super::run::SessionId;
use super::state::State;
use super::wish::{Asked, Wish};

/// How far ahead a session is looked for that serves a request.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 60);
/// People that are named of those who are told.
const NAMED: usize = 20;

/// What follows at once, and what comes of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Foreseen {
    pub now: Timestamp,
    pub wish: Wish,
    /// Events, the wish itself first.
    pub events: Vec<Line>,
    /// Kind of mail: to whom.
    pub told: BTreeMap<&'static str, Vec<String>>,
    /// Of a request: the session that serves it first; none where there is none in sight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<Served>,
    /// The session under way that is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ending>,
}

/// Where a request is served first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Served {
    pub session: SessionId,
    pub starts: Timestamp,
    pub announce_at: Timestamp,
    pub notice_by: Timestamp,
    /// Those that it runs on there.
    pub hosts: Vec<Name>,
}

/// # Errors
/// Why it cannot be had.
pub fn foresee(
    policy: &Policy,
    state: &State,
    asked: Asked,
    now: Timestamp,
) -> Result<Foreseen, String> {
    if let Some(why) = &state.live.unwritable {
        return Err(format!("the state cannot be written: {why}"));
    }
    if state.live.stopping.is_some() {
        return Err("the daemon is being stopped".into());
    }
    if let Some(why) = asked.refusal(policy, state, now) {
        return Err(why);
    }
    let wish = asked.wish.clone();
    let mut ends = ending::of(state, &wish);
    let mut copy = state.clone();
    let mut agenda = Agenda::build(policy, &copy);
    let event_of = Event::Asked(Box::new(asked));
    let decision = decide(policy, &mut copy, &mut agenda, event_of, now);
    if let Some(fault) = decision.fault {
        return Err(fault.to_string());
    }
    let lines: Vec<Line> = decision
        .facts
        .iter()
        .flat_map(|fact| event(now, fact))
        .collect();
    let mut facts = decision.facts;
    if let Some(ending) = &mut ends {
        facts.extend(ending::play(policy, &mut copy, &mut agenda, ending, now));
    }
    let served = match &wish {
        Wish::Request { job, .. } => served(policy, &copy, job, now),
        _ => None,
    };
    Ok(Foreseen {
        now,
        wish,
        events: lines,
        told: told(&facts),
        served,
        ends,
    })
}

fn told(facts: &[Fact]) -> BTreeMap<&'static str, Vec<String>> {
    let mut told: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let notices = facts.iter().flat_map(|fact| -> &[Notice] {
        match fact {
            Fact::NoticesOwed { notices }
            | Fact::SessionPlanned { notices, .. }
            | Fact::SessionRevised { notices, .. }
            | Fact::SessionReverted { notices, .. }
            | Fact::OperatorsTold { notices, .. } => notices,
            _ => &[],
        }
    });
    for notice in notices {
        let people = told.entry(notice.kind.word()).or_default();
        if !people.contains(&notice.person.email) {
            people.push(notice.person.email.clone());
        }
    }
    told
}

fn served(policy: &Policy, state: &State, job: &Name, now: Timestamp) -> Option<Served> {
    let until = now.saturating_add(AHEAD).unwrap_or(now);
    let app = &policy.maintenance.get(job)?.app;
    let sessions = sessions_of(policy, state, app, now, until);
    sessions.iter().find_map(|session| {
        let steps = session.steps.iter().filter(|step| step.job == *job);
        let hosts: Vec<Name> = steps.map(|step| step.host.clone()).collect();
        (!hosts.is_empty()).then(|| Served {
            session: session.id.clone(),
            starts: session.starts,
            announce_at: session.announce_at,
            notice_by: session.notice_by,
            hosts,
        })
    })
}

impl Foreseen {
    /// For people, a line each; from outside as far as reasons and names go.
    pub fn words(&self) -> String {
        let mut lines: Vec<String> = self.events.iter().map(ToString::to_string).collect();
        lines.extend(self.ends.iter().flat_map(Ending::words));
        for (kind, people) in &self.told {
            let mut named = people
                .iter()
                .take(NAMED)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            if people.len() > NAMED {
                named += &format!(" and {} more", people.len() - NAMED);
            }
            lines.push(format!("told ({kind}): {named}"));
        }
        match (&self.wish, &self.served) {
            (Wish::Request { job, .. }, Some(served)) => lines.push(format!(
                "{job} runs in {} {}, told {}",
                served.session,
                relative(served.starts, self.now),
                // What joins a session that is announced is told at once.
                relative(served.announce_at.max(self.now), self.now)
            )),
            (Wish::Request { job, .. }, None) => lines.push(format!(
                "no session in sight serves it: `offhours explain {job}` says why"
            )),
            _ => {}
        }
        lines.join("\n")
    }
}
