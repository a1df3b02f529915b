//! What differs between two plans of one span: for `plan --against`, and for what a reload says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Plan, PlannedSession};
use crate::core::policy::Name;

/// A session that moved further than this is another one.
const NEAR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// One session that is not as it was; at least one of the two is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<'a> {
    pub before: Option<&'a PlannedSession>,
    pub after: Option<&'a PlannedSession>,
    /// Never empty.
    pub aspects: Vec<Aspect>,
    /// `(job, host)` of steps that only one of the two has.
    pub added: Vec<(&'a Name, &'a Name)>,
    pub removed: Vec<(&'a Name, &'a Name)>,
}

/// In what way a session differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    Added,
    Cancelled,
    /// It starts earlier.
    Earlier,
    /// It starts later.
    Later,
    /// It has more to do, or is expected to take longer.
    Grown,
    /// It has less to do, or is expected to take less time.
    Shrunk,
    /// Its occurrence closes at another time.
    Bounded,
}

impl Aspect {
    /// The word used in every interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Cancelled => "cancelled",
            Self::Earlier => "earlier",
            Self::Later => "later",
            Self::Grown => "grown",
            Self::Shrunk => "shrunk",
            Self::Bounded => "bounded",
        }
    }
}

/// What becomes of the periodic jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Periodic {
    pub added: BTreeSet<Name>,
    pub removed: BTreeSet<Name>,
    /// They run at other times.
    pub moved: BTreeSet<Name>,
}

impl Periodic {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.moved.is_empty()
    }
}

impl Change<'_> {
    /// The one of the two that shows it best: what will be, else what would have been.
    pub fn shown(&self) -> Option<&PlannedSession> {
        self.after.or(self.before)
    }

    fn at(&self) -> Timestamp {
        self.shown().map_or(Timestamp::MIN, |s| s.starts)
    }
}

/// The sessions that differ, in the order in which they start. One that keeps its name is the same; of the others, one
/// of the same app with a job in common, not more than a week away, is the same one moved.
pub fn sessions<'a>(before: &'a Plan, after: &'a Plan) -> Vec<Change<'a>> {
    let mut new: BTreeMap<&str, &PlannedSession> =
        after.sessions.iter().map(|s| (&*s.id, s)).collect();
    let mut changes = Vec::new();
    let mut gone: Vec<&PlannedSession> = Vec::new();
    for old in &before.sessions {
        match new.remove(&*old.id) {
            Some(same) => changes.extend(change(old, same)),
            None => gone.push(old),
        }
    }
    // By app, in order of time: each that is gone takes the nearest that is left.
    let mut left: BTreeMap<&Name, Vec<&PlannedSession>> = BTreeMap::new();
    for session in new.into_values() {
        left.entry(&session.app).or_default().push(session);
    }
    for old in gone {
        let candidates = left.entry(&old.app).or_default();
        let nearest = candidates
            .iter()
            .enumerate()
            .filter(|(_, s)| away(old, s) <= NEAR && related(old, s))
            .min_by_key(|(_, s)| away(old, s))
            .map(|(place, _)| place);
        match nearest {
            Some(place) => changes.extend(change(old, candidates.remove(place))),
            None => changes.push(alone(Some(old), None)),
        }
    }
    changes.extend(left.into_values().flatten().map(|s| alone(None, Some(s))));
    changes.sort_by_key(|change| (change.at(), change.shown().map(|s| s.id.clone())));
    changes
}

/// Until when the periodic runs of both plans are known, where one of them was cut.
pub fn compared_until(before: &Plan, after: &Plan) -> Option<Timestamp> {
    let cut = [before, after].into_iter().filter(|plan| plan.periodic_cut);
    cut.filter_map(|plan| plan.periodic.last().map(|run| run.at))
        .min()
}

/// The periodic jobs whose runs differ, as far as both plans know them.
pub fn periodic(before: &Plan, after: &Plan) -> Periodic {
    let until = compared_until(before, after);
    let runs = |plan: &Plan| {
        let mut runs: BTreeMap<Name, Vec<Timestamp>> = BTreeMap::new();
        let known = |at: Timestamp| until.is_none_or(|until| at < until);
        for run in plan.periodic.iter().filter(|run| known(run.at)) {
            runs.entry(run.job.clone()).or_default().push(run.at);
        }
        runs
    };
    let (old, new) = (runs(before), runs(after));
    let mut periodic = Periodic::default();
    for (job, times) in &old {
        match new.get(job) {
            None => drop(periodic.removed.insert(job.clone())),
            Some(other) if other != times => drop(periodic.moved.insert(job.clone())),
            Some(_) => {}
        }
    }
    let only_new = new.into_keys().filter(|job| !old.contains_key(job));
    periodic.added = only_new.collect();
    periodic
}

fn away(a: &PlannedSession, b: &PlannedSession) -> SignedDuration {
    a.starts.duration_since(b.starts).abs()
}

fn related(a: &PlannedSession, b: &PlannedSession) -> bool {
    let jobs: BTreeSet<&Name> = a.steps.iter().map(|step| &step.job).collect();
    b.steps.iter().any(|step| jobs.contains(&step.job))
}

fn alone<'a>(before: Option<&'a PlannedSession>, after: Option<&'a PlannedSession>) -> Change<'a> {
    let steps = |session: Option<&'a PlannedSession>| {
        let steps = session.into_iter().flat_map(|s| &s.steps);
        steps.map(|step| (&step.job, &step.host)).collect()
    };
    Change {
        aspects: vec![if after.is_some() {
            Aspect::Added
        } else {
            Aspect::Cancelled
        }],
        added: steps(after),
        removed: steps(before),
        before,
        after,
    }
}

/// How the same session differs; none where it does not.
fn change<'a>(before: &'a PlannedSession, after: &'a PlannedSession) -> Option<Change<'a>> {
    let (old, new) = (steps_of(before), steps_of(after));
    let added: Vec<_> = new.difference(&old).copied().collect();
    let removed: Vec<_> = old.difference(&new).copied().collect();
    let mut aspects = Vec::new();
    match after.starts.cmp(&before.starts) {
        std::cmp::Ordering::Less => aspects.push(Aspect::Earlier),
        std::cmp::Ordering::Greater => aspects.push(Aspect::Later),
        std::cmp::Ordering::Equal => {}
    }
    if !added.is_empty() || after.expected > before.expected {
        aspects.push(Aspect::Grown);
    }
    if !removed.is_empty() || after.expected < before.expected {
        aspects.push(Aspect::Shrunk);
    }
    if aspects.is_empty() && (after.opens, after.closes) != (before.opens, before.closes) {
        aspects.push(Aspect::Bounded);
    }
    (!aspects.is_empty()).then_some(Change {
        before: Some(before),
        after: Some(after),
        aspects,
        added,
        removed,
    })
}

fn steps_of(session: &PlannedSession) -> BTreeSet<(&Name, &Name)> {
    session
        .steps
        .iter()
        .map(|step| (&step.job, &step.host))
        .collect()
}
