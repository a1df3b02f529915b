//! Rehearsals: one session now, alone or through the daemon.

use std::process::Stdio;

use rustix::process::{Pid, Signal};

use crate::scene::{FILE_MAIL, Said, Scene, until};

fn scene() -> Scene {
    let scene = Scene::new(&format!(
        r#"
{FILE_MAIL}
[window.never]
from = "2099-01-01"
until = "2099-01-02"
[app.shop]
window = "never"
enter = [{{ run = ["stage", "enter"], timeout = "20s" }}]
leave = [{{ run = ["stage", "leave"], timeout = "20s" }}]
[maintenance.update]
app = "shop"
every = "window"
run = ["stage", "update"]
timeout = "20s"
"#
    ));
    scene.script(
        "stage",
        "echo $1 >> order\nwhile [ -e hold.$1 ]; do sleep 0.05; done\nif [ -e fail.$1 ]; then exit 1; fi",
    );
    scene
}

fn rehearse(scene: &Scene, more: &[&str]) -> Said {
    let mut args = vec!["rehearse", "shop", "--reason", "a try", "--yes", "--json"];
    args.extend(more);
    scene.offhours(&args)
}

fn names(said: &Said) -> Vec<String> {
    let name = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["event"].as_str().unwrap().to_owned()
    };
    said.out.lines().map(name).collect()
}

fn stages(scene: &Scene) -> Vec<String> {
    let lines = scene.lines("order");
    scene.write("order", "");
    lines
}

/// What holds both alone and through a daemon.
fn as_asked(scene: &Scene) {
    let said = rehearse(scene, &[]).expect(0);
    assert!(
        names(&said).contains(&"session_closed".to_owned()),
        "{}",
        said.out
    );
    assert_eq!(stages(scene), ["enter", "leave"]);
    rehearse(scene, &["--with-jobs"]).expect(0);
    assert_eq!(stages(scene), ["enter", "update", "leave"]);
    rehearse(scene, &["--with-jobs", "--hooks", "none"]).expect(0);
    assert_eq!(stages(scene), ["update"]);
    rehearse(scene, &["--hooks", "none"]).expect(0);
    assert_eq!(stages(scene), Vec::<String>::new());
    scene.write("fail.update", "");
    rehearse(scene, &["--with-jobs"]).expect(1);
    assert_eq!(stages(scene), ["enter", "update", "leave"]);
    std::fs::remove_file(scene.path("fail.update")).unwrap();
    // Nobody is bothered.
    until("the notices in files", || {
        (scene.mails("state/rehearsal-mail").len() >= 5).then_some(())
    });
    let bothered = scene.mails("mail");
    assert!(
        !bothered
            .iter()
            .any(|mail| mail.contains("tech@example.org")),
        "{bothered:?}"
    );
}

#[test]
fn alone() {
    let scene = scene();
    as_asked(&scene);
    // Recorded, with its reason.
    let history = scene.offhours(&["history", "--json"]).expect(0);
    assert!(history.out.contains("rehearsal"), "{}", history.out);
}

#[test]
fn through_the_daemon() {
    let scene = scene();
    let mut daemon = scene.up();
    as_asked(&scene);
    assert_eq!(
        daemon
            .all("session_opened", &[("window", "rehearsal")])
            .len(),
        5
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn not_while_a_session_is_active() {
    let scene = scene();
    let mut daemon = scene.up();
    scene.write("hold.update", "");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| rehearse(&scene, &["--with-jobs"]));
        scene.wait_line("order", "update");
        let second = rehearse(&scene, &[]).expect(5);
        assert!(second.err.contains("busy"), "{}", second.err);
        std::fs::remove_file(scene.path("hold.update")).unwrap();
        first.join().unwrap().expect(0);
    });
    assert_eq!(stages(&scene), ["enter", "update", "leave"]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn stopped_in_the_middle_it_brings_the_app_back() {
    for signal in [Signal::TERM, Signal::INT] {
        let scene = scene();
        scene.write("hold.update", "");
        let mut child = scene
            .command(&[
                "rehearse",
                "shop",
                "--reason",
                "a try",
                "--yes",
                "--with-jobs",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        scene.wait_line("order", "update");
        rustix::process::kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert_eq!(stages(&scene), ["enter", "update", "leave"]);
        let status = scene.offhours(&["status", "--json"]).json();
        assert_eq!(status["apps"][0]["state"], "in_service", "{status}");
    }
}

#[test]
fn stopped_while_leaving_fails_it_ends_all_the_same() {
    let scene = scene();
    let file = scene.read("windows.toml");
    scene.write(
        "windows.toml",
        &format!("[limits]\nstop_timeout = \"1s\"\n{file}"),
    );
    scene.write("fail.leave", "");
    let mut child = scene
        .command(&["rehearse", "shop", "--reason", "a try", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    scene.wait_line("order", "leave");
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let status = scene.offhours(&["status", "--json"]).expect(1).json();
    assert_eq!(status["apps"][0]["state"], "leaving", "{status}");
    std::fs::remove_file(scene.path("fail.leave")).unwrap();
    let mut daemon = scene.up();
    daemon.wait("session_left", &[]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn not_without_somebody_who_wants_it() {
    let scene = scene();
    let said = scene
        .offhours(&["rehearse", "shop", "--reason", "a try"])
        .expect(5);
    assert!(said.err.contains("--yes"), "{}", said.err);
    scene.offhours(&["rehearse", "shop", "--yes"]).expect(2);
    let said = scene
        .offhours(&["rehearse", "shp", "--reason", "a try", "--yes"])
        .expect(2);
    assert!(said.err.contains("shop"), "{}", said.err);
    assert!(stages(&scene).is_empty());
}

#[test]
fn a_daemon_that_stands_still_is_told_of_and_does_nothing_later() {
    let scene = Scene::new(&format!(
        "{FILE_MAIL}\n[app.shop]\nenter = [{{ script = \"touch entered\" }}]\n"
    ));
    let mut daemon = scene.up();
    daemon.signal("STOP");
    let said = scene.offhours(&["rehearse", "shop", "--reason", "test", "--yes"]);
    daemon.signal("CONT");
    let said = said.expect(4);
    assert!(said.err.contains("does not answer"), "{}", said.err);
    assert_eq!(daemon.stop(), 0);
    assert!(!scene.path("entered").exists());
}
