//! What an event tells of this process only.

use jiff::Timestamp;

use crate::core::event::Event;
use crate::core::state::State;

/// Nothing that is recorded.
pub fn observe(state: &mut State, at: Timestamp, event: &Event) {
    match event {
        Event::Waiting { run, holder } => {
            if let Some(running) = state.running.get_mut(run) {
                running.waiting = Some(holder.clone());
            }
        }
        Event::Unheard { run, why, until } => {
            if let Some(running) = state.running.get_mut(run) {
                running.waiting = None;
                running.unheard = Some((why.clone(), *until));
            }
        }
        Event::Began { run, pid } => {
            if let Some(running) = state.running.get_mut(run) {
                running.waiting = None;
                running.pid = Some(*pid);
            }
        }
        Event::Resumed { after } => {
            state.live.asleep_since = at.saturating_sub(*after).unwrap_or(at);
            state.live.awake_since = at;
        }
        Event::Shutdown => {
            state.live.stopping.get_or_insert(at);
        }
        Event::RestartWanted => state.live.restart = true,
        Event::Unwritable { why, .. } => {
            if state.live.unwritable.is_none() {
                state.live.asleep_since = at;
            }
            state.live.unwritable = Some(why.clone());
        }
        Event::Writable => {
            state.live.unwritable = None;
            state.live.awake_since = at;
        }
        _ => {}
    }
}
