//! What both implementations promise.

use offhours::core::fact::Fact;
use offhours::core::state::State;
use offhours::store::{Facts, Keep, MemoryStore, Store, StoreError};

use super::support::{at, ended, load, mark, periodic, started, traced};

/// Runs a test over both.
fn both(test: impl Fn(&mut dyn FnMut() -> Box<dyn Any>)) {
    let mut kept = Vec::new();
    test(&mut || {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        kept.push(dir);
        Box::new(store)
    });
    test(&mut || Box::new(MemoryStore::default()));
}

/// `Facts` with the one fold of these tests, so that both fit into a box.
trait Any {
    fn load(&self) -> (State, u64);
    fn facts(&mut self) -> &mut dyn Facts;
}

impl<F: Facts> Any for F {
    fn load(&self) -> (State, u64) {
        load(self)
    }

    fn facts(&mut self) -> &mut dyn Facts {
        self
    }
}

#[test]
fn a_new_one_is_empty() {
    both(|make| assert_eq!(make().load(), (State::default(), 1)));
}

#[test]
fn what_is_appended_is_loaded_in_order() {
    both(|make| {
        let mut store = make();
        let facts: Vec<_> = (0..50)
            .map(|i| (at(i), mark(format!("boot {i} \u{1F6E0} \"'\n\0"))))
            .collect();
        assert_eq!(store.facts().append(1, &facts[..1]).unwrap(), 2);
        assert_eq!(store.facts().append(2, &facts[1..]).unwrap(), 51);
        assert_eq!(store.facts().append(51, &[]).unwrap(), 51);
        assert_eq!(store.load(), (traced(State::default(), &facts), 51));
    });
}

