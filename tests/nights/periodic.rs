//! Regular jobs: every due instant ends in one record, and failures are seen.

use serde_json::Value;

use crate::scene::{Scene, free_port, get, in_seconds, until};

fn skipped(history: &Value, job: &str, reason: &str) -> u64 {
    history
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["job"] == job && row["outcome"] == "skipped" && row["reason"] == reason)
        .map(|row| row["due_count"].as_u64().unwrap_or(1))
        .sum()
}

#[test]
fn schedules_locks_overlaps_and_time_outs() {
    let scene = Scene::new(
        r#"
[periodic.tick]
schedule = "*/2 * * * * *"
script = "date +%S >> ticks"
timeout = "5s"
[periodic.slow]
schedule = "* * * * * *"
script = "if mkdir alone; then sleep 2.5; rmdir alone; else touch two; fi"
timeout = "10s"
[periodic.endless]
schedule = "* * * * * *"
run = ["sleep", "600"]
timeout = "1s"
grace = "1s"
"#,
    );
    let mut daemon = scene.up();
    daemon.wait_nth("run_ended", &[("job", "slow"), ("outcome", "succeeded")], 2);
    daemon.wait_nth(
        "run_ended",
        &[("job", "endless"), ("outcome", "timed_out")],
        2,
    );
    daemon.wait_nth("run_ended", &[("job", "tick"), ("outcome", "succeeded")], 3);
    let overlap = daemon.wait("run_skipped", &[("job", "slow"), ("reason", "overlap")]);
    assert!(overlap["due"].is_string());
    assert_eq!(daemon.stop(), 0);
    assert!(!scene.path("two").exists());
    // Six fields: at even seconds, each once.
    let ticks: Vec<u32> = scene
        .lines("ticks")
        .iter()
        .map(|s| s.parse().unwrap())
        .collect();
    assert!(ticks.len() >= 3);
    let dues: Vec<Value> = daemon
        .all("run_started", &[("job", "tick")])
        .iter()
        .map(|run| run["due"].clone())
        .collect();
    for due in &dues {
        let second = due
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_second();
        assert_eq!(second % 2, 0);
    }
    let mut once = dues.clone();
    once.dedup();
    assert_eq!(once.len(), dues.len());
    let history = scene.offhours(&["history", "--json"]).expect(0).json();
    assert!(skipped(&history, "slow", "overlap") >= 2, "{history}");
}

