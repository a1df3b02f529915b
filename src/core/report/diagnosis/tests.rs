use serde_json::json;

use super::*;
use crate::core::apply::apply;
use crate::core::calendar::{Frozen, Zone, parse_open};
use crate::core::fact::Fact;
use crate::core::run::What;
use crate::core::state::{AlarmState, Attention, AttentionKind, Running};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn open(line: &str) -> Window {
    Window {
        name: "night".into(),
        zone: Zone::utc(),
        rules: vec![parse_open(line).unwrap()],
        cutoff: SignedDuration::ZERO,
    }
}

fn freeze(frozen: Frozen, now: Timestamp) -> Freeze {
    Freeze::new("f".into(), Zone::utc(), frozen, now)
}

#[test]
fn a_long_freeze_is_looked_past() {
    let now = at("2026-11-20T12:00:00Z");
    let (night, hours) = (open("daily 22:00-02:00"), open("daily 00:00-01:00"));
    let months = Frozen::Once {
        from: at("2026-11-01T00:00:00Z"),
        until: at("2027-05-01T00:30:00Z"),
    };
    let months = freeze(months, now);
    let opens = |window: &Window, freezes: &[&Freeze]| next(window, freezes, now).map(|o| o.opens);
    // In the middle of an occurrence that began while it was frozen.
    assert_eq!(opens(&night, &[&months]), Some(at("2027-05-01T00:30:00Z")));
    assert_eq!(opens(&hours, &[&months]), Some(at("2027-05-01T00:30:00Z")));
    assert_eq!(opens(&night, &[]), Some(at("2026-11-20T22:00:00Z")));
    // Night after night, and then for ever.
    let nights = freeze(Frozen::Rules(Box::new(open("Mon-Sat 20:00-04:00"))), now);
    assert_eq!(
        opens(&night, &[&nights, &months]),
        Some(at("2027-05-02T22:00:00Z"))
    );
    let always = freeze(Frozen::Rules(Box::new(open("daily 21:00-03:00"))), now);
    assert_eq!(opens(&night, &[&always]), None);
}

fn fact(value: serde_json::Value) -> Fact {
    serde_json::from_value(value).unwrap()
}

/// What became of two notices, and when.
fn mails(facts: &[(&str, serde_json::Value)]) -> State {
    let owed = |id: u64| {
        json!({
            "id": id, "kind": "operators", "roles": [], "sequence": 0, "owed": "2026-11-20T20:00:00Z",
            "attempts": 0, "progress": { "is": "owed", "not_before": "2026-11-20T20:00:00Z" },
            "person": { "email": "ops@example.org", "time_zone": "UTC" },
        })
    };
    let mut state = State::default();
    let first = fact(json!({ "fact": "notices_owed", "notices": [owed(1), owed(2)] }));
    apply(&mut state, at("2026-11-20T20:00:00Z"), &first).unwrap();
    for (time, value) in facts {
        apply(&mut state, at(time), &fact(value.clone())).unwrap();
    }
    state
}

fn sending(notice: u64, attempt: u32) -> serde_json::Value {
    json!({ "fact": "notice_sending", "notice": notice, "attempt": attempt })
}

fn delayed(notice: u64, why: &str) -> serde_json::Value {
    json!({
        "fact": "notice_delayed", "notice": notice, "why": why, "unknown": false,
        "retry_at": "2026-11-20T23:00:00Z", "kind": "operators", "recipient": "ops@example.org",
    })
}

fn answered(fact: &str, notice: u64) -> serde_json::Value {
    json!({
        "fact": fact, "notice": notice, "why": "no such person", "kind": "operators",
        "recipient": "ops@example.org",
    })
}

const NO_WAY: &str = "cannot reach mail.example.org:587: connection refused (192.0.2.7)";

#[test]
fn mail_says_since_when_it_stays_and_why() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let now = at("2026-11-20T21:00:00Z");
    let down = [
        ("2026-11-20T20:04:00Z", sending(1, 1)),
        (
            "2026-11-20T20:04:01Z",
            delayed(1, "mail.example.org:587 broke off at greeting: gone"),
        ),
        ("2026-11-20T20:30:00Z", sending(1, 2)),
        ("2026-11-20T20:30:00Z", delayed(1, NO_WAY)),
    ];
    let said = mail(&zone, &mails(&down), now);
    assert!(!said.ok);
    assert_eq!(
        said.text,
        "cannot reach mail.example.org:587 since 21:04: connection refused (192.0.2.7); \
         2 notices to be sent, 1 not accepted so far"
    );
    assert_eq!(
        said.public,
        "no mail has been accepted since 21:04; 2 notices to be sent, 1 not accepted so far"
    );
    assert_eq!(said.failing_since, Some(at("2026-11-20T20:04:01Z")));
    // Not today, by the clock of the installation.
    let tomorrow = mail(&zone, &mails(&down), at("2026-11-20T23:30:00Z"));
    assert!(
        tomorrow
            .text
            .contains("since Fri 2026-11-20 21:04:01 +01:00: connection"),
        "{}",
        tomorrow.text
    );
    // One that was accepted ends it, and one that a person is refused does, too.
    for end in [
        answered("notice_accepted", 2),
        answered("notice_refused", 2),
    ] {
        let mut up = down.to_vec();
        up.push(("2026-11-20T20:40:00Z", sending(2, 1)));
        up.push(("2026-11-20T20:40:00Z", end));
        let said = mail(&zone, &mails(&up), now);
        assert_eq!(said.failing_since, None);
        assert_eq!(said.text, "1 notice to be sent, 1 not accepted so far");
        assert_eq!(said.text, said.public);
    }
    // Of mail that nobody tries any more nothing is known.
    let mut over = down.to_vec();
    over.push(("2026-11-20T20:50:00Z", answered("notice_given_up", 1)));
    assert_eq!(mail(&zone, &mails(&over), now).failing_since, None);
}

