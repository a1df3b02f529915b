//! Sessions one after another, each brought back, and nothing left over.

use super::*;

/// Sessions that share the app or a lock are never on top of each other.
pub(super) fn apart(moments: &[Moment], sessions: &BTreeMap<&str, &Session>, bad: &mut Bad) {
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
pub(super) fn comes_back(real: &[Real<'_>], moments: &[Moment], bad: &mut Bad) {
    let gone: HashMap<*const Moment, &Real<'_>> = real
        .iter()
        .filter_map(|r| Some((std::ptr::from_ref(r.gone?.0), r)))
        .collect();
    let mut entered: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    let mut back: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut hooks: HashMap<&str, usize> = HashMap::new();
    let mut owed: BTreeSet<&str> = BTreeSet::new();
    for moment in moments {
        match &moment.what {
            Happened::DaemonStarted => owed.extend(hooks.keys().copied()),
            Happened::Asked(start) => match &start.what {
                What::Enter { session, .. } | What::Step { session, .. }
                    if owed.contains(&**session) =>
                {
                    bad.push(format!(
                        "{session} goes on after a start without being left"
                    ));
                }
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
            Happened::Gone { end, .. } => {
                let attempt = gone.get(&std::ptr::from_ref(moment));
                if let Some(What::Leave { session, hook, .. }) = attempt.map(|a| &a.start.what)
                    && *end == (End::Exited { code: 0 })
                {
                    back.entry(session).or_default().push(*hook);
                }
            }
            Happened::Recorded { fact, .. } => match &**fact {
                // Its machine was restarted by one of its own steps.
                Fact::SessionReentered { session, leave, .. } => {
                    owed.remove(&**session);
                    hooks.insert(session, leave.len());
                }
                // Whatever has succeeded was of another list.
                Fact::LeaveChanged { session, leave } => {
                    back.remove(&**session);
                    hooks.insert(session, leave.len());
                }
                Fact::SessionEntering { session, leave, .. } => {
                    entered.remove(&**session);
                    back.remove(&**session);
                    hooks.insert(session, leave.len());
                }
                Fact::SessionLeft { session } => {
                    let count = hooks.remove(&**session).unwrap_or(0);
                    owed.remove(&**session);
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
                    let last = order.iter().rposition(|h| Some(h) == order.iter().max());
                    let all: BTreeSet<&usize> = order.iter().collect();
                    let tail = &order[last.unwrap_or(0)..];
                    if tail.len() != all.len() || tail.windows(2).any(|w| w[0] < w[1]) {
                        bad.push(format!("{session} was left in the order {done:?}"));
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
}

/// The facts of a session follow each other as the states do.
pub(super) fn in_order(moments: &[Moment], bad: &mut Bad) {
    let mut at: HashMap<&str, &str> = HashMap::new();
    let mut again: BTreeSet<&str> = BTreeSet::new();
    // Told of a change that is not accepted yet.
    let mut changing: BTreeSet<&str> = BTreeSet::new();
    for (when, fact) in facts(moments) {
        let Some(id) = fact.session() else { continue };
        let kind = fact.kind();
        let before = at.get(&**id).copied().unwrap_or("");
        let fine = match kind {
            "session_opened" => before.is_empty(),
            "session_planned" => before == "session_opened",
            "session_announced" => before == "session_planned",
            "session_starting" => {
                matches!(before, "session_announced" | "session_reopened")
                    && !changing.contains(&**id)
            }
            "session_revised" => {
                let Fact::SessionRevised { restarts, .. } = fact else {
                    continue;
                };
                match restarts {
                    Restarts::ElseAsBefore if before == "session_announced" => {
                        changing.insert(id);
                    }
                    Restarts::ElsePostponed => {
                        at.insert(id, "session_planned");
                    }
                    _ => {}
                }
                if !matches!(before, "session_planned" | "session_announced") {
                    bad.push(format!("{id}: revised after {before:?} at {when}"));
                }
                continue;
            }
            "session_confirmed" | "session_reverted" => {
                if !changing.remove(&**id) {
                    bad.push(format!("{id}: {kind} without a change at {when}"));
                }
                continue;
            }
            "session_entering" => before == "session_starting",
            "session_reentered" => {
                if before != "session_active" {
                    bad.push(format!("{id}: {kind} after {before:?} at {when}"));
                }
                at.insert(id, "session_entering");
                continue;
            }
            "leave_changed" => {
                if before != "session_leaving" {
                    bad.push(format!("{id}: {kind} after {before:?} at {when}"));
                }
                continue;
            }
            "session_active" => before == "session_entering",
            "session_leaving" => matches!(before, "session_entering" | "session_active"),
            "session_left" => before == "session_leaving",
            // One second round, and no third.
            "session_reopened" => before == "session_left" && again.insert(id),
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

/// What waits while the app is in maintenance does not run then.
pub(super) fn held(
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
    // Under the other policy the job may belong to no app: what runs under it, or across a reload, is not measured.
    let reloads: Vec<(SignedDuration, usize)> = moments
        .iter()
        .filter_map(|m| match m.what {
            Happened::PolicyChanged { index } => Some((m.elapsed, index)),
            _ => None,
        })
        .collect();
    for attempt in real {
        let What::Periodic { job, .. } = &attempt.start.what else {
            continue;
        };
        let app = policies[0].periodic.get(job).and_then(|j| j.app.as_ref());
        let Some((app, DuringMaintenance::Hold)) = app else {
            continue;
        };
        let (Some(began), Some((gone, _))) = (attempt.began, attempt.gone) else {
            continue;
        };
        let before = reloads.iter().rev().find(|(at, _)| *at <= began.elapsed);
        let across = reloads
            .iter()
            .any(|(at, _)| *at >= began.elapsed && *at <= gone.elapsed);
        if across || before.is_some_and(|(_, index)| *index != 0) {
            continue;
        }
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
pub(super) fn at_rest(played: &Played, bad: &mut Bad) {
    let Some(end) = played.trace.moments.last().map(|m| m.at) else {
        return;
    };
    let day = SignedDuration::from_hours(24);
    for session in played.state.sessions.values() {
        if end.duration_since(session.closes) > day {
            bad.push(format!("{} is still {:?}", session.id, session.phase));
        }
    }
    let well = |m: &&Moment| matches!(m.what, Happened::DiskWell);
    let well = played.trace.moments.iter().rfind(well).map(|m| m.elapsed);
    let elapsed = played.trace.moments.last().map(|m| m.elapsed);
    if let (Some(well), Some(end)) = (well, elapsed)
        && end - well > day
        && played.state.in_trouble()
    {
        bad.push("the state is still said to be in trouble".into());
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

/// Where something counts that could not be recorded it is said at once, once in a while, until it has been well.
pub(super) fn loud(moments: &[Moment], bad: &mut Bad) {
    // As the daemon knows it, and as the record has it.
    let (mut said, mut recorded) = (false, false);
    let mut unsaid: Option<SignedDuration> = None;
    let mut last_said: Option<SignedDuration> = None;
    let while_ = SignedDuration::from_mins(10) - SLACK;
    for moment in moments {
        if let Some(since) = unsaid.filter(|since| !said && moment.elapsed > *since) {
            bad.push(format!(
                "nobody hears since {since:?} that nothing is recorded"
            ));
            return;
        }
        let fact = match &moment.what {
            Happened::DaemonKilled | Happened::DaemonStarted | Happened::DaemonStopped { .. } => {
                (said, unsaid, last_said) = (recorded, None, None);
                continue;
            }
            Happened::ClockStepped { .. } | Happened::Suspended { .. } => {
                last_said = None;
                continue;
            }
            Happened::Recorded { fact, .. } => fact,
            Happened::Unrecorded { fact, .. } => {
                unsaid = Some(moment.elapsed);
                fact
            }
            _ => continue,
        };
        let durable = matches!(moment.what, Happened::Recorded { .. });
        match &**fact {
            Fact::AttentionRaised { key, .. } if &**key == UNWRITABLE => {
                if !said {
                    if last_said.is_some_and(|last| moment.elapsed - last < while_) {
                        bad.push(format!("the state is in trouble again at {}", moment.at));
                    }
                    last_said = Some(moment.elapsed);
                }
                said = true;
                recorded |= durable;
            }
            Fact::AttentionCleared { key } if &**key == UNWRITABLE => {
                said = false;
                recorded &= !durable;
            }
            _ => {}
        }
        if durable && !said {
            unsaid = None;
        }
    }
}

/// An app that stays in maintenance past its window raises one alarm.
pub(super) fn alarmed(moments: &[Moment], sessions: &BTreeMap<&str, &Session>, bad: &mut Bad) {
    let mut inside: HashMap<&str, (u32, SignedDuration)> = HashMap::new();
    let mut closes: HashMap<&str, Timestamp> = HashMap::new();
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
                Fact::SessionRevised { session, told, .. } => {
                    closes.insert(session, told.closes);
                }
                Fact::SessionReverted { session, .. } => {
                    closes.remove(&**session);
                }
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
                    let Some(known) = sessions.get(&**session).filter(|s| s.overridden.is_none())
                    else {
                        continue;
                    };
                    let closes = closes.get(&**session).copied();
                    let over = moment
                        .at
                        .duration_since(closes.unwrap_or(known.closes).max(known.closes));
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
