use std::cell::Cell;

use super::*;
use crate::config::{self, Env, Purpose};
use crate::mail::Mailer;
use crate::store::MemoryStore;

/// Hears a question at the very instant at which a job comes due, and nothing else.
struct Asked {
    now: Cell<Timestamp>,
    started: u32,
}

impl World for Asked {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    async fn hear(&mut self, until: Option<Timestamp>) -> Vec<Heard> {
        self.now.set(until.expect("something is due"));
        vec![Heard::Look(Box::new(|_, _, _| {}))]
    }

    fn perform(&mut self, effect: Effect) {
        self.started += u32::from(matches!(effect, Effect::Start(_)));
    }

    fn recorded(&mut self, _: Timestamp, _: &[Fact], _: &State, _: bool) {}

    fn mail(&mut self, _: Option<Mailer>, _: Option<Mailer>) {}

    fn replanned(&mut self, _: Vec<Line>) {}
    fn trouble(&mut self, _: Option<&str>) {}
}

#[tokio::test]
async fn a_question_at_the_instant_of_a_due_does_not_swallow_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("windows.toml");
    let text = "[periodic.tick]\nschedule = \"* * * * *\"\nrun = [\"true\"]\ntimeout = \"5s\"\n";
    std::fs::write(&file, text).unwrap();
    let now: Timestamp = "2026-11-21T03:30:03.997Z".parse().unwrap();
    let loaded = config::load(&file, &Env::default(), now, Purpose::Read).unwrap();
    let world = Asked {
        now: Cell::new(now),
        started: 0,
    };
    let store = MemoryStore::new(State::default(), 1);
    let mut turns = Turns::new(Arc::new(loaded.policy), State::default(), 1, store, world);
    let first = Event::Started {
        boot: "boot".into(),
        version: "0".into(),
        nonce: "nonce".into(),
        alone: false,
    };
    turns.turn(vec![Heard::Event(first)], now).unwrap();
    let until = turns.wakeup(now);
    let heard = turns.world.hear(until).await;
    let now = turns.world.now();
    turns.turn(heard, now).unwrap();
    assert_eq!(turns.world.started, 1);
}
