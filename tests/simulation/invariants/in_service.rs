//! A host is not touched unless enough of the others were seen to be well, and are left alone.

use offhours::core::policy::Share;

use super::*;

pub(super) fn in_service(policies: &[Arc<Policy>], moments: &[Moment], bad: &mut Bad) {
    // By session and place of the step: who was well since it was looked at for it.
    let mut well: BTreeMap<(String, usize), BTreeSet<String>> = BTreeMap::new();
    // By session and host: when it was last seen to be well, where nothing was begun on it since.
    let mut lately: BTreeMap<(String, String), Timestamp> = BTreeMap::new();
    // Where something is being done, and by which session.
    let mut touched: BTreeSet<(String, String)> = BTreeSet::new();
    for (moment, policy, fact) in under_policies(policies, moments) {
        match fact {
            Fact::AttemptStarted {
                what:
                    What::Step {
                        session,
                        step,
                        job,
                        host,
                    },
                attempt,
                ..
            } => {
                let seen = well.remove(&(session.to_string(), *step));
                let rolling = policy.maintenance.get(job).map(|job| &job.rolling);
                let service = rolling.and_then(|rolling| rolling.in_service.as_ref());
                if let Some(service) = service.filter(|_| *attempt == 1) {
                    let least = match service.at_least {
                        Share::Count(count) => count,
                        Share::Percent(part) => (part * service.hosts.len()).div_ceil(100),
                    };
                    let counts = |peer: &&String| {
                        ***peer != **host
                            && !touched.iter().any(|(at, _)| at == *peer)
                            && service.hosts.iter().any(|host| **host == ***peer)
                    };
                    let minute = SignedDuration::from_secs(60);
                    let fresh = |at: Timestamp| {
                        (SignedDuration::ZERO..=minute).contains(&moment.at.duration_since(at))
                    };
                    let lately = lately
                        .iter()
                        .filter(|((of, _), at)| **of == **session && fresh(**at));
                    let mut seen = seen.unwrap_or_default();
                    seen.extend(lately.map(|((_, host), _)| host.clone()));
                    let seen = seen.iter().filter(counts).count();
                    if seen < least {
                        bad.push(format!(
                            "{job} begins on {host} at {} with {seen} others in service, {least} have to be",
                            moment.at
                        ));
                    }
                }
                lately.retain(|(_, of), _| **of != **host);
                touched.insert((host.to_string(), session.to_string()));
            }
            Fact::AttemptEnded(ended) => match &ended.what {
                What::Health { session, host, .. } if ended.outcome == Outcome::Succeeded => {
                    lately.insert((session.to_string(), host.to_string()), moment.at);
                }
                What::Peer {
                    session,
                    step,
                    host,
                    ..
                } if ended.outcome == Outcome::Succeeded => {
                    let seen = well.entry((session.to_string(), *step)).or_default();
                    seen.insert(host.to_string());
                    lately.insert((session.to_string(), host.to_string()), moment.at);
                }
                What::Step { session, host, .. } if ended.retry.is_none() && !ended.to_be_seen => {
                    touched.remove(&(host.to_string(), session.to_string()));
                }
                _ => {}
            },
            Fact::StepDone { session, host, .. } => {
                touched.remove(&(host.to_string(), session.to_string()));
            }
            _ => {}
        }
    }
}
