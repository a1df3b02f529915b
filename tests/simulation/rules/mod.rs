//! One rule at a time, played: a policy, a script for commands and mails, and what was recorded.

mod changes;
mod ends;
mod gate;
mod order;
mod periodic;
mod rolling;
mod service;
mod sessions;
mod staging;
mod together;
mod trouble;
mod wishes;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use offhours::core::fact::Fact;
use offhours::core::policy::Policy;
use offhours::core::run::{Outcome, What};
use offhours::core::session::Code;
use offhours::simulate::{Dice, Fate, Faults, Happened, Happening, Play, Played, Post, play};

use crate::{invariants, scene};

/// A Monday.
pub(super) const FROM: &str = "2027-03-01T00:00:00Z";

pub(super) const HEAD: &str = r#"
name = "played"
time_zone = "UTC"
[mail]
transport = "file"
dir = "/tmp/mail"
from = "ops@example.org"
[contacts]
tech = ["a@example.org", "b@example.org"]
support = ["c@example.org"]
ops = ["o@example.org"]
[notice]
lead = "12h"
to = ["tech", "support"]
operators = ["ops"]
[window.night]
days = "daily"
start = "22:00"
duration = "4h"
[app.shop]
window = "night"
enter = [{ run = ["/bin/down0"], timeout = "2m" }, { run = ["/bin/down1"], timeout = "2m" }]
leave = [{ run = ["/bin/up0"], timeout = "2m" }, { run = ["/bin/up1"], timeout = "2m" }]
"#;

pub(super) struct Scene {
    pub(super) policies: Vec<Arc<Policy>>,
    days: i64,
    happenings: Vec<(SignedDuration, Happening)>,
    dice: Dice,
}

pub(super) fn given(jobs: &str) -> Scene {
    let mut dice = Dice::new(1, Faults::None);
    // Everything takes a minute unless a test says otherwise.
    dice.script = Some(Box::new(|_, _| Some(Fate::exit(0, 60))));
    Scene {
        policies: vec![scene::policy(&format!("{HEAD}{jobs}"))],
        days: 3,
        happenings: Vec::new(),
        dice,
    }
}

impl Scene {
    pub(super) fn days(mut self, days: i64) -> Self {
        self.days = days;
        self
    }

    /// `name` is the job, `enter0`, `leave1` or `ask JOB`; the count is that of its attempts so far.
    pub(super) fn when(mut self, script: impl Fn(&str, u32) -> Option<Fate> + 'static) -> Self {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        self.dice.script = Some(Box::new(move |start, _| {
            let name = name(&start.what);
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            Some(script(&name, *count).unwrap_or(Fate::exit(0, 60)))
        }));
        self
    }

    pub(super) fn mail(mut self, post: impl Fn(&str, Timestamp) -> Post + 'static) -> Self {
        self.dice.post = Some(Box::new(move |letter, at| {
            Some(post(&letter.recipient.email, at))
        }));
        self
    }

    pub(super) fn and(mut self, at: &str, happening: Happening) -> Self {
        let from = scene::at(FROM);
        self.happenings
            .push((scene::at(at).duration_since(from), happening));
        self
    }

    pub(super) fn or(mut self, whole: &str) -> Self {
        self.policies.push(scene::policy(whole));
        self
    }

    pub(super) fn play(self) -> Played {
        let policies = self.policies.clone();
        let played = play(Play {
            policies: self.policies,
            from: scene::at(FROM),
            length: SignedDuration::from_hours(24 * self.days),
            happenings: self.happenings,
            dice: self.dice,
        });
        let bad = invariants::check(&policies, &played);
        assert!(bad.is_empty(), "{bad:#?}");
        played
    }
}

pub(super) fn name(what: &What) -> String {
    match what {
        What::Step { job, .. } | What::Periodic { job, .. } => job.to_string(),
        What::Ask { job, .. } => format!("ask {job}"),
        What::Health { job, .. } => format!("healthy {job}"),
        What::Peer { job, host, .. } => format!("peer {host} of {job}"),
        What::Enter { hook, .. } => format!("enter{hook}"),
        What::Leave { hook, .. } => format!("leave{hook}"),
        What::Alarm { .. } => "alarm".into(),
    }
}

/// Everything that was started, as `name` in order, each with when.
pub(super) fn started(played: &Played) -> Vec<(String, String)> {
    let moments = played.trace.moments.iter();
    moments
        .filter_map(|m| match &m.what {
            Happened::Asked(start) => {
                Some((name(&start.what), m.at.strftime("%dT%H:%M").to_string()))
            }
            _ => None,
        })
        .collect()
}

pub(super) fn names(played: &Played) -> Vec<String> {
    started(played).into_iter().map(|(name, _)| name).collect()
}

pub(super) fn closed(played: &Played) -> Vec<(String, Outcome, Option<Code>)> {
    let facts = played.trace.facts();
    facts
        .filter_map(|(_, fact)| match fact {
            Fact::SessionClosed {
                session,
                outcome,
                reason,
                ..
            } => Some((
                session.to_string(),
                *outcome,
                reason.as_ref().map(|r| r.code),
            )),
            _ => None,
        })
        .collect()
}

pub(super) fn count(played: &Played, name: &str) -> usize {
    names(played).iter().filter(|n| *n == name).count()
}

pub(super) const A: &str = "[maintenance.a]\napp = \"shop\"\nevery = \"window\"\nrun = [\"/bin/a\"]\ntimeout = \"30m\"\nestimate = \"10m\"\n";
pub(super) const B: &str = "[maintenance.b]\napp = \"shop\"\nevery = \"window\"\nrun = [\"/bin/b\"]\ntimeout = \"30m\"\nestimate = \"10m\"\n";
