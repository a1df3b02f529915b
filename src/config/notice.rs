//! `[notice]`, `[limits]` and what is kept.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::command::SECOND;
use super::keys;
use super::people::Roles;
use super::reading::Reading;
use super::source::Place;
use super::tree::{Fields, Item};
use crate::core::calendar::DayTime;
use crate::core::policy::{
    Accepted, Alarm, Audience, Keep, LOCAL, Limits, Name, NoticeKinds, NoticePolicy, Probe,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Nobody can be told in no time: with none, every session would be unannounced.
pub(super) const LEAST_MARGIN: SignedDuration = SignedDuration::from_secs(1);

/// What apps take from `[notice]` where they say nothing.
pub struct Defaults {
    pub to: Vec<Audience>,
    pub lead: SignedDuration,
    pub margin: SignedDuration,
    /// The operators' addresses.
    pub contact: Arc<[String]>,
    pub roles: Roles,
    pub digests: Digests,
}

/// When people are told of all that comes: everybody, or by role.
#[derive(Clone, Debug, Default)]
pub struct Digests {
    all: Option<Arc<DayTime>>,
    roles: HashMap<Name, Option<Arc<DayTime>>>,
}

impl Digests {
    /// That of one role.
    fn of(&self, role: &Name) -> Option<Arc<DayTime>> {
        let own = self.roles.get(role).cloned();
        own.unwrap_or_else(|| self.all.clone())
    }

    pub fn put(&self, audiences: &mut [Audience]) {
        for audience in audiences {
            audience.digest = self.of(&audience.role);
        }
    }
}

impl<'a> Reading<'a> {
    pub fn notice(&mut self, roles: Roles) -> (NoticePolicy, Defaults) {
        let fields = self.document.section("notice").cloned().unwrap_or_default();
        let accepted = fields
            .get("accepted")
            .and_then(|item| self.accepted(item, &roles))
            .unwrap_or(Accepted::EachRole);
        let operators = self
            .audiences(&fields, "operators", &roles)
            .unwrap_or_default();
        let to = self.audiences(&fields, "to", &roles).unwrap_or_default();
        let here = [self.name(LOCAL)];
        let alarm = fields
            .get("alarm")
            .and_then(|item| self.asked(item, SignedDuration::from_secs(30), (true, &here)));
        let alarm = alarm.map(|Probe { command, timeout }| Alarm { command, timeout });
        let mut flag = |key: &str, default| {
            fields
                .get(key)
                .and_then(|item| self.boolean(item))
                .unwrap_or(default)
        };
        let kinds = NoticeKinds {
            started: flag("started", false),
            finished: flag("finished", true),
            failed: flag("failed", true),
        };
        let lead = self.duration_or(
            &fields,
            "lead",
            SignedDuration::ZERO,
            SignedDuration::from_hours(12),
        );
        let margin = self.duration_or(
            &fields,
            "margin",
            LEAST_MARGIN,
            SignedDuration::from_hours(1),
        );
        let digests = fields
            .get("digest")
            .map(|item| self.digests(item, &roles))
            .unwrap_or_default();
        let digest_after = fields
            .get("digest_after")
            .and_then(|item| self.integer(item, 1..=1_000))
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(5);
        let people = operators.iter().flat_map(|audience| audience.people.iter());
        let contact = people.map(|person| person.email.clone()).collect();
        (
            NoticePolicy {
                accepted,
                operators,
                alarm,
                kinds,
                digest_after,
            },
            Defaults {
                to,
                lead,
                margin,
                contact,
                roles,
                digests,
            },
        )
    }

    /// `"each-role"`, `"all"`, or the roles that have to be reached.
    fn accepted(&mut self, item: Item<'a>, roles: &Roles) -> Option<Accepted> {
        if !item.value.is_array() {
            let words = [("each-role", Accepted::EachRole), ("all", Accepted::All)];
            return self.choice(item, &words);
        }
        let mut wanted = Vec::new();
        for (text, item) in self.lines(item) {
            self.role(text, item.place, roles);
            wanted.push(self.name(text));
        }
        (!wanted.is_empty()).then(|| Accepted::Roles(wanted.into()))
    }

    fn role(&mut self, name: &str, place: Place, roles: &Roles) {
        if !roles.contains_key(name) && self.document.complete {
            self.problems
                .error(place, format!("there is no role `{name}`"))
                .hint("roles are the keys of `contacts_file` and [contacts]");
        }
    }

    /// `"Mon 09:00"`, or a table of roles with such a time or `"none"` each.
    pub fn digests(&mut self, item: Item<'a>, roles: &Roles) -> Digests {
        let mut digests = Digests::default();
        if item.value.is_str() {
            digests.all = self.day_time(item);
            return digests;
        }
        let Some(inner) = item.value.as_table() else {
            self.mismatch(
                item,
                r#""Mon 09:00", or a table such as { technical = "Mon 09:00" }"#,
            );
            return digests;
        };
        for field in Fields::of(inner, item.place).list {
            self.role(field.key, field.place, roles);
            let at = self.day_time(field.item);
            digests.roles.insert(self.name(field.key), at);
        }
        digests
    }

    fn day_time(&mut self, item: Item<'a>) -> Option<Arc<DayTime>> {
        let text = self.line(item)?;
        if text == "none" {
            return None;
        }
        match DayTime::parse(text, &self.zone) {
            Ok(at) => Some(Arc::new(at)),
            Err(wrong) => {
                self.malformed(item, wrong);
                None
            }
        }
    }

    /// A command with a time-out that is asked something: `only_if`, `alarm`.
    /// A command that is asked something, on these hosts.
    pub fn asked(
        &mut self,
        item: Item<'a>,
        default: SignedDuration,
        (hook, hosts): (bool, &[Name]),
    ) -> Option<Probe> {
        let fields = self.table(
            item,
            keys::ALARM,
            r#"a table such as { run = ["program"] }"#,
        )?;
        let timeout = self.duration_or(&fields, "timeout", SECOND, default);
        let command = self.command(&fields, "this", (hook, hosts))?;
        Some(Probe { command, timeout })
    }

    pub fn limits(&mut self) -> Limits {
        let fields = self.document.section("limits").cloned().unwrap_or_default();
        let runs = fields
            .get("runs")
            .and_then(|item| self.integer(item, 1..=10_000));
        let log_bytes = fields
            .get("log_size")
            .and_then(|item| self.size(item, 1 << 10..=1 << 30));
        let stop_timeout = self.duration_or(&fields, "stop_timeout", SECOND, SECOND * 90);
        Limits {
            stop_timeout,
            runs: runs
                .and_then(|runs| usize::try_from(runs).ok())
                .unwrap_or(256),
            log_bytes: log_bytes.unwrap_or(1 << 20),
        }
    }

    pub fn keep(&mut self) -> Keep {
        let fields: Fields<'a> = self.document.section("state").cloned().unwrap_or_default();
        let runs = fields
            .get("keep_runs")
            .and_then(|item| self.integer(item, 1..=1_000_000));
        let logs = fields
            .get("keep_logs")
            .and_then(|item| self.size(item, 1 << 20..=1 << 50));
        Keep {
            sessions: self.duration_or(&fields, "keep", DAY, DAY * 180),
            runs: runs
                .and_then(|runs| u32::try_from(runs).ok())
                .unwrap_or(200),
            failures: self.duration_or(&fields, "keep_failures", DAY, DAY * 30),
            logs: logs.unwrap_or(1 << 30),
        }
    }
}
