//! The wall clock is set under a running daemon: libfaketime moves it, elapsed time goes on as it is.

use std::path::PathBuf;

use crate::scene::{Daemon, FILE_MAIL, Scene, once, until};

/// Debian's folder for it has the machine's name in it.
fn libfaketime() -> PathBuf {
    let all = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let found = all
        .map(|entry| entry.path().join("faketime/libfaketime.so.1"))
        .find(|path| path.exists());
    found.expect("libfaketime is installed (tests/lab/setup.sh does it)")
}

/// The wall clock is this many seconds ahead from now on.
fn set(scene: &Scene, ahead: i64) {
    scene.write("clock.new", &format!("{ahead:+}\n"));
    std::fs::rename(scene.path("clock.new"), scene.path("clock")).unwrap();
}

fn run(scene: &Scene) -> Daemon {
    set(scene, 0);
    let (library, clock) = (libfaketime(), scene.path("clock"));
    let daemon = scene.run_with(
        &[],
        &[
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_NO_CACHE", "1"),
        ],
    );
    daemon.wait("daemon_started", &[]);
    daemon
}

const HOUR: i64 = 3600;

const TICK: &str = r#"
[periodic.tick]
schedule = "*/2 * * * * *"
run = ["true"]
timeout = "5s"
"#;

/// Every due instant of `tick` has one record; how many a record stands for is said in it.
fn dues_once(daemon: &Daemon) -> u64 {
    let mut seen = std::collections::BTreeSet::new();
    let mut sum = 0;
    for event in daemon.all("run_ended", &[("job", "tick")]) {
        assert!(seen.insert(event["due"].to_string()), "twice: {event}");
        sum += 1;
    }
    for event in daemon.all("run_skipped", &[("job", "tick")]) {
        assert!(seen.insert(event["due"].to_string()), "twice: {event}");
        sum += event["dues"].as_u64().unwrap_or(1);
    }
    sum
}

#[test]
fn an_hour_ahead_is_no_flood_and_no_gap() {
    let scene = Scene::new(TICK);
    let mut daemon = run(&scene);
    daemon.wait_nth("run_ended", &[("job", "tick")], 2);
    set(&scene, HOUR);
    let stepped = daemon.wait("clock_stepped", &[]);
    let by = stepped["step_s"].as_f64().unwrap();
    assert!((by - 3600.0).abs() < 1.0, "{stepped}");
    let before = daemon.all("run_ended", &[("job", "tick")]).len();
    daemon.wait_nth("run_ended", &[("job", "tick")], before + 2);
    assert_eq!(daemon.stop(), 0);
    let skipped = daemon.all("run_skipped", &[("job", "tick")]);
    assert_eq!(skipped.len(), 1, "{}", daemon.story());
    // An hour of them, but for the one that is caught up and those of the seconds around it.
    let count = skipped[0]["dues"].as_u64().unwrap();
    assert!((1790..=1801).contains(&count), "{}", skipped[0]);
    let first = daemon.all("run_ended", &[("job", "tick")])[0]["due"].to_string();
    let last = daemon.all("run_ended", &[("job", "tick")]);
    let last = last.last().unwrap()["due"].to_string();
    let at = |text: &str| text.trim_matches('"').parse::<jiff::Timestamp>().unwrap();
    let span = at(&last).duration_since(at(&first)).as_secs();
    assert_eq!(dues_once(&daemon), u64::try_from(span / 2 + 1).unwrap());
}

#[test]
fn an_hour_back_repeats_nothing() {
    let scene = Scene::new(TICK);
    let mut daemon = run(&scene);
    daemon.wait_nth("run_ended", &[("job", "tick")], 2);
    set(&scene, -HOUR);
    daemon.wait("clock_stepped", &[]);
    let ran = daemon.all("run_started", &[]).len();
    // Whatever wakes it: the dues of this hour have been served.
    daemon.signal("HUP");
    scene.offhours(&["status"]);
    assert_eq!(daemon.stop(), 0);
    assert!(daemon.all("run_started", &[]).len() <= ran + 1);
    dues_once(&daemon);
}

#[test]
fn a_month_ahead_and_back_is_no_flood_and_leaves_no_hole() {
    const MONTH: i64 = 30 * 24 * HOUR;
    let scene = Scene::new(TICK);
    let mut daemon = run(&scene);
    let ended = |daemon: &Daemon| daemon.all("run_ended", &[("job", "tick")]).len();
    daemon.wait_nth("run_ended", &[("job", "tick")], 2);
    set(&scene, MONTH);
    daemon.wait("clock_stepped", &[]);
    let before = ended(&daemon);
    daemon.wait_nth("run_ended", &[("job", "tick")], before + 2);
    let skipped = daemon.all("run_skipped", &[("job", "tick")]);
    assert_eq!(skipped.len(), 1, "{}", daemon.story());
    set(&scene, 0);
    daemon.wait_nth("clock_stepped", &[], 2);
    let before = ended(&daemon);
    daemon.wait_nth("run_ended", &[("job", "tick")], before + 3);
    assert_eq!(daemon.stop(), 0);
    // What ran is not run again.
    let mut seen = std::collections::BTreeSet::new();
    for event in daemon.all("run_ended", &[("job", "tick")]) {
        assert!(seen.insert(event["due"].to_string()), "twice: {event}");
    }
}

