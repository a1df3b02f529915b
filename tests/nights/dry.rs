//! `run --dry-run` does what the daemon does, and nothing at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::scene::{Daemon, FILE_MAIL, Scene, once};

fn scene() -> Scene {
    Scene::new(&format!(
        r#"
{FILE_MAIL}
{}
[app.shop]
window = "now"
enter = [{{ script = "echo enter >> order", timeout = "5s", grace = "1s" }}]
leave = [{{ script = "echo leave >> order", timeout = "5s" }}]
[maintenance.first]
app = "shop"
every = "window"
only_if = {{ run = ["true"] }}
script = "echo first >> order"
timeout = "5s"
grace = "1s"
[maintenance.second]
app = "shop"
every = "window"
after = ["first"]
script = "echo second >> order"
timeout = "5s"
grace = "1s"
[periodic.tick]
schedule = "* * * * * *"
script = "echo tick >> ticks"
timeout = "5s"
"#,
        once(6, 60)
    ))
}

/// The events of the session, without what is measured or numbered.
fn told(daemon: &Daemon) -> Vec<Value> {
    let of_session = |event: &Value| event["session"].is_string();
    let mut events: Vec<Value> = daemon.events().into_iter().filter(of_session).collect();
    for event in &mut events {
        let event = event.as_object_mut().unwrap();
        for key in ["at", "elapsed_s", "run"] {
            event.remove(key);
        }
    }
    events
}

fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = fs::read(&path).unwrap_or_default();
                all.insert(path.display().to_string(), bytes);
            }
        }
    }
    all
}

#[test]
fn beside_a_live_daemon_it_tells_the_same_night() {
    let scene = scene();
    let mut real = scene.up();
    real.wait("session_announced", &[]);
    let mut dry = scene.run_with(&["--dry-run"], &[]);
    dry.wait("daemon_started", &[]);
    assert!(
        real.all("session_starting", &[]).is_empty(),
        "it came too late to see anything"
    );
    for daemon in [&real, &dry] {
        daemon.wait("notice_accepted", &[("kind", "finished")]);
        daemon.wait("session_closed", &[("outcome", "succeeded")]);
    }
    let from_start = |events: Vec<Value>| {
        let start = events
            .iter()
            .position(|e| e["event"] == "session_starting")
            .unwrap();
        events[start..].to_vec()
    };
    assert_eq!(from_start(told(&real)), from_start(told(&dry)));
    assert_eq!(scene.lines("order"), ["enter", "first", "second", "leave"]);
    // One advance notice and one of the end, although both told of them.
    assert_eq!(scene.mails("mail").len(), 2);
    assert_eq!(dry.stop(), 0);
    assert_eq!(real.stop(), 0);
}

#[test]
fn it_writes_nothing() {
    let scene = scene();
    let mut dry = scene.run_with(&["--dry-run"], &[]);
    dry.wait("run_ended", &[("job", "tick")]);
    dry.wait("notice_accepted", &[]);
    assert_eq!(dry.stop(), 0);
    let files: Vec<String> = content(scene.dir.path()).into_keys().collect();
    assert_eq!(files.len(), 1, "{files:?}");

    let mut real = scene.up();
    real.wait("run_ended", &[("job", "tick")]);
    assert_eq!(real.stop(), 0);
    let before = content(scene.dir.path());
    let mut dry = scene.run_with(&["--dry-run"], &[]);
    dry.wait("run_ended", &[("job", "tick")]);
    dry.wait("session_closed", &[("outcome", "succeeded")]);
    assert_eq!(dry.stop(), 0);
    assert!(
        content(scene.dir.path()) == before,
        "a dry run wrote something"
    );
}
