//! Every due instant has its record.

use super::*;

/// Every due instant of a periodic job has exactly one final record.
pub(super) fn periodic_dues(policies: &[Arc<Policy>], played: &Played, bad: &mut Bad) {
    let moments = &played.trace.moments;
    for job in policies[0].periodic.values() {
        let mut since = None;
        let mut covered: BTreeMap<Timestamp, u32> = BTreeMap::new();
        // What was passed over by a clock that was ahead may come again; what was run may not.
        let (mut missed, mut again) = (BTreeSet::new(), BTreeSet::new());
        for (at, fact) in facts(moments) {
            match fact {
                Fact::ClockStepped { by } if by.is_negative() => {
                    again.extend(missed.split_off(&at));
                }
                Fact::JobsKnown { periodic, .. } if periodic.contains(&job.name) => {
                    since.get_or_insert(at);
                }
                Fact::AttemptEnded(ended)
                    if ended.retry.is_none()
                        && ended.what
                            == (What::Periodic {
                                host: job.host.clone(),
                                job: job.name.clone(),
                            }) =>
                {
                    if let Some(due) = ended.due {
                        let more = u32::from(!again.remove(&due.first));
                        *covered.entry(due.first).or_default() += more;
                    }
                }
                Fact::Skipped {
                    job: name,
                    due,
                    reason,
                    ..
                } if *name == job.name => {
                    let before = due.first - SignedDuration::from_secs(1);
                    let listed: Vec<_> = job
                        .schedule
                        .instants(&job.zone, before)
                        .take_while(|t| *t <= due.last)
                        .collect();
                    if listed.len() as u64 != due.count {
                        bad.push(format!("{}: {due:?} counts {}", job.name, listed.len()));
                    }
                    for t in listed {
                        *covered.entry(t).or_default() += u32::from(!again.remove(&t));
                        if reason.code == Code::Missed {
                            missed.insert(t);
                        }
                    }
                }
                _ => {}
            }
        }
        let (Some(since), Some(past)) = (since, played.state.periodic.get(&job.name)) else {
            continue;
        };
        let open: Vec<Timestamp> = past
            .active
            .iter()
            .map(|a| a.due)
            .chain(past.pending.iter().map(|p| p.due))
            .collect();
        for due in job
            .schedule
            .instants(&job.zone, since)
            .take_while(|t| *t <= past.accounted)
        {
            match covered.get(&due) {
                Some(1) => {}
                None if open.contains(&due) => {}
                other => bad.push(format!("{}: due {due} has {other:?} records", job.name)),
            }
        }
        let end = moments.last().map_or(since, |m| m.at);
        let told = played.state.attention.contains_key("clock");
        if !told && past.accounted > end + SignedDuration::from_hours(2) {
            let until = past.accounted;
            bad.push(format!(
                "{}: nobody is told that it waits until {until}",
                job.name
            ));
        }
        let late = job.schedule.next_after(&job.zone, past.accounted);
        let week = SignedDuration::from_hours(26);
        let waits = job.window.is_some() || past.active.is_some();
        if !waits && late.is_some_and(|late| end.duration_since(late) > week) {
            bad.push(format!("{}: due {late:?} is not served at {end}", job.name));
        }
    }
}

