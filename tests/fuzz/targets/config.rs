//! `windows.toml` with its drop-ins, its contacts and the variables that override it, to a plan of the week.
//!
//! A line `#= drop-in`, `#= contacts` or `#= env` begins the next file.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use offhours::config::{self, Env, Loaded, Problem, Purpose, Refused, Sources};
use offhours::core::agenda::Agenda;
use offhours::core::decide::decide;
use offhours::core::event::Event;
use offhours::core::plan::plan;
use offhours::core::policy::Policy;
use offhours::core::report::PlanView;
use offhours::core::state::State;
use offhours::core::wakeup::wakeup;

use super::fixture::{self, now, week};
use super::safe;

/// More drop-ins say nothing new.
const MOST_DROP_INS: usize = 4;

pub fn run(data: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = fixture::folder();
    }
    FOLDER.with(|folder| {
        let variables = lay_out(folder.path(), data);
        check(&folder.path().join("windows.toml"), &variables, data.len());
    });
}

/// Writes the files; what is left over is the variables.
fn lay_out(folder: &Path, data: &[u8]) -> Env {
    let drop_ins = folder.join("windows.d");
    let contacts = folder.join("contacts.toml");
    // Not there the first time, and often not there at all.
    let _ = fs::remove_dir_all(&drop_ins);
    let _ = fs::remove_file(&contacts);
    let mut variables = Vec::new();
    let mut added = 0;
    for (at, (name, text)) in parts(data).into_iter().enumerate() {
        match name {
            _ if at == 0 => fixture::write(&folder.join("windows.toml"), text),
            b"contacts" => fixture::write(&contacts, text),
            b"env" => {
                let text = String::from_utf8_lossy(text).into_owned();
                let pairs = text.lines().filter_map(|line| line.split_once('='));
                variables.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            _ if added < MOST_DROP_INS => {
                if added == 0 {
                    fs::create_dir(&drop_ins).expect("a folder");
                }
                fixture::write(&drop_ins.join(format!("{added}.toml")), text);
                added += 1;
            }
            _ => {}
        }
    }
    variables.into_iter().collect()
}

/// The texts, each but the first with the word behind `#= `.
fn parts(data: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut parts: Vec<(&[u8], &[u8])> = Vec::new();
    let (mut name, mut start, mut at): (&[u8], usize, usize) = (b"", 0, 0);
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if let Some(next) = line.strip_prefix(b"#= ") {
            parts.push((name, &data[start..at]));
            (name, start) = (next.trim_ascii(), at + line.len());
        }
        at += line.len();
    }
    parts.push((name, &data[start..]));
    parts
}

fn check(file: &Path, variables: &Env, length: usize) {
    let good = |purpose| {
        let loaded = config::load(file, variables, now(), purpose);
        told(&loaded, length);
        loaded.ok().map(|loaded| loaded.policy)
    };
    let checked = good(Purpose::Check);
    // Of what is wrong in any case the others say the same: a few tries show it.
    if checked.is_none() && !length.is_multiple_of(4) {
        return;
    }
    let ran = good(Purpose::Run);
    let read = good(Purpose::Read);
    assert!(
        checked.is_none() || read.is_some(),
        "what `check` takes every command takes"
    );
    if let Some(policy) = ran.or(read) {
        look_ahead(&policy);
    }
}

fn told(loaded: &Result<Loaded, Refused>, length: usize) {
    let (problems, sources): (&[Problem], &Sources) = match loaded {
        Ok(loaded) => (&loaded.warnings, &loaded.sources),
        Err(refused) => (&refused.problems, &refused.sources),
    };
    assert!(
        loaded.is_ok() || !problems.is_empty(),
        "refused for nothing"
    );
    let plain = config::render(problems, sources, false);
    safe::lines(&plain);
    assert!(
        plain.len() < (1 << 20) + 20 * length,
        "{} bytes",
        plain.len()
    );
    let coloured = config::render(problems, sources, true);
    assert!(coloured.len() >= plain.len());
    assert!(config::json(problems, &[]).is_array());
}

/// A policy is good for everything that is asked of it: a plan, the daemon's first turns.
fn look_ahead(policy: &Policy) {
    let mut state = State::default();
    let planned = plan(policy, &state, now(), week());
    let view = PlanView {
        policy,
        plan: &planned,
        limit: 1_000,
    };
    serde_json::to_string(&view).expect("written");

    let mut agenda = Agenda::default();
    let started = Event::Started {
        found: Vec::new(),
        boot: "boot".into(),
        version: "0".into(),
        nonce: "nonce".into(),
        alone: false,
    };
    let mut turn = |event: Event, at: Timestamp| {
        let decision = decide(policy, &mut state, &mut agenda, event, at);
        assert_eq!(decision.fault, None);
        wakeup(policy, &state, &agenda, at)
    };
    let mut next = turn(started, now());
    for _ in 0..5 {
        let Some(at) = next else { return };
        next = turn(Event::Woke, at);
        assert!(next.is_none_or(|next| next > at));
    }
}
