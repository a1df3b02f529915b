//! What is forgotten, and what never is.

use jiff::Timestamp;
use offhours::core::fact::Fact;
use offhours::core::run::Outcome;
use offhours::core::state::{PeriodicState, Running, State};
use offhours::store::{Facts, Keep, MemoryStore, Reader, Store};
use proptest::prelude::*;

use super::support::{at, ended, load, mark, periodic, skipped, started, step};

const DAY: i64 = 86_400;
const NOW: i64 = 1_000 * DAY;

fn prune_all(store: &mut impl Facts, keep: &Keep) -> u64 {
    let mut facts = 0;
    for _ in 0..1_000 {
        let pruned = store.prune(keep, at(NOW)).unwrap();
        assert!(pruned.facts <= 5_000 || !pruned.more);
        facts += pruned.facts;
        if !pruned.more {
            return facts;
        }
    }
    panic!("pruning does not end");
}

fn left(dir: &std::path::Path) -> Vec<(u64, Timestamp, Fact)> {
    Reader::open(dir)
        .unwrap()
        .unwrap()
        .facts_after(0, 10_000)
        .unwrap()
}

/// Periodic jobs that the state knows, as the fold of real facts would.
fn knowing(mut state: State) -> State {
    for job in ["a", "b"] {
        state.periodic.insert(job.into(), PeriodicState::default());
    }
    state
}

fn one_of_all() -> impl Strategy<Value = Vec<(Timestamp, Fact)>> {
    let one = (
        0..8_u8,
        prop::sample::select(vec!["a", "b"]),
        0..10_usize,
        0..400_i64,
    );
    prop::collection::vec(one, 0..150).prop_map(|list| {
        let mut facts: Vec<(Timestamp, Fact)> = Vec::new();
        for (run, (kind, job, outcome, age)) in (1..).zip(list) {
            let (when, outcome) = (at(NOW - age * DAY), Outcome::ALL[outcome]);
            facts.push((
                when,
                match kind {
                    0 | 1 => ended(run, 1, periodic(job), outcome),
                    2 => skipped(job),
                    3 => ended(run, 1, step("shop/night/2027-01-15", "os"), outcome),
                    4 => started(run, 1, periodic(job)),
                    5 => skipped("os"),
                    6 => Fact::AttentionCleared {
                        key: "periodic:a".into(),
                    },
                    _ => mark("x"),
                },
            ));
        }
        facts.sort_by_key(|(at, _)| *at);
        facts
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_has_to_stay_stays_and_the_state_does_not_change(
        facts in one_of_all(),
        covered in 0.0..=1.0_f64,
        runs in 0..12_u32,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mut memory = MemoryStore::default();
        let next = 1 + (facts.len() as f64 * covered) as u64;
        let mut state = knowing(State::default());
        // The last attempt that began, if any, goes on.
        let on = facts.iter().rev().find_map(|(_, fact)| match fact {
            Fact::AttemptStarted { run, attempt, what, .. } => Some((*run, *attempt, what.clone())),
            _ => None,
        });
        if let Some((run, attempt, what)) = &on {
            let running = Running { way: None, attempt: *attempt, what: what.clone(), due: None, started: at(0), stop_by: None, reboot: false, waiting: None, unheard: None, pid: None };
            state.running.insert(*run, running);
        }
        let keep = Keep { runs, ..Keep::default() };
        store.append(1, &facts).unwrap();
        memory.append(1, &facts).unwrap();
        store.snapshot(&state, next).unwrap();
        memory.snapshot(&state, next).unwrap();
        let before = load(&store);
        let gone = prune_all(&mut store, &keep);
        prop_assert_eq!(gone, prune_all(&mut memory, &keep));
        prop_assert_eq!(&load(&store), &before);
        prop_assert_eq!(&load(&memory), &before);
        let left = left(dir.path());
        prop_assert_eq!(&left[..], memory.facts());
        prop_assert_eq!(left.len() as u64 + gone, facts.len() as u64);
        // Again finds nothing.
        prop_assert_eq!(prune_all(&mut store, &keep), 0);

        let is_left = |seq: u64| left.iter().any(|(other, ..)| *other == seq);
        let lines_of = |job: &str| -> Vec<u64> {
            let of = |fact: &Fact| matches!(fact, Fact::AttemptEnded(_) | Fact::Skipped { .. }) && fact.job().is_some_and(|j| &**j == job);
            let mut lines: Vec<u64> = (1..).zip(&facts).filter(|(_, (_, fact))| of(fact)).map(|(seq, _)| seq).collect();
            lines.reverse();
            lines
        };
        let newest: Vec<u64> = ["a", "b"].into_iter().flat_map(|job| lines_of(job).into_iter().take(runs as usize)).collect();
        for (seq, (when, fact)) in (1_u64..).zip(&facts) {
            let days = (at(NOW) - *when).get_seconds() / DAY;
            let line_of_periodic = fact.job().is_some_and(|job| matches!(&**job, "a" | "b"));
            let stays = seq >= next || newest.contains(&seq) || match fact {
                Fact::AttemptEnded(ended) if line_of_periodic => ended.outcome.is_bad() && days <= 30,
                Fact::AttemptStarted { run, .. } => {
                    let oldest = fact.job().and_then(|job| lines_of(job).into_iter().take(runs as usize).next_back());
                    days <= 1 && oldest.is_some_and(|oldest| seq >= oldest) || on.as_ref().is_some_and(|(on, ..)| on == run)
                }
                Fact::AttentionCleared { .. } => days <= 1,
                Fact::Skipped { .. } if line_of_periodic => false,
                _ => days <= 180,
            };
            prop_assert_eq!(is_left(seq), stays, "fact {} of {} days: {:?}", seq, days, fact);
        }
    }
}

#[test]
fn attempts_of_one_run_count_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut facts = Vec::new();
    for run in 1..=10 {
        for attempt in 1..=3 {
            let outcome = if attempt < 3 {
                Outcome::Failed
            } else {
                Outcome::Succeeded
            };
            facts.push((at(0), ended(run, attempt, periodic("a"), outcome)));
        }
    }
    store.append(1, &facts).unwrap();
    store.snapshot(&knowing(State::default()), 31).unwrap();
    let keep = Keep {
        runs: 4,
        ..Keep::default()
    };
    assert_eq!(prune_all(&mut store, &keep), 18);
    assert!(
        left(dir.path())
            .iter()
            .all(|(_, _, fact)| fact.run() >= Some(7))
    );
}

#[test]
fn a_day_of_a_job_that_runs_all_the_time_is_no_more_than_its_last_runs() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut facts = Vec::new();
    for run in 1..=3_000 {
        facts.push((at(NOW), started(run, 1, periodic("a"))));
        facts.push((at(NOW), ended(run, 1, periodic("a"), Outcome::Succeeded)));
    }
    // Beside it a step that began, and goes on being of use for a day.
    facts.push((
        at(NOW),
        started(3_001, 1, step("shop/night/2027-01-15", "os")),
    ));
    let next = store.append(1, &facts).unwrap();
    store.snapshot(&knowing(State::default()), next).unwrap();
    prune_all(&mut store, &Keep::default());
    let left = left(dir.path());
    let starts = |fact: &Fact| matches!(fact, Fact::AttemptStarted { .. });
    assert_eq!(left.iter().filter(|(_, _, fact)| starts(fact)).count(), 200);
    assert_eq!(left.len(), 2 * 200);
}

