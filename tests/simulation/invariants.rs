//! What must hold in every play. Written from the promises, from what happened and what was recorded alone: nothing
//! here asks the code that decides.

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
    left(&real, moments, &sessions, &mut bad);
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

/// Promise 2: accepted at least the lead before the app is touched.
fn announced(
    policies: &[Arc<Policy>],
    moments: &[Moment],
    sessions: &BTreeMap<&str, &Session>,
    bad: &mut Bad,
) {
    let mut owed: HashMap<u64, (String, Vec<Arc<str>>)> = HashMap::new();
    let mut accepted: HashMap<String, Vec<(Timestamp, Vec<Arc<str>>)>> = HashMap::new();
    let mut refused: HashMap<String, usize> = HashMap::new();
    let mut delivered = BTreeSet::new();
    for moment in moments {
        match &moment.what {
            Happened::Delivered { notice, .. } => {
                delivered.insert(*notice);
            }
            Happened::Recorded { decided, fact } => match &**fact {
                Fact::SessionPlanned {
                    session, notices, ..
                } => {
                    for n in notices {
                        owed.insert(n.id, (session.to_string(), n.roles.clone()));
                    }
                }
                Fact::NoticeAccepted { notice, .. } => {
                    if !delivered.contains(notice) {
                        bad.push(format!(
                            "notice {notice} is said to be accepted and never was"
                        ));
                    }
                    if let Some((session, roles)) = owed.get(notice) {
                        let list = accepted.entry(session.clone()).or_default();
                        list.push((*decided, roles.clone()));
                    }
                }
                Fact::NoticeRefused { notice, .. } => {
                    if let Some((session, _)) = owed.get(notice) {
                        *refused.entry(session.clone()).or_default() += 1;
                    }
                }
                Fact::SessionEntering { session, .. } => {
                    let Some(known) = sessions.get(&**session).filter(|s| s.rehearsal.is_none())
                    else {
                        continue;
                    };
                    let early: Vec<_> = accepted
                        .get(&**session)
                        .into_iter()
                        .flatten()
                        .filter(|(at, _)| *at <= *decided - known.lead)
                        .collect();
                    let wanted: BTreeSet<&Arc<str>> = owed
                        .values()
                        .filter(|(id, _)| **id == **session)
                        .flat_map(|(_, roles)| roles)
                        .collect();
                    let count = owed.values().filter(|(id, _)| **id == **session).count();
                    let no = refused.get(&**session).copied().unwrap_or(0);
                    let enough = match policies[0].notice.accepted {
                        Accepted::All => early.len() + no >= count && !early.is_empty(),
                        Accepted::EachRole => wanted
                            .iter()
                            .all(|role| early.iter().any(|(_, roles)| roles.contains(role))),
                    };
                    if !enough || early.is_empty() {
                        bad.push(format!("{session} entered at {decided} unannounced"));
                    }
                }
                _ => {}
            },
            _ => {}
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

/// Sessions that share the app or a lock are never on top of each other.
fn apart(moments: &[Moment], sessions: &BTreeMap<&str, &Session>, bad: &mut Bad) {
    let mut inside: BTreeSet<&str> = BTreeSet::new();
    for (at, fact) in facts(moments) {
        match fact {
            Fact::SessionEntering { session, .. } => {
                let Some(this) = sessions.get(&**session) else {
                    continue;
                };
                for other in &inside {
                    let that = sessions[other];
                    let shared = this.locks.iter().any(|l| that.locks.contains(l));
                    if this.app == that.app || shared {
                        bad.push(format!(
                            "{session} entered at {at} while {other} was inside"
                        ));
                    }
                }
                inside.insert(session);
            }
            Fact::SessionLeft { session } => {
                inside.remove(&**session);
            }
            _ => {}
        }
    }
}

/// Promise 3: for every enter hook that was started the leave hook has succeeded, in reverse order.
fn left(real: &[Real<'_>], moments: &[Moment], sessions: &BTreeMap<&str, &Session>, bad: &mut Bad) {
    let mut by_run: HashMap<(RunId, u32), &Real<'_>> = HashMap::new();
    for attempt in real {
        by_run.insert((attempt.start.run, attempt.start.attempt), attempt);
    }
    let mut entered: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    let mut back: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut hooks: HashMap<&str, usize> = HashMap::new();
    for moment in moments {
        match &moment.what {
            Happened::Asked(start) => match &start.what {
                What::Enter { session, hook, .. } => {
                    entered.entry(session).or_default().insert(*hook);
                    back.remove(&**session);
                }
                What::Step { session, .. }
                    if back.get(&**session).is_some_and(|b| !b.is_empty()) =>
                {
                    bad.push(format!("{session} works while it is being left"));
                }
                _ => {}
            },
            Happened::Gone { run, end } => {
                let attempt = real.iter().rev().find(|r| {
                    r.start.run == *run
                        && r.gone.is_some_and(|(gone, _)| std::ptr::eq(gone, moment))
                });
                if let Some(What::Leave { session, hook, .. }) = attempt.map(|a| &a.start.what)
                    && *end == (End::Exited { code: 0 })
                {
                    back.entry(session).or_default().push(*hook);
                }
            }
            Happened::Recorded { fact, .. } => match &**fact {
                Fact::SessionEntering { session, leave, .. } => {
                    entered.remove(&**session);
                    back.remove(&**session);
                    hooks.insert(session, leave.len());
                }
                Fact::SessionLeft { session } => {
                    let count = hooks.get(&**session).copied().unwrap_or(0);
                    let wanted = entered.remove(&**session).unwrap_or_default();
                    let done = back.remove(&**session).unwrap_or_default();
                    for hook in wanted.into_iter().filter(|h| *h < count) {
                        if !done.contains(&hook) {
                            bad.push(format!(
                                "{session} counts as left without leave hook {hook}"
                            ));
                        }
                    }
                    let mut order = done.clone();
                    order.dedup();
                    if order.windows(2).any(|w| w[0] < w[1]) && sessions.contains_key(&**session) {
                        // After a crash they may begin again from the last one.
                        let last = order
                            .iter()
                            .rposition(|h| Some(h) == order.iter().max())
                            .unwrap_or(0);
                        if order[last..].windows(2).any(|w| w[0] <= w[1]) {
                            bad.push(format!("{session} was left in the order {done:?}"));
                        }
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
}

/// The facts of a session follow each other as the states do.
fn in_order(moments: &[Moment], bad: &mut Bad) {
    let mut at: HashMap<&str, &str> = HashMap::new();
    for (when, fact) in facts(moments) {
        let Some(id) = fact.session() else { continue };
        let kind = fact.kind();
        let before = at.get(&**id).copied().unwrap_or("");
        let fine = match kind {
            "session_opened" => before.is_empty(),
            "session_planned" => before == "session_opened",
            "session_announced" => before == "session_planned",
            "session_starting" => matches!(before, "session_announced" | "session_reopened"),
            "session_entering" => before == "session_starting",
            "session_active" => before == "session_entering",
            "session_leaving" => matches!(before, "session_entering" | "session_active"),
            "session_left" => before == "session_leaving",
            "session_reopened" => before == "session_left",
            "session_closed" => !matches!(
                before,
                "" | "session_closed" | "session_entering" | "session_active" | "session_leaving"
            ),
            _ => continue,
        };
        if !fine {
            bad.push(format!("{id}: {kind} after {before:?} at {when}"));
        }
        at.insert(id, kind);
    }
}

/// Every due instant of a periodic job has exactly one final record.
fn periodic_dues(policies: &[Arc<Policy>], played: &Played, bad: &mut Bad) {
    let moments = &played.trace.moments;
    for job in policies[0].periodic.values() {
        let mut since = None;
        let mut covered: BTreeMap<Timestamp, u32> = BTreeMap::new();
        for (at, fact) in facts(moments) {
            match fact {
                Fact::JobsKnown { periodic, .. } if periodic.contains(&job.name) => {
                    since.get_or_insert(at);
                }
                Fact::AttemptEnded(ended)
                    if ended.retry.is_none()
                        && ended.what
                            == (What::Periodic {
                                job: job.name.clone(),
                            }) =>
                {
                    if let Some(due) = ended.due {
                        *covered.entry(due.first).or_default() += 1;
                    }
                }
                Fact::Skipped { job: name, due, .. } if *name == job.name => {
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
                        *covered.entry(t).or_default() += 1;
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
        let late = job.schedule.next_after(&job.zone, past.accounted);
        let week = SignedDuration::from_hours(26);
        let waits = job.window.is_some() || past.active.is_some();
        if !waits && late.is_some_and(|late| end.duration_since(late) > week) {
            bad.push(format!("{}: due {late:?} is not served at {end}", job.name));
        }
    }
}

/// No due instant of a maintenance job is served twice, and none starves.
fn maintenance_dues(policies: &[Arc<Policy>], played: &Played, bad: &mut Bad) {
    let mut served: BTreeSet<(&str, &str, Timestamp)> = BTreeSet::new();
    for (at, fact) in facts(&played.trace.moments) {
        let (job, host, due) = match fact {
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
                ..
            } if *outcome != Outcome::Postponed => (job, host, *due),
            _ => continue,
        };
        // Two sessions may be told at once; the later may be over first.
        if !served.insert((job, host, due.last)) {
            bad.push(format!("{job}: {due:?} is served a second time at {at}"));
        }
    }
    let end = played.trace.moments.last().map(|m| m.at);
    let policy = &policies[0];
    for job in policy
        .maintenance
        .values()
        .filter(|j| matches!(j.due, Due::Window))
    {
        let (Some(known), Some(end)) = (played.state.maintenance.get(&job.name), end) else {
            continue;
        };
        for host in &job.hosts {
            let accounted = known.accounted(host);
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

/// Promise 7: every notice owed comes to an end, and none is sent after it was accepted.
fn told_once(moments: &[Moment], bad: &mut Bad) {
    let mut open: BTreeMap<u64, (Timestamp, Option<Arc<str>>, Kind)> = BTreeMap::new();
    let mut done: BTreeSet<u64> = BTreeSet::new();
    let mut closed: HashMap<Arc<str>, SignedDuration> = HashMap::new();
    for moment in moments {
        match &moment.what {
            Happened::Delivered { notice, letter } => {
                if done.contains(notice) {
                    bad.push(format!("notice {notice} was sent after its end"));
                }
                let over = closed.get(&*letter.session);
                let advance = letter.kind == offhours::core::letter::LetterKind::Advance;
                if advance
                    && over.is_some_and(|at| moment.elapsed - *at > SignedDuration::from_mins(6))
                {
                    bad.push(format!("{} was announced after its end", letter.session));
                }
            }
            Happened::Recorded { decided, fact } => match &**fact {
                Fact::SessionPlanned { notices, .. } | Fact::NoticesOwed { notices } => {
                    for n in notices {
                        if open
                            .insert(n.id, (*decided, n.session.clone(), n.kind))
                            .is_some()
                        {
                            bad.push(format!("notice {} is owed twice", n.id));
                        }
                    }
                }
                Fact::NoticeAccepted { notice, .. }
                | Fact::NoticeRefused { notice, .. }
                | Fact::NoticeGivenUp { notice, .. } => {
                    if open.remove(notice).is_none() && done.contains(notice) {
                        bad.push(format!("notice {notice} ends twice"));
                    }
                    done.insert(*notice);
                }
                Fact::SessionClosed { session, .. } => {
                    closed.insert(session.clone(), moment.elapsed);
                    open.retain(|_, (_, of, kind)| {
                        of.as_ref() != Some(session) || *kind != Kind::Advance
                    });
                }
                _ => {}
            },
            _ => {}
        }
    }
    let Some(end) = moments.last() else { return };
    for (id, (owed, session, kind)) in open {
        if end.at.duration_since(owed) > SignedDuration::from_hours(73) {
            bad.push(format!(
                "notice {id} ({kind:?} of {session:?}), owed {owed}, is lost"
            ));
        }
    }
}

/// What waits while the app is in maintenance does not run then.
fn held(
    policies: &[Arc<Policy>],
    moments: &[Moment],
    real: &[Real<'_>],
    sessions: &BTreeMap<&str, &Session>,
    bad: &mut Bad,
) {
    let mut spans: Vec<(&str, SignedDuration, SignedDuration)> = Vec::new();
    let mut inside: HashMap<&str, SignedDuration> = HashMap::new();
    for moment in moments {
        match &moment.what {
            Happened::Asked(start) => {
                if let What::Enter { session, .. } | What::Step { session, .. } = &start.what {
                    inside.entry(session).or_insert(moment.elapsed);
                }
            }
            Happened::Recorded { fact, .. } => {
                if let Fact::SessionLeft { session } = &**fact
                    && let Some(from) = inside.remove(&**session)
                    && let Some(known) = sessions.get(&**session)
                {
                    spans.push((&known.app, from, moment.elapsed));
                }
            }
            _ => {}
        }
    }
    // Where the other policy says something else, what was told under it is not measured here.
    let reloaded = moments
        .iter()
        .any(|m| matches!(m.what, Happened::PolicyChanged { .. }));
    if reloaded {
        return;
    }
    for attempt in real {
        let What::Periodic { job } = &attempt.start.what else {
            continue;
        };
        let app = policies[0].periodic.get(job).and_then(|j| j.app.as_ref());
        let Some((app, DuringMaintenance::Hold)) = app else {
            continue;
        };
        let (Some(began), Some((gone, _))) = (attempt.began, attempt.gone) else {
            continue;
        };
        if let Some((_, from, _)) = spans.iter().find(|(of, from, until)| {
            *of == &**app && began.elapsed < *until && gone.elapsed > *from
        }) {
            bad.push(format!(
                "{job} runs at {} while {app} is in maintenance since {from}",
                began.at
            ));
        }
    }
}

/// Some days after the last fault nothing is left over.
fn at_rest(played: &Played, bad: &mut Bad) {
    let Some(end) = played.trace.moments.last().map(|m| m.at) else {
        return;
    };
    let day = SignedDuration::from_hours(24);
    for session in played.state.sessions.values() {
        if end.duration_since(session.closes) > day {
            bad.push(format!("{} is still {:?}", session.id, session.phase));
        }
    }
    for running in played.state.running.values() {
        if end.duration_since(running.started) > day {
            bad.push(format!("{:?} still counts as running", running.what));
        }
    }
    for notice in played.state.notices.values() {
        if notice.progress == Progress::Sending && end.duration_since(notice.owed) > day * 4 {
            bad.push(format!("notice {} still counts as being sent", notice.id));
        }
    }
}

/// An app that stays in maintenance past its window raises one alarm.
fn alarmed(moments: &[Moment], sessions: &BTreeMap<&str, &Session>, bad: &mut Bad) {
    let mut inside: HashMap<&str, (u32, SignedDuration)> = HashMap::new();
    let mut quiet: Option<SignedDuration> = None;
    for moment in moments {
        match &moment.what {
            Happened::DaemonKilled
            | Happened::DaemonStarted
            | Happened::DaemonStopped { .. }
            | Happened::DiskFull
            | Happened::DiskWell
            | Happened::ClockStepped { .. }
            | Happened::Suspended { .. }
            | Happened::PolicyChanged { .. } => quiet = Some(moment.elapsed),
            Happened::Recorded { fact, .. } => match &**fact {
                Fact::SessionEntering { session, .. } => {
                    inside.insert(session, (0, moment.elapsed));
                }
                Fact::AttentionRaised { key, app, .. } if key.starts_with("stuck:") => {
                    for (id, (count, _)) in &mut inside {
                        if sessions
                            .get(id)
                            .is_some_and(|s| Some(&s.app) == app.as_ref())
                        {
                            *count += 1;
                        }
                    }
                }
                Fact::SessionLeft { session } => {
                    let Some((count, _)) = inside.remove(&**session) else {
                        continue;
                    };
                    let Some(known) = sessions.get(&**session).filter(|s| s.rehearsal.is_none())
                    else {
                        continue;
                    };
                    let over = moment.at.duration_since(known.closes);
                    let calm = quiet.is_none_or(|q| moment.elapsed - q > over);
                    if over > SignedDuration::from_mins(2) && calm && count != 1 {
                        bad.push(format!("{session} was stuck for {over:?}, alarms: {count}"));
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
}
