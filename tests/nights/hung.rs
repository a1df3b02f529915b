//! A daemon that hangs, wishes that come twice, and what one alone may not have done.
use std::os::unix::fs::PermissionsExt;

use crate::scene::until;
use crate::wishes::{ask, scene};

#[test]
fn what_was_given_up_is_not_done_later_and_a_daemon_that_hangs_is_not_well() {
    let scene = scene(3600, 7200);
    let mut daemon = scene.up();
    daemon.signal("STOP");
    let paused = ask(&scene, &["pause", "shop"]).expect(4);
    assert!(
        paused.err.contains("nothing was asked of it"),
        "{}",
        paused.err
    );
    let status = scene.offhours(&["status"]).expect(1);
    assert!(
        status.out.contains("the daemon runs and does not answer"),
        "{}",
        status.out
    );
    let monitor = scene.offhours(&["monitor"]).expect(2);
    assert!(
        monitor.out.starts_with("OFFHOURS CRITICAL"),
        "{}",
        monitor.out
    );
    // The way out is named, and not one that would meet the daemon when it goes on.
    let left = scene
        .offhours(&["leave", "shop", "--without-state"])
        .expect(5);
    let way = format!("kill -KILL {}", daemon.pid());
    assert!(left.err.contains(&way), "{}", left.err);
    daemon.signal("CONT");
    until("the daemon to answer", || {
        let status = scene.offhours(&["status", "--json"]).json();
        (status["well"] == true).then_some(())
    });
    // Heard after the one that was given up.
    ask(&scene, &["pause", "shop"]).expect(0);
    let asked = daemon.all("asked", &[]);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_emergency_that_is_under_way_is_not_begun_again() {
    let scene = scene(3600, 7200);
    scene.write("hold.wanted", "");
    let mut daemon = scene.up();
    ask(&scene, &["request", "wanted", "--emergency"]).expect(0);
    scene.wait_line("order", "wanted");
    let again = ask(&scene, &["request", "wanted", "--emergency"]).expect(5);
    assert!(again.err.contains("under way"), "{}", again.err);
    std::fs::remove_file(scene.path("hold.wanted")).unwrap();
    daemon.wait("session_closed", &[("window", "emergency")]);
    assert_eq!(scene.lines("order"), ["enter", "wanted", "leave"]);
    // When it is over it may be wanted anew.
    ask(&scene, &["request", "wanted", "--emergency"]).expect(0);
    daemon.wait_nth("session_closed", &[("window", "emergency")], 2);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_rehearsal_leaves_out_what_needs_consent() {
    let scene = scene(3600, 7200);
    let toml = scene.read("windows.toml");
    let held = "every = \"request\"\napproval = \"leads\"";
    let roles = "[control]\ngroup = \"70002\"\nroles = { leads = [\"70001\"] }\n";
    let socket = format!("{roles}socket = {:?}\n", scene.path("control.sock"));
    scene.write(
        "windows.toml",
        &(toml.replace("every = \"request\"", held) + &socket),
    );
    let mut daemon = scene.up();
    ask(&scene, &["rehearse", "shop", "--yes", "--with-jobs"]).expect(0);
    assert_eq!(scene.lines("order"), ["enter", "nightly", "leave"]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_folder_that_holds_more_than_the_socket_is_opened_to_nobody() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: another group is needed");
        return;
    }
    let scene = scene(3600, 7200);
    for (folder, mode) in [("own", 0o750), ("full", 0o700)] {
        let dir = scene.path(folder);
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).unwrap();
        if folder == "full" {
            std::fs::write(dir.join("secret"), "").unwrap();
        }
        let toml = scene.read("windows.toml");
        let toml = toml.split("[control]").next().unwrap();
        let control = format!(
            "[control]\nsocket = {:?}\ngroup = \"70002\"\n",
            dir.join("c")
        );
        scene.write("windows.toml", &format!("{toml}{control}"));
        let mut daemon = scene.up();
        until("the socket", || dir.join("c").exists().then_some(()));
        let found = std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{folder}");
        assert_eq!(daemon.stop(), 0);
    }
}