#[test]
fn what_was_accepted_last_is_known_when_its_notice_is_forgotten() {
    let sent = [
        ("2026-11-20T20:40:00Z", sending(2, 1)),
        ("2026-11-20T20:40:01Z", answered("notice_accepted", 2)),
    ];
    let state = mails(&sent);
    assert_eq!(state.notices.len(), 1);
    let said = mail(&Zone::utc(), &state, at("2026-11-20T21:00:00Z"));
    assert_eq!(said.last_accepted, Some(at("2026-11-20T20:40:01Z")));
}

fn matter(kind: AttentionKind, since: &str) -> Attention {
    Attention {
        kind,
        text: String::new(),
        since: at(since),
        app: None,
        alarm: AlarmState::None,
    }
}

#[test]
fn a_state_that_cannot_be_written_says_since_when() {
    let now = at("2026-11-20T21:00:00Z");
    let mut state = mails(&[]);
    state.nonce = "n".into();
    let trouble = AttentionKind::StateTrouble;
    let given = matter(trouble, "2026-11-20T20:00:00Z");
    state.attention.insert(ROOM_GIVEN.into(), given);
    let said = state_of(&Zone::utc(), &state, now);
    assert!(said.ok, "it can be written");
    assert!(
        said.text.contains("the disk is full since 20:00"),
        "{}",
        said.text
    );
    let unwritable = matter(trouble, "2026-11-20T20:04:00Z");
    state.attention.insert(UNWRITABLE.into(), unwritable);
    state.live.unwritable = Some("/secret: read-only file system".into());
    let said = state_of(&Zone::utc(), &state, now);
    assert!(!said.ok);
    assert_eq!(
        said.text,
        "the state cannot be written since 20:04, nothing new is started: /secret: read-only file system"
    );
    assert!(said.text.starts_with(&said.public) && !said.public.contains("secret"));
}

fn running(waiting: Option<&str>) -> Running {
    Running {
        reboot: false,
        way: None,
        attempt: 1,
        what: What::Periodic {
            job: "gc".into(),
            host: "web1".into(),
        },
        due: None,
        started: at("2026-11-20T20:00:00Z"),
        stop_by: None,
        waiting: waiting.map(str::to_owned),
        unheard: None,
        pid: None,
    }
}

#[test]
fn hosts_say_who_waits_for_a_lock() {
    let (zone, now) = (Zone::utc(), at("2026-11-20T20:10:00Z"));
    let mut state = State::default();
    let here = "all work is done on this machine";
    assert_eq!(hosts(&zone, 0, &state, now).text, here);
    let there = "2 hosts are reached over SSH";
    assert_eq!(hosts(&zone, 2, &state, now).text, there);
    for (run, waiting) in [(1, None), (2, Some("flock by hand")), (3, Some("run 1"))] {
        state.running.insert(run, running(waiting));
    }
    let said = hosts(&zone, 2, &state, now);
    let wait = format!("{there}, 2 attempts wait for a lock");
    assert_eq!(said.text, format!("{wait} (held by flock by hand)"));
    assert_eq!(said.public, wait);
}

#[test]
fn hosts_say_whose_end_is_not_known() {
    let (zone, now) = (Zone::utc(), at("2026-11-20T20:10:00Z"));
    let mut state = State::default();
    for (run, until) in [(1, "2026-11-20T20:40:00Z"), (2, "2026-11-20T20:30:00Z")] {
        let mut running = running(None);
        running.unheard = Some(("the connection broke".into(), at(until)));
        state.running.insert(run, running);
    }
    let said = hosts(&zone, 1, &state, now);
    assert_eq!(
        said.text,
        "1 host is reached over SSH, how 2 attempts ended is not known: web1 is asked until Fri 2026-11-20 20:30 +00:00 \
         (in 20 min), the connection broke"
    );
    assert_eq!(
        said.public,
        "1 host is reached over SSH, how 2 attempts ended is not known"
    );
}

#[test]
fn windows_name_what_holds_them_back() {
    let state = |name: &str, open: bool, opens: Option<&str>, by: Option<&str>| WindowState {
        window: name.into(),
        open,
        opens: opens.map(at),
        closes: None,
        frozen_by: by.map(Into::into),
        text: String::new(),
    };
    let next = Some("2027-01-02T21:00:00Z");
    let mut windows = vec![
        state("night", false, next, Some("christmas")),
        state("once", false, None, None),
    ];
    let words = |windows: &[WindowState]| windows_words(&Zone::utc(), windows);
    assert_eq!(
        words(&windows),
        "all windows are closed, night opens Sat 2027-01-02 21:00 +00:00; \
         held back by a freeze: night (christmas); not to open within a year: once"
    );
    windows.push(state("day", true, next, None));
    assert_eq!(
        words(&windows),
        "1 of 3 windows are open; held back by a freeze: night (christmas); \
         not to open within a year: once"
    );
    let many: Vec<_> = (0..9)
        .map(|n| state(&format!("w{n}"), false, None, None))
        .collect();
    assert_eq!(words(&many), "no window opens within a year");
    let all = [many, vec![state("day", true, next, None)]].concat();
    assert!(
        words(&all).ends_with("w3, w4 and 4 more"),
        "{}",
        words(&all)
    );
}
