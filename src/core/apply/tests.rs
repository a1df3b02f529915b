//! What does not follow is an error, and changes nothing.
use serde_json::json;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn fact(value: serde_json::Value) -> Fact {
    serde_json::from_value(value).unwrap()
}

fn dues() -> serde_json::Value {
    json!({ "first": at(0), "last": at(0), "count": 1 })
}

/// One step, left once.
fn session() -> serde_json::Value {
    json!({
        "id": "shop/night/2027-01-15", "app": "shop", "window": "night", "opens": at(0), "closes": at(3600),
        "starts": at(0), "expected": "PT15M", "notice_by": at(0), "lead": "PT12H", "reserve": "PT0S", "locks": [],
        "phase": "left", "sequence": 0, "round": 1, "entered": null, "enter_count": 0, "enter_started": 0,
        "hook": { "index": 0, "running": null, "run": null, "attempts": 0, "not_before": null },
        "leave": [], "result": "success",
        "steps": [{
            "job": "os-updates", "host": "local", "dues": dues(), "starts": at(0), "estimate": "PT1M",
            "closes": at(3600), "cutoff": "PT0S", "if_needed": false, "need": null, "asked": null,
            "state": { "is": "waiting" },
        }],
    })
}

fn folded(facts: &[Fact]) -> State {
    let mut state = State::default();
    for fact in facts {
        apply(&mut state, at(0), fact).unwrap();
    }
    state
}

#[track_caller]
fn refused(state: &State, value: serde_json::Value) {
    let mut after = state.clone();
    let fact = fact(value);
    assert!(apply(&mut after, at(1), &fact).is_err(), "{fact:?}");
    assert_eq!(&after, state);
}

fn opened() -> Fact {
    fact(json!({ "fact": "session_opened", "session": session() }))
}

#[test]
fn a_round_that_repeats_no_step_is_none() {
    let state = folded(&[opened()]);
    let reopened = |step: usize| json!({ "fact": "session_reopened", "session": "shop/night/2027-01-15", "repeat": [0, step] });
    refused(&state, reopened(1));
    let mut good = state.clone();
    apply(&mut good, at(1), &fact(reopened(0))).unwrap();
    assert_eq!(good.sessions["shop/night/2027-01-15"].round, 2);
    let mut last = state;
    let session = last.sessions.get_mut("shop/night/2027-01-15").unwrap();
    session.round = u8::MAX;
    refused(&last, reopened(0));
}

#[test]
fn nothing_follows_the_last_number() {
    let state = folded(&[opened()]);
    let started = |run: u64, what: serde_json::Value| json!({ "fact": "attempt_started", "run": run, "attempt": 1, "what": what, "due": dues() });
    refused(
        &state,
        started(u64::MAX, json!({ "for": "alarm", "key": "x" })),
    );
    let enter = json!({
        "for": "enter", "session": "shop/night/2027-01-15", "hook": usize::MAX, "host": "local",
    });
    refused(&state, started(1, enter));
    let notice = json!({
        "id": u64::MAX, "kind": "operators", "roles": [], "sequence": 0, "owed": at(0), "attempts": 0,
        "person": { "email": "ops@example.org", "time_zone": "UTC" },
        "progress": { "is": "sending" },
    });
    refused(
        &state,
        json!({ "fact": "notices_owed", "notices": [notice] }),
    );
}

#[test]
fn the_end_of_another_attempt_ends_nothing() {
    let started = json!({
        "fact": "attempt_started", "run": 7, "attempt": 1, "what": { "for": "alarm", "key": "x" },
    });
    let state = folded(&[fact(started)]);
    let ended = |attempt: u32, what: serde_json::Value| {
        json!({
            "fact": "attempt_ended", "run": 7, "attempt": attempt, "what": what, "started": at(0),
            "elapsed": "PT1S", "outcome": "succeeded",
        })
    };
    refused(&state, ended(2, json!({ "for": "alarm", "key": "x" })));
    let leave =
        json!({ "for": "leave", "session": "shop/night/2027-01-15", "hook": 0, "host": "local" });
    refused(&state, ended(1, leave));
}
