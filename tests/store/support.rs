//! Facts to store, and a fold that shows which facts it saw, in which order.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use offhours::core::fact::{AttemptEnded, Fact};
use offhours::core::run::{Dues, Outcome, What};
use offhours::core::session::{Code, Reason};
use offhours::core::state::State;
use offhours::store::{Facts, Reader, Store, StoreError};

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A fact that is told from others by its mark.
pub fn mark(mark: impl Into<String>) -> Fact {
    Fact::DaemonStarted {
        boot: mark.into(),
        version: "0".into(),
    }
}

pub fn started(run: u64, attempt: u32, what: What) -> Fact {
    Fact::AttemptStarted {
        reboot: false,
        way: None,
        run,
        attempt,
        what,
        due: Some(Dues::one(at(0))),
        stop_by: None,
    }
}

pub fn ended(run: u64, attempt: u32, what: What, outcome: Outcome) -> Fact {
    Fact::AttemptEnded(Box::new(AttemptEnded {
        to_be_seen: false,
        run,
        attempt,
        what,
        due: Some(Dues::one(at(0))),
        started: at(0),
        elapsed: SignedDuration::from_secs(1),
        outcome,
        exit_code: Some(i32::from(outcome != Outcome::Succeeded)),
        reason: None,
        output_bytes: 7,
        log: true,
        tail: "ok".into(),
        carried: false,
        retry: None,
    }))
}

pub fn periodic(job: &str) -> What {
    What::Periodic {
        job: job.into(),
        host: "local".into(),
    }
}

pub fn step(session: &str, job: &str) -> What {
    What::Step {
        session: session.into(),
        step: 0,
        job: job.into(),
        host: "web1".into(),
    }
}

pub fn skipped(job: &str) -> Fact {
    let reason = Reason::from(Code::Overlap);
    Fact::Skipped {
        job: job.into(),
        host: "local".into(),
        due: Dues::one(at(0)),
        reason,
    }
}

/// Keeps the serialised facts one after another in the state itself, so that order and content show.
pub fn trace(state: &mut State, at: Timestamp, fact: &Fact) -> Result<(), String> {
    state
        .nonce
        .push_str(&serde_json::to_string(fact).map_err(|e| e.to_string())?);
    state.nonce.push('\n');
    state.last = at;
    if let Some(run) = fact.run() {
        state.next_run = run + 1;
    }
    Ok(())
}

/// What [`trace`] makes of these facts on top of a state.
pub fn traced(mut state: State, facts: &[(Timestamp, Fact)]) -> State {
    for (at, fact) in facts {
        trace(&mut state, *at, fact).unwrap();
    }
    state
}

pub fn load(store: &impl Facts) -> (State, u64) {
    store.load(trace).unwrap()
}

pub fn read(dir: &Path) -> (State, u64) {
    Reader::open(dir)
        .unwrap()
        .expect("there is a state")
        .load(trace)
        .unwrap()
}

/// The names in a folder.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What a killed writer leaves: the files as they are at this moment.
pub fn copy_as_killed(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// A state with these facts, its writer gone.
pub fn made(dir: &Path, facts: &[(Timestamp, Fact)]) -> Result<(), StoreError> {
    let mut store = Store::open(dir)?;
    let next = store.next();
    store.append(next, facts).map(drop)
}

/// This test program again, to run one of its ignored tests as another process.
pub fn again(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("STORE_TEST_DIR", dir)
        .stdin(Stdio::null());
    command
}

/// The folder for a test that is run by [`again`]; none where somebody runs all ignored tests.
pub fn given_folder() -> Option<std::path::PathBuf> {
    std::env::var_os("STORE_TEST_DIR").map(Into::into)
}
