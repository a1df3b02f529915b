//! `run --fresh-state`: the old state is moved aside, every app is brought back, and nothing else is done before.

use std::fs;

use crate::scene::{FILE_MAIL, Scene, until};

fn scene() -> Scene {
    let scene = Scene::new(&format!(
        r#"
{FILE_MAIL}
[app.shop]
enter = [{{ run = ["stage", "shop-enter"], timeout = "5s" }}]
leave = [{{ run = ["stage", "shop-leave-0"], timeout = "5s" }}, {{ run = ["stage", "shop-leave-1"], timeout = "5s" }}]
[app.forum]
enter = [{{ run = ["stage", "forum-enter"], timeout = "5s" }}]
leave = [{{ run = ["stage", "forum-leave"], timeout = "5s" }}]
[periodic.tick]
schedule = "* * * * * *"
run = ["stage", "tick"]
timeout = "5s"
"#
    ));
    scene.script(
        "stage",
        "echo \"$1 $OFFHOURS_RESULT\" >> order\nif [ -e exit.$1 ]; then exit 1; fi",
    );
    scene
}

#[test]
fn a_damaged_state_is_moved_aside_and_apps_come_back_first() {
    let scene = scene();
    let mut daemon = scene.up();
    assert_eq!(daemon.stop(), 0);
    let state = fs::read_dir(scene.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "db"))
        .expect("a state file");
    fs::write(&state, vec![7; 8192]).unwrap();
    let mut refused = scene.run();
    assert_eq!(refused.ended(), 5, "{}", refused.story());
    assert!(refused.err().contains("--fresh-state"), "{}", refused.err());

    scene.write("order", "");
    scene.write("exit.forum-leave", "");
    let mut daemon = scene.run_with(&["--fresh-state"], &[]);
    daemon.wait_nth("leave_ended", &[("app", "forum"), ("outcome", "failed")], 2);
    let order = scene.lines("order");
    assert!(
        order.iter().all(|line| !line.starts_with("tick")),
        "nothing else is started: {order:?}"
    );
    let shop: Vec<&String> = order.iter().filter(|l| l.starts_with("shop")).collect();
    assert_eq!(
        shop,
        ["shop-leave-1 interrupted", "shop-leave-0 interrupted"]
    );

    // A crash in between changes nothing.
    daemon.kill();
    let mut daemon = scene.run();
    daemon.wait("leave_ended", &[("app", "forum"), ("outcome", "failed")]);
    assert!(scene.lines("order").iter().all(|l| !l.starts_with("tick")));
    assert!(daemon.all("leave_started", &[("app", "shop")]).is_empty());
    fs::remove_file(scene.path("exit.forum-leave")).unwrap();
    daemon.wait(
        "session_closed",
        &[("app", "forum"), ("outcome", "succeeded")],
    );
    daemon.wait("run_ended", &[("job", "tick"), ("outcome", "succeeded")]);
    assert_eq!(daemon.stop(), 0);
    let kept = fs::read_dir(scene.path("state"))
        .unwrap()
        .filter_map(|entry| fs::read(entry.unwrap().path()).ok())
        .any(|bytes| bytes == vec![7; 8192]);
    assert!(kept, "the damaged file is still there, under another name");
    // The operators hear of what fails; nobody else of something that was never announced.
    for mail in scene.mails("mail") {
        assert!(!mail.contains("tech@example.org"), "{mail}");
    }
}

#[test]
fn a_start_that_died_before_it_was_recorded_begins_it_again() {
    let scene = scene();
    let mut daemon = scene.up();
    assert_eq!(daemon.stop(), 0);
    // As a crash between the mark and the new state leaves it.
    scene.write("state/fresh-state.begun", "");
    scene.write("order", "");
    let mut daemon = scene.run();
    daemon.wait("session_closed", &[("app", "shop")]);
    daemon.wait("session_closed", &[("app", "forum")]);
    until("a tick", || {
        scene
            .lines("order")
            .iter()
            .any(|l| l.starts_with("tick"))
            .then_some(())
    });
    assert!(!scene.path("state/fresh-state.begun").exists());
    assert_eq!(daemon.stop(), 0);
    // Once is enough.
    let mut daemon = scene.up();
    daemon.wait("run_ended", &[("job", "tick")]);
    assert!(daemon.all("leave_started", &[]).is_empty());
    assert_eq!(daemon.stop(), 0);
}
