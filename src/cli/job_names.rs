//! What a word may mean where a job is named: a periodic job on several hosts is one on each of them, `NAME@HOST`.
use super::refusal::{did_you_mean, usage};
use crate::core::policy::{Name, Policy};

/// Names that are given as examples.
const NAMED: usize = 3;

pub fn is_known(policy: &Policy, job: &str) -> bool {
    policy.maintenance.contains_key(job) || policy.periodic.contains_key(job)
}

/// The job that is meant, where a host is named beside it.
pub fn on_host(policy: &Policy, job: &str, host: Option<&str>) -> String {
    let there = host.map(|host| format!("{job}@{host}"));
    let there = there.filter(|name| !is_known(policy, job) && is_known(policy, name));
    there.unwrap_or_else(|| job.to_owned())
}

/// A job and a host in one word, as far as the job is one that knows its hosts by itself.
pub fn split<'w>(policy: &Policy, word: &'w str) -> Option<(&'w str, &'w str)> {
    let (job, host) = word.rsplit_once('@').filter(|_| !is_known(policy, word))?;
    let jobs = policy.maintenance.get(job);
    jobs.is_some().then_some((job, host))
}

/// The jobs that are one on several hosts; none where this is a job itself.
pub fn family<'p>(policy: &'p Policy, job: &str) -> impl Iterator<Item = &'p Name> {
    let family = (!is_known(policy, job)).then(|| format!("{job}@"));
    let names = policy.periodic.keys();
    names.filter(move |name| family.as_ref().is_some_and(|of| name.starts_with(&**of)))
}

/// Nothing is called that, with what may be meant.
pub fn no_such_job(policy: &Policy, job: &str) -> anyhow::Error {
    let first: Vec<&str> = family(policy, job)
        .take(NAMED)
        .map(|name| &**name)
        .collect();
    if !first.is_empty() {
        let (all, first) = (family(policy, job).count(), first.join(", "));
        return usage(format!(
            "{job} is a job of its own on each of {all} hosts: name one of them, like {first}"
        ));
    }
    let names = policy.maintenance.keys().chain(policy.periodic.keys());
    let hint = did_you_mean(job, names.map(|name| &**name));
    usage(format!("there is no job {job:?}{hint}"))
}
