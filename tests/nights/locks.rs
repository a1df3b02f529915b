//! Locks: the same files for runs and for the shell, seen by `status`; one daemon a state.

use std::process::Command;

use crate::scene::{FILE_MAIL, Scene, free_port, get, once, until};

/// Whether a shell gets the lock without waiting.
fn flock(file: &std::path::Path) -> bool {
    let status = Command::new("flock")
        .arg("-n")
        .arg(file)
        .arg("true")
        .status();
    status.unwrap().success()
}

#[test]
fn a_run_holds_its_locks_and_status_says_so() {
    let scene = Scene::new(
        r#"
[periodic.busy]
schedule = "* * * * * *"
script = "while [ -e hold ]; do sleep 0.05; done"
timeout = "1m"
locks = ["apt"]
"#,
    );
    scene.write("hold", "");
    let mut daemon = scene.up();
    let run = daemon.wait("run_started", &[("job", "busy")])["run"].clone();
    let status = until("a held lock", || {
        let status = scene.offhours(&["status", "--json"]).expect(0).json();
        (status["locks"].as_array()?.len() == 2).then_some(status)
    });
    let folder = std::path::PathBuf::from(status["lock_dir"].as_str().unwrap());
    for lock in status["locks"].as_array().unwrap() {
        assert_eq!(lock["run"], run, "{status}");
        assert!(lock["age_s"].as_f64().unwrap() >= 0.0);
        assert!(lock["holder"].as_str().unwrap().contains("of busy"));
        assert!(lock["pid"].as_i64().unwrap() > 0);
    }
    for name in ["apt.lock", "periodic.busy.lock"] {
        assert!(!flock(&folder.join(name)), "{name}");
    }
    std::fs::remove_file(scene.path("hold")).unwrap();
    daemon.wait("run_ended", &[("job", "busy"), ("outcome", "succeeded")]);
    assert_eq!(daemon.stop(), 0);
    assert!(flock(&folder.join("apt.lock")));
}

#[test]
fn a_lock_of_the_shell_is_honoured() {
    let port = free_port();
    let scene = Scene::new(&format!(
        r#"
[http]
listen = ["127.0.0.1:{port}"]
{FILE_MAIL}
{}
[app.shop]
window = "now"
[maintenance.update]
app = "shop"
every = "window"
run = ["true"]
timeout = "5s"
grace = "1s"
locks = ["apt"]
[periodic.tick]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
locks = ["apt"]
"#,
        once(4, 90)
    ));
    // The folder is there once the daemon has been.
    let mut daemon = scene.up();
    assert_eq!(daemon.stop(), 0);
    let mut holder = Command::new("flock")
        .arg(scene.path("state/locks/apt.lock"))
        .args([
            "sh",
            "-c",
            "touch held; while [ -e held ]; do sleep 0.05; done",
        ])
        .current_dir(scene.dir.path())
        .spawn()
        .unwrap();
    until("the lock", || scene.path("held").exists().then_some(()));
    let mut daemon = scene.up();
    let ended = daemon.wait("run_ended", &[("job", "tick"), ("outcome", "skipped")]);
    assert_eq!(ended["reason"], "locked", "{ended}");
    assert!(
        ended["text"].as_str().unwrap().contains("locked by"),
        "{ended}"
    );
    daemon.wait("run_started", &[("job", "update")]);
    until("the step to be shown as waiting", || {
        let (_, text) = get(port, "localhost", "/status", "")?;
        let status: serde_json::Value =
            serde_json::from_str(text.split("\r\n\r\n").nth(1)?).ok()?;
        let running = status["running"].as_array()?.clone();
        running
            .iter()
            .any(|run| run["job"] == "update" && run["waiting"].is_string())
            .then_some(())
    });
    assert!(daemon.all("run_ended", &[("job", "update")]).is_empty());
    std::fs::remove_file(scene.path("held")).unwrap();
    assert!(holder.wait().unwrap().success());
    let ended = daemon.wait("run_ended", &[("job", "update")]);
    assert_eq!(ended["outcome"], "succeeded");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_second_daemon_is_refused_at_once() {
    let scene = Scene::new(
        "[periodic.tick]\nschedule = \"* * * * *\"\nrun = [\"true\"]\ntimeout = \"5s\"\n",
    );
    let mut first = scene.up();
    let begun = std::time::Instant::now();
    let second = scene.offhours(&["run"]).expect(5);
    assert!(begun.elapsed() < std::time::Duration::from_secs(4));
    assert!(
        second.err.contains(&first.pid().to_string()),
        "{}",
        second.err
    );
    assert!(second.err.contains("daemon"), "{}", second.err);
    assert_eq!(first.stop(), 0);
    let mut third = scene.up();
    assert_eq!(third.stop(), 0);
}
