//! What must hold in every play. Written from the promises, from what happened and what was recorded alone: nothing
//! here asks the code that decides.

mod believed;
mod dues;
mod frozen;
mod in_service;
mod order;
mod own_times;
mod proven;
mod reboot;
mod rolled;
mod told;
mod wished;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use offhours::core::calendar::Occurrence;
use offhours::core::effect::Start;
use offhours::core::fact::Fact;
use offhours::core::notice::{Kind, Progress};
use offhours::core::policy::{Accepted, Due, DuringMaintenance, MaintenanceJob, Policy};
use offhours::core::run::{End, Outcome, RunId, What};
use offhours::core::session::{Code, Restarts, Session};
use offhours::core::state::UNWRITABLE;
use offhours::simulate::{Happened, Moment, Played};

use believed::believed;
use dues::{maintenance_dues, periodic_dues};
use frozen::left;
use in_service::in_service;
use order::{alarmed, apart, at_rest, comes_back, held, in_order, loud};
use own_times::own_times;
use proven::proven;
use reboot::rebooted;
use rolled::rolled;
use told::{announced, told_once};
use wished::{asked_for, paused, wished};

type Bad = Vec<String>;

const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// One attempt as it really went.
struct Real<'a> {
    start: &'a Start,
    asked: &'a Moment,
    began: Option<&'a Moment>,
    stopped: Option<&'a Moment>,
    gone: Option<(&'a Moment, &'a End)>,
}

impl Real<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        let span = |r: &Self| {
            let began = r.began?.elapsed;
            Some((
                began,
                r.gone.map_or(SignedDuration::MAX, |(m, _)| m.elapsed),
            ))
        };
        match (span(self), span(other)) {
            (Some(a), Some(b)) => a.0 < b.1 && b.0 < a.1,
            _ => false,
        }
    }
}

/// Every fact with the policy under which it was recorded.
fn under_policies<'a>(
    policies: &'a [Arc<Policy>],
    moments: &'a [Moment],
) -> impl Iterator<Item = (&'a Moment, &'a Policy, &'a Fact)> {
    let mut policy = &*policies[0];
    moments.iter().filter_map(move |moment| match &moment.what {
        Happened::PolicyChanged { index } => {
            policy = &policies[*index];
            None
        }
        Happened::Recorded { fact, .. } => Some((moment, policy, &**fact)),
        _ => None,
    })
}

/// What the invariants look at.
struct Look<'a> {
    policies: &'a [Arc<Policy>],
    played: &'a Played,
    moments: &'a [Moment],
    real: Vec<Real<'a>>,
    sessions: BTreeMap<&'a str, &'a Session>,
}

type Invariant = fn(&Look<'_>, &mut Bad);

/// Every invariant has a name, which begins its violations; for each there is a mutation that violates it.
const INVARIANTS: [(&str, Invariant); 24] = [
    ("sound", |l, bad| {
        bad.extend(l.played.broken.as_ref().map(|b| format!("{b:?}")));
    }),
    ("recorded", |l, bad| recorded_first(l.moments, bad)),
    ("in_window", |l, bad| {
        in_windows(l.policies, l.moments, &l.real, &l.sessions, bad);
    }),
    ("announced", |l, bad| {
        announced(l.policies, l.moments, &l.real, &l.sessions, bad);
    }),
    ("never_twice", |l, bad| never_twice(&l.real, bad)),
    ("apart", |l, bad| apart(l.moments, &l.sessions, bad)),
    ("comes_back", |l, bad| comes_back(&l.real, l.moments, bad)),
    ("in_order", |l, bad| in_order(l.moments, bad)),
    ("periodic_due", |l, bad| {
        periodic_dues(l.policies, l.played, bad);
    }),
    ("maintenance_due", |l, bad| {
        maintenance_dues(l.policies, l.played, bad);
    }),
    ("told_once", |l, bad| told_once(l.moments, bad)),
    ("held", |l, bad| {
        held(l.policies, l.moments, &l.real, &l.sessions, bad);
    }),
    ("proven", |l, bad| proven(l.policies, l.moments, bad)),
    ("at_rest", |l, bad| at_rest(l.played, bad)),
    ("loud", |l, bad| loud(l.moments, bad)),
    ("paused", |l, bad| {
        paused(l.policies, l.moments, &l.sessions, bad)
    }),
    ("wished", |l, bad| wished(l.moments, bad)),
    ("asked_for", |l, bad| asked_for(l.policies, l.moments, bad)),
    ("rebooted", |l, bad| rebooted(l.moments, &l.sessions, bad)),
    ("rolled", |l, bad| {
        rolled(l.policies, l.moments, bad);
    }),
    ("own_times", |l, bad| {
        own_times(l.policies, l.moments, bad);
    }),
    ("in_service", |l, bad| {
        in_service(l.policies, l.moments, bad);
    }),
    ("believed", |l, bad| believed(&l.real, l.moments, bad)),
    ("alarmed", |l, bad| alarmed(l.moments, &l.sessions, bad)),
];

/// The names of all invariants.
pub fn names() -> impl Iterator<Item = &'static str> {
    INVARIANTS.iter().map(|(name, _)| *name)
}

