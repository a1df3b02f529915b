//! SIGKILL in the middle of appends, and writes that fail.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use jiff::Timestamp;
use offhours::core::fact::Fact;
use offhours::core::state::State;
use offhours::store::{Facts, Store, StoreError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::support::{again, at, given_folder, mark, read, trace, traced};

fn batch(number: u64) -> Vec<(Timestamp, Fact)> {
    let size = number % 7 + 1;
    (0..size)
        .map(|i| (at(number as i64), mark(format!("{number}: {i} of {size}"))))
        .collect()
}

/// How many batches are recorded; none is there in part.
fn whole_batches(dir: &std::path::Path) -> u64 {
    let (found, next) = Store::open(dir).unwrap().load(trace).unwrap();
    let (mut expected, mut facts, mut batches) = (State::default(), 1, 0);
    while facts < next {
        expected = traced(expected, &batch(batches));
        facts += batch(batches).len() as u64;
        batches += 1;
    }
    assert_eq!(
        (facts, &expected),
        (next, &found),
        "a batch was recorded in part"
    );
    batches
}

#[test]
fn killed_at_any_point_what_was_acknowledged_is_there_and_nothing_in_part() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..6_u64 {
        let mut child = again("crash::appends_until_killed", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acks = lines
            .map_while(Result::ok)
            .filter_map(|l| l.strip_prefix("done ").and_then(|n| n.parse().ok()));
        let mut wanted = 3 + round * 17;
        for number in acks {
            acknowledged = number;
            wanted = wanted.saturating_sub(1);
            if wanted == 0 {
                // What it acknowledges while it dies counts too.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let found = whole_batches(dir.path());
        assert!(
            found > acknowledged,
            "{found} batches are there, number {acknowledged} was acknowledged"
        );
        assert!(acknowledged >= round * 3, "the child did not get on");
    }
}

#[test]
#[ignore = "a part of another test, run as a process of its own"]
fn appends_until_killed() {
    let Some(dir) = given_folder() else { return };
    let mut store = Store::open(&dir).unwrap();
    let mut next = store.next();
    let mut number = 0;
    let mut facts = 1;
    while facts < next {
        facts += batch(number).len() as u64;
        number += 1;
    }
    loop {
        next = store.append(next, &batch(number)).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\ndone {number}")
            .and_then(|()| out.flush())
            .unwrap();
        if number % 10 == 3 {
            let state = store.load(trace).unwrap().0;
            store.snapshot(&state, next).unwrap();
        }
        number += 1;
    }
}

#[test]
fn killed_while_a_new_state_is_made_there_is_none_or_a_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("state.db.new"), b"SQLite format 3\0half").unwrap();
    std::fs::write(dir.path().join("state.db.new-wal"), b"half").unwrap();
    assert!(offhours::store::Reader::open(dir.path()).unwrap().is_none());
    assert_eq!(Store::open(dir.path()).unwrap().next(), 1);
    assert!(!dir.path().join("state.db.new").exists());
}

/// Another program opens the state and closes it again. It must not take itself for the last one, and the log away.
fn somebody_looks(dir: &std::path::Path) {
    let log = || std::fs::metadata(dir.join("state.db-wal")).map(|about| about.ino());
    let before = log().unwrap();
    let look = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); \
                c.execute('SELECT count(*) FROM facts').fetchone(); c.close()";
    let looked = std::process::Command::new("python3")
        .args(["-c", look])
        .arg(dir.join("state.db"))
        .status();
    assert!(looked.is_ok_and(|looked| looked.success()), "python3 looks");
    assert_eq!(log().unwrap(), before, "the log was taken away");
}

#[test]
fn after_a_write_that_failed_the_same_facts_can_be_appended() {
    let dir = tempfile::tempdir().unwrap();
    let status = again("crash::writes_fail_for_a_while", dir.path())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(
        read(dir.path()).1,
        std::fs::read_to_string(dir.path().join("next"))
            .unwrap()
            .parse::<u64>()
            .unwrap()
    );
}

#[test]
#[ignore = "a part of another test, run as a process of its own: it changes the process"]
fn writes_fail_for_a_while() {
    let Some(dir) = given_folder() else { return };
    // SAFETY: ignoring a signal installs no function that could run at a wrong time.
    unsafe {
        nix::sys::signal::signal(
            nix::sys::signal::Signal::SIGXFSZ,
            nix::sys::signal::SigHandler::SigIgn,
        )
    }
    .unwrap();
    let mut store = Store::open(&dir).unwrap();
    let mut next = store.append(1, &[(at(0), mark("first"))]).unwrap();
    let before = getrlimit(Resource::Fsize);
    for round in 0..5 {
        let log = std::fs::metadata(dir.join("state.db-wal")).map_or(0, |about| about.len());
        let limit = Rlimit {
            current: Some(log + 9_000),
            maximum: before.maximum,
        };
        setrlimit(Resource::Fsize, limit).unwrap();
        let failed = loop {
            let facts: Vec<_> = (0..40)
                .map(|i| (at(i), mark(format!("{round} {next} {}", "x".repeat(900)))))
                .collect();
            match store.append(next, &facts) {
                Ok(after) => next = after,
                Err(error) => break (facts, error),
            }
        };
        assert!(matches!(failed.1, StoreError::Io { .. }), "{}", failed.1);
        assert!(failed.1.is_transient());
        let error = store.append(next, &failed.0).unwrap_err();
        assert!(error.is_transient(), "{error}");
        setrlimit(Resource::Fsize, before).unwrap();
        assert_eq!(
            store.append(next, &failed.0).unwrap(),
            next + 40,
            "round {round}"
        );
        next += 40;
        assert_eq!(store.load(trace).unwrap().1, next);
        somebody_looks(&dir);
    }
    std::fs::write(dir.join("next"), next.to_string()).unwrap();
}
