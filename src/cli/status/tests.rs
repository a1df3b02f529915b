use super::super::fixture::{at, loaded, printed};
use super::*;
use crate::config::Loaded;
use crate::core::report::{Daemon, Lock, Shell};
use crate::core::run::{Outcome, What};
use crate::core::session::Phase;
use crate::core::state::{AlarmState, Attention, AttentionKind, Running, State};

fn up() -> Shell {
    let since = Some(at("2026-11-20T08:00:00Z"));
    Shell {
        daemon: Daemon {
            running: true,
            pid: Some(812),
            since,
            version: None,
        },
        ..Shell::default()
    }
}

fn shown_at(now: &str, state: &State, shell: Shell) -> (Status, String) {
    let Loaded { policy, .. } = loaded();
    let now = at(now);
    let plan = outlook(&policy, state, now, load::days_after(now, 7));
    let status = status(&policy, state, &plan, now).with(&policy, shell);
    let shown = printed(Some(120), |out| {
        show(&policy, &status, false, out).expect("printed")
    });
    (status, shown)
}

fn bad_night() -> State {
    let mut state = State {
        nonce: "n".into(),
        next_run: 43,
        ..State::default()
    };
    let since = at("2026-11-24T01:10:00Z");
    let attention = |kind, text: &str| Attention {
        kind,
        text: text.into(),
        since,
        app: Some("shop".into()),
        alarm: AlarmState::None,
    };
    let stuck = "leave hook 1 of shop fails: exit code 1: \u{1b}[31mcannot connect\u{202e}";
    state.attention.insert(
        "leave".into(),
        attention(AttentionKind::LeaveFailing, stuck),
    );
    let running = Running {
        reboot: false,
        way: None,
        attempt: 7,
        what: What::Leave {
            session: "shop/night/2026-11-23".into(),
            hook: 1,
            host: "local".into(),
        },
        due: None,
        started: at("2026-11-24T01:59:30Z"),
        stop_by: None,
        waiting: None,
        unheard: None,
        pid: Some(99),
    };
    state.running.insert(42, running);
    let gc = state.periodic.entry("gc".into()).or_default();
    gc.last = Some((Outcome::TimedOut, at("2026-11-24T01:50:00Z")));
    gc.last_success = Some(at("2026-11-23T22:00:00Z"));
    gc.failures = 9;
    state
}

