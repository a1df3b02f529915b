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

    fn policy(&mut self, _: &Policy) {}

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
        found: Vec::new(),
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

/// Counts what is asked of it; forgetting takes three pieces.
#[derive(Default)]
struct Counted {
    snapshots: u32,
    pieces: u32,
}

impl Facts for Counted {
    fn load<E: std::fmt::Display>(
        &self,
        _: impl FnMut(&mut State, Timestamp, &Fact) -> Result<(), E>,
    ) -> Result<(State, u64), StoreError> {
        Ok((State::default(), 1))
    }

    fn append(&mut self, expected: u64, facts: &[(Timestamp, Fact)]) -> Result<u64, StoreError> {
        Ok(expected + facts.len() as u64)
    }

    fn snapshot(&mut self, _: &State, _: u64) -> Result<(), StoreError> {
        self.snapshots += 1;
        Ok(())
    }

    fn prune(&mut self, _: &Keep, _: Timestamp) -> Result<crate::store::Pruned, StoreError> {
        self.pieces += 1;
        Ok(crate::store::Pruned {
            facts: 0,
            more: !self.pieces.is_multiple_of(3),
        })
    }
}

#[test]
fn what_is_due_goes_before_pruning_and_cannot_hold_it_up_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("windows.toml");
    std::fs::write(&file, "[window.w]\nopen = \"daily 22:00-23:00\"\n").unwrap();
    let mut now: Timestamp = "2026-11-21T03:30:03Z".parse().unwrap();
    let loaded = config::load(&file, &Env::default(), now, Purpose::Read).unwrap();
    let world = Asked {
        now: Cell::new(now),
        started: 0,
    };
    let (policy, store) = (Arc::new(loaded.policy), Counted::default());
    let mut turns = Turns::new(policy, State::default(), 1, store, world);
    let done = |turns: &Turns<Counted, Asked>| (turns.store.snapshots, turns.store.pieces);
    turns.next += 10;
    // At the start all of it is looked at, when nothing else is to be done.
    for (busy, expected) in [
        (true, (0, 0)),
        (false, (1, 1)),
        (true, (1, 1)),
        (false, (1, 2)),
        (false, (1, 3)),
    ] {
        turns.next += 1;
        turns.keep_house(now, busy);
        assert_eq!(done(&turns), expected);
        assert_eq!(turns.house.more, expected.1 < 3, "it goes on by itself");
    }
    // Nothing for an hour; then piece by piece even where there is always something else.
    turns.keep_house(now, false);
    assert_eq!(done(&turns), (1, 3));
    now += SignedDuration::from_hours(1);
    for _ in 0..3 * (PUT_OFF + 1) {
        turns.keep_house(now, true);
    }
    assert_eq!(done(&turns), (2, 6));
    // Many facts do not wait for the hour. Their snapshot comes when nothing else is to be done, or when it is urgent.
    turns.next += SNAPSHOT_EVERY;
    turns.keep_house(now, true);
    assert_eq!((done(&turns), turns.house.more), ((2, 6), true));
    turns.keep_house(now, false);
    assert_eq!((done(&turns), turns.house.more), ((3, 6), false));
    turns.next += 2 * SNAPSHOT_EVERY;
    turns.keep_house(now, true);
    assert_eq!(done(&turns), (4, 6));
    turns.next += PRUNE_AFTER;
    turns.keep_house(now, false);
    assert_eq!(done(&turns), (5, 7));
}
