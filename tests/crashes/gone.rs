//! The state folder goes away under a running daemon.

use std::fs;

use crate::full::{after_opening, begun, nothing_begins_until};
use crate::night::Night;
use crate::scene::{Daemon, until};

fn is_told(night: &Night, daemon: &Daemon) {
    daemon.wait("alarm", &[("kind", "state_trouble")]);
    until("a mail to the operators", || {
        let mails = night.scene.mails("mail");
        mails
            .iter()
            .any(|mail| mail.contains("oncall@example.org") && mail.contains("moved or removed"))
            .then_some(())
    });
}

/// Moved away, and back after a while.
fn moved_away(entered: bool) {
    let night = Night::new();
    if entered {
        night.hold("again");
    }
    let mut daemon = night.scene.up();
    if entered {
        night.wait_wrote("begin again");
    } else {
        daemon.wait("session_announced", &[]);
    }
    let (here, there) = (night.state(), night.scene.path("elsewhere"));
    fs::rename(&here, &there).unwrap();
    daemon.wait_err("not recorded");
    let before = begun(&night);
    if entered {
        night.let_go("again");
        night.wait_wrote("end leave");
    }
    is_told(&night, &daemon);
    nothing_begins_until(&night, after_opening(&night), &before);
    // Whoever asked meanwhile may have left a folder in its place.
    let _ = fs::remove_dir_all(&here);
    fs::rename(&there, &here).unwrap();
    daemon.wait_err("can be written again");
    let bad = night.end_and_check(&mut daemon);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn moved_away_after_the_announcement() {
    moved_away(false);
}

#[test]
fn moved_away_in_maintenance() {
    moved_away(true);
}

#[test]
fn removed_in_maintenance_the_app_comes_back() {
    let night = Night::new();
    night.hold("again");
    let mut daemon = night.scene.up();
    night.wait_wrote("begin again");
    fs::remove_dir_all(night.state()).unwrap();
    daemon.wait_err("not recorded");
    let before = begun(&night);
    night.let_go("again");
    night.wait_wrote("end leave");
    is_told(&night, &daemon);
    nothing_begins_until(&night, after_opening(&night), &before);
    assert!(
        !night.state().join("state.db").exists(),
        "a new one was begun"
    );
    assert_eq!(daemon.stop(), 1, "{}", daemon.story());
}

/// A second daemon is refused while the first one lives, also where its lock says nothing of its holder.
#[test]
fn a_second_daemon_is_refused_also_by_a_lock_without_words() {
    let night = Night::new();
    let mut daemon = night.scene.up();
    for words in [true, false] {
        let lock = night.state().join("instance.lock");
        if !words {
            fs::write(&lock, b"").unwrap();
        }
        let mut second = night.scene.run();
        assert_eq!(second.ended(), 5, "{}", second.story());
        assert!(second.err().contains("instance.lock"), "{}", second.err());
        let status = night.status().json();
        assert_eq!(status["daemon"]["running"], true, "{status}");
    }
    assert_eq!(daemon.stop(), 0);
}

/// Somebody takes the lock for a stale one and removes it: the daemon that is started then takes over, the first one
/// begins nothing more, and nothing runs twice at once.
#[test]
fn a_lock_that_is_removed_hands_over() {
    let night = Night::on_disk(90);
    let Some(night) = night else { return };
    night.hold("again");
    let mut first = night.scene.up();
    night.wait_wrote("begin again");
    fs::remove_file(night.state().join("instance.lock")).unwrap();
    let mut second = night.scene.up();
    night.let_go("again");
    night.wait_wrote("end leave");
    first.wait_err("not recorded");
    first.wait("alarm", &[("kind", "state_trouble")]);
    let before = first.all("run_started", &[]).len();
    until("the night to be over", || night.at_rest().then_some(()));
    assert_eq!(first.all("run_started", &[]).len(), before);
    assert_eq!(first.stop(), 1, "{}", first.story());
    let bad = night.end_and_check(&mut second);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
