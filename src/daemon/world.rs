//! What the loop needs of the world: a clock, ears and hands.

use std::sync::Arc;

use jiff::Timestamp;

use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::core::fact::Fact;
use crate::core::policy::Policy;
use crate::core::report::Line;
use crate::core::state::State;
use crate::mail::Mailer;

/// A question to the loop's own state, answered between two turns.
pub type Look = Box<dyn FnOnce(&Policy, &State, Timestamp) + Send>;

/// Something the loop is told.
pub enum Heard {
    Event(Event),
    /// The configuration was read again and is good.
    Policy(Arc<Policy>),
    Look(Look),
    /// How mail leaves from now on.
    Mail {
        mailer: Option<Mailer>,
        rehearsal: Option<Mailer>,
    },
}

impl From<Event> for Heard {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

/// Clock, ears and hands. There are two: the real one, and the made-up one of dry runs and simulations.
pub trait World {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Waits until something happened, or until the wall clock shows `until`; an empty answer means the latter.
    /// Bounded in length: what does not fit is heard next time.
    fn hear(&mut self, until: Option<Timestamp>) -> impl Future<Output = Vec<Heard>>;

    /// Performs an effect; what comes of it is heard later.
    fn perform(&mut self, effect: Effect);

    /// These facts count from now on; `durable` where they are recorded for good.
    fn recorded(&mut self, at: Timestamp, facts: &[Fact], state: &State, durable: bool);

    /// This policy holds from now on.
    fn policy(&mut self, policy: &Policy);

    /// Mail leaves another way from now on.
    fn mail(&mut self, mailer: Option<Mailer>, rehearsal: Option<Mailer>);

    /// A reload changed what is planned: events that no fact stands for.
    fn replanned(&mut self, lines: Vec<Line>);

    /// Something is wrong with the state file, or well again (none).
    fn trouble(&mut self, what: Option<&str>);
}
