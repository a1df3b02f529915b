//! The one transition function: what follows from an event, as facts to be recorded and effects to be performed.
//!
//! | file | decides |
//! |---|---|
//! | `opening` | which sessions become known, and who is told |
//! | `session` | how a session goes on, from `asking` to `closed` |
//! | `closing` | what was left of a session, and when that can be done |
//! | `leaving` | how an app is brought back |
//! | `steps` | the jobs of a session, one after another |
//! | `rolling` | how a job goes over its hosts |
//! | `guard` | hosts that are to stay in service while another is touched |
//! | `ending` | what an ended attempt means |
//! | `notices` | which mails go out, and what an answer means |
//! | `letters` | what a notice says |
//! | `tally` | how the steps of a session ended, in few words |
//! | `bundle` | which announcements go into one mail |
//! | `floods` | what happens again and again is told with a count |
//! | `attention` | what needs a person, and that somebody is called |
//! | `preview` | what people would be told |
//! | `periodic` | the periodic jobs |
//! | `reload` | what a changed configuration means for what is known
//! | `clock` | what a clock that was set means for what is known |
//! | `start` | how an attempt is started |
mod attention;
mod bundle;
mod clock;
mod closing;
mod ending;
mod floods;
mod guard;
mod leaving;
mod letters;
mod notices;
mod opening;
mod periodic;
mod preview;
mod reload;
mod rolling;
mod session;
mod start;
mod steps;
mod tally;
mod wishes;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use floods::told_again_at;
pub use letters::{letter, uid};
pub use preview::{Missing, preview};
pub use rolling::rolls_on_at;
pub(in crate::core) use rolling::{Roll, is_busy, places, roll};
pub use session::{EMERGENCY, FRESH, REHEARSAL};

use super::agenda::Agenda;
use super::apply::{Illegal, apply, observe};
use super::effect::Effect;
use super::event::Event;
use super::fact::Fact;
use super::policy::{Name, Policy};
use super::recover;
use super::state::{AttentionKind, ROOM_GIVEN, State, TEMPLATES, UNWRITABLE};

/// What follows from one event.
#[derive(Debug, Default)]
pub struct Decision {
    /// In order, already applied to the state: to be made durable before any effect.
    pub facts: Vec<Fact>,
    pub effects: Vec<Effect>,
    /// A decision that contradicts the record: the daemon must not go on.
    pub fault: Option<Illegal>,
    /// More is due than one turn takes: decide again at once.
    pub more: bool,
}

/// One turn: the event and all that follows from it at this instant.
pub struct Turn<'a> {
    pub policy: &'a Policy,
    pub state: &'a mut State,
    pub agenda: &'a mut Agenda,
    pub now: Timestamp,
    pub decision: Decision,
    /// App and window of sessions that ended with work left over.
    pub put_off: BTreeSet<(Name, Name)>,
}

/// A session cannot take more transitions than this in one turn.
const ROUNDS: usize = 10_000;

/// What follows from `event` at `now`. The facts of the answer are already applied; the effects are for later.
pub fn decide(
    policy: &Policy,
    state: &mut State,
    agenda: &mut Agenda,
    event: Event,
    now: Timestamp,
) -> Decision {
    let mut turn = Turn {
        policy,
        state,
        agenda,
        now,
        decision: Decision::default(),
        put_off: BTreeSet::new(),
    };
    observe(turn.state, now, &event);
    turn.hear(event);
    turn.settle();
    turn.decision
}

impl Turn<'_> {
    /// Records a fact: it counts from here on.
    pub(super) fn record(&mut self, fact: Fact) {
        if self.decision.fault.is_some() {
            return;
        }
        match apply(self.state, self.now, &fact) {
            Ok(()) => self.decision.facts.push(fact),
            Err(illegal) => self.decision.fault = Some(illegal),
        }
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        if self.decision.fault.is_none() {
            self.decision.effects.push(effect);
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Started {
                boot,
                version,
                nonce,
                alone,
                found,
            } => recover::started(self, (boot, version, nonce), alone, &found),
            Event::ClockStepped { by } => self.clock_stepped(by),
            Event::PolicyChanged => {
                self.know_jobs();
                *self.agenda = Agenda::build(self.policy, self.state);
                self.clear_removed();
                self.reconcile();
            }
            Event::Ended { run, report } => self.ended(run, &report),
            Event::Answered { notice, answer } => self.answered(notice, answer),
            Event::Asked(asked) => self.asked(*asked),
            Event::Rehearse { app, rehearsal } => self.rehearse(&app, rehearsal),
            Event::Unwritable { runs, notices, why } => {
                self.not_performed(&runs, &notices, &why);
                let text = format!("the state cannot be written, nothing new is started: {why}");
                self.state_trouble(UNWRITABLE, text);
            }
            Event::Writable => {
                let text = "the state can be written again; nothing new was started meanwhile";
                self.state_trouble(UNWRITABLE, text.into());
            }
            Event::RoomGiven => {
                let text = "the disk is full: the reserve of 4 MiB was given up; make room";
                self.state_trouble(ROOM_GIVEN, text.into());
            }
            Event::StateWell => {
                self.clear(UNWRITABLE);
                self.clear(ROOM_GIVEN);
            }
            Event::Templates { broken: Some(why) } => {
                self.raise(TEMPLATES, AttentionKind::Template, why, None);
            }
            Event::Templates { broken: None } => self.clear(TEMPLATES),
            Event::Woke
            | Event::Resumed { .. }
            | Event::Waiting { .. }
            | Event::Unheard { .. }
            | Event::Began { .. }
            | Event::RestartWanted
            | Event::Shutdown => {}
        }
    }

    /// Takes every transition that is due now.
    fn settle(&mut self) {
        if self.state.live.stopping.is_some() {
            self.stop_all();
        }
        self.stop_overdue();
        self.end_pauses();
        self.drain();
        // One that ends makes room for another, and its work is planned anew.
        for _ in 0..ROUNDS {
            let before = self.decision.facts.len();
            self.open_sessions();
            self.advance_sessions();
            self.take_up();
            if self.decision.facts.len() == before {
                break;
            }
        }
        self.clear_clock();
        self.attend();
        self.tell_repeated();
        self.send_notices();
        self.start_periodic();
        self.maybe_exit();
    }

    /// Whether nothing new may be started.
    pub(super) fn held_back(&self) -> bool {
        self.state.live.held_back()
    }
}
