//! Who was told, when, and how often.

use super::*;
use offhours::core::letter::{Letter, LetterKind};

/// One person of a session: through which roles, what they were told and when that was accepted, and whether they
/// refused for good.
#[derive(Default)]
struct Reached<'a> {
    roles: BTreeSet<Arc<str>>,
    accepted: Vec<(Timestamp, &'a Letter)>,
    refused: bool,
}

/// Promise 2: what is done was told, and that was accepted at least the lead before the app is touched. Held against
/// the mails themselves: the job, the host and the start that they name.
pub(super) fn announced(
    policies: &[Arc<Policy>],
    moments: &[Moment],
    real: &[Real<'_>],
    sessions: &BTreeMap<&str, &Session>,
    bad: &mut Bad,
) {
    let mut about: HashMap<u64, (Arc<str>, String)> = HashMap::new();
    let mut people: HashMap<Arc<str>, BTreeMap<String, Reached<'_>>> = HashMap::new();
    // By notice and session: one mail may tell of several.
    let mut sent: HashMap<(u64, &str), &Letter> = HashMap::new();
    let mut within: HashMap<u64, u64> = HashMap::new();
    let mut entered: HashMap<Arc<str>, Timestamp> = HashMap::new();
    for moment in moments {
        match &moment.what {
            Happened::Delivered { notice, letter } => {
                for part in parts(letter) {
                    sent.insert((*notice, &*part.session), part);
                }
            }
            Happened::Recorded { decided, fact } => match &**fact {
                Fact::SessionPlanned { notices, .. }
                | Fact::NoticesOwed { notices }
                | Fact::OperatorsTold { notices, .. }
                | Fact::SessionRevised { notices, .. }
                | Fact::SessionReverted { notices, .. } => {
                    for n in notices
                        .iter()
                        .filter(|n| matches!(n.kind, Kind::Advance | Kind::Changed))
                    {
                        let Some(session) = n.session.clone() else {
                            continue;
                        };
                        let person = people
                            .entry(session.clone())
                            .or_default()
                            .entry(n.person.email.clone())
                            .or_default();
                        person.roles.extend(n.roles.iter().cloned());
                        about.insert(n.id, (session, n.person.email.clone()));
                    }
                }
                Fact::NoticesBundled { into, notices } => {
                    within.extend(notices.iter().map(|notice| (*notice, *into)));
                }
                Fact::NoticeSending { notice, .. } => {
                    within.remove(notice);
                }
                Fact::NoticeAccepted { notice, about: of } => {
                    let mail = within.get(notice).unwrap_or(notice);
                    let session = of.session.as_deref().unwrap_or("");
                    let Some(letter) = sent.get(&(*mail, session)) else {
                        bad.push(format!(
                            "notice {notice} is said to be accepted and never was"
                        ));
                        continue;
                    };
                    if let Some(person) = person(&mut people, &about, notice) {
                        person.accepted.push((*decided, letter));
                    }
                }
                Fact::NoticeRefused { notice, .. } => {
                    if let Some(person) = person(&mut people, &about, notice) {
                        person.refused = true;
                    }
                }
                Fact::SessionEntering { session, .. } => {
                    // A second round goes on with what the first began.
                    entered.entry(session.clone()).or_insert(*decided);
                }
                _ => {}
            },
            _ => {}
        }
    }
    for attempt in real.iter().filter(|attempt| attempt.began.is_some()) {
        let (id, work) = match &attempt.start.what {
            What::Step {
                session, job, host, ..
            } => (session, Some((&**job, &**host))),
            What::Enter { session, .. } => (session, None),
            _ => continue,
        };
        let known = sessions.get(&**id).filter(|s| s.overridden.is_none());
        let (Some(known), Some(entered)) = (known, entered.get(id)) else {
            continue;
        };
        let tells = |letter: &Letter| {
            let named = work.is_none_or(|(job, host)| {
                let jobs = letter.jobs.iter();
                jobs.filter(|j| j.name == job)
                    .any(|j| j.hosts.iter().any(|h| h == host))
            });
            named && letter.starts <= *entered
        };
        let early = |person: &Reached<'_>| {
            let mut accepted = person.accepted.iter();
            accepted.any(|(at, letter)| *at <= *entered - known.lead && tells(letter))
        };
        let none = BTreeMap::new();
        let people = people.get(id).unwrap_or(&none);
        let roles: BTreeSet<&Arc<str>> = people.values().flat_map(|p| &p.roles).collect();
        let wanted = |role: &Arc<str>| match &policies[0].notice.accepted {
            Accepted::Roles(named) => {
                named.contains(role) || !roles.iter().any(|role| named.contains(*role))
            }
            _ => true,
        };
        let enough = match policies[0].notice.accepted {
            Accepted::All => people.values().all(|p| early(p) || p.refused),
            Accepted::EachRole | Accepted::Roles(_) => roles
                .iter()
                .filter(|role| wanted(role))
                .all(|role| people.values().any(|p| early(p) && p.roles.contains(*role))),
        };
        if !enough || !people.values().any(early) {
            let what = &attempt.start.what;
            bad.push(format!("{what:?} of {id}, entered {entered}: unannounced"));
        }
    }
}