#[test]
fn instants_keep_their_nanoseconds() {
    both(|make| {
        let mut store = make();
        for nanosecond in [
            0,
            1,
            -1,
            1_800_000_000_123_456_789,
            i128::from(i64::MIN),
            i128::from(i64::MAX),
        ] {
            let at = jiff::Timestamp::from_nanosecond(nanosecond).unwrap();
            let next = store.load().1;
            store.facts().append(next, &[(at, mark("x"))]).unwrap();
            assert_eq!(store.load().0.last, at);
        }
        let beyond = jiff::Timestamp::MAX;
        let next = store.load().1;
        let error = store
            .facts()
            .append(next, &[(beyond, mark("x"))])
            .unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Unrecordable {
                    kind: "daemon_started",
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(store.load().1, next);
    });
}

#[test]
fn another_sequence_than_the_next_is_refused_and_changes_nothing() {
    both(|make| {
        let mut store = make();
        store
            .facts()
            .append(1, &[(at(0), mark("a")), (at(0), mark("b"))])
            .unwrap();
        for wrong in [0, 1, 2, 4, u64::MAX] {
            let error = store
                .facts()
                .append(wrong, &[(at(1), mark("c"))])
                .unwrap_err();
            assert!(
                matches!(error, StoreError::Conflict { expected, found: 3 } if expected == wrong),
                "{wrong}: {error}"
            );
            assert!(!error.is_transient());
        }
        assert_eq!(store.load().1, 3);
        assert_eq!(store.facts().append(3, &[(at(1), mark("c"))]).unwrap(), 4);
    });
}

#[test]
fn the_same_append_again_records_nothing_twice() {
    both(|make| {
        let mut store = make();
        let facts: Vec<_> = (0..4)
            .map(|i| (at(i), started(i as u64, 1, periodic("a"))))
            .collect();
        assert_eq!(store.facts().append(1, &facts[..2]).unwrap(), 3);
        assert_eq!(store.facts().append(1, &facts[..2]).unwrap(), 3);
        // With what happened meanwhile.
        assert_eq!(store.facts().append(1, &facts).unwrap(), 5);
        assert_eq!(store.facts().append(2, &facts[1..]).unwrap(), 5);
        assert_eq!(store.load(), (traced(State::default(), &facts), 5));
        // Other facts, other instants, and less than is there are somebody else's.
        let other = [facts[0].clone(), (at(9), facts[1].1.clone())];
        for (expected, facts) in [
            (1, &facts[..2]),
            (2, &facts[2..]),
            (3, &other[..]),
            (1, &[]),
        ] {
            let error = store.facts().append(expected, facts).unwrap_err();
            assert!(
                matches!(error, StoreError::Conflict { found: 5, .. }),
                "{error}"
            );
        }
        assert_eq!(store.load().1, 5);
    });
}

#[test]
fn an_attempt_begins_once() {
    both(|make| {
        let mut store = make();
        let first = (at(0), started(7, 1, periodic("a")));
        store
            .facts()
            .append(1, std::slice::from_ref(&first))
            .unwrap();
        let again = [(at(1), mark("x")), (at(1), started(7, 1, periodic("b")))];
        let error = store.facts().append(2, &again).unwrap_err();
        assert!(
            matches!(error, StoreError::StartedBefore { run: 7, attempt: 1 }),
            "{error}"
        );
        let twice = [
            (at(1), started(8, 1, periodic("b"))),
            (at(1), started(8, 1, periodic("b"))),
        ];
        assert!(matches!(
            store.facts().append(2, &twice),
            Err(StoreError::StartedBefore { run: 8, attempt: 1 })
        ));
        // All or none.
        assert_eq!(store.load(), (traced(State::default(), &[first]), 2));
        assert_eq!(
            store
                .facts()
                .append(2, &[(at(1), started(7, 2, periodic("a")))])
                .unwrap(),
            3
        );
    });
}

#[test]
fn a_snapshot_stands_for_the_facts_before_it() {
    both(|make| {
        let mut store = make();
        let facts: Vec<_> = (0..10).map(|i| (at(i), mark(i.to_string()))).collect();
        store.facts().append(1, &facts).unwrap();
        // A state that the facts do not lead to shows whether it is used.
        let state = State {
            boot: "from the snapshot".into(),
            ..State::default()
        };
        store.facts().snapshot(&state, 7).unwrap();
        assert_eq!(store.load(), (traced(state.clone(), &facts[6..]), 11));
        for wrong in [0, 6, 12] {
            let error = store.facts().snapshot(&state, wrong).unwrap_err();
            assert!(matches!(error, StoreError::BadSnapshot { .. }), "{error}");
        }
        store.facts().snapshot(&state, 11).unwrap();
        assert_eq!(store.load(), (state, 11));
    });
}

#[test]
fn what_is_true_of_one_process_is_not_kept() {
    both(|make| {
        let mut store = make();
        let mut state = State {
            boot: "b".into(),
            ..State::default()
        };
        state.live.stopping = Some(at(0));
        store.facts().snapshot(&state, 1).unwrap();
        assert_eq!(
            store.load().0,
            State {
                boot: "b".into(),
                ..State::default()
            }
        );
    });
}

#[test]
fn numbers_go_on_when_everything_is_pruned() {
    both(|make| {
        let mut store = make();
        let facts: Vec<(_, Fact)> = (0..20)
            .map(|i| {
                (
                    at(i),
                    ended(
                        i as u64,
                        1,
                        periodic("a"),
                        offhours::core::run::Outcome::Succeeded,
                    ),
                )
            })
            .collect();
        store.facts().append(1, &facts).unwrap();
        let state = store.load().0;
        store.facts().snapshot(&state, 21).unwrap();
        let keep = Keep {
            runs: 0,
            ..Keep::default()
        };
        assert_eq!(store.facts().prune(&keep, at(0)).unwrap().facts, 20);
        assert_eq!(store.load(), (state, 21));
        assert_eq!(store.facts().append(21, &[(at(0), mark("x"))]).unwrap(), 22);
    });
}
