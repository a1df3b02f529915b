//! The state file: any bytes, or changes to a good one; read, or refused.
//!
//! The first byte says which: `r` and the whole file; `p` and changes, each of a place (three bytes, the high one
//! first), a length (one byte) and so many bytes; `f` and lines, each of an instant and the body of a fact.

use std::fs;
use std::path::Path;

use offhours::core::apply::apply;
use offhours::core::fact::Fact;
use offhours::store::{Facts, HistoryFilter, Line, Reader, Store, StoreError};

use super::fixture;
use super::safe;

const STATE: &[u8] = include_bytes!("../../data/state-v1.db");

pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let folder = fixture::folder();
    let file = folder.path().join("state.db");
    match kind {
        b'r' => fixture::write(&file, rest),
        b'p' => fixture::write(&file, &changed(rest)),
        b'f' => recorded(&file, rest),
        _ => return,
    }
    look(folder.path());
    open(folder.path());
}

fn changed(mut changes: &[u8]) -> Vec<u8> {
    let mut bytes = STATE.to_vec();
    while let Some(([high, middle, low, length], rest)) = changes.split_first_chunk() {
        let place = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
        let (part, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        if place == bytes.len() {
            bytes.extend_from_slice(part);
        } else if let Some(under) = bytes.get_mut(place..) {
            let length = part.len().min(under.len());
            under[..length].copy_from_slice(&part[..length]);
            // A length of nothing cuts it off.
            if part.is_empty() {
                bytes.truncate(place);
            }
        }
        changes = rest;
    }
    bytes
}

/// A good file with these rows in it, whatever they say.
fn recorded(file: &Path, rows: &[u8]) {
    fixture::write(file, STATE);
    let db = rusqlite::Connection::open(file).expect("opened");
    db.execute_batch("PRAGMA synchronous = OFF; BEGIN; DELETE FROM facts; DELETE FROM snapshot")
        .expect("emptied");
    for (row, seq) in rows.split(|byte| *byte == b'\n').take(100).zip(1..) {
        let body = row.iter().position(|byte| *byte == b'{').unwrap_or(0);
        let (at, body) = row.split_at(body);
        let at = std::str::from_utf8(at)
            .ok()
            .and_then(|at| at.trim().parse().ok());
        let body = String::from_utf8_lossy(body);
        db.execute(
            "INSERT INTO facts (seq, at, kind, line, body) VALUES (?1, ?2, 'x', 1, ?3)",
            (seq, at.unwrap_or(1_795_176_000_000_000_000_i64), body),
        )
        .expect("inserted");
    }
    db.execute_batch("COMMIT").expect("written");
}

/// What every command does that reads.
fn look(dir: &Path) {
    let reader = match Reader::open(dir) {
        Ok(Some(reader)) => reader,
        Ok(None) => panic!("there is a file"),
        Err(error) => return refused(&error),
    };
    told(reader.load(apply));
    told(reader.facts_after(0, 1_000));
    told(reader.facts_of_session("shop/night/2026-11-20"));
    for filter in [
        HistoryFilter::default(),
        HistoryFilter {
            app: Some("shop".into()),
            lines: Line::ALL.to_vec(),
            ..HistoryFilter::default()
        },
    ] {
        told(reader.history(&filter));
    }
}

/// What the daemon does.
fn open(dir: &Path) {
    let before = fs::read(dir.join("state.db")).expect("read");
    let mut store = match Store::open(dir) {
        Ok(store) => store,
        Err(error) => {
            refused(&error);
            let after = fs::read(dir.join("state.db")).expect("still there");
            assert!(
                before == after || after.len() >= before.len(),
                "it was replaced"
            );
            return;
        }
    };
    let Ok((state, next)) = store.load(apply) else {
        return;
    };
    let fact = Fact::DaemonStopped { clean: true };
    if let Err(error) = store.append(next, &[(fixture::now(), fact)]) {
        return refused(&error);
    }
    told(store.snapshot(&state, next));
    told(store.load(apply));
}

fn told<T>(result: Result<T, StoreError>) {
    if let Err(error) = &result {
        refused(error);
    }
}

fn refused(error: &StoreError) {
    safe::lines(&error.to_string());
}
