//! Why a job does not run now, and when it will: the chain of rules that decide about it, each with its answer.

mod coming;
mod maintenance;
mod periodic;
mod turn;

use jiff::Timestamp;
use serde::Serialize;

use super::when::when;
use crate::core::policy::{Name, Policy};
use crate::core::run::Outcome;
use crate::core::session::Code;
use crate::core::state::State;

/// Hosts of one job that are explained one by one.
const HOSTS: usize = 1_000;

/// Everything that decides about one job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    pub job: Name,
    /// `maintenance` or `periodic`.
    pub kind: &'static str,
    pub now: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Name>,
    /// One for each host; at most a thousand.
    pub hosts: Vec<HostExplanation>,
    pub more_hosts: usize,
}

/// What decides about a job on one host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostExplanation {
    pub host: Name,
    pub running: bool,
    /// The first of `chain` that keeps it from running now; none where it runs, or is about to.
    pub reason: Option<&'static str>,
    /// When it will run, as far as can be foreseen.
    pub next: Option<NextRun>,
    /// Every rule that was looked at, in the order in which they decide; empty while it runs.
    pub chain: Vec<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<(Outcome, Timestamp)>,
}

/// When it will run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NextRun {
    pub at: Timestamp,
    /// Of a maintenance job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announce_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice_by: Option<Timestamp>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Link {
    pub rule: Rule,
    /// Whether it lets the job run now.
    pub holds: bool,
    /// One of the fixed words, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    pub text: String,
    /// Until when it does not, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What is asked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Whether anything new may be started at all.
    Daemon,
    /// Whether it is due.
    Due,
    /// Whether its window is open.
    Window,
    /// Whether what is left of the occurrence is long enough.
    Room,
    /// Whether what it waits for has proven itself.
    Proven,
    /// Whether people were told early enough.
    Notice,
    /// Whether it comes now, among the hosts of a session that is under way.
    Turn,
    /// Whether another session has the app or one of its locks.
    Session,
    /// Whether its app is in service, or a periodic job of the app is over.
    App,
    /// Whether there is room for one more run.
    Limit,
}

impl Link {
    fn holds(rule: Rule, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            rule,
            holds: true,
            reason: None,
            text,
            until: None,
        }
    }

    fn prevents(
        rule: Rule,
        reason: &'static str,
        text: impl Into<String>,
        until: Option<Timestamp>,
    ) -> Self {
        let text = text.into();
        Self {
            rule,
            holds: false,
            reason: Some(reason),
            text,
            until,
        }
    }
}

/// Nothing is due: no code of an outcome says that.
const NOT_DUE: &str = "not_due";
/// It runs only when an operator asks.
const ON_REQUEST: &str = "on_request";
/// No more runs at once are allowed.
const LIMIT: &str = "limit";
/// The daemon is being stopped.
const STOPPING: &str = "stopping";
/// People were not told yet, and there is still time.
const NOT_ANNOUNCED: &str = "not_announced";
/// Another session has what it needs.
const OTHER_SESSION: &str = "other_session";

/// No daemon runs.
const DAEMON_DOWN: &str = "daemon_down";
/// Others of its session come first.
const NOT_ITS_TURN: &str = "not_its_turn";

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub job: &'a str,
    /// Only of this one.
    pub host: Option<&'a str>,
    pub now: Timestamp,
    /// Whether a daemon is there then, as far as anybody can know.
    pub is_served: bool,
}

/// Why a job does not run, and when it will; none where there is no such job. It has no host where the job does not run
/// on the one that was asked for.
pub fn explain(policy: &Policy, state: &State, question: &Question<'_>) -> Option<Explanation> {
    if let Some(job) = policy.maintenance.get(question.job) {
        return Some(maintenance::explain(policy, state, job, question));
    }
    let job = policy.periodic.get(question.job)?;
    let mut explanation = periodic::explain(policy, state, job, question);
    let wanted = |host: &Name| question.host.is_none_or(|only| **host == *only);
    explanation.hosts.retain(|of| wanted(&of.host));
    Some(explanation)
}

fn daemon(policy: &Policy, state: &State, app: Option<&str>, question: &Question<'_>) -> Link {
    if !question.is_served {
        let text = "no daemon runs, nothing is started until one does";
        return Link::prevents(Rule::Daemon, DAEMON_DOWN, text, None);
    }
    if let Some(why) = &state.live.unwritable {
        let text = format!("the state cannot be written, nothing new is started: {why}");
        return Link::prevents(Rule::Daemon, Code::StateUnwritable.word(), text, None);
    }
    if state.live.stopping.is_some() {
        return Link::prevents(Rule::Daemon, STOPPING, "offhours is being stopped", None);
    }
    if let Some(pause) = state.pause_of(app) {
        let end = match pause.until {
            Some(until) => format!("until {}", at(policy, until)),
            None => "until somebody says `offhours resume`".to_owned(),
        };
        let text = format!("paused by {}, {end}: {}", pause.by, pause.reason);
        return Link::prevents(Rule::Daemon, Code::Paused.word(), text, pause.until);
    }
    Link::holds(Rule::Daemon, "work may be started")
}

/// It is recorded as running, and nobody is there to know of its end.
fn unheard(policy: &Policy, state: &State) -> Link {
    let text = format!(
        "no daemon runs: it was running on {}, and what became of it is found out by the next one",
        at(policy, state.last)
    );
    Link::prevents(Rule::Daemon, DAEMON_DOWN, text, None)
}

/// The first that prevents it.
fn first_reason(chain: &[Link]) -> Option<&'static str> {
    chain.iter().find_map(|link| link.reason)
}

/// An instant in the zone of the file.
fn at(policy: &Policy, t: Timestamp) -> String {
    when(&policy.zone, t)
}
