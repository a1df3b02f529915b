//! `after`: only jobs of the same app unless they are to prove something, and never in a circle.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::problem::Problems;
use super::tree::Document;
use crate::core::policy::{MaintenanceJob, Name};

pub fn check(
    jobs: &IndexMap<Name, MaintenanceJob>,
    document: &Document<'_>,
    problems: &mut Problems,
) {
    for job in jobs.values() {
        for other in job
            .after
            .iter()
            .filter_map(|name| jobs.get(name))
            .filter(|other| other.app != job.app)
        {
            problems
                .error(
                    document.place("maintenance", &job.name, "after"),
                    format!(
                        "`{}` belongs to the app `{}`, this job to `{}`",
                        other.name, other.app, job.app
                    ),
                )
                .hint(format!(
                    "`after` orders the jobs of one app; to wait for another app's write after = {{ job = \"{}\", succeeded_for = \"1d\" }}",
                    other.name
                ));
        }
    }
    for circle in circles(jobs) {
        let path: Vec<&str> = circle
            .iter()
            .chain(circle.first())
            .map(|name| &**name)
            .collect();
        let place = document.place("maintenance", &circle[0], "after");
        let mut told = problems.error(
            place,
            format!("these jobs wait for each other: {}", path.join(" after ")),
        );
        for name in circle.iter().skip(1).take(10) {
            told = told.related(document.place("maintenance", name, "after"), "and here");
        }
    }
}

/// All that must come before a job, tonight or on an earlier night.
fn earlier(job: &MaintenanceJob) -> impl Iterator<Item = &Name> {
    let proofs = job.proven_by.iter().map(|proof| &proof.job);
    job.after.iter().chain(proofs)
}

/// Each circle once, beginning with the job that comes first in the file. No recursion: chains may be long.
fn circles(jobs: &IndexMap<Name, MaintenanceJob>) -> Vec<Vec<Name>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        OnPath,
        Done,
    }
    let mut seen: HashMap<&Name, Seen> = HashMap::new();
    let mut found = Vec::new();
    for start in jobs.keys() {
        if seen.contains_key(start) {
            continue;
        }
        seen.insert(start, Seen::OnPath);
        let mut path: Vec<(&Name, usize)> = vec![(start, 0)];
        while let Some((name, next)) = path.last_mut() {
            let job = jobs.get(*name);
            let Some(before) = job.and_then(|job| earlier(job).nth(*next)) else {
                seen.insert(name, Seen::Done);
                path.pop();
                continue;
            };
            *next += 1;
            match seen.get(before) {
                Some(Seen::Done) => {}
                Some(Seen::OnPath) => {
                    let from = path
                        .iter()
                        .position(|(name, _)| *name == before)
                        .unwrap_or(0);
                    found.push(
                        path[from..]
                            .iter()
                            .map(|(name, _)| (*name).clone())
                            .collect(),
                    );
                }
                None if jobs.contains_key(before) => {
                    seen.insert(before, Seen::OnPath);
                    path.push((before, 0));
                }
                None => {}
            }
        }
    }
    found
}
