//! A state of every version is checked in, and loads for ever.
//!
//! After a new version of the tables: run `make` (see there), check the file in, and add a test. Files that are there
//! are never made anew once their version was released.

use std::path::{Path, PathBuf};

use offhours::core::apply::apply;
use offhours::core::fact::Fact;
use offhours::core::run::Outcome;
use offhours::store::{Facts, HistoryFilter, Reader, Store};

use super::support::{at, ended, given_folder, periodic, skipped, started};

fn data(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/state-v{version}.db"))
}

fn facts() -> Vec<(jiff::Timestamp, Fact)> {
    let list = vec![
        Fact::StateCreated {
            nonce: "5eed".into(),
        },
        Fact::DaemonStarted {
            boot: "b00t".into(),
            version: "0.1.0".into(),
        },
        Fact::JobsKnown {
            maintenance: vec![("os-updates".into(), at(0))],
            periodic: vec!["rotate-sessions".into(), "backup".into()],
        },
        started(0, 1, periodic("rotate-sessions")),
        ended(0, 1, periodic("rotate-sessions"), Outcome::Succeeded),
        started(1, 1, periodic("backup")),
        ended(1, 1, periodic("backup"), Outcome::TimedOut),
        skipped("backup"),
        Fact::DaemonStopped { clean: true },
    ];
    (0..).map(at).zip(list).collect()
}

/// `STORE_TEST_DIR=/tmp/new cargo test --test store -- --ignored --exact lasting::make`, then copy its `state.db`.
#[test]
#[ignore = "makes the file that is checked in"]
fn make() {
    let Some(dir) = given_folder() else { return };
    let mut store = Store::open(&dir).unwrap();
    let facts = facts();
    store.append(1, &facts[..5]).unwrap();
    let (state, next) = store.load(apply).unwrap();
    store.snapshot(&state, next).unwrap();
    store.append(next, &facts[5..]).unwrap();
}

#[test]
fn version_1_loads() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(data(1), dir.path().join("state.db")).unwrap();
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    let read = reader.load(apply).unwrap();
    assert_eq!(reader.history(&HistoryFilter::default()).unwrap().len(), 3);
    assert_eq!(reader.facts_after(0, 100).unwrap().len(), 9);
    // It has no index of times: nothing is bounded, and the writer makes one.
    assert_eq!(reader.first_since(at(8)).unwrap(), Some(0));
    drop(reader);
    let mut store = Store::open(dir.path()).unwrap();
    let (state, next) = store.load(apply).unwrap();
    assert_eq!((&state, next), (&read.0, read.1));
    assert_eq!((next, &*state.nonce, &*state.boot), (10, "5eed", "b00t"));
    assert_eq!(state.periodic["rotate-sessions"].last_success, Some(at(4)));
    assert_eq!(
        state.periodic["backup"].last.as_ref().map(|last| last.0),
        Some(Outcome::TimedOut)
    );
    assert_eq!(state.maintenance["os-updates"].since, at(0));
    store
        .append(next, &[(at(20), Fact::DaemonStopped { clean: true })])
        .unwrap();
    drop(store);
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    assert_eq!(reader.first_since(at(5)).unwrap(), Some(7));
}

#[test]
fn version_2_loads() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(data(2), dir.path().join("state.db")).unwrap();
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    let read = reader.load(apply).unwrap();
    assert_eq!((read.1, &*read.0.nonce), (10, "5eed"));
    assert_eq!(reader.first_since(at(5)).unwrap(), Some(7));
    drop(reader);
    let mut store = Store::open(dir.path()).unwrap();
    let (state, next) = store.load(apply).unwrap();
    assert_eq!((&state, next), (&read.0, read.1));
    store
        .append(next, &[(at(20), Fact::DaemonStopped { clean: true })])
        .unwrap();
}
