//! The daemon's lives on a made-up machine: started, killed, started again, on the same record.

use std::cell::RefCell;
use std::fmt::Display;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jiff::{SignedDuration, Timestamp};

use super::fate::Dice;
use super::happening::Happening;
use super::machine::{Down, Machine};
use super::trace::{Happened, Onlooker, Trace};
use crate::core::apply::{Illegal, apply};
use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::core::fact::Fact;
use crate::core::policy::Policy;
use crate::core::report::Line;
use crate::core::state::{Live, State};
use crate::daemon::{Ended, Heard, Turns, World};
use crate::mail::Mailer;
use crate::store::{Facts, Keep, MemoryStore, Pruned, StoreError};

/// What is played.
pub struct Play {
    /// The first is in force from the start; the others are read when a happening says so.
    pub policies: Vec<Arc<Policy>>,
    pub from: Timestamp,
    /// How much elapsed time is played.
    pub length: SignedDuration,
    /// By the elapsed time since the start.
    pub happenings: Vec<(SignedDuration, Happening)>,
    pub dice: Dice,
}

/// A play of which everything was kept.
#[derive(Debug)]
pub struct Played {
    pub trace: Trace,
    /// What the record comes to.
    pub state: State,
    /// Why it ended before its time.
    pub broken: Option<Broken>,
}

/// How a play ended.
#[derive(Debug)]
pub struct Close {
    /// What the record comes to.
    pub state: State,
    /// Why it ended before its time.
    pub broken: Option<Broken>,
}

/// What must never happen, and did.
#[derive(Debug)]
pub enum Broken {
    /// A decision contradicted the record.
    Fault(Illegal),
    /// The record cannot be folded.
    Unloadable(String),
    /// The record comes to another state than the one the daemon had.
    Differs(String),
    /// The loop turned and turned while no time passed.
    Spun,
}

type Shared<'o> = Rc<RefCell<Machine<'o>>>;

/// The record, on a disk that fills up.
struct Disk<'o> {
    machine: Shared<'o>,
    store: Rc<RefCell<MemoryStore>>,
    pruned: Timestamp,
    gave_room: bool,
}

impl Facts for Disk<'_> {
    fn load<E: Display>(
        &self,
        fold: impl FnMut(&mut State, Timestamp, &Fact) -> Result<(), E>,
    ) -> Result<(State, u64), StoreError> {
        self.store.borrow().load(fold)
    }

    fn append(&mut self, expected: u64, facts: &[(Timestamp, Fact)]) -> Result<u64, StoreError> {
        let mut machine = self.machine.borrow_mut();
        if !machine.breath() || !machine.room.take() {
            let (path, verb) = ("memory".into(), "write");
            return Err(StoreError::Full { path, verb });
        }
        let before = self.store.borrow().next();
        let next = self.store.borrow_mut().append(expected, facts)?;
        let skip = usize::try_from(before.saturating_sub(expected)).unwrap_or(0);
        for (decided, fact) in facts.iter().skip(skip) {
            machine.note(Happened::Recorded {
                decided: *decided,
                fact: Box::new(fact.clone()),
            });
        }
        machine.breath();
        Ok(next)
    }

    fn snapshot(&mut self, state: &State, next: u64) -> Result<(), StoreError> {
        if self.machine.borrow_mut().breath() {
            self.store.borrow_mut().snapshot(state, next)
        } else {
            Ok(())
        }
    }

    fn make_room(&mut self) -> bool {
        let mut machine = self.machine.borrow_mut();
        let made = machine.up && machine.room.give_reserve();
        self.gave_room |= made;
        made
    }

    fn room_was_given(&mut self) -> bool {
        std::mem::take(&mut self.gave_room)
    }

    fn keep_room(&mut self) -> bool {
        let mut machine = self.machine.borrow_mut();
        machine.up && machine.room.keep_reserve()
    }

    fn prune(&mut self, keep: &Keep, now: Timestamp) -> Result<Pruned, StoreError> {
        // Hourly in memory it would be most of the work.
        let day = SignedDuration::from_hours(24);
        if now.duration_since(self.pruned).abs() < day {
            return Ok(Pruned::default());
        }
        self.pruned = now;
        self.store.borrow_mut().prune(keep, now)
    }
}

/// The world as the daemon meets it in one life.
struct Virtual<'o> {
    machine: Shared<'o>,
    store: Rc<RefCell<MemoryStore>>,
    checked: u32,
    differs: Rc<RefCell<Option<String>>>,
}