/// A letter, or each of the sessions that a digest tells of.
fn parts(letter: &Letter) -> &[Letter] {
    match &letter.parts[..] {
        [] => std::slice::from_ref(letter),
        parts => parts,
    }
}

fn person<'a, 'b>(
    people: &'a mut HashMap<Arc<str>, BTreeMap<String, Reached<'b>>>,
    about: &HashMap<u64, (Arc<str>, String)>,
    notice: &u64,
) -> Option<&'a mut Reached<'b>> {
    let (session, email) = about.get(notice)?;
    people.get_mut(session)?.get_mut(email)
}

/// Promise 7: every notice owed comes to an end, and none is sent after it was accepted.
pub(super) fn told_once(moments: &[Moment], bad: &mut Bad) {
    let mut open: BTreeMap<u64, (Timestamp, Option<Arc<str>>, Kind)> = BTreeMap::new();
    let mut done: BTreeSet<u64> = BTreeSet::new();
    let mut closed: HashMap<Arc<str>, SignedDuration> = HashMap::new();
    let mut identities: HashMap<&str, (Timestamp, &str, &[String])> = HashMap::new();
    for moment in moments {
        match &moment.what {
            Happened::Delivered { notice, letter } => {
                let this = (letter.date, &*letter.recipient.email, &letter.text[..]);
                if *identities.entry(&letter.message_id).or_insert(this) != this {
                    bad.push(format!("two mails are called {}", letter.message_id));
                }
                if done.contains(notice) {
                    bad.push(format!("notice {notice} was sent after its end"));
                }
                for letter in parts(letter) {
                    let over = closed.get(&*letter.session);
                    let ahead = matches!(letter.kind, LetterKind::Advance | LetterKind::Changed);
                    let late =
                        |at: &SignedDuration| moment.elapsed - *at > SignedDuration::from_mins(6);
                    if ahead && over.is_some_and(late) {
                        bad.push(format!("{} was announced after its end", letter.session));
                    }
                }
            }
            Happened::Recorded { decided, fact } => match &**fact {
                Fact::SessionPlanned { notices, .. }
                | Fact::NoticesOwed { notices }
                | Fact::OperatorsTold { notices, .. }
                | Fact::SessionRevised { notices, .. }
                | Fact::SessionReverted { notices, .. } => {
                    for n in notices {
                        let from = match n.progress {
                            Progress::Owed { not_before } => not_before.max(*decided),
                            _ => *decided,
                        };
                        if open
                            .insert(n.id, (from, n.session.clone(), n.kind))
                            .is_some()
                        {
                            bad.push(format!("notice {} is owed twice", n.id));
                        }
                    }
                }
                Fact::NoticeAccepted { notice, .. }
                | Fact::NoticeRefused { notice, .. }
                | Fact::NoticeOvertaken { notice, .. }
                | Fact::NoticeGivenUp { notice, .. } => {
                    if open.remove(notice).is_none() && done.contains(notice) {
                        bad.push(format!("notice {notice} ends twice"));
                    }
                    done.insert(*notice);
                }
                Fact::SessionClosed { session, .. } => {
                    closed.insert(session.clone(), moment.elapsed);
                    open.retain(|_, (_, of, kind)| {
                        of.as_ref() != Some(session)
                            || !matches!(kind, Kind::Advance | Kind::Changed)
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