#[test]
fn nothing_goes_without_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let facts: Vec<_> = (0..100).map(|i| (at(i), mark("x"))).collect();
    store.append(1, &facts).unwrap();
    assert_eq!(prune_all(&mut store, &Keep::default()), 0);
}

#[test]
fn a_long_history_is_forgotten_piece_by_piece_and_the_file_gets_smaller() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let facts: Vec<_> = (0..30_000)
        .map(|run| (at(0), ended(run, 1, periodic("a"), Outcome::Succeeded)))
        .collect();
    let next = store.append(1, &facts).unwrap();
    store.snapshot(&State::default(), next).unwrap();
    let first = store.prune(&Keep::default(), at(NOW)).unwrap();
    assert_eq!((first.facts, first.more), (5_000, true));
    assert_eq!(5_000 + prune_all(&mut store, &Keep::default()), 29_800);
    for _ in 0..20 {
        prune_all(&mut store, &Keep::default());
    }
    drop(store);
    let size = std::fs::metadata(dir.path().join("state.db"))
        .unwrap()
        .len();
    assert!(size < 400_000, "{size} bytes for 200 facts");
}

#[test]
fn the_log_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    for round in 0..40 {
        let facts: Vec<_> = (0..1_000).map(|i| (at(i), mark("x".repeat(500)))).collect();
        store.append(round * 1_000 + 1, &facts).unwrap();
    }
    let log = std::fs::metadata(dir.path().join("state.db-wal"))
        .unwrap()
        .len();
    assert!(log < 8 * 1024 * 1024, "{log} bytes");
}
