//! What operators have asked for and is not over: pauses, and requests that no session has served.

use jiff::Timestamp;
use serde::Serialize;

use crate::core::policy::Name;
use crate::core::state::State;

/// No more of each than this.
const LISTED: usize = 100;

/// Nothing begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PauseItem {
    /// None where it is everything.
    pub app: Option<Name>,
    pub since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    pub by: String,
    /// From outside.
    pub reason: String,
}

/// A maintenance job that is to be run beside its schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestItem {
    pub job: Name,
    pub at: Timestamp,
    /// Those that have not had it yet.
    pub hosts: Vec<Name>,
    pub by: String,
    /// From outside.
    pub reason: String,
    /// The role whose consent it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Name>,
}

pub(super) fn pauses(state: &State) -> Vec<PauseItem> {
    let item = |(app, pause): (&Name, &crate::core::state::Pause)| PauseItem {
        app: Some(app.clone()).filter(|app| !app.is_empty()),
        since: pause.since,
        until: pause.until,
        by: pause.by.clone(),
        reason: pause.reason.clone(),
    };
    state.paused.iter().take(LISTED).map(item).collect()
}

pub(super) fn requests(state: &State) -> Vec<RequestItem> {
    let open = state.maintenance.iter().filter_map(|(job, past)| {
        let requested = past.requested.as_ref()?;
        let hosts = requested.hosts.iter();
        let held = requested.approval.is_some();
        let hosts: Vec<Name> = hosts
            .filter(|host| held || past.request_for(host).is_some())
            .cloned()
            .collect();
        (!hosts.is_empty()).then(|| RequestItem {
            job: job.clone(),
            at: requested.at,
            hosts,
            by: requested.by.clone(),
            reason: requested.reason.clone(),
            approval: requested.approval.clone(),
        })
    });
    open.take(LISTED).collect()
}
