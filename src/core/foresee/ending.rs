//! What comes of ending a session that is under way, found by playing it to its end: what is stopped ends, the leave
//! hooks succeed.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::core::agenda::Agenda;
use crate::core::decide::decide;
use crate::core::event::Event;
use crate::core::fact::Fact;
use crate::core::policy::{Name, Policy};
use crate::core::report::counted;
use crate::core::run::{End, Outcome, Report, RunId, SessionId, What};
use crate::core::session::StepState;
use crate::core::state::State;
use crate::core::wish::Wish;

/// Hosts that are named.
const NAMED: usize = 5;
/// More runs of a session than these are not played: the daemon waits for the answer.
const MOST: usize = 500;

/// A session that a wish ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ending {
    pub session: SessionId,
    pub app: Name,
    /// Steps that are cut off.
    pub cut_off: usize,
    /// The hosts of the first of them.
    pub on: Vec<Name>,
    /// Steps that are not begun any more.
    pub left: usize,
    /// Leave hooks that bring the app back.
    pub leave_hooks: usize,
    /// None where that is not foreseen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// The session that this wish ends, where its app is out of service.
pub(super) fn of(state: &State, wish: &Wish) -> Option<Ending> {
    let session = match wish {
        Wish::Cancel { session } | Wish::Postpone { session, .. } => state.sessions.get(session)?,
        Wish::Leave { app } => state.in_maintenance(app)?,
        _ => return None,
    };
    let waits = |state: &StepState| *state == StepState::Waiting;
    session.phase.in_maintenance().then(|| Ending {
        session: session.id.clone(),
        app: session.app.clone(),
        cut_off: 0,
        on: Vec::new(),
        left: session.steps.iter().filter(|s| waits(&s.state)).count(),
        leave_hooks: session.leave.len(),
        outcome: None,
    })
}

/// Plays it to its end; what is recorded on the way.
pub(super) fn play(
    policy: &Policy,
    state: &mut State,
    agenda: &mut Agenda,
    ending: &mut Ending,
    now: Timestamp,
) -> Vec<Fact> {
    let hosts = cut_off(state, &ending.session);
    ending.cut_off = hosts.len();
    ending.on = hosts.into_iter().take(NAMED).collect();
    let mut facts = Vec::new();
    for _ in 0..MOST {
        let Some(run) = next_run(state, &ending.session) else {
            break;
        };
        let report = report(state, run);
        let decision = decide(policy, state, agenda, Event::Ended { run, report }, now);
        facts.extend(decision.facts);
        if decision.fault.is_some() {
            break;
        }
    }
    ending.outcome = facts.iter().find_map(|fact| match fact {
        Fact::SessionClosed {
            session, outcome, ..
        } if *session == ending.session => Some(*outcome),
        _ => None,
    });
    facts
}

fn cut_off(state: &State, session: &SessionId) -> Vec<Name> {
    let own = state.running.iter().filter(|(run, running)| {
        let what = &running.what;
        state.live.stopped.contains(run)
            && what.session() == Some(session)
            && matches!(what, What::Step { .. })
    });
    own.map(|(_, running)| running.what.host().into()).collect()
}

fn next_run(state: &State, session: &SessionId) -> Option<RunId> {
    let mut running = state.running.iter();
    let own = running.find(|(_, running)| running.what.session() == Some(session));
    own.map(|(run, _)| *run)
}

fn report(state: &State, run: RunId) -> Report {
    Report {
        end: match state.live.stopped.contains(&run) {
            true => End::Stopped { code: None },
            false => End::Exited { code: 0 },
        },
        elapsed: SignedDuration::ZERO,
        output_bytes: 0,
        log: false,
        tail: String::new(),
    }
}

impl Ending {
    /// For people, a line each.
    pub(super) fn words(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.cut_off > 0 {
            let mut on = self.on.join(", ");
            if self.cut_off > self.on.len() {
                on += &format!(" and {} more", self.cut_off - self.on.len());
            }
            let steps = counted(self.cut_off, "step is cut off", "steps are cut off");
            lines.push(format!("{}: {steps}, on {on}", self.session));
        }
        if self.left > 0 {
            let left = counted(self.left, "step is", "steps are");
            lines.push(format!("{}: {left} not begun any more", self.session));
        }
        lines.push(match self.leave_hooks {
            0 => format!("{} has no leave hooks: it is back at once", self.app),
            hooks => {
                let hooks = counted(hooks, "leave hook brings", "leave hooks bring");
                format!("{hooks} {} back", self.app)
            }
        });
        if let Some(outcome) = self.outcome {
            lines.push(format!("{} ends: {}", self.session, outcome.word()));
        }
        lines
    }
}
