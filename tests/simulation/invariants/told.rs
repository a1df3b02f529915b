//! Who was told, when, and how often.

use super::*;

/// When a notice was accepted, and for which roles.
type Acceptance = (Timestamp, Vec<Arc<str>>);

/// Promise 2: accepted at least the lead before the app is touched.
pub(super) fn announced(
    policies: &[Arc<Policy>],
    moments: &[Moment],
    sessions: &BTreeMap<&str, &Session>,
    bad: &mut Bad,
) {
    let mut owed: HashMap<u64, (String, Vec<Arc<str>>)> = HashMap::new();
    let mut accepted: HashMap<String, Vec<Acceptance>> = HashMap::new();
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
