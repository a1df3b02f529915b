//! The jobs of one app in one window, and which of them are due when.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Unplanned;
use super::place::{Source, estimate_from};

use crate::core::calendar::{CronExpr, Instants, Occurrence, Zone};
use crate::core::policy::{App, Due, MaintenanceJob, Name, Policy};
use crate::core::run::Dues;
use crate::core::state::State;

/// The jobs of one app in one window.
pub struct Lane<'a> {
    pub app: &'a App,
    pub window: Name,
    /// In the order of the file.
    pub jobs: Vec<LaneJob<'a>>,
    /// App and locks: what its sessions may not share with others.
    pub resources: Vec<Name>,
    /// Their numbers.
    pub numbers: Arc<[usize]>,
    /// The day of the session that was planned last, and which one of that day it is.
    pub last: Option<(jiff::civil::Date, u32)>,
    /// Openings up to this one are done with.
    pub handled: Timestamp,
    /// The opening of the occurrence that was looked at last.
    pub previous: Option<Timestamp>,
}

/// A job with what is known of its dues while the plan is walked through.
pub struct LaneJob<'a> {
    pub job: &'a MaintenanceJob,
    /// How long a step of it takes, and how that is known.
    pub length: (SignedDuration, Source),
    /// Per host, in the order of the file: up to when its dues are served, in state or plan.
    pub accounted: Vec<Timestamp>,
    /// Per host: the due instant of an operator's request that is not served, in state or plan.
    requested: Vec<Option<Timestamp>>,
    /// Per host: put off, and not yet placed.
    pub put_off: Vec<Option<Box<Unplanned>>>,
    /// The walk through the schedule: instants not yet looked at.
    ahead: Option<Ahead<'a>>,
    /// Dues of the schedule seen so far that some host has not served, oldest first.
    seen: Vec<Timestamp>,
}

struct Ahead<'a> {
    instants: Instants<'a>,
    next: Option<Timestamp>,
}

/// More unserved dues than this are counted, not listed.
const SEEN: usize = 1_000;

impl<'a> Lane<'a> {
    /// All lanes that have jobs, in the order of apps and of their first job.
    pub fn all(policy: &'a Policy, state: &State, now: Timestamp) -> Vec<Self> {
        let mut lanes: Vec<Self> = Vec::new();
        let mut index = std::collections::HashMap::<(&str, &str), usize>::new();
        for job in policy.maintenance.values() {
            let Some(app) = policy.apps.get(&job.app) else {
                continue;
            };
            let asked = state.maintenance.get(&job.name);
            let asked = asked.is_some_and(|past| past.is_requested());
            if matches!(job.due, Due::Request) && !asked {
                continue;
            }
            let at = *index.entry((&app.name, &job.window)).or_insert_with(|| {
                let key = crate::core::apply::lane(&app.name, &job.window);
                lanes.push(Self {
                    app,
                    window: job.window.clone(),
                    jobs: Vec::new(),
                    resources: vec![format!("app {}", app.name).into()],
                    numbers: Arc::new([]),
                    last: None,
                    handled: state.handled.get(&key).copied().unwrap_or(Timestamp::MIN),
                    previous: None,
                });
                lanes.len() - 1
            });
            lanes[at].resources.extend(job.locks.iter().cloned());
            let hosts = job.hosts.iter().filter_map(super::host_lock);
            lanes[at].resources.extend(hosts);
            lanes[at].jobs.push(LaneJob::new(job, app, state, now));
        }
        for lane in &mut lanes {
            lane.resources.sort_unstable();
            lane.resources.dedup();
        }
        lanes
    }
}

impl<'a> LaneJob<'a> {
    fn new(job: &'a MaintenanceJob, app: &App, state: &State, now: Timestamp) -> Self {
        let known = state.maintenance.get(&job.name);
        // What is new counts from now on; an occurrence that can no longer be announced is not its due.
        let since = || first_due_after(job, app, now);
        let accounted: Vec<Timestamp> = job
            .hosts
            .iter()
            .map(|host| known.map_or_else(since, |known| known.accounted(host)))
            .collect();
        let oldest = accounted.iter().copied().min().unwrap_or(now);
        let ahead = match &job.due {
            Due::Schedule(expr, zone) => Some(Ahead::new(expr, zone, oldest)),
            Due::Window | Due::Request => None,
        };
        Self {
            job,
            length: estimate_from(job, known),
            requested: job
                .hosts
                .iter()
                .map(|host| known.and_then(|known| known.request_for(host)))
                .collect(),
            put_off: vec![None; accounted.len()],
            accounted,
            ahead,
            seen: Vec::new(),
        }
    }

