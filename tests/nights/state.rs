//! A state that cannot be used is refused by its path, with the way out, and left as it is.

use std::fs;
use std::path::PathBuf;

use crate::scene::{FILE_MAIL, Scene, once};

const TICK: &str =
    "[periodic.tick]\nschedule = \"* * * * * *\"\nrun = [\"true\"]\ntimeout = \"5s\"\n";

/// A state that has seen a little, and its file.
fn used() -> (Scene, PathBuf) {
    let scene = Scene::new(TICK);
    let mut daemon = scene.up();
    daemon.wait("run_ended", &[]);
    assert_eq!(daemon.stop(), 0);
    let file = fs::read_dir(scene.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "db"))
        .expect("a state file");
    (scene, file)
}

fn refused(scene: &Scene, file: &PathBuf) {
    let before = fs::read(file).unwrap();
    let said = scene.offhours(&["run"]).expect(5);
    assert!(said.err.contains(file.to_str().unwrap()), "{}", said.err);
    assert!(said.err.contains("--fresh-state"), "{}", said.err);
    assert_eq!(fs::read(file).unwrap(), before, "it was touched");
    scene.offhours(&["status"]).expect(5);
}

#[test]
fn zeroed() {
    let (scene, file) = used();
    let length = fs::metadata(&file).unwrap().len();
    fs::write(&file, vec![0; usize::try_from(length).unwrap()]).unwrap();
    refused(&scene, &file);
}

#[test]
fn truncated() {
    let (scene, file) = used();
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2 + 100]).unwrap();
    refused(&scene, &file);
}

#[test]
fn emptied() {
    let (scene, file) = used();
    fs::write(&file, b"").unwrap();
    refused(&scene, &file);
}

#[test]
fn of_a_newer_version() {
    let (scene, file) = used();
    let mut bytes = fs::read(&file).unwrap();
    // `user_version` of a SQLite file: four bytes at 60.
    bytes[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
    fs::write(&file, &bytes).unwrap();
    refused(&scene, &file);
}

#[test]
fn pruning_stops_nothing() {
    let scene = Scene::new(&format!(
        "[state]\nkeep_runs = 1\n{FILE_MAIL}{}{TICK}",
        once(600, 700)
    ));
    let mut daemon = scene.up();
    daemon.wait_nth("run_ended", &[("job", "tick")], 3);
    assert_eq!(daemon.stop(), 0);
    // A start prunes.
    let mut daemon = scene.up();
    daemon.wait_nth("run_ended", &[("job", "tick"), ("outcome", "succeeded")], 2);
    assert_eq!(daemon.stop(), 0);
    let history = scene
        .offhours(&["history", "tick", "--json"])
        .expect(0)
        .json();
    assert!(!history.as_array().unwrap().is_empty());
    scene.offhours(&["status"]).expect(1);
}