/// All violations, each as `name: what`.
pub fn check(policies: &[Arc<Policy>], played: &Played) -> Bad {
    let moments = &played.trace.moments;
    let look = Look {
        policies,
        played,
        moments,
        real: attempts(moments),
        sessions: opened(moments),
    };
    let mut all = Bad::new();
    for (name, invariant) in INVARIANTS {
        let mut bad = Bad::new();
        invariant(&look, &mut bad);
        all.extend(bad.into_iter().map(|what| format!("{name}: {what}")));
    }
    all
}

fn attempts(moments: &[Moment]) -> Vec<Real<'_>> {
    let mut list: Vec<Real<'_>> = Vec::new();
    let mut last: HashMap<RunId, usize> = HashMap::new();
    for moment in moments {
        match &moment.what {
            Happened::Asked(start) => {
                last.insert(start.run, list.len());
                list.push(Real {
                    start,
                    asked: moment,
                    began: None,
                    stopped: None,
                    gone: None,
                });
            }
            Happened::Began { run } => {
                if let Some(&i) = last.get(run) {
                    list[i].began = Some(moment);
                }
            }
            Happened::StopAsked { run } => {
                if let Some(&i) = last.get(run) {
                    list[i].stopped.get_or_insert(moment);
                }
            }
            Happened::Gone { run, end } => {
                if let Some(&i) = last.get(run) {
                    list[i].gone = Some((moment, end));
                }
            }
            _ => {}
        }
    }
    list
}

fn opened(moments: &[Moment]) -> BTreeMap<&str, &Session> {
    let facts = facts(moments);
    facts
        .filter_map(|(_, fact)| match fact {
            Fact::SessionOpened { session } => Some((&*session.id, &**session)),
            _ => None,
        })
        .collect()
}

fn facts(moments: &[Moment]) -> impl Iterator<Item = (Timestamp, &Fact)> {
    moments.iter().filter_map(|moment| match &moment.what {
        Happened::Recorded { decided, fact } => Some((*decided, &**fact)),
        _ => None,
    })
}

/// Promise 6: every start is durable before its effect; leave hooks and alarms alone may go first.
fn recorded_first(moments: &[Moment], bad: &mut Bad) {
    let mut known = BTreeSet::new();
    let mut asked = BTreeSet::new();
    for moment in moments {
        match &moment.what {
            Happened::Recorded { fact, .. } => {
                if let Fact::AttemptStarted { run, attempt, .. } = &**fact {
                    known.insert((*run, *attempt));
                }
            }
            Happened::Asked(start) => {
                let spared = matches!(start.what, What::Leave { .. } | What::Alarm { .. });
                let id = (start.run, start.attempt);
                if !spared && !known.contains(&id) {
                    bad.push(format!("{:?} began unrecorded", start.what));
                }
                if !spared && !asked.insert(id) {
                    bad.push(format!("{:?} began twice as {id:?}", start.what));
                }
            }
            _ => {}
        }
    }
}

/// The pieces of the occurrence around `at` that a job may use.
fn pieces(policy: &Policy, session: &Session, job: &str, at: Timestamp) -> Vec<Occurrence> {
    let window = policy.windows.get(&session.window);
    let Some(open) = window.and_then(|window| window.open_at(at)) else {
        return Vec::new();
    };
    left(policy, (&session.window, &session.app), Some(job), open)
}

