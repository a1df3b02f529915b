//! A host is not touched while its own window is closed, or a freeze of hosts holds.

use super::*;

pub(super) fn own_times(policies: &[Arc<Policy>], moments: &[Moment], bad: &mut Bad) {
    // Where people wished it now, whatever any window says.
    let mut wished: BTreeSet<String> = BTreeSet::new();
    for (moment, policy, fact) in under_policies(policies, moments) {
        let (session, job, host) = match fact {
            Fact::SessionOpened { session } if session.overridden.is_some() => {
                wished.insert(session.id.to_string());
                continue;
            }
            Fact::AttemptStarted {
                what: What::Step {
                    session, job, host, ..
                },
                attempt: 1,
                ..
            } => (session, job, host),
            _ => continue,
        };
        let Some(of) = policy.maintenance.get(job) else {
            continue;
        };
        if wished.contains(&**session) {
            continue;
        }
        let at = moment.at;
        let window = policy.hosts.get(host).and_then(|host| host.window.as_ref());
        let window = window.and_then(|window| policy.windows.get(window));
        let later = at.saturating_add(SignedDuration::from_secs(1)).unwrap();
        if window.is_some_and(|window| !window.occurrences(at, later).any(|o| o.contains(at))) {
            bad.push(format!(
                "{job} begins on {host} at {at}, outside of its window"
            ));
        }
        for freeze in &policy.freezes {
            let exempt = of
                .labels
                .iter()
                .any(|label| freeze.except_labels.contains(label));
            if freeze.hosts.contains(host) && !exempt && freeze.holds(at) {
                bad.push(format!(
                    "{job} begins on {host} at {at}, in freeze {}",
                    freeze.name
                ));
            }
        }
    }
}