#[test]
fn a_quiet_day_is_one_line_and_what_comes() {
    let state = State {
        nonce: "n".into(),
        next_run: 43,
        ..State::default()
    };
    let (status, shown) = shown_at("2026-11-23T06:00:00Z", &state, up());
    assert!(status.well, "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_bad_night_says_first_what_waits() {
    let mut shell = up();
    shell.locks.push(Lock {
        name: "apt".into(),
        held: true,
        run: None,
        pid: Some(5),
        age: Some(jiff::SignedDuration::from_mins(3)),
        holder: None,
    });
    let (status, shown) = shown_at("2026-11-24T02:00:00Z", &bad_night(), shell);
    assert!(!status.well);
    insta::assert_snapshot!(shown);
}

#[test]
fn no_line_is_harmful_or_wider_than_the_terminal_but_what_waits() {
    let (_, shown) = shown_at("2026-11-24T02:00:00Z", &bad_night(), up());
    for line in shown.lines() {
        assert!(!line.chars().any(crate::text::is_harmful), "{line:?}");
        assert!(
            line.chars().count() <= 120 || line.trim_start().starts_with('!'),
            "{line}"
        );
    }
}

#[test]
fn a_daemon_that_is_down_waits_for_a_person() {
    let state = State {
        nonce: "n".into(),
        ..State::default()
    };
    let (status, shown) = shown_at("2026-11-23T06:00:00Z", &state, Shell::default());
    assert!(!status.well);
    assert_eq!(status.attention[0].kind, "daemon_down");
    assert!(shown.starts_with("1 matter waits for a person"), "{shown}");
}

#[test]
fn an_app_is_where_its_session_has_it() {
    let loaded = loaded();
    let state = State::default();
    let now = at("2026-11-23T22:00:00Z");
    let plan = outlook(
        &loaded.policy,
        &state,
        at("2026-11-23T06:00:00Z"),
        load::days_after(now, 2),
    );
    let session = |phase| {
        let json = serde_json::json!({
            "id": "shop/night/2026-11-23", "app": "shop", "window": "night",
            "opens": "2026-11-23T21:00:00Z", "closes": "2026-11-24T04:00:00Z",
            "starts": "2026-11-23T21:00:00Z", "expected": "PT1H", "notice_by": "2026-11-23T09:00:00Z",
            "lead": "PT12H", "reserve": "PT10M", "steps": [], "locks": [], "phase": phase, "sequence": 0,
            "round": 1, "entered": "2026-11-23T21:00:00Z", "enter_started": 1, "enter_count": 1,
            "hook": { "index": 0, "running": null, "run": null, "attempts": 0, "not_before": null },
            "leave": [], "result": "success",
        });
        serde_json::from_value::<crate::core::session::Session>(json).expect("a session")
    };
    for (phase, expected) in [
        (Phase::Announced, "in_service"),
        (Phase::Entering, "entering"),
        (Phase::Active, "in_maintenance"),
        (Phase::Leaving, "leaving"),
        (Phase::Left, "in_service"),
    ] {
        let mut state = State::default();
        let session = session(phase);
        state.sessions.insert(session.id.clone(), session);
        let status = status(&loaded.policy, &state, &plan, now);
        let shop = status
            .apps
            .iter()
            .find(|a| &*a.app == "shop")
            .expect("listed");
        assert_eq!(shop.state.word(), expected);
        assert_eq!(shop.session.is_some(), expected != "in_service");
    }
}

#[test]
fn strangers_see_no_words_from_outside() {
    let (status, _) = shown_at("2026-11-24T02:00:00Z", &bad_night(), up());
    let public = serde_json::to_string(&status.public()).expect("json");
    for secret in ["cannot connect", "812", "\"local\"", "example.org"] {
        assert!(!public.contains(secret), "{secret}: {public}");
    }
    assert!(public.contains("leave_failing") && public.contains("shop/night"));
}

/// Five hosts of a job: one is done, one failed, two were put off, one is worked on.
fn rollout() -> State {
    let id = "shop/night/2026-11-23";
    let done = |outcome: &str| serde_json::json!({ "is": "done", "outcome": outcome });
    let running = serde_json::json!({ "is": "running", "run": 7, "attempt": 1, "failures": 0 });
    let states = [
        done("succeeded"),
        done("failed"),
        done("postponed"),
        done("postponed"),
        running,
    ];
    let steps = states.iter().enumerate().map(|(n, state)| {
        serde_json::json!({
            "job": "up", "host": format!("h{n}"), "state": state,
            "dues": { "first": "2026-11-23T21:00:00Z", "last": "2026-11-23T21:00:00Z", "count": 1 },
            "starts": "2026-11-23T21:00:00Z", "estimate": "PT10M", "closes": "2026-11-24T04:00:00Z", "cutoff": "PT0S",
            "if_needed": false, "need": null, "asked": null,
        })
    });
    let steps: Vec<_> = steps.collect();
    let session = serde_json::json!({
        "id": id, "app": "shop", "window": "night",
        "opens": "2026-11-23T21:00:00Z", "closes": "2026-11-24T04:00:00Z",
        "starts": "2026-11-23T21:00:00Z", "expected": "PT1H", "notice_by": "2026-11-23T09:00:00Z",
        "lead": "PT12H", "reserve": "PT10M", "steps": steps, "locks": [], "phase": "active", "sequence": 0,
        "round": 1, "entered": "2026-11-23T21:00:00Z", "enter_started": 1, "enter_count": 1,
        "hook": { "index": 0, "running": null, "run": null, "attempts": 0, "not_before": null },
        "leave": [], "result": "success",
    });
    let session: crate::core::session::Session =
        serde_json::from_value(session).expect("a session");
    let mut state = State::default();
    let what = What::Step {
        session: id.into(),
        step: 4,
        job: "up".into(),
        host: "h4".into(),
    };
    let running = Running {
        reboot: false,
        way: None,
        attempt: 1,
        what,
        due: None,
        started: at("2026-11-23T21:59:00Z"),
        stop_by: None,
        waiting: None,
        unheard: None,
        pid: Some(99),
    };
    state.sessions.insert(session.id.clone(), session);
    state.running.insert(7, running);
    state
}

fn held() -> Lock {
    Lock {
        name: "maintenance.up@h4".into(),
        held: true,
        run: Some("7".into()),
        pid: Some(5),
        age: None,
        holder: Some("run 7".into()),
    }
}

#[test]
fn what_was_put_off_is_not_done_and_what_failed_has_a_name() {
    let mut shell = up();
    shell.locks.push(held());
    let (status, shown) = shown_at("2026-11-23T22:00:00Z", &rollout(), shell);
    let line = "up: 2 of 5 hosts done, 1 failed (h1), 2 put off, 1 at work, done";
    assert!(shown.contains(line), "{shown}");
    assert!(!shown.contains("locks held"), "its run is listed: {shown}");
    let public = serde_json::to_string(&status.public()).expect("json");
    assert!(!public.contains("h1"), "{public}");
}

#[test]
fn what_a_dead_daemon_started_is_not_running() {
    let now = "2026-11-23T22:00:00Z";
    let (status, shown) = shown_at(now, &rollout(), Shell::default());
    assert!(status.running[0].cut_off);
    assert_eq!(status.rollouts[0].running, 0);
    assert!(
        shown.contains("cut off: the daemon that started it is gone"),
        "{shown}"
    );
    // What still holds its lock is there.
    let mut shell = Shell::default();
    shell.locks.push(held());
    let (status, _) = shown_at(now, &rollout(), shell);
    assert!(!status.running[0].cut_off);
    assert_eq!(status.rollouts[0].running, 1);
}
