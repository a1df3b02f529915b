//! What restarts the machine has succeeded when the machine has come up anew, and not before.

use super::*;

pub(super) fn rebooted(moments: &[Moment], sessions: &BTreeMap<&str, &Session>, bad: &mut Bad) {
    // Attempts that restart the machine: whether it came up anew since.
    let mut under_way: BTreeMap<RunId, bool> = BTreeMap::new();
    let mut through: BTreeSet<&str> = BTreeSet::new();
    for moment in moments {
        let fact = match &moment.what {
            Happened::Rebooted => {
                under_way.values_mut().for_each(|up| *up = true);
                continue;
            }
            Happened::Recorded { fact, .. } => &**fact,
            _ => continue,
        };
        let at = moment.at;
        match fact {
            Fact::AttemptStarted {
                run, what, reboot, ..
            } => {
                let disturbs = matches!(what, What::Periodic { .. } | What::Enter { .. });
                if disturbs && under_way.values().any(|up| !up) {
                    bad.push(format!(
                        "{what:?} begins while the machine is restarted at {at}"
                    ));
                }
                if *reboot {
                    under_way.insert(*run, false);
                }
            }
            Fact::AttemptEnded(ended) => {
                let Some(up) = under_way.remove(&ended.run) else {
                    continue;
                };
                if (ended.outcome == Outcome::Succeeded) != up {
                    let came = if up { "came up" } else { "did not come up" };
                    bad.push(format!(
                        "the machine {came} and it {:?} at {at}",
                        ended.outcome
                    ));
                }
                if up {
                    through.extend(
                        ended
                            .what
                            .session()
                            .and_then(|s| Some(*sessions.get_key_value(&**s)?.0)),
                    );
                }
            }
            Fact::SessionReentered { session, .. } if !through.remove(&**session) => {
                bad.push(format!(
                    "{session} is entered once more at {at}, for nothing"
                ));
            }
            _ => {}
        }
    }
}
