//! The plan of one app: of the others only as much is planned as has a say in it, and nothing of them is kept.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::lane::Lane;
use super::sessions::sessions_of;
use super::{PlannedSession, Policy, State};

/// How far ahead a session is looked for, in days: near ones are found without planning years.
const AHEAD: [i64; 3] = [8, 62, 400];

/// The app's next sessions, as far ahead as they have to be looked for: until `found` says so of the sessions whose
/// occurrence opens before the instant. What was told is always among them.
pub fn next_sessions(
    policy: &Policy,
    state: &State,
    app: &str,
    now: Timestamp,
    found: impl Fn(&[PlannedSession], Timestamp) -> bool,
) -> Vec<PlannedSession> {
    let mut sessions = Vec::new();
    for days in AHEAD {
        let until = now
            .saturating_add(SignedDuration::from_hours(24 * days))
            .unwrap_or(Timestamp::MAX);
        sessions = sessions_of(policy, state, app, now, until);
        if found(&sessions, until) {
            break;
        }
    }
    sessions
}

/// The lanes that decide about those of an app, and those: they share an app, a host or a lock, or one waits for what the
/// other proves. All others are planned beside them, whatever happens.
pub(super) fn concerning<'a>(lanes: Vec<Lane<'a>>, app: &str) -> Vec<Lane<'a>> {
    let mut shared: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut proofs: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, lane) in lanes.iter().enumerate() {
        for name in &lane.resources {
            shared.entry(name).or_default().push(at);
        }
        for name in proving(lane) {
            proofs.entry(name).or_default().push(at);
        }
    }
    let mut wanted: Vec<bool> = lanes.iter().map(|lane| *lane.app.name == *app).collect();
    let mut open: Vec<usize> = (0..lanes.len()).filter(|at| wanted[*at]).collect();
    while let Some(at) = open.pop() {
        // Each name is followed once.
        let by_resource = lanes[at]
            .resources
            .iter()
            .map(|name| shared.remove(&**name));
        let by_proof = proving(&lanes[at]).map(|name| proofs.remove(name));
        let others: Vec<usize> = by_resource.chain(by_proof).flatten().flatten().collect();
        for other in others {
            if !std::mem::replace(&mut wanted[other], true) {
                open.push(other);
            }
        }
    }
    let mut wanted = wanted.into_iter();
    let mut lanes = lanes;
    lanes.retain(|_| wanted.next().unwrap_or(true));
    lanes
}

/// Its jobs, and those that they wait for.
fn proving<'l>(lane: &'l Lane<'_>) -> impl Iterator<Item = &'l str> {
    lane.jobs.iter().flat_map(|job| {
        let others = job.job.proven_by.iter().map(|proof| &*proof.job);
        others.chain(std::iter::once(&*job.job.name))
    })
}
