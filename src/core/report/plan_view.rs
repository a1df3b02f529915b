//! The plan as it is read from outside: `plan --json`.
//!
//! Each entry is made when it is written, so that a year of a large installation is never held twice.
use jiff::{SignedDuration, Timestamp};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::course::Course;
use crate::core::plan::{Plan, PlannedRun, PlannedSession, PlannedStep, Unplanned};
use crate::core::policy::{Hook, Policy};

/// A plan with what the policy knows beside it; `limit` bounds each of its lists.
#[derive(Clone, Copy, Debug)]
pub struct PlanView<'a> {
    pub policy: &'a Policy,
    pub plan: &'a Plan,
    pub limit: usize,
}

/// One session of the plan.
#[derive(Debug, Serialize)]
pub struct SessionView<'a> {
    pub id: &'a str,
    pub app: &'a str,
    pub window: &'a str,
    #[serde(flatten)]
    pub course: Course,
    /// Elapsed minus wall-clock length of the window.
    pub clock_change_s: i64,
    pub recipients: Vec<&'a str>,
    pub enter: Vec<HookView<'a>>,
    /// In the order of running.
    pub leave: Vec<HookView<'a>>,
    pub steps: Vec<StepView<'a>>,
}

/// One hook of a session.
#[derive(Debug, Serialize)]
pub struct HookView<'a> {
    pub run: &'a [String],
    pub host: &'a str,
    #[serde(rename = "timeout_s", serialize_with = "super::seconds::serialize")]
    pub timeout: SignedDuration,
}

/// One step of a session.
#[derive(Debug, Serialize)]
pub struct StepView<'a> {
    pub job: &'a str,
    pub host: &'a str,
    pub starts: Timestamp,
    pub ends: Timestamp,
    #[serde(rename = "estimate_s", serialize_with = "super::seconds::serialize")]
    pub estimate: SignedDuration,
    /// How that is known: `given`, `learned`, `timeout` or `announced`.
    pub estimate_from: &'static str,
    pub if_needed: bool,
}

/// One periodic run.
#[derive(Debug, Serialize)]
pub struct RunView<'a> {
    pub job: &'a str,
    pub host: &'a str,
    pub at: Timestamp,
}

/// Work that has no place in the plan.
#[derive(Debug, Serialize)]
pub struct UnplannedView<'a> {
    pub job: &'a str,
    pub host: &'a str,
    /// One of the fixed words.
    pub reason: &'static str,
    pub text: &'a str,
    pub next_chance: Option<Timestamp>,
}

impl<'a> PlanView<'a> {
    pub fn session(&self, session: &'a PlannedSession) -> SessionView<'a> {
        let app = self.policy.apps.get(&session.app);
        let window = self.policy.windows.get(&session.window);
        let hook = |hook: &'a Hook| HookView {
            run: &hook.command.argv,
            host: &hook.host,
            timeout: hook.timeout,
        };
        let mut recipients: Vec<&str> = app
            .iter()
            .flat_map(|a| &a.notify)
            .flat_map(|audience| audience.people.iter())
            .map(|person| person.email.as_str())
            .collect();
        recipients.sort_unstable();
        recipients.dedup();
        SessionView {
            id: &session.id,
            app: &session.app,
            window: &session.window,
            course: Course::of(session),
            clock_change_s: window.map_or(0, |w| w.clock_change_s(&session.occurrence())),
            recipients,
            enter: app.iter().flat_map(|a| &a.enter).map(hook).collect(),
            leave: app
                .iter()
                .flat_map(|a| a.leave.iter().rev())
                .map(hook)
                .collect(),
            steps: session.steps.iter().map(StepView::from).collect(),
        }
    }
}

impl<'a> From<&'a PlannedStep> for StepView<'a> {
    fn from(step: &'a PlannedStep) -> Self {
        Self {
            job: &step.job,
            host: &step.host,
            starts: step.starts,
            ends: step.ends,
            estimate: step.estimate,
            estimate_from: step.source.word(),
            if_needed: step.if_needed,
        }
    }
}

impl<'a> From<&'a PlannedRun> for RunView<'a> {
    fn from(run: &'a PlannedRun) -> Self {
        Self {
            job: &run.job,
            host: &run.host,
            at: run.at,
        }
    }
}

impl<'a> From<&'a Unplanned> for UnplannedView<'a> {
    fn from(unplanned: &'a Unplanned) -> Self {
        let reason = &unplanned.reason;
        Self {
            job: &unplanned.job,
            host: &unplanned.host,
            reason: reason.code.word(),
            text: if reason.text.is_empty() {
                reason.code.words()
            } else {
                &reason.text
            },
            next_chance: unplanned.next_chance,
        }
    }
}

impl Serialize for PlanView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plan = self.plan;
        let mut out = serializer.serialize_struct("Plan", 6)?;
        out.serialize_field("from", &plan.from)?;
        out.serialize_field("until", &plan.until)?;
        let sessions = Each {
            list: &plan.sessions,
            limit: self.limit,
            view: |s| self.session(s),
        };
        out.serialize_field("sessions", &sessions)?;
        let periodic = Each {
            list: &plan.periodic,
            limit: self.limit,
            view: RunView::from,
        };
        out.serialize_field("periodic", &periodic)?;
        out.serialize_field(
            "periodic_cut",
            &(plan.periodic_cut || plan.periodic.len() > self.limit),
        )?;
        let unplanned = Each {
            list: &plan.unplanned,
            limit: self.limit,
            view: UnplannedView::from,
        };
        out.serialize_field("unplanned", &unplanned)?;
        out.end()
    }
}

/// A list whose entries are made one by one.
struct Each<'a, T, F> {
    list: &'a [T],
    limit: usize,
    view: F,
}

impl<'a, T, V: Serialize, F: Fn(&'a T) -> V> Serialize for Each<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list.iter().take(self.limit).map(&self.view))
    }
}