/// No due instant of a maintenance job is served twice, and none starves.
pub(super) fn maintenance_dues(policies: &[Arc<Policy>], played: &Played, bad: &mut Bad) {
    let mut served: BTreeSet<(&str, &str, Timestamp)> = BTreeSet::new();
    for (at, fact) in facts(&played.trace.moments) {
        // What comes back is new.
        if let Fact::JobsForgotten { maintenance, .. } = fact {
            served.retain(|(job, ..)| !maintenance.iter().any(|gone| **gone == **job));
        }
        if let Fact::AttemptEnded(ended) = fact
            && ended.outcome == Outcome::Postponed
            && matches!(ended.what, What::Step { .. })
            && ended.retry.is_none()
            && !ended.carried
        {
            bad.push(format!(
                "{:?} was put off at {at} and is not carried",
                ended.what
            ));
        }
        let (job, host, due) = match fact {
            // What it came to is known when its host was looked at.
            Fact::AttemptEnded(ended) if ended.to_be_seen => continue,
            Fact::AttemptEnded(ended) if ended.retry.is_none() && !ended.carried => {
                match (&ended.what, ended.due) {
                    (What::Step { job, host, .. }, Some(due)) => (job, host, due),
                    _ => continue,
                }
            }
            Fact::StepDone {
                job,
                host,
                due,
                outcome,
                reason,
                ..
            } if !matches!(*outcome, Outcome::Postponed | Outcome::Interrupted)
                && reason.code != Code::Removed =>
            {
                (job, host, *due)
            }
            _ => continue,
        };
        // Two sessions may be told at once; the later may be over first.
        if !served.insert((job, host, due.last)) {
            bad.push(format!("{job}: {due:?} is served a second time at {at}"));
        }
    }
    let end = played.trace.moments.last().map(|m| m.at);
    let policy = &policies[0];
    let silenced = silenced(played);
    for job in policy
        .maintenance
        .values()
        // What waits for another job may wait for long.
        .filter(|j| !matches!(j.due, Due::Schedule(..)) && j.proven_by.is_empty())
    {
        let (Some(known), Some(end)) = (played.state.maintenance.get(&job.name), end) else {
            continue;
        };
        if !has_room(policy, job, end, &silenced) {
            continue;
        }
        for host in &job.hosts {
            let accounted = match job.due {
                // What is not asked for does not starve.
                Due::Request => known.request_for(host).unwrap_or(end),
                _ => known.accounted(host),
            };
            // Calm for nine days: every window came by at least once, and all who need it had their turn.
            if end.duration_since(accounted) > SignedDuration::from_hours(24 * 9) {
                bad.push(format!(
                    "{} starves: served up to {accounted}, now {end}",
                    job.name
                ));
            }
        }
    }
}

/// The sessions of which somebody could never be told: a digest goes out long before, while there is trouble still.
fn silenced(played: &Played) -> BTreeSet<&str> {
    let refused = facts(&played.trace.moments).filter_map(|(_, fact)| match fact {
        Fact::NoticeRefused { about, .. } => about.session.as_deref(),
        _ => None,
    });
    refused.collect()
}

/// Whether an occurrence of the last nine days holds the job, all that must come before it and the hooks, however
/// long each may take. Where none does the operator asked for too much.
fn has_room(
    policy: &Policy,
    job: &MaintenanceJob,
    end: Timestamp,
    silenced: &BTreeSet<&str>,
) -> bool {
    let mut chain = BTreeSet::from([&*job.name]);
    let mut next = vec![job];
    let mut length = SignedDuration::ZERO;
    while let Some(job) = next.pop() {
        length += job.timeout;
        for earlier in &job.after {
            if let Some(earlier) = policy.maintenance.get(earlier)
                && chain.insert(&earlier.name)
            {
                next.push(earlier);
            }
        }
    }
    let mut before = length - job.timeout;
    if let Some(app) = policy.apps.get(&job.app) {
        length += app.leave_reserve;
        before += app.enter.iter().map(|hook| hook.timeout).sum();
        length += app.enter.iter().map(|hook| hook.timeout).sum();
    }
    let from = end - SignedDuration::from_hours(24 * 9);
    let Some(window) = policy.windows.get(&job.window) else {
        return false;
    };
    let all: Vec<_> = window.occurrences(from, end).collect();
    let seen: Vec<_> = all
        .iter()
        .flat_map(|o| left(policy, (&job.window, &job.app), Some(&job.name), *o))
        .collect();
    // It must begin before nothing may begin any more, too.
    let cutoff = window.cutoff;
    let long = |o: &&Occurrence| o.length() >= length && o.length() - cutoff > before;
    let told = |o: &&Occurrence| {
        let day = window.zone.date(o.opens);
        !silenced.contains(&*format!("{}/{}/{day}", job.app, job.window))
    };
    // What it comes after may wait for yet another job, and that for long.
    let waits = |name: &&str| {
        let job = policy.maintenance.get(*name);
        job.is_some_and(|job| !job.proven_by.is_empty())
    };
    if chain.iter().any(waits) {
        return false;
    }
    // Of few chances one may be too early to be announced, and another be over only later.
    let announced = from + SignedDuration::from_hours(26);
    let whole = |o: &&Occurrence| o.opens >= announced && o.closes <= end;
    // Each of those that want the same occurrences has its turn before them all have had two.
    let rivals = policy.maintenance.values();
    let rivals = rivals.filter(|other| other.window == job.window).count();
    let chances = seen.iter().filter(whole).filter(long).filter(told);
    chances.count() > rivals
}
