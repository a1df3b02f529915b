//! What waits for a person, the worst first; a job that fails on many hosts is one matter for people.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::status::Status;
use crate::core::policy::{Name, Policy};
use crate::core::state::{AttentionKind, Gravity, State, UNWRITABLE};

/// No more entries than this in a list.
const LISTED: usize = 200;

/// Something waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttentionItem {
    pub key: Name,
    /// One of the fixed words, or `daemon_down`.
    pub kind: &'static str,
    pub text: String,
    pub since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<Name>,
    /// It cannot wait for the morning.
    pub critical: bool,
}

/// A periodic job whose last run went badly on several of its hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailingOnHosts {
    pub job: Name,
    pub failing: usize,
    pub hosts: usize,
    pub since: Timestamp,
    /// What the one that failed first said, with its host; from outside.
    pub text: String,
}

/// One line about what waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matter {
    pub kind: &'static str,
    pub text: String,
    pub since: Timestamp,
    pub app: Option<Name>,
    pub critical: bool,
    /// For how many it stands.
    pub count: usize,
}

/// All that waits, the worst first: what is cut off is never worse than what is listed.
pub(super) fn items(state: &State) -> Vec<AttentionItem> {
    let mut items: Vec<_> = state
        .attention
        .iter()
        .map(|(key, a)| {
            let item = AttentionItem {
                key: key.clone(),
                kind: a.kind.word(),
                text: a.text.clone(),
                since: a.since,
                app: a.app.clone(),
                critical: a.kind.gravity() >= Gravity::Grave,
            };
            (a.kind.gravity(), item)
        })
        .chain(unsaid(state).map(|item| (Gravity::Down, item)))
        .collect();
    items.sort_by_key(|(gravity, item)| (std::cmp::Reverse(*gravity), item.since));
    items.truncate(LISTED);
    items.into_iter().map(|(_, item)| item).collect()
}

pub(super) fn count(state: &State) -> usize {
    state.attention.len() + usize::from(unsaid(state).is_some())
}

/// That the state cannot be written, where that is not in the state itself: read from outside it is older than this.
fn unsaid(state: &State) -> Option<AttentionItem> {
    let why = state.live.unwritable.as_ref()?;
    let unsaid = !state.attention.contains_key(UNWRITABLE);
    unsaid.then(|| AttentionItem {
        key: UNWRITABLE.into(),
        kind: AttentionKind::StateTrouble.word(),
        text: format!(
            "the state cannot be written, nothing new is started; this was recorded before: {why}"
        ),
        since: state.last,
        app: None,
        critical: true,
    })
}

/// Those of several hosts by their job, the longest failing first.
pub(super) fn on_hosts(policy: &Policy, state: &State) -> Vec<FailingOnHosts> {
    let mut jobs: BTreeMap<&str, FailingOnHosts> = BTreeMap::new();
    for (key, attention) in &state.attention {
        let Some(job) = job_of(key) else {
            continue;
        };
        let text = || attention.text.strip_prefix(job).unwrap_or(&attention.text);
        let text = || text().trim_start_matches('@').to_owned();
        let all = jobs.entry(job).or_insert_with(|| FailingOnHosts {
            job: job.into(),
            failing: 0,
            hosts: 0,
            since: attention.since,
            text: text(),
        });
        all.failing += 1;
        if attention.since < all.since {
            (all.since, all.text) = (attention.since, text());
        }
    }
    jobs.retain(|_, all| all.failing > 1);
    if jobs.is_empty() {
        return Vec::new();
    }
    for name in policy.periodic.keys() {
        let job = name.split_once('@').map(|(job, _)| job);
        if let Some(all) = job.and_then(|job| jobs.get_mut(job)) {
            all.hosts += 1;
        }
    }
    let mut jobs: Vec<_> = jobs.into_values().collect();
    // One that is no longer configured has what still fails.
    for all in &mut jobs {
        all.hosts = all.hosts.max(all.failing);
    }
    jobs.sort_by_key(|all| all.since);
    jobs.truncate(LISTED);
    jobs
}

/// The job of which this is one host, by the key of what waits.
fn job_of(key: &str) -> Option<&str> {
    let (job, _) = key.strip_prefix("periodic:")?.split_once('@')?;
    Some(job)
}

impl FailingOnHosts {
    /// `collect: 428 of 428 hosts fail, e.g. h0003 unreachable: connection refused`.
    fn words(&self) -> String {
        let words = format!(
            "{}: {} of {} hosts fail",
            self.job, self.failing, self.hosts
        );
        match self.text.is_empty() {
            true => words,
            false => format!("{words}, e.g. {}", self.text),
        }
    }
}

impl Status {
    /// What waits as people read it: one line for a job, however many its hosts are.
    pub fn matters(&self) -> Vec<Matter> {
        let together = |job: &str| self.failing_on_hosts.iter().any(|all| *all.job == *job);
        let of_many = |item: &&AttentionItem| job_of(&item.key).is_some_and(together);
        let (alone, failing): (Vec<_>, Vec<_>) = self
            .attention
            .iter()
            .filter(|item| !of_many(item))
            .partition(|item| item.kind != AttentionKind::PeriodicFailing.word());
        let one = |item: &AttentionItem| Matter {
            kind: item.kind,
            text: item.text.clone(),
            since: item.since,
            app: item.app.clone(),
            critical: item.critical,
            count: 1,
        };
        let all = |all: &FailingOnHosts| Matter {
            kind: AttentionKind::PeriodicFailing.word(),
            text: all.words(),
            since: all.since,
            app: None,
            critical: false,
            count: all.failing,
        };
        let alone = alone.into_iter().map(one);
        let alone = alone.chain(self.failing_on_hosts.iter().map(all));
        alone.chain(failing.into_iter().map(one)).collect()
    }
}
