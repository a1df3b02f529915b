use super::super::fixture::{at, loaded, printed};
use super::*;
use crate::core::state::State;

fn planned() -> (crate::config::Loaded, Plan) {
    let loaded = loaded();
    let (from, until) = (at("2026-11-23T06:00:00Z"), at("2026-11-25T12:00:00Z"));
    let plan = plan(&loaded.policy, &State::default(), from, until);
    (loaded, plan)
}

#[test]
fn people_see_sessions_steps_and_notices() {
    let (loaded, plan) = planned();
    let limit = Limit {
        limit: Some(3),
        all: false,
    };
    let shown = printed(None, |out| {
        show(&loaded.policy, &plan, limit, out).expect("printed")
    });
    insta::assert_snapshot!(shown);
}

#[test]
fn programs_see_the_keys_of_the_interface() {
    let (loaded, plan) = planned();
    let view = PlanView {
        policy: &loaded.policy,
        plan: &plan,
        limit: usize::MAX,
    };
    let json = serde_json::to_value(view).expect("json");
    let session = &json["sessions"][0];
    assert_eq!(session["id"], "shop/night/2026-11-23");
    assert_eq!(session["opens"], "2026-11-23T21:00:00Z");
    assert_eq!(session["notice_by"], "2026-11-23T09:00:00Z");
    assert_eq!(
        session["recipients"],
        serde_json::json!(["ops@example.org", "support@example.org"])
    );
    let leave = session["leave"].as_array().expect("hooks");
    let last = leave[1]["run"]
        .as_array()
        .and_then(|argv| argv.last())
        .expect("a command");
    assert_eq!(
        last, "true",
        "leave hooks in the order of running: reversed"
    );
    let step = &session["steps"][0];
    assert_eq!(
        (&step["job"], &step["estimate_s"]),
        (&"os-updates".into(), &1200.into())
    );
    assert_eq!(
        json["periodic"][0],
        serde_json::json!({"job": "gc", "host": "local", "at": "2026-11-23T06:15:00Z"})
    );
}

#[test]
fn a_limit_bounds_each_list() {
    let (loaded, plan) = planned();
    let view = PlanView {
        policy: &loaded.policy,
        plan: &plan,
        limit: 1,
    };
    let json = serde_json::to_value(view).expect("json");
    for list in ["sessions", "periodic"] {
        assert_eq!(json[list].as_array().map(Vec::len), Some(1), "{list}");
    }
}

#[test]
fn the_clock_change_is_named() {
    let loaded = loaded();
    let (from, until) = (at("2027-03-26T12:00:00Z"), at("2027-03-29T12:00:00Z"));
    let plan = plan(&loaded.policy, &State::default(), from, until);
    let limit = Limit {
        limit: Some(9),
        all: false,
    };
    let shown = printed(None, |out| {
        show(&loaded.policy, &plan, limit, out).expect("printed")
    });
    let lines: Vec<&str> = shown.lines().collect();
    let wiki = lines
        .iter()
        .position(|line| line.contains("wiki/weekly/2027-03-28"));
    let below = wiki.and_then(|line| lines.get(line + 1));
    let below = below.map(|line| line.trim());
    assert_eq!(below, Some("clock change: 1 h shorter"), "{shown}");
    assert_eq!(shown.matches("clock change").count(), 1);
    let json = serde_json::to_value(PlanView {
        policy: &loaded.policy,
        plan: &plan,
        limit: usize::MAX,
    });
    let sessions = json.expect("json")["sessions"].clone();
    let changes: Vec<i64> = sessions
        .as_array()
        .expect("sessions")
        .iter()
        .filter_map(|session| session["clock_change_s"].as_i64())
        .collect();
    assert_eq!(changes.iter().filter(|s| **s == -3600).count(), 1);
    assert_eq!(
        changes.iter().filter(|s| **s == 0).count(),
        changes.len() - 1
    );
    assert_eq!(sessions.as_array().map(Vec::len), Some(changes.len()));
}