    /// What is due on this host by the end of the occurrence.
    pub fn dues(
        &mut self,
        policy: &Policy,
        host: usize,
        (base, previous): (Occurrence, Option<Timestamp>),
        closes: Timestamp,
    ) -> Option<Dues> {
        let accounted = self.accounted[host];
        let requested = self.requested[host].filter(|at| *at > accounted && *at < closes);
        let regular = match &mut self.ahead {
            None if matches!(self.job.due, Due::Request) => None,
            None if base.opens <= accounted => None,
            None if previous.is_some_and(|previous| previous <= accounted) => {
                Some(Dues::one(base.opens))
            }
            None => Some(openings(policy, self.job, accounted, base.opens)),
            Some(ahead) => {
                ahead.collect(closes, &mut self.seen);
                let dues = &self.seen[self.seen.partition_point(|due| *due <= accounted)..];
                let until = dues.partition_point(|due| *due < closes);
                match (dues[..until].first(), dues[..until].last()) {
                    (Some(first), Some(last)) => Some(Dues {
                        first: *first,
                        last: *last,
                        count: until as u64,
                    }),
                    _ => None,
                }
            }
        };
        // One run serves both.
        match (regular, requested) {
            (Some(dues), Some(at)) => Some(Dues {
                first: dues.first.min(at),
                last: dues.last.max(at),
                count: dues.count.saturating_add(1),
            }),
            (regular, requested) => regular.or(requested.map(Dues::one)),
        }
    }

    /// Whether anything of this job can be due by then; cheap.
    pub fn quiet_until(&self, closes: Timestamp) -> bool {
        match &self.ahead {
            _ if self.requested.iter().any(Option::is_some) => false,
            None => false,
            Some(ahead) => self.seen.is_empty() && ahead.next.is_none_or(|next| next >= closes),
        }
    }

    pub fn serve(&mut self, host: usize, dues: Dues) {
        self.accounted[host] = self.accounted[host].max(dues.last);
        self.requested[host] = self.requested[host].filter(|at| *at > dues.last);
        let oldest = self.accounted.iter().copied().min().unwrap_or(dues.last);
        let served = self.seen.partition_point(|due| *due <= oldest);
        self.seen.drain(..served);
    }
}

impl<'a> Ahead<'a> {
    fn new(expr: &'a CronExpr, zone: &'a Zone, after: Timestamp) -> Self {
        let mut instants = expr.instants(zone, after);
        let next = instants.next();
        Self { instants, next }
    }

    fn collect(&mut self, before: Timestamp, seen: &mut Vec<Timestamp>) {
        while let Some(due) = self.next.filter(|due| *due < before) {
            if seen.len() >= SEEN {
                seen.remove(1);
            }
            seen.push(due);
            self.next = self.instants.next();
        }
    }
}

/// The instant from which the dues of a job count that is first seen now.
pub fn first_due_after(job: &MaintenanceJob, app: &App, now: Timestamp) -> Timestamp {
    match job.due {
        Due::Window => now.saturating_add(app.lead).unwrap_or(now),
        Due::Request | Due::Schedule(..) => now,
    }
}

/// The occurrences of the job's window that opened since `accounted`, as dues; frozen ones are none.
fn openings(policy: &Policy, job: &MaintenanceJob, accounted: Timestamp, last: Timestamp) -> Dues {
    let mut dues = Dues::one(last);
    let Some(window) = policy.windows.get(&job.window) else {
        return dues;
    };
    // Older than a year is not worth counting.
    let year = last
        .saturating_sub(jiff::SignedDuration::from_hours(24 * 366))
        .unwrap_or(accounted);
    let from = accounted.max(year);
    for occurrence in window.occurrences(from, last) {
        let counts = occurrence.opens > from && occurrence.opens < last;
        if counts && !super::visible(policy, job, occurrence).is_empty() {
            dues.first = dues.first.min(occurrence.opens);
            dues.count += 1;
        }
    }
    dues
}
