//! What operators ask for is done.

use offhours::core::wish::Wish;

use super::*;

/// While an app is paused nothing of it begins; while everything is, nothing does.
pub(super) fn paused(
    policies: &[Arc<Policy>],
    moments: &[Moment],
    sessions: &BTreeMap<&str, &Session>,
    bad: &mut Bad,
) {
    let mut paused: BTreeSet<String> = BTreeSet::new();
    let mut policy = &policies[0];
    let key = |app: &Option<offhours::core::policy::Name>| app.as_deref().unwrap_or("").to_owned();
    for moment in moments {
        let (at, fact) = match &moment.what {
            Happened::PolicyChanged { index } => {
                policy = &policies[*index];
                continue;
            }
            Happened::Recorded { decided, fact } => (*decided, &**fact),
            _ => continue,
        };
        let of =
            |app: Option<&str>| paused.contains("") || app.is_some_and(|app| paused.contains(app));
        match fact {
            Fact::Asked(asked) => match &asked.wish {
                Wish::Pause { app, .. } => drop(paused.insert(key(app))),
                Wish::Resume { app } => drop(paused.remove(&key(app))),
                _ => {}
            },
            Fact::PauseEnded { app } => drop(paused.remove(&key(app))),
            Fact::SessionStarting { session } => {
                let session = sessions.get(&**session);
                let regular = session.filter(|session| session.overridden.is_none());
                if regular.is_some_and(|session| of(Some(&session.app))) {
                    bad.push(format!("{:?} begins at {at}", regular.map(|s| &s.id)));
                }
            }
            Fact::AttemptStarted {
                what: What::Periodic { job, .. },
                ..
            } => {
                let app = policy.periodic.get(job).and_then(|job| job.app.as_ref());
                if of(app.map(|(app, _)| &**app)) {
                    bad.push(format!("{job} begins at {at}"));
                }
            }
            _ => {}
        }
    }
}

/// A session that was cancelled begins nothing more but what brings its app back, and ends soon; one that was postponed
/// never begins.
pub(super) fn wished(moments: &[Moment], bad: &mut Bad) {
    let mut ended: BTreeMap<String, bool> = BTreeMap::new();
    let mut inside: BTreeMap<&str, &str> = BTreeMap::new();
    for (at, fact) in facts(moments) {
        match fact {
            Fact::Asked(asked) => match &asked.wish {
                Wish::Cancel { session } => drop(ended.insert(session.to_string(), true)),
                Wish::Postpone { session, .. } => drop(ended.insert(session.to_string(), false)),
                Wish::Leave { app } => {
                    let of = inside.iter().find(|(_, of)| ***of == **app);
                    ended.extend(of.map(|(session, _)| ((*session).to_owned(), true)));
                }
                _ => {}
            },
            Fact::SessionEntering { session, .. } => {
                let app = session.split('/').next().unwrap_or_default();
                inside.insert(session, app);
                if ended.contains_key(&**session) {
                    bad.push(format!("{session} begins at {at}"));
                }
            }
            Fact::AttemptStarted { what, .. } => {
                let begins = matches!(what, What::Step { .. } | What::Enter { .. });
                if begins && what.session().is_some_and(|s| ended.contains_key(&**s)) {
                    bad.push(format!("{what:?} begins at {at}"));
                }
            }
            Fact::SessionLeft { session } => drop(inside.remove(&**session)),
            Fact::SessionClosed {
                session, outcome, ..
            } => {
                let cancelled = ended.remove(&**session);
                let expected = match cancelled {
                    Some(true) => Outcome::Cancelled,
                    Some(false) => Outcome::Postponed,
                    None => continue,
                };
                if *outcome != expected {
                    bad.push(format!("{session} ended as {outcome:?} at {at}"));
                }
            }
            _ => {}
        }
    }
    for session in ended.keys() {
        bad.push(format!("{session} was to end, and has not"));
    }
    stopped(moments, bad);
}

