//! What an operator reads: one line an event, with the time of day unless the journal has it already.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use crate::scene::{Kept, Scene, until};

fn scene() -> Scene {
    Scene::new(
        r#"
time_zone = "Asia/Kathmandu"
[periodic.tick]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
"#,
    )
}

/// Runs the daemon with its words in a file until it has told of a run.
fn words(scene: &Scene, journal: bool) -> (String, String) {
    let out = File::create(scene.path("out")).unwrap();
    let meta = out.metadata().unwrap();
    let err = File::create(scene.path("err")).unwrap();
    let mut command = scene.command(&["run"]);
    if journal {
        command.env("JOURNAL_STREAM", format!("{}:{}", meta.dev(), meta.ino()));
        // Not to the journal of this machine.
        command.env("OFFHOURS_LOG_FORMAT", "text");
    }
    let child = command
        .stdout(Stdio::from(out))
        .stderr(Stdio::from(err))
        .spawn()
        .unwrap();
    let mut child = Kept(child);
    until("a run to be told of", || {
        scene.read("out").contains("run ended").then_some(())
    });
    let pid = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.0.wait().unwrap().success());
    (
        scene.read("out"),
        fs::read_to_string(scene.path("err")).unwrap(),
    )
}

#[test]
fn lines_have_the_time_of_the_installation() {
    let scene = scene();
    let (out, err) = words(&scene, false);
    let zone = jiff::tz::TimeZone::get("Asia/Kathmandu").unwrap();
    for line in out.lines() {
        let stamp = line.get(..19).unwrap();
        let local: jiff::civil::DateTime = stamp.parse().unwrap();
        let at = zone.to_timestamp(local).unwrap();
        let age = jiff::Timestamp::now().duration_since(at);
        assert!(age.as_secs().abs() < 300, "{line}");
    }
    assert!(out.contains("succeeded after 0."), "{out}");
    for word in ["ns", "µs", " ms"] {
        assert!(
            !out.split([' ', ',']).any(|part| part.ends_with(word)),
            "{out}"
        );
    }
    assert!(!err.contains("migrat"), "{err}");
}

#[test]
fn the_journal_adds_it_by_itself() {
    let (out, _) = words(&scene(), true);
    assert!(out.lines().any(|line| line == "daemon started"), "{out}");
}
