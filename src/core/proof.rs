//! Staging before production: a job that waits until another has succeeded, and stayed well for a while.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::policy::{MaintenanceJob, Name, Policy, ProvenBy};
use super::session::{Code, Reason};
use super::state::State;

/// How many successes of a job on a host are remembered as proofs.
pub const PROOFS: usize = 64;
/// Successes closer to the last remembered one than this prove nothing more.
pub const APART: SignedDuration = SignedDuration::from_hours(12);
/// The longest time that can be asked for: what is remembered reaches back at least this far.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Successes that are planned, per job and host: a plan takes it that all goes well.
pub type Planned = HashMap<(Name, Name), Vec<Timestamp>>;

/// The jobs that wait for others, and those that are waited for.
pub fn concerned(policy: &Policy) -> BTreeSet<&Name> {
    let jobs = policy.maintenance.values();
    let waiting = jobs.filter(|job| !job.proven_by.is_empty());
    let both = waiting.flat_map(|job| {
        let others = job.proven_by.iter().map(|proof| &proof.job);
        others.chain(std::iter::once(&job.name))
    });
    both.collect()
}

/// Whether any job waits for this one to have succeeded.
pub fn is_staging(policy: &Policy, job: &str) -> bool {
    let mut all = policy.maintenance.values().flat_map(|job| &job.proven_by);
    all.any(|proof| *proof.job == *job)
}

/// From when on this job may run on this host, as far as the jobs it waits for decide.
///
/// Of each of them, on each of its hosts, a success counts that was followed by no failure and is as old as was asked
/// for; but not one that was so already when this job last succeeded on this host: each run rests on something new.
///
/// # Errors
/// The reason, where one of them has no such success.
pub fn ready_at(
    policy: &Policy,
    state: &State,
    planned: &Planned,
    job: &MaintenanceJob,
    host: &Name,
) -> Result<Timestamp, Reason> {
    let own = state.maintenance.get(&job.name);
    let own = own.and_then(|own| own.hosts.get(host)?.last_success);
    let own = own.max(last_planned(planned, &job.name, host));
    let mut ready = Timestamp::MIN;
    for proof in &job.proven_by {
        let hosts = policy.maintenance.get(&proof.job).map(|job| &job.hosts);
        for other in hosts.into_iter().flatten() {
            let rested = own.and_then(|own| own.checked_sub(proof.succeeded_for).ok());
            let first = first_success(state, planned, proof, other, rested);
            let from = first.and_then(|at| at.checked_add(proof.succeeded_for).ok());
            ready = ready.max(from.ok_or_else(|| unproven(proof, other))?);
        }
    }
    Ok(ready)
}

fn last_planned(planned: &Planned, job: &Name, host: &Name) -> Option<Timestamp> {
    let ends = planned.get(&(job.clone(), host.clone()))?;
    ends.iter().max().copied()
}

fn first_success(
    state: &State,
    planned: &Planned,
    proof: &ProvenBy,
    host: &Name,
    after: Option<Timestamp>,
) -> Option<Timestamp> {
    let past = state.maintenance.get(&proof.job);
    let past = past.and_then(|past| past.hosts.get(host));
    let recorded = past.into_iter().flat_map(|past| &past.successes);
    let coming = planned.get(&(proof.job.clone(), host.clone()));
    recorded
        .chain(coming.into_iter().flatten())
        .copied()
        .filter(|at| after.is_none_or(|after| *at > after))
        .min()
}

/// Why a job may not run yet.
fn unproven(proof: &ProvenBy, host: &str) -> Reason {
    let whose = match host {
        super::policy::LOCAL => String::new(),
        host => format!(" on {host}"),
    };
    Reason::new(
        Code::NotProven,
        format!("{} has not succeeded{whose} since", proof.job),
    )
}

/// Why a job that is ready only later may not run yet.
pub fn not_yet(job: &MaintenanceJob) -> Reason {
    let each = job.proven_by.iter().map(|proof| {
        let time = super::report::span(proof.succeeded_for);
        format!("{} has not succeeded for {time}", proof.job)
    });
    Reason::new(Code::NotProven, each.collect::<Vec<_>>().join(", "))
}

/// Adds a success to those that are remembered, oldest first.
pub fn remember(successes: &mut Vec<Timestamp>, at: Timestamp) {
    if successes
        .last()
        .is_some_and(|last| at.duration_since(*last) < APART)
    {
        return;
    }
    if successes.len() >= PROOFS {
        successes.remove(0);
    }
    successes.push(at);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(n: i64) -> Timestamp {
        Timestamp::from_second(n * 3600).unwrap()
    }

    #[test]
    fn what_is_remembered_is_bounded_and_reaches_back_far_enough() {
        let mut successes = Vec::new();
        for n in 0..24 * 400 {
            remember(&mut successes, hour(n));
        }
        assert_eq!(successes.len(), PROOFS);
        let reach = successes[PROOFS - 1].duration_since(successes[0]);
        assert!(reach >= LONGEST, "{reach:?}");
        assert!(successes.is_sorted());
    }
}
