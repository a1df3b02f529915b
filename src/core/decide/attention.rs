//! What needs a person, and that somebody is called about it.

use super::Turn;
use super::start::Attempt;
use crate::core::effect::LockWait;
use crate::core::fact::Fact;
use crate::core::policy::Name;
use crate::core::run::What;
use crate::core::state::{AlarmState, AttentionKind};

/// More matters than this at once are shown, but nobody is called about each of them.
const CALLED_ABOUT: usize = 50;

impl Turn<'_> {
    /// Says that something needs a person. Once for each `key`, until it is cleared.
    pub(super) fn raise(
        &mut self,
        key: &str,
        kind: AttentionKind,
        text: String,
        app: Option<&Name>,
    ) {
        let mail = self.may_be_mailed();
        self.raise_by(key, kind, text, app, mail);
    }

    /// Whether there are operators to be told by mail.
    pub(super) fn may_be_mailed(&self) -> bool {
        let operators = &self.policy.notice.operators;
        operators.iter().any(|audience| !audience.people.is_empty())
    }

    /// The same, with or without mail: where mail itself is the matter it is no way to tell.
    pub(super) fn raise_by(
        &mut self,
        key: &str,
        kind: AttentionKind,
        text: String,
        app: Option<&Name>,
        mail: bool,
    ) {
        if let Some(known) = self.state.attention.get(key) {
            if known.text != text {
                let alarm = false;
                self.record(Fact::AttentionRaised {
                    key: key.into(),
                    kind,
                    text,
                    app: app.cloned(),
                    alarm,
                });
            }
            return;
        }
        let call = kind.alarms() && (kind.is_urgent() || self.state.attention.len() < CALLED_ABOUT);
        let alarm = call && self.policy.notice.alarm.is_some();
        self.record(Fact::AttentionRaised {
            key: key.into(),
            kind,
            text: text.clone(),
            app: app.cloned(),
            alarm,
        });
        if mail && (call || kind == AttentionKind::PeriodicFailing) {
            self.tell_operators(key, kind, text);
        }
    }

    /// The state itself is the matter, from its first trouble until it has been well for a while.
    pub(super) fn state_trouble(&mut self, key: &str, text: String) {
        self.raise(key, AttentionKind::StateTrouble, text, None);
    }

    pub(super) fn clear(&mut self, key: &str) {
        if let Some((key, _)) = self.state.attention.get_key_value(key) {
            let key = key.clone();
            self.record(Fact::AttentionCleared { key });
        }
    }

    /// Clears what needed a person about this app, where `which` says so.
    pub(super) fn clear_of_app(&mut self, app: &Name, which: impl Fn(AttentionKind) -> bool) {
        let gone: Vec<Name> = self
            .state
            .attention
            .iter()
            .filter(|(_, attention)| attention.app.as_ref() == Some(app) && which(attention.kind))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.record(Fact::AttentionCleared { key });
        }
    }

    /// Runs the alarm command about what nobody was called about yet, one after another.
    pub(super) fn attend(&mut self) {
        let Some(alarm) = self.policy.notice.alarm.clone() else {
            return;
        };
        let calling = self
            .state
            .attention
            .values()
            .any(|a| matches!(a.alarm, AlarmState::Running { .. }));
        if calling {
            return;
        }
        let next = self
            .state
            .attention
            .iter()
            .find_map(|(key, attention)| match attention.alarm {
                AlarmState::Owed { not_before, last } if not_before <= self.now => {
                    Some((key.clone(), attention.clone(), last))
                }
                _ => None,
            });
        let Some((key, attention, last)) = next else {
            return;
        };
        let mut command = alarm.command.clone();
        command
            .env
            .push(("OFFHOURS_ALARM".into(), attention.kind.word().into()));
        command.env.push(("OFFHOURS_TEXT".into(), attention.text));
        if let Some(app) = attention.app {
            command.env.push(("OFFHOURS_APP".into(), app.to_string()));
        }
        let attempt = Attempt {
            what: What::Alarm { key },
            run: last,
            due: None,
            locks: Vec::new(),
            lock_wait: LockWait::UntilStopped,
            timeout: alarm.timeout,
            grace: jiff::SignedDuration::from_secs(5),
            stop_by: None,
            reboot: false,
        };
        self.start(attempt, &command);
    }
}
