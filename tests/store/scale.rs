//! A hundred thousand facts. Times are printed, not judged: `cargo test --test store scale -- --nocapture`.

use std::time::Instant;

use offhours::core::run::Outcome;
use offhours::core::state::State;
use offhours::store::{Facts, HistoryFilter, Line, Reader, Store};

use super::support::{at, ended, periodic, started, step};

const RUNS: u64 = 50_000;

#[test]
fn a_hundred_thousand_facts() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let began = Instant::now();
    let mut next = 1;
    for thousand in 0..RUNS / 1_000 {
        let mut facts = Vec::new();
        for run in thousand * 1_000..(thousand + 1) * 1_000 {
            let what = if run % 10 == 0 {
                step(&format!("app{}/night/{}", run % 70, run / 500), "os")
            } else {
                periodic(&format!("job{}", run % 37))
            };
            let outcome = if run % 1_009 == 0 {
                Outcome::Failed
            } else {
                Outcome::Succeeded
            };
            facts.push((at(run as i64), started(run, 1, what.clone())));
            facts.push((at(run as i64), ended(run, 1, what, outcome)));
        }
        next = store.append(next, &facts).unwrap();
    }
    println!("append: {:?}", began.elapsed());
    drop(store);
    println!(
        "bytes: {}",
        std::fs::metadata(dir.path().join("state.db"))
            .unwrap()
            .len()
    );

    let began = Instant::now();
    let mut store = Store::open(dir.path()).unwrap();
    println!("open, checked: {:?}", began.elapsed());
    let began = Instant::now();
    let mut seen = 0;
    let (_, found) = store
        .load(|_, _, _| {
            seen += 1;
            Ok::<(), String>(())
        })
        .unwrap();
    println!("load, no snapshot: {:?}", began.elapsed());
    assert_eq!((found, seen), (next, 2 * RUNS));

    let reader = Reader::open(dir.path()).unwrap().unwrap();
    let all = HistoryFilter::default;
    let filters = [
        ("newest", all(), 100),
        (
            "of a job",
            HistoryFilter {
                job: Some("job5".into()),
                ..all()
            },
            100,
        ),
        (
            "of a session",
            HistoryFilter {
                session: Some("app0/night/0".into()),
                ..all()
            },
            8,
        ),
        (
            "of an app",
            HistoryFilter {
                app: Some("app10".into()),
                ..all()
            },
            100,
        ),
        (
            "of a run",
            HistoryFilter {
                run: Some(77),
                ..all()
            },
            1,
        ),
        (
            "failed",
            HistoryFilter {
                outcome: Some(Outcome::Failed),
                ..all()
            },
            50,
        ),
        (
            "of a kind there is none of",
            HistoryFilter {
                lines: vec![Line::Alarm],
                ..all()
            },
            0,
        ),
        (
            "oldest hour",
            HistoryFilter {
                until: Some(at(3_600)),
                ..all()
            },
            100,
        ),
        (
            "of a job there is none of",
            HistoryFilter {
                job: Some("none".into()),
                ..all()
            },
            0,
        ),
    ];
    for (name, filter, expected) in filters {
        let began = Instant::now();
        let rows = reader.history(&filter).unwrap();
        println!("history, {name}: {:?}", began.elapsed());
        assert_eq!(rows.len(), expected, "{name}");
    }

    store.snapshot(&State::default(), next).unwrap();
    let began = Instant::now();
    store.load(|_, _, _| Ok::<(), String>(())).unwrap();
    println!("load, snapshot: {:?}", began.elapsed());
    let began = Instant::now();
    let pruned = store
        .prune(&offhours::store::Keep::default(), at(10 * 86_400))
        .unwrap();
    println!("prune: {:?} for {pruned:?}", began.elapsed());
}
