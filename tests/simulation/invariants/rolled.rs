//! A job goes over its hosts as it was told to.

use offhours::core::session::Step;

use super::*;

/// What is known of one job in one session.
#[derive(Default)]
struct Rolling {
    busy: BTreeSet<String>,
    done: usize,
    failed: usize,
}

/// No more at once than allowed, the first ones alone, and no new one once too many have failed.
pub(super) fn rolled(policies: &[Arc<Policy>], moments: &[Moment], bad: &mut Bad) {
    // What each session is known to do by now.
    let mut steps: BTreeMap<String, &[Step]> = BTreeMap::new();
    let mut jobs: BTreeMap<(String, String), Rolling> = BTreeMap::new();
    for (moment, policy, fact) in under_policies(policies, moments) {
        match fact {
            Fact::SessionOpened { session } => {
                steps.insert(session.id.to_string(), &session.steps);
            }
            Fact::SessionPlanned {
                session, steps: of, ..
            } => drop(steps.insert(session.to_string(), of)),
            Fact::SessionRevised { session, told, .. } => {
                steps.insert(session.to_string(), &told.steps);
            }
            // Which of the two applies again is not followed here.
            Fact::SessionReverted { session, .. } => drop(steps.remove(&**session)),
            // In a second round the first ones have been, and what was cut off may be repeated.
            Fact::SessionReopened { session, .. } => {
                let of = jobs.iter_mut().filter(|((of, _), _)| **of == **session);
                of.for_each(|(_, of)| (of.done, of.failed) = (usize::MAX / 2, 0));
            }
            Fact::AttemptStarted {
                what: What::Step {
                    session, job, host, ..
                },
                attempt,
                ..
            } => {
                let key = (session.to_string(), job.to_string());
                let of = jobs.entry(key).or_default();
                let hosts = steps
                    .get(&**session)
                    .map(|steps| steps.iter().filter(|step| step.job == *job).count());
                if *attempt == 1
                    && let Some(hosts) = hosts
                    && let Some(job) = policy.maintenance.get(job)
                {
                    let rolling = &job.rolling;
                    let most = match of.done < rolling.canary {
                        true => 1,
                        false => rolling.parallel.of(hosts).saturating_sub(of.failed).max(1),
                    };
                    let (at, name) = (moment.at, &job.name);
                    if of.busy.len() >= most {
                        bad.push(format!(
                            "{name} begins on {host} at {at} beside {:?}",
                            of.busy
                        ));
                    }
                    let stops = job.on_failure == offhours::core::policy::OnFailure::Stop;
                    if stops && of.failed > rolling.max_failures.of(hosts) {
                        bad.push(format!(
                            "{name} begins on {host} at {at} after {} failures",
                            of.failed
                        ));
                    }
                }
                of.busy.insert(host.to_string());
            }
            Fact::AttemptEnded(ended) => {
                let What::Step {
                    session, job, host, ..
                } = &ended.what
                else {
                    continue;
                };
                if ended.retry.is_none() && !ended.to_be_seen {
                    let key = (session.to_string(), job.to_string());
                    over(jobs.entry(key).or_default(), host, ended.outcome);
                }
            }
            Fact::StepDone {
                session,
                job,
                host,
                outcome,
                ..
            } => {
                let key = (session.to_string(), job.to_string());
                if let Some(of) = jobs.get_mut(&key).filter(|of| of.busy.contains(&**host)) {
                    over(of, host, *outcome);
                }
            }
            _ => {}
        }
    }
}

fn over(of: &mut Rolling, host: &str, outcome: Outcome) {
    of.busy.remove(host);
    of.done += usize::from(outcome == Outcome::Succeeded || outcome.is_bad());
    of.failed += usize::from(outcome.is_bad());
}
