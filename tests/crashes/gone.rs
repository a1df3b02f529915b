//! The state folder, or its lock, goes away under a running daemon.

use std::fs;
use std::path::PathBuf;

use crate::full::{ends_well, entered, is_mailed, nothing_begins_unrecorded};
use crate::night::{Night, in_time};
use crate::scene::Daemon;

fn beside(opens_in: i64) -> Option<Night> {
    Some(Night::opening_in(opens_in))
}

fn move_away(night: &Night, daemon: &Daemon) -> PathBuf {
    let elsewhere = night.scene.path("elsewhere");
    fs::rename(night.state(), &elsewhere).unwrap();
    daemon.wait_err("not recorded");
    elsewhere
}

fn is_told(night: &Night, daemon: &Daemon) {
    daemon.wait("alarm", &[("kind", "state_trouble")]);
    is_mailed(night, "moved or removed");
}

fn back_again(night: &Night, mut daemon: Daemon, elsewhere: PathBuf) {
    is_told(night, &daemon);
    nothing_begins_unrecorded(night, &elsewhere);
    // What ran meanwhile may have left a folder in its place.
    let _ = fs::remove_dir_all(night.state());
    fs::rename(elsewhere, night.state()).unwrap();
    daemon.wait_err("can be written again");
    ends_well(night, &mut daemon);
}

#[test]
fn moved_away_after_the_announcement() {
    in_time(beside, |night| {
        let daemon = night.scene.up();
        night.announced(&daemon)?;
        let elsewhere = move_away(night, &daemon);
        night.is_to_come()?;
        back_again(night, daemon, elsewhere);
        Some(())
    });
}

#[test]
fn moved_away_in_maintenance() {
    let night = Night::opening_in(4);
    let daemon = entered(&night);
    let elsewhere = move_away(&night, &daemon);
    night.let_go("again");
    night.wait_wrote("end leave");
    back_again(&night, daemon, elsewhere);
}

#[test]
fn removed_in_maintenance_the_app_comes_back() {
    let night = Night::opening_in(4);
    let mut daemon = entered(&night);
    fs::remove_dir_all(night.state()).unwrap();
    daemon.wait_err("not recorded");
    night.let_go("again");
    night.wait_wrote("end leave");
    is_told(&night, &daemon);
    assert_eq!(night.wrote("begin once"), 0);
    assert!(!night.state().join("state.db").exists(), "one was made");
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

/// Somebody takes the lock for a stale one and removes it.
#[test]
fn a_lock_that_is_removed_lets_no_second_daemon_in() {
    let night = Night::opening_in(4);
    let mut first = entered(&night);
    fs::remove_file(night.state().join("instance.lock")).unwrap();
    let mut second = night.scene.run();
    assert_eq!(second.ended(), 5, "{}", second.story());
    let pid = format!("pid {}", first.pid());
    assert!(second.err().contains(&pid), "{}", second.err());
    night.let_go("again");
    ends_well(&night, &mut first);
}
