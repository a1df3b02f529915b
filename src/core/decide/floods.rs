//! What happens again and again is told once an hour, with a count.

use std::collections::BTreeMap;

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

/// What fails because of one thing fails within this time: the first mail waits for it, and has it all.
const GATHERED: SignedDuration = SignedDuration::from_secs(30);

impl Turn<'_> {
    /// Tells the operators by mail, now or with what comes within the hour.
    pub(super) fn tell_operators(&mut self, key: &str, kind: AttentionKind, text: String) {
        let group: Name = match kind {
            AttentionKind::PeriodicFailing => PERIODIC.into(),
            _ => key.into(),
        };
        // What waits to be told goes out this turn, and this with it.
        let early = |told: &Repeats| {
            !told.again.is_empty() || told_by(told).is_some_and(|at| self.now < at)
        };
        let mut held = self.state.told.get(&group).is_some_and(early);
        if !held && kind == AttentionKind::PeriodicFailing {
            // Of nothing yet: what follows is held back with it.
            self.record(Fact::OperatorsTold {
                group: group.clone(),
                kind,
                notices: Vec::new(),
            });
            held = true;
        }
        if !kind.is_urgent() && held {
            return self.record(Fact::AttentionRepeated {
                group,
                key: key.into(),
                text,
            });
        }
        self.write_to_operators(group, kind, vec![text]);
    }

    /// What was held back is told once its time is over.
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
            let mut lines = lines(&told, &since);
            let more = lines.len().saturating_sub(MOST);
            if more > 0 {
                lines.truncate(MOST);
                lines.push(format!("and {more} more"));
            }
            self.write_to_operators(group, told.kind, lines);
        }
    }

    fn is_repeated(&self, told: &Repeats) -> bool {
        told_again_at(told).is_some_and(|at| at <= self.now)
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

/// One line for each, and one for a job that fails on many hosts.
fn lines(told: &Repeats, since: &str) -> Vec<String> {
    let job_of = |key: &str| {
        let name = key.strip_prefix("periodic:")?;
        name.split_once('@').map(|(job, _)| job.to_owned())
    };
    let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
    for job in told.again.keys().filter_map(|key| job_of(key)) {
        *hosts.entry(job).or_default() += 1;
    }
    hosts.retain(|_, hosts| *hosts > 1);
    let mut lines = Vec::new();
    for (key, (count, text)) in &told.again {
        let text = match count {
            1 => text.clone(),
            _ => format!("{text} ({count} times since {since})"),
        };
        match job_of(key) {
            // The first of them stands for all.
            Some(job) if hosts.contains_key(&job) => {
                if let Some(hosts) = hosts.insert(job.clone(), 0).filter(|hosts| *hosts > 0) {
                    let all = match told.again.len() < Repeats::COUNTED {
                        true => "",
                        false => "at least ",
                    };
                    lines.push(format!("{job} fails on {all}{hosts} hosts, e.g. {text}"));
                }
            }
            _ => lines.push(text),
        }
    }
    lines
}

/// Until when what comes is told together.
fn told_by(told: &Repeats) -> Option<Timestamp> {
    let apart = if told.first { GATHERED } else { APART };
    told.at.checked_add(apart).ok()
}

/// When what was held back is to be told.
pub fn told_again_at(told: &Repeats) -> Option<Timestamp> {
    told_by(told).filter(|_| !told.again.is_empty())
}
