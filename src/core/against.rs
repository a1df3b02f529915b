//! What changing the configuration would do, found by doing it: the code that decides at a reload, on a copy of the state.

use jiff::Timestamp;

use super::agenda::Agenda;
use super::decide::decide;
use super::event::Event;
use super::fact::Fact;
use super::notice::Notice;
use super::plan::{Plan, plan};
use super::policy::Policy;
use super::state::State;

/// Both plans, and what people would be told at once.
#[derive(Clone, Debug)]
pub struct Against {
    pub before: Plan,
    pub after: Plan,
    /// In the order in which they would be sent.
    pub notices: Vec<Notice>,
}

/// Replaces `old` by `new` at `now`, and plans until `until` with both.
pub fn against(
    old: &Policy,
    new: &Policy,
    state: &State,
    now: Timestamp,
    until: Timestamp,
) -> Against {
    let mut state = state.clone();
    // As a daemon with the old configuration has it at that time.
    reload(old, &mut state, now);
    let before = plan(old, &state, now, until);
    let facts = reload(new, &mut state, now);
    let after = plan(new, &state, now, until);
    let owed = facts.into_iter().flat_map(|fact| match fact {
        Fact::NoticesOwed { notices }
        | Fact::SessionPlanned { notices, .. }
        | Fact::SessionRevised { notices, .. }
        | Fact::SessionReverted { notices, .. } => notices,
        _ => Vec::new(),
    });
    Against {
        before,
        after,
        notices: owed.filter(|notice| notice.session.is_some()).collect(),
    }
}

fn reload(policy: &Policy, state: &mut State, now: Timestamp) -> Vec<Fact> {
    let mut agenda = Agenda::build(policy, state);
    decide(policy, state, &mut agenda, Event::PolicyChanged, now).facts
}
