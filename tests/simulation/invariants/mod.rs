//! What must hold in every play. Written from the promises, from what happened and what was recorded alone: nothing
//! here asks the code that decides.

mod dues;
mod order;
mod told;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use offhours::core::calendar::{Occurrence, subtract};
use offhours::core::effect::Start;
use offhours::core::fact::Fact;
use offhours::core::notice::{Kind, Progress};
use offhours::core::policy::{Accepted, Due, DuringMaintenance, Policy};
use offhours::core::run::{End, Outcome, RunId, What};
use offhours::core::session::Session;
use offhours::simulate::{Happened, Moment, Played};

use dues::{maintenance_dues, periodic_dues};
use order::{alarmed, apart, at_rest, held, in_order, left};
use told::{announced, told_once};

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

pub fn check(policies: &[Arc<Policy>], played: &Played) -> Bad {
    let mut bad = Bad::new();
    if let Some(broken) = &played.broken {
        bad.push(format!("{broken:?}"));
    }
    let moments = &played.trace.moments;
    let real = attempts(moments);
    let sessions = opened(moments);
    recorded_first(moments, &mut bad);
    in_windows(policies, moments, &real, &sessions, &mut bad);
    announced(policies, moments, &sessions, &mut bad);
    never_twice(&real, &mut bad);
    apart(moments, &sessions, &mut bad);
    left(&real, moments, &mut bad);
    in_order(moments, &mut bad);
    periodic_dues(policies, played, &mut bad);
    maintenance_dues(policies, played, &mut bad);
    told_once(moments, &mut bad);
    held(policies, moments, &real, &sessions, &mut bad);
    at_rest(played, &mut bad);
    alarmed(moments, &sessions, &mut bad);
    bad
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
fn pieces(policy: &Policy, window: &str, job: Option<&str>, at: Timestamp) -> Vec<Occurrence> {
    let Some(rule) = policy.windows.get(window) else {
        return Vec::new();
    };
    let Some(open) = rule.open_at(at) else {
        return Vec::new();
    };
    let none = Vec::new();
    let found = job.and_then(|job| policy.maintenance.get(job));
    let labels = found.map_or(&none, |job| &job.labels);
    let spans: Vec<_> = policy
        .freezes
        .iter()
        .filter(|f| f.apps.is_empty() && f.windows.is_empty())
        .filter(|f| !f.except_labels.iter().any(|l| labels.contains(l)))
        .map(|f| (f.from, f.until))
        .collect();
    subtract(open, &spans)
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
        if session.rehearsal.is_some() {
            continue;
        }
        let jobs: Vec<Option<&str>> = match &attempt.start.what {
            What::Step { job, .. } => vec![Some(job)],
            What::Enter { .. } => session.steps.iter().map(|s| Some(&*s.job)).collect(),
            _ => continue,
        };
        let seen: Vec<Occurrence> = policies
            .iter()
            .flat_map(|p| {
                jobs.iter()
                    .flat_map(|j| pieces(p, &session.window, *j, began.at))
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
        let (gone, by_itself) = match attempt.gone {
            Some((gone, end)) => (gone, !matches!(end, End::Lost)),
            None => continue,
        };
        let _ = by_itself;
        if jumps
            .iter()
            .any(|at| *at >= began.elapsed && *at <= gone.elapsed)
        {
            continue;
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
        if let What::Enter { session, hook, .. } | What::Leave { session, hook, .. } =
            &attempt.start.what
        {
            let _ = (session, hook);
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
        } else if let What::Periodic { job } = &attempt.start.what {
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
