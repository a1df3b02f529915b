//! A host is not touched while its own window is closed, or a freeze of hosts holds.

use offhours::core::policy::Name;

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
            let own = |host: &Name| policy.hosts.get(host).map_or(&[][..], |h| &h.labels);
            let excepted =
                |labels: &[Name]| labels.iter().any(|l| freeze.except_labels.contains(l));
            // What means all hosts alike bounds sessions.
            let apart =
                freeze.hosts.is_empty() && policy.hosts.keys().any(|host| excepted(own(host)));
            let meant = (freeze.hosts.contains(host) || apart)
                && (freeze.windows.is_empty() || freeze.windows.contains(&of.window))
                && (freeze.apps.is_empty() || freeze.apps.contains(&of.app));
            let exempt = excepted(&of.labels) || excepted(own(host));
            if meant && !exempt && freeze.holds(at) {
                bad.push(format!(
                    "{job} begins on {host} at {at}, in freeze {}",
                    freeze.name
                ));
            }
        }
    }
}