impl World for Virtual<'_> {
    fn now(&self) -> Timestamp {
        self.machine.borrow().wall()
    }

    async fn hear(&mut self, until: Option<Timestamp>) -> Vec<Heard> {
        let heard = {
            let mut machine = self.machine.borrow_mut();
            if machine.breath() {
                machine.pass(until)
            } else {
                Vec::new()
            }
        };
        let over = {
            let machine = self.machine.borrow();
            !machine.up || machine.over()
        };
        if over {
            std::future::pending::<()>().await;
        }
        heard
    }

    fn perform(&mut self, effect: Effect) {
        let mut machine = self.machine.borrow_mut();
        if machine.breath() {
            machine.perform(effect);
        }
    }

    fn recorded(&mut self, decided: Timestamp, facts: &[Fact], state: &State, durable: bool) {
        if !durable {
            let mut machine = self.machine.borrow_mut();
            for fact in facts.iter().take(if machine.up { facts.len() } else { 0 }) {
                let fact = Box::new(fact.clone());
                machine.note(Happened::Unrecorded { decided, fact });
            }
        }
        let mut machine = self.machine.borrow_mut();
        facts.iter().for_each(|fact| machine.open.see(fact));
        drop(machine);
        // Folding everything each time would be most of the work.
        self.checked += u32::from(durable);
        if !durable || !self.checked.is_multiple_of(199) || !self.machine.borrow().up {
            return;
        }
        if let Ok((loaded, _)) = self.store.borrow().load(apply) {
            let (loaded, live) = (bare(&loaded), bare(state));
            if loaded != live {
                *self.differs.borrow_mut() = Some(difference(&live, &loaded));
            }
        }
    }

    fn policy(&mut self, _: &Policy) {}

    fn mail(&mut self, _: Option<Mailer>, _: Option<Mailer>) {}

    fn replanned(&mut self, _: Vec<Line>) {}

    fn trouble(&mut self, _: Option<&str>) {}
}

/// Without what is true of one life only.
fn bare(state: &State) -> State {
    // The last fact of a life is recorded when nothing is decided any more.
    let mut state = State {
        live: Live::default(),
        last: Timestamp::UNIX_EPOCH,
        ..state.clone()
    };
    for running in state.running.values_mut() {
        running.waiting = None;
        running.unheard = None;
        running.pid = None;
    }
    state
}

fn difference(live: &State, loaded: &State) -> String {
    let (live, loaded) = (format!("{live:#?}"), format!("{loaded:#?}"));
    let lines = live.lines().zip(loaded.lines());
    lines
        .filter(|(a, b)| a != b)
        .take(5)
        .map(|(a, b)| format!("{} / {}", a.trim(), b.trim()))
        .collect::<Vec<_>>()
        .join("; ")
}

/// Plays it to its end, and keeps everything that happened.
pub fn play(play: Play) -> Played {
    let mut trace = Trace::default();
    let Close { state, broken } = watch(play, &mut trace);
    Played {
        trace,
        state,
        broken,
    }
}

/// Plays it to its end, or as long as the onlooker wants; nothing is kept.
pub fn watch(play: Play, onlooker: &mut dyn Onlooker) -> Close {
    let mut machine = Machine::new(play.from, play.length, play.dice, play.policies, onlooker);
    for (at, happening) in play.happenings {
        machine.plan(at, happening);
    }
    let machine: Shared<'_> = Rc::new(RefCell::new(machine));
    let store = Rc::new(RefCell::new(MemoryStore::default()));
    let mut broken = None;
    while broken.is_none() && !machine.borrow().over() {
        broken = life(&machine, &store);
        let down = machine.borrow().down;
        match down {
            Some(Down::Killed(for_) | Down::Asked(for_)) => {
                let mut machine = machine.borrow_mut();
                machine.pass_down(for_);
                machine.finish();
            }
            None => break,
        }
    }
    let state = store.borrow().load(apply).map(|(state, _)| state);
    let state = state.unwrap_or_else(|error| {
        broken.get_or_insert(Broken::Unloadable(error.to_string()));
        State::default()
    });
    Close { state, broken }
}

/// One life of the daemon, until it is killed, ends, or the play is over.
fn life(machine: &Shared<'_>, store: &Rc<RefCell<MemoryStore>>) -> Option<Broken> {
    let (state, next) = match store.borrow().load(apply) {
        Ok(loaded) => loaded,
        Err(error) => return Some(Broken::Unloadable(error.to_string())),
    };
    let policy = {
        let mut machine = machine.borrow_mut();
        machine.start();
        Arc::clone(&machine.policies[machine.policy])
    };
    let differs = Rc::new(RefCell::new(None));
    let world = Virtual {
        machine: Rc::clone(machine),
        store: Rc::clone(store),
        checked: 0,
        differs: Rc::clone(&differs),
    };
    let disk = Disk {
        machine: Rc::clone(machine),
        store: Rc::clone(store),
        pruned: Timestamp::MIN,
        gave_room: false,
    };
    let mut turns = Turns::new(policy, state, next, disk, world);
    let first = Event::Started {
        boot: format!("played-{}", machine.borrow().boot),
        version: env!("CARGO_PKG_VERSION").into(),
        nonce: "played".into(),
        alone: false,
        found: machine.borrow().found.clone().into_iter().collect(),
    };
    let ended = {
        let run = pin!(turns.run(first));
        // The world never waits for anything but its own end.
        match run.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        }
    };
    let broken = match ended {
        Some(Ended::Fault(illegal)) if machine.borrow().up => Some(Broken::Fault(illegal)),
        Some(Ended::Asked { clean }) if machine.borrow().up => {
            machine.borrow_mut().note(Happened::DaemonStopped { clean });
            None
        }
        _ => None,
    };
    machine.borrow_mut().orphan();
    let spun = machine.borrow().spun.then_some(Broken::Spun);
    let differs = differs.borrow_mut().take().map(Broken::Differs);
    broken.or(spun).or(differs)
}