/// Promise 1: inside the occurrence as the job sees it, ended before the reserve begins.
fn in_windows(
    policies: &[Arc<Policy>],
    moments: &[Moment],
    real: &[Real<'_>],
    sessions: &BTreeMap<&str, &Session>,
    bad: &mut Bad,
) {
    let jumps: Vec<SignedDuration> = moments
        .iter()
        .filter(|m| {
            matches!(
                m.what,
                Happened::ClockStepped { .. }
                    | Happened::Suspended { .. }
                    | Happened::PolicyChanged { .. }
            )
        })
        .map(|m| m.elapsed)
        .collect();
    // The policy in force; a session may have been told under the other one.
    for attempt in real {
        let (Some(began), Some(id)) = (attempt.began, attempt.start.what.session()) else {
            continue;
        };
        let Some(session) = sessions.get(&**id) else {
            bad.push(format!("{id} has a run and was never opened"));
            continue;
        };
        if session.overridden.is_some() {
            continue;
        }
        let jobs: Vec<&str> = match &attempt.start.what {
            What::Step { job, .. } => vec![job],
            What::Enter { .. } => session.steps.iter().map(|s| &*s.job).collect(),
            _ => continue,
        };
        let seen: Vec<Occurrence> = policies
            .iter()
            .flat_map(|p| {
                jobs.iter()
                    .flat_map(|job| pieces(p, session, job, began.at))
            })
            .filter(|o| o.contains(began.at))
            .collect();
        let Some(closes) = seen.iter().map(|o| o.closes).max() else {
            bad.push(format!(
                "{:?} began at {} outside its window",
                attempt.start.what, began.at
            ));
            continue;
        };
        let Some((gone, _)) = attempt.gone else {
            continue;
        };
        if jumps
            .iter()
            .any(|at| *at >= began.elapsed && *at <= gone.elapsed)
        {
            continue;
        }
        // Nothing new after the cutoff; both policies may have been in force when it was told.
        let cutoff = policies
            .iter()
            .filter_map(|p| p.windows.get(&session.window));
        let cutoff = cutoff.map(|w| w.cutoff).min().unwrap_or_default();
        let step = matches!(attempt.start.what, What::Step { .. });
        if step && attempt.asked.at > closes - cutoff + SLACK {
            let what = &attempt.start.what;
            bad.push(format!("{what:?} was asked for after the cutoff"));
        }
        let stop_by = closes - session.reserve - attempt.start.grace;
        if began.at > stop_by + SLACK {
            bad.push(format!(
                "{:?} began at {}, to be stopped by {stop_by}",
                attempt.start.what, began.at
            ));
        }
        if gone.at > closes - session.reserve + SLACK {
            bad.push(format!(
                "{:?} ran until {}, its window closes {closes}",
                attempt.start.what, gone.at
            ));
        }
        if attempt.stopped.is_none() && gone.at > stop_by + attempt.start.grace + SLACK {
            bad.push(format!(
                "{:?} was not asked to stop by {stop_by}",
                attempt.start.what
            ));
        }
    }
}

/// Promise 4: one job on one host, once at a time; and one holder of a lock.
fn never_twice(real: &[Real<'_>], bad: &mut Bad) {
    let mut by_lock: HashMap<&str, Vec<&Real<'_>>> = HashMap::new();
    for attempt in real {
        for lock in &attempt.start.locks {
            by_lock.entry(lock).or_default().push(attempt);
        }
    }
    for (lock, list) in by_lock {
        for pair in list.windows(2) {
            if pair[0].overlaps(pair[1]) {
                bad.push(format!("{lock} is held twice at {}", pair[1].asked.at));
            }
        }
    }
    let mut jobs: HashMap<(String, String), Vec<&Real<'_>>> = HashMap::new();
    for attempt in real {
        if let What::Step { job, host, .. } = &attempt.start.what {
            jobs.entry((job.to_string(), host.to_string()))
                .or_default()
                .push(attempt);
        } else if let What::Periodic { job, .. } = &attempt.start.what {
            jobs.entry((job.to_string(), String::new()))
                .or_default()
                .push(attempt);
        }
    }
    for ((job, _), list) in jobs {
        for pair in list.windows(2) {
            if pair[0].overlaps(pair[1]) {
                bad.push(format!("{job} runs twice at {}", pair[1].asked.at));
            }
        }
    }
}