#[test]
fn failures_are_seen_everywhere_and_retried() {
    let port = free_port();
    let scene = Scene::new(&format!(
        r#"
[http]
listen = ["127.0.0.1:{port}"]
[periodic.broken]
schedule = "* * * * * *"
script = "echo no luck; exit 7"
timeout = "5s"
[periodic.second-try]
schedule = "* * * * * *"
script = "if [ -e tried ]; then exit 0; fi; touch tried; exit 1"
timeout = "5s"
retry = {{ attempts = 2, backoff = "1s" }}
"#
    ));
    let mut daemon = scene.up();
    let failed = daemon.wait("run_ended", &[("job", "broken")]);
    assert_eq!(
        (&failed["outcome"], &failed["exit_code"]),
        (&"failed".into(), &7.into())
    );
    daemon.wait("attention_raised", &[("kind", "periodic_failing")]);
    let again = daemon.wait("run_ended", &[("job", "second-try"), ("attempt", "2")]);
    assert_eq!(again["outcome"], "succeeded");
    let run = again["run"].as_str().unwrap();
    let first = daemon
        .find("run_ended", &[("run", run), ("attempt", "1")])
        .unwrap();
    assert_eq!(first["outcome"], "failed");
    assert!(first["next"].is_string());
    let status = scene.offhours(&["status", "--json"]).expect(1).json();
    let text = status["attention"][0].to_string();
    assert!(text.contains("broken"), "{status}");
    assert!(
        !status["attention"].to_string().contains("second-try"),
        "{status}"
    );
    let history = scene
        .offhours(&["history", "broken", "--failed", "--json"])
        .expect(0)
        .json();
    assert_eq!(history[0]["exit_code"], 7);
    let said = scene.offhours(&["logs", "broken"]).expect(0);
    assert!(said.out.contains("no luck"));
    until("the metrics", || {
        let (_, text) = get(port, "localhost", "/metrics", "")?;
        let seen = text.contains("offhours_periodic_failing 1")
            && text.lines().any(|line| {
                line.starts_with("offhours_attempts_total")
                    && line.contains("periodic")
                    && line.contains("failed")
                    && !line.ends_with(" 0")
            });
        seen.then_some(())
    });
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn missed_instants_run_once_or_not_at_all() {
    // Due every second; the daemon is away for some of them.
    let scene = Scene::new(
        r#"
[periodic.once]
schedule = "* * * * * *"
script = "echo $OFFHOURS_RUN >> once"
timeout = "5s"
missed = "once"
missed_within = "1h"
[periodic.skip]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
missed = "skip"
"#,
    );
    let mut daemon = scene.up();
    daemon.wait("run_ended", &[("job", "once")]);
    daemon.wait("run_ended", &[("job", "skip")]);
    assert_eq!(daemon.stop(), 0);
    let stopped = daemon.find("daemon_stopped", &[]).unwrap()["at"].clone();
    let stopped: jiff::Timestamp = stopped.as_str().unwrap().parse().unwrap();
    until("some instants to be missed", || {
        (jiff::Timestamp::now().duration_since(stopped).as_secs() >= 3).then_some(())
    });
    let mut daemon = scene.up();
    let started = daemon.wait("daemon_started", &[])["at"].clone();
    let started: jiff::Timestamp = started.as_str().unwrap().parse().unwrap();
    let due = |event: &Value| {
        event["due"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let catch_up = daemon.wait("run_started", &[("job", "once")]);
    assert!(
        due(&catch_up) <= started,
        "the latest missed one is run: {}",
        daemon.story()
    );
    let rest = daemon.wait("run_skipped", &[("job", "once"), ("reason", "missed")]);
    assert!(due(&rest) < due(&catch_up));
    let all = daemon.wait("run_skipped", &[("job", "skip"), ("reason", "missed")]);
    assert!(due(&all) <= started);
    let next = daemon.wait("run_started", &[("job", "skip")]);
    assert!(due(&next) > started, "{}", daemon.story());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn outside_its_window_a_job_waits_or_is_skipped() {
    let scene = Scene::new(&format!(
        r#"
[window.later]
from = "{}"
until = "{}"
[periodic.defer]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
window = "later"
[periodic.skip]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
window = "later"
outside = "skip"
[periodic.jittered]
schedule = "*/2 * * * * *"
run = ["true"]
timeout = "5s"
jitter = "1s"
"#,
        in_seconds(5),
        in_seconds(60)
    ));
    let mut daemon = scene.up();
    daemon.wait(
        "run_deferred",
        &[("job", "defer"), ("reason", "outside_window")],
    );
    daemon.wait(
        "run_skipped",
        &[("job", "skip"), ("reason", "outside_window")],
    );
    let opens = scene
        .offhours(&["windows", "--json", "--count", "1"])
        .json()[0]["opens"]
        .clone();
    let opens: jiff::Timestamp = opens.as_str().unwrap().parse().unwrap();
    for job in ["defer", "skip"] {
        let run = daemon.wait("run_started", &[("job", job)]);
        let at: jiff::Timestamp = run["at"].as_str().unwrap().parse().unwrap();
        assert!(at >= opens, "{job}: {}", daemon.story());
    }
    // The same part of a second each time.
    let jittered = daemon.wait_nth("run_started", &[("job", "jittered")], 2);
    let late = |event: &Value| {
        let at = |key: &str| {
            event[key]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .unwrap()
        };
        at("at").duration_since(at("due"))
    };
    assert!(late(&jittered) >= jiff::SignedDuration::ZERO);
    assert_eq!(daemon.stop(), 0);
}
