//! The wall clock was set: nothing that ran is repeated, what was only passed over comes again.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use crate::core::agenda::Agenda;
use crate::core::apply::lane;
use crate::core::fact::Fact;
use crate::core::run::Outcome;
use crate::core::session::{Code, Phase, Session};
use crate::core::state::AttentionKind;

/// What the matter of a clock that was set back is called.
const KEY: &str = "clock";
/// Jobs that wait no longer than this for the clock need nobody.
const SHORT: SignedDuration = SignedDuration::from_hours(1);
/// A session announced this much earlier than it had to be was announced by a clock that was ahead.
const EARLY: SignedDuration = SignedDuration::from_hours(24);

impl Turn<'_> {
    pub(super) fn clock_stepped(&mut self, by: SignedDuration) {
        if by.is_negative() {
            self.cancel_far();
        }
        self.record(Fact::ClockStepped { by });
        *self.agenda = Agenda::build(self.policy, self.state);
        self.agenda.stir();
        if let Some(until) = self.served_until().filter(|_| by.is_negative()) {
            let text = format!(
                "the clock was set back by {}: what ran under the later clock is not repeated, and some jobs wait until {until}",
                crate::core::report::span(by.abs())
            );
            self.raise(KEY, AttentionKind::ClockSetBack, text, None);
        }
    }

    /// A clock that was set back needs nobody any more once it shows again what it showed.
    pub(super) fn clear_clock(&mut self) {
        if self.state.attention.contains_key(KEY) && self.served_until().is_none() {
            self.clear(KEY);
        }
    }

    /// Until when something is not served again, where that is more than a short while.
    fn served_until(&self) -> Option<Timestamp> {
        let periodic = self.state.periodic.values().map(|past| past.accounted);
        let lanes = self.state.served.values().copied();
        let soon = self.now.saturating_add(SHORT).unwrap_or(self.now);
        periodic.chain(lanes).filter(|at| *at > soon).max()
    }

    /// What was announced for a far day stands in the way of what is due before it.
    fn cancel_far(&mut self) {
        let far: Vec<Session> = self
            .state
            .sessions
            .values()
            .filter(|s| {
                matches!(s.phase, Phase::Asking | Phase::Planned | Phase::Announced)
                    && s.overridden.is_none()
                    && s.round == 1
            })
            .filter(|s| self.announced_ahead(s))
            .cloned()
            .collect();
        for session in far {
            self.close(
                &session,
                Outcome::Cancelled,
                Some(Code::ClockSetBack.into()),
            );
        }
    }

    fn announced_ahead(&self, session: &Session) -> bool {
        let (Some(app), Some(window)) = (
            self.policy.apps.get(&session.app),
            self.policy.windows.get(&session.window),
        ) else {
            return false;
        };
        let late = app.announce_at(session.opens).saturating_sub(EARLY);
        if late.is_ok_and(|late| late <= self.now) {
            return false;
        }
        let soonest = self.now.saturating_add(app.lead).unwrap_or(self.now);
        let served = self.state.served.get(&lane(&session.app, &session.window));
        let from = served.map_or(soonest, |served| soonest.max(*served));
        window
            .occurrences(from, session.opens)
            .any(|o| o.opens > from && o.opens < session.opens)
    }
}
