//! Staging before production: nothing runs before what it waits for has stayed well for long enough.

use super::*;

/// What is known of one job on one host.
#[derive(Default)]
struct Past {
    /// Since the last bad end.
    successes: Vec<Timestamp>,
    /// The last of all.
    last: Option<Timestamp>,
}

/// Each step that is asked for, under the policy that holds then.
pub(super) fn proven(policies: &[Arc<Policy>], moments: &[Moment], bad: &mut Bad) {
    let mut policy = &policies[0];
    let mut past: HashMap<(String, String), Past> = HashMap::new();
    let mut rehearsals = BTreeSet::new();
    // An operator decides that they do not wait; what they come to counts.
    let mut emergencies = BTreeSet::new();
    for moment in moments {
        match &moment.what {
            Happened::PolicyChanged { index } => policy = &policies[*index],
            Happened::Recorded { fact, decided } => {
                if let Fact::SessionOpened { session } = &**fact
                    && session.overridden.is_some()
                {
                    let of = match session.is_rehearsal() {
                        true => &mut rehearsals,
                        false => &mut emergencies,
                    };
                    of.insert(session.id.clone());
                }
                if !fact.session().is_some_and(|id| rehearsals.contains(id)) {
                    learn(&mut past, *decided, fact);
                }
            }
            Happened::Asked(start) => {
                if let What::Step {
                    job, host, session, ..
                } = &start.what
                    && !rehearsals.contains(session)
                    && !emergencies.contains(session)
                    && start.attempt == 1
                    && let Some(job) = policy.maintenance.get(job)
                {
                    look(policy, &past, job, host, moment.at, bad);
                }
            }
            _ => {}
        }
    }
}

fn learn(past: &mut HashMap<(String, String), Past>, at: Timestamp, fact: &Fact) {
    match fact {
        Fact::AttemptEnded(ended) if ended.retry.is_none() => {
            let What::Step { job, host, .. } = &ended.what else {
                return;
            };
            let past = past.entry((job.to_string(), host.to_string())).or_default();
            if ended.outcome == Outcome::Succeeded {
                past.successes.push(at);
                past.last = Some(at);
            } else if ended.outcome.is_bad() {
                past.successes.clear();
            }
        }
        Fact::StepDone {
            job,
            host,
            outcome,
            reason,
            ..
        } if (*outcome, reason.code) == (Outcome::Skipped, Code::NothingToDo) => {
            let past = past.entry((job.to_string(), host.to_string())).or_default();
            past.successes.push(at);
        }
        // What left the configuration is forgotten.
        Fact::JobsForgotten { maintenance, .. } => {
            past.retain(|(job, _), _| !maintenance.iter().any(|name| **name == **job));
        }
        _ => {}
    }
}

fn look(
    policy: &Policy,
    past: &HashMap<(String, String), Past>,
    job: &MaintenanceJob,
    host: &str,
    at: Timestamp,
    bad: &mut Bad,
) {
    let of = |job: &str, host: &str| past.get(&(job.to_owned(), host.to_owned()));
    let last = of(&job.name, host).and_then(|past| past.last);
    for proof in &job.proven_by {
        let hosts = &policy.maintenance[&proof.job].hosts;
        let good = hosts.iter().all(|other| {
            of(&proof.job, other).is_some_and(|past| {
                past.successes.iter().any(|success| {
                    // Each run rests on something new.
                    let proved = *success + proof.succeeded_for;
                    proved <= at && last.is_none_or(|last| proved > last)
                })
            })
        });
        if !good {
            bad.push(format!(
                "{} ran at {at} before {} had proven itself",
                job.name, proof.job
            ));
        }
    }
}