/// What runs of a session that is cancelled, or whose app is to come back, is asked to end at once.
fn stopped(moments: &[Moment], bad: &mut Bad) {
    let mut running: BTreeMap<RunId, (&str, bool)> = BTreeMap::new();
    let mut asked: BTreeSet<RunId> = BTreeSet::new();
    for moment in moments {
        let fact = match &moment.what {
            Happened::StopAsked { run } => {
                asked.insert(*run);
                continue;
            }
            // Its end is the end of all that ran.
            Happened::DaemonStarted => {
                running.clear();
                continue;
            }
            Happened::Recorded { fact, .. } => &**fact,
            _ => continue,
        };
        match fact {
            Fact::AttemptStarted {
                run,
                what: What::Step { session, .. } | What::Enter { session, .. },
                ..
            } => drop(running.insert(*run, (session, false))),
            Fact::Asked(wished) => {
                let concerned = |session: &str| match &wished.wish {
                    Wish::Cancel { session: of } => **of == *session,
                    Wish::Leave { app } => session.split('/').next() == Some(app),
                    _ => false,
                };
                let of = running
                    .values_mut()
                    .filter(|(session, _)| concerned(session));
                of.for_each(|(_, wanted)| *wanted = true);
            }
            Fact::AttemptEnded(ended) => {
                let was = running.remove(&ended.run);
                let (session, wanted) = was.unwrap_or_default();
                if wanted && !asked.contains(&ended.run) {
                    let at = moment.at;
                    bad.push(format!(
                        "run {} of {session} was to end, and was let go on to {at}",
                        ended.run
                    ));
                }
            }
            _ => {}
        }
    }
}

/// What begins at once was asked for, once, and is told; what needs another's consent has it.
pub(super) fn asked_for(policies: &[Arc<Policy>], moments: &[Moment], bad: &mut Bad) {
    /// The last that is known of a request.
    struct Request {
        person: u32,
        emergency: bool,
        held: bool,
    }
    let mut requests: BTreeMap<String, Request> = BTreeMap::new();
    let mut emergencies: BTreeMap<String, bool> = BTreeMap::new();
    let mut policy = &policies[0];
    for moment in moments {
        let (at, fact) = match &moment.what {
            Happened::PolicyChanged { index } => {
                policy = &policies[*index];
                continue;
            }
            Happened::Recorded { decided, fact } => (*decided, &**fact),
            _ => continue,
        };
        match fact {
            Fact::Asked(asked) => match &asked.wish {
                Wish::Request { job, emergency, .. } => {
                    let needs = policy.maintenance.get(job);
                    let request = Request {
                        person: asked.by.uid,
                        emergency: *emergency || requests.get(&**job).is_some_and(|r| r.emergency),
                        held: needs.is_some_and(|job| job.approval.is_some()),
                    };
                    requests.insert(job.to_string(), request);
                }
                Wish::Approve { job } => match requests.get_mut(&**job) {
                    Some(request) if request.person != asked.by.uid => request.held = false,
                    _ => bad.push(format!("{job} is approved by who asked for it at {at}")),
                },
                Wish::Withdraw { job } => drop(requests.remove(&**job)),
                _ => {}
            },
            Fact::SessionOpened { session } if session.is_rehearsal() => {}
            Fact::SessionOpened { session } => {
                for step in &session.steps {
                    let request = requests.get(&*step.job);
                    let job = policy.maintenance.get(&step.job);
                    let consent = job.is_some_and(|job| job.approval.is_some());
                    if consent && request.is_none_or(|request| request.held) {
                        bad.push(format!("{} needs a consent at {at}", step.job));
                    }
                }
                if session.emergency().is_some() {
                    // One job may be asked for on several hosts.
                    let jobs: BTreeSet<&str> = session.steps.iter().map(|s| &*s.job).collect();
                    for job in jobs {
                        let asked = requests.remove(job);
                        if !asked.is_some_and(|request| request.emergency) {
                            bad.push(format!("nobody asked for {} at {at}", session.id));
                        }
                    }
                    emergencies.insert(session.id.to_string(), false);
                }
            }
            Fact::SessionPlanned {
                session, notices, ..
            } => {
                let told = notices.iter().any(|n| n.kind == Kind::Advance);
                emergencies
                    .entry(session.to_string())
                    .and_modify(|known| *known |= told);
            }
            Fact::SessionEntering { session, .. }
                if emergencies.get(&**session) == Some(&false) =>
            {
                bad.push(format!("{session} begins untold at {at}"));
            }
            _ => {}
        }
    }
}