#[test]
fn a_month_back_repeats_nothing_and_is_said() {
    let scene = Scene::new(TICK);
    let mut daemon = run(&scene);
    daemon.wait_nth("run_ended", &[("job", "tick")], 2);
    set(&scene, -30 * 24 * HOUR);
    daemon.wait("clock_stepped", &[]);
    daemon.signal("HUP");
    let status = scene.offhours(&["status", "--json"]).json();
    let kinds: Vec<&str> = status["attention"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|matter| matter["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["clock_set_back"], "{status}");
    set(&scene, 0);
    // The kernel would wake it; for a clock that is only pretended somebody else has to.
    daemon.signal("HUP");
    daemon.wait_nth("clock_stepped", &[], 2);
    let ticks = daemon.all("run_ended", &[("job", "tick")]).len();
    daemon.wait_nth("run_ended", &[("job", "tick")], ticks + 2);
    assert_eq!(daemon.stop(), 0);
    dues_once(&daemon);
}

/// As after a suspend that no clock tells of: everything stood still for a while.
#[test]
fn a_daemon_that_stood_still_floods_nothing() {
    let scene = Scene::new(
        "[periodic.tick]\nschedule = \"* * * * * *\"\nrun = [\"true\"]\ntimeout = \"5s\"\n",
    );
    let mut daemon = scene.up();
    daemon.wait_nth("run_ended", &[("job", "tick")], 2);
    let stopped = jiff::Timestamp::now();
    daemon.signal("STOP");
    let until_then = stopped + jiff::SignedDuration::from_secs(4);
    until("four seconds to pass", || {
        (jiff::Timestamp::now() > until_then).then_some(())
    });
    let before_going_on = jiff::Timestamp::now();
    daemon.signal("CONT");
    let skipped = daemon.wait("run_skipped", &[("job", "tick")]);
    assert!(skipped["dues"].as_u64().unwrap() >= 2, "{skipped}");
    assert_eq!(daemon.stop(), 0);
    let dues = daemon.all("run_started", &[]);
    let dues = dues.iter().map(|event| -> jiff::Timestamp {
        let due = event["due"].as_str().unwrap();
        due.parse().unwrap()
    });
    let caught_up = dues
        .filter(|due| *due > stopped + jiff::SignedDuration::from_secs(1))
        .filter(|due| *due < before_going_on)
        .count();
    assert!(caught_up <= 1, "{}", daemon.story());
    dues_once(&daemon);
}

/// One job that runs until it is told, in a window of so many seconds.
fn session(window: i64) -> Scene {
    let scene = Scene::new(&format!(
        r#"
{FILE_MAIL}{}{TICK}
[app.shop]
window = "now"
enter = [{{ run = ["true"], timeout = "5s" }}]
leave = [{{ run = ["true"], timeout = "5s", grace = "1s" }}]
[maintenance.update]
app = "shop"
every = "window"
run = ["work"]
timeout = "50m"
estimate = "1s"
grace = "1s"
"#,
        once(4, window)
    ));
    scene.script(
        "work",
        "echo begun >> log; while [ ! -e go ]; do sleep 0.1; done",
    );
    scene
}

#[test]
fn what_runs_when_the_window_closes_at_once_is_ended_and_the_app_comes_back() {
    let scene = session(600);
    let mut daemon = run(&scene);
    scene.wait_line("log", "begun");
    set(&scene, HOUR);
    daemon.wait("clock_stepped", &[]);
    let ended = daemon.wait("run_ended", &[("job", "update")]);
    assert_eq!(ended["outcome"], "timed_out", "{ended}");
    daemon.wait("leave_ended", &[("outcome", "succeeded")]);
    daemon.wait("session_closed", &[]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_step_inside_the_window_does_not_end_what_runs() {
    let scene = session(3 * HOUR);
    let mut daemon = run(&scene);
    scene.wait_line("log", "begun");
    // More than its timeout by the wall clock; by elapsed time some seconds.
    set(&scene, HOUR);
    daemon.wait("clock_stepped", &[]);
    let ticks = daemon.all("run_ended", &[("job", "tick")]).len();
    daemon.wait_nth("run_ended", &[("job", "tick")], ticks + 2);
    assert!(daemon.find("run_ended", &[("job", "update")]).is_none());
    scene.write("go", "");
    let ended = daemon.wait("run_ended", &[("job", "update")]);
    assert_eq!(ended["outcome"], "succeeded", "{ended}");
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{closed}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_window_that_a_step_jumps_over_is_not_entered() {
    let scene = session(600);
    let mut daemon = run(&scene);
    daemon.wait("session_announced", &[]);
    set(&scene, HOUR);
    daemon.wait("clock_stepped", &[]);
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "postponed", "{closed}");
    until("the mail that says so", || {
        let mails = scene.mails("mail");
        mails
            .iter()
            .any(|mail| mail.contains("METHOD:CANCEL") || mail.contains("method=CANCEL"))
            .then_some(())
    });
    assert!(daemon.find("enter_started", &[]).is_none());
    assert_eq!(daemon.stop(), 0);
}
