//! What happens again and again is told once an hour, with a count.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use super::opening::recipients;
use crate::core::fact::Fact;
use crate::core::notice::{Kind, Notice};
use crate::core::policy::Name;
use crate::core::state::{AttentionKind, Repeats};

/// Matters of one group are told this far apart.
pub const APART: SignedDuration = SignedDuration::from_hours(1);
/// The group of all failing periodic jobs: where one fails, others often do.
const PERIODIC: &str = "periodic";
/// Lines of one mail.
const MOST: usize = 30;

impl Turn<'_> {
    /// Tells the operators by mail, now or with what comes within the hour.
    pub(super) fn tell_operators(&mut self, key: &str, kind: AttentionKind, text: String) {
        let group: Name = match kind {
            AttentionKind::PeriodicFailing => PERIODIC.into(),
            _ => key.into(),
        };
        let early = |told: &Repeats| told.at.checked_add(APART).is_ok_and(|at| self.now < at);
        if !kind.is_urgent() && self.state.told.get(&group).is_some_and(early) {
            return self.record(Fact::AttentionRepeated {
                group,
                key: key.into(),
                text,
            });
        }
        self.write_to_operators(group, kind, vec![text]);
    }

    /// What was held back is told once its hour is over.
    pub(super) fn tell_repeated(&mut self) {
        let due: Vec<(Name, Repeats)> = self
            .state
            .told
            .iter()
            .filter(|(_, told)| self.is_repeated(told))
            .map(|(group, told)| (group.clone(), told.clone()))
            .collect();
        for (group, told) in due {
            let since = self
                .policy
                .zone
                .zoned(told.at)
                .strftime("%H:%M")
                .to_string();
            let mut lines: Vec<String> = told
                .again
                .values()
                .take(MOST)
                .map(|(count, text)| match count {
                    1 => text.clone(),
                    _ => format!("{text} ({count} times since {since})"),
                })
                .collect();
            let more = told.again.len().saturating_sub(MOST);
            if more > 0 {
                lines.push(format!("and {more} more"));
            }
            self.write_to_operators(group, told.kind, lines);
        }
    }

    fn is_repeated(&self, told: &Repeats) -> bool {
        !told.again.is_empty() && told.at.checked_add(APART).is_ok_and(|at| at <= self.now)
    }

    fn write_to_operators(&mut self, group: Name, kind: AttentionKind, lines: Vec<String>) {
        let subject = kind.word().replace('_', " ");
        let first = self.state.next_notice.max(1);
        let text: Vec<String> = std::iter::once(subject).chain(lines).collect();
        let notices: Vec<Notice> = (first..)
            .zip(recipients(&self.policy.notice.operators))
            .map(|(id, (roles, person))| {
                let mut notice = self.notice(id, Kind::Operators, roles, person);
                notice.text.clone_from(&text);
                notice
            })
            .collect();
        if !notices.is_empty() {
            self.record(Fact::OperatorsTold {
                group,
                kind,
                notices,
            });
        }
    }
}

/// When what was held back is to be told.
pub fn told_again_at(told: &Repeats) -> Option<Timestamp> {
    let held = !told.again.is_empty();
    held.then(|| told.at.checked_add(APART).ok()).flatten()
}
