//! The disk is full in a night: nothing new is begun that cannot be recorded, the app comes back, it is loud, and it
//! goes on when there is room.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::disk::Appetite;
use crate::night::Night;
use crate::scene::{Daemon, until};

/// Somebody hears of it: an event, the alarm command, the operators' mail, `status` and its exit code.
pub fn is_loud(night: &Night, daemon: &Daemon, words: &str) {
    until("an alarm", || {
        let alarms = daemon.all("alarm", &[("kind", "state_trouble")]);
        let said = |alarm: &Value| alarm["text"].as_str().is_some_and(|t| t.contains(words));
        alarms.iter().any(said).then_some(())
    });
    until("the alarm command", || {
        let alarms = night.scene.lines("alarms");
        alarms
            .iter()
            .any(|line| line.starts_with("state_trouble: ") && line.contains(words))
            .then_some(())
    });
    until("a mail to the operators", || {
        let mails = night.scene.mails("mail");
        mails
            .iter()
            .any(|mail| mail.contains("oncall@example.org") && mail.contains("state trouble"))
            .then_some(())
    });
    let status = night.status().expect(1).json();
    assert_eq!(status["well"], false, "{status}");
    let attention = status["attention"].as_array().cloned().unwrap_or_default();
    assert!(
        attention.iter().any(|item| item["kind"] == "state_trouble"),
        "{status}"
    );
    let said = night.scene.offhours(&["status"]).expect(1);
    assert!(said.out.contains("state_trouble"), "{}", said.out);
}

/// What a hook, a job or a periodic job began, that is not what brings the app back.
pub fn begun(night: &Night) -> Vec<String> {
    let begun = |line: &String| line.starts_with("begin ") && !line.starts_with("begin leave ");
    night.scene.lines("log").into_iter().filter(begun).collect()
}

/// Nothing new is begun, also where the window opens meanwhile.
pub fn nothing_begins_until(night: &Night, at: Timestamp, before: &[String]) {
    until("the window", || (Timestamp::now() > at).then_some(()));
    assert_eq!(begun(night), before, "something was begun unrecorded");
}

pub fn after_opening(night: &Night) -> Timestamp {
    let now = Timestamp::now() + SignedDuration::from_secs(2);
    now.max(night.opens + SignedDuration::from_secs(2))
}

fn reserve_is_there(night: &Night) -> bool {
    night.state().join("reserve").exists()
}

fn ends_well(night: &Night, daemon: &mut Daemon) {
    let bad = night.end_and_check(daemon);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// The session of the night was played to its good end.
fn was_played(night: &Night) {
    let history = night.scene.offhours(&["history", "--json"]).expect(0);
    let history = history.json();
    let rows = history.as_array().cloned().unwrap_or_default();
    for job in ["again", "once"] {
        let found = rows
            .iter()
            .any(|row| row["job"] == job && row["outcome"] == "succeeded");
        assert!(found, "{job} was not done: {history}");
    }
}

#[test]
fn without_a_state_nothing_is_begun() {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    let disk = night.disk.as_ref().unwrap();
    let filler = disk.fill(Appetite::Endless);
    let mut daemon = night.scene.run();
    assert_eq!(daemon.ended(), 1, "{}", daemon.story());
    let err = daemon.err();
    assert!(err.contains("disk/state"), "{err}");
    assert!(err.contains("full") || err.contains("No space"), "{err}");
    assert!(begun(&night).is_empty());
    drop(filler);
    let mut daemon = night.scene.up();
    ends_well(&night, &mut daemon);
    was_played(&night);
}

#[test]
fn the_reserve_carries_the_night() {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    let mut daemon = night.scene.up();
    daemon.wait("session_announced", &[]);
    assert!(reserve_is_there(&night));
    let filler = night.disk.as_ref().unwrap().fill(Appetite::Once);
    is_loud(&night, &daemon, "reserve");
    assert!(!reserve_is_there(&night));
    ends_well(&night, &mut daemon);
    was_played(&night);
    drop(filler);
    let mut daemon = night.scene.up();
    assert!(reserve_is_there(&night), "it is kept again");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn after_the_announcement() {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    let mut daemon = night.scene.up();
    daemon.wait("session_announced", &[]);
    let filler = night.disk.as_ref().unwrap().fill(Appetite::Endless);
    daemon.wait_err("not recorded");
    is_loud(&night, &daemon, "cannot be written");
    assert!(!reserve_is_there(&night), "it was kept for this");
    let before = begun(&night);
    nothing_begins_until(&night, after_opening(&night), &before);
    drop(filler);
    ends_well(&night, &mut daemon);
    was_played(&night);
}

#[test]
fn in_maintenance() {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    night.hold("again");
    let mut daemon = night.scene.up();
    night.wait_wrote("begin again");
    let filler = night.disk.as_ref().unwrap().fill(Appetite::Endless);
    daemon.wait_err("not recorded");
    let before = begun(&night);
    night.let_go("again");
    night.wait_wrote("end leave");
    is_loud(&night, &daemon, "cannot be written");
    nothing_begins_until(&night, after_opening(&night), &before);
    // What a person who asks is told: the app is back, although that could not be recorded yet.
    drop(filler);
    daemon.wait_err("can be written again");
    ends_well(&night, &mut daemon);
    let history = night.scene.offhours(&["history", "again", "--json"]);
    let history = history.expect(0).json();
    assert_eq!(history[0]["outcome"], "succeeded", "{history}");
}

#[test]
fn stopped_meanwhile_it_says_what_is_not_recorded() {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    night.hold("again");
    let mut daemon = night.scene.up();
    night.wait_wrote("begin again");
    let filler = night.disk.as_ref().unwrap().fill(Appetite::Endless);
    daemon.wait_err("not recorded");
    assert_eq!(daemon.stop(), 1, "{}", daemon.story());
    assert!(
        daemon.err().contains("could not be recorded"),
        "{}",
        daemon.err()
    );
    assert_eq!(night.wrote("end leave"), 1);
    drop(filler);
    night.let_go("again");
    ends_well(&night, &mut night.scene.up());
}

#[test]
fn stopped_when_there_is_room_again_everything_is_recorded() {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    night.hold("again");
    let mut daemon = night.scene.up();
    night.wait_wrote("begin again");
    let filler = night.disk.as_ref().unwrap().fill(Appetite::Endless);
    daemon.wait_err("not recorded");
    night.let_go("again");
    night.wait_wrote("end leave");
    drop(filler);
    assert_eq!(daemon.stop(), 0, "{}", daemon.story());
    let status = night.status().json();
    assert_eq!(status["apps"][0]["state"], "in_service", "{status}");
    ends_well(&night, &mut night.scene.up());
}

#[test]
fn a_rehearsal_is_refused_where_it_could_not_be_recorded() {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    assert_eq!(night.scene.up().stop(), 0);
    std::fs::remove_file(night.state().join("reserve")).unwrap();
    let filler = night.disk.as_ref().unwrap().fill(Appetite::Endless);
    let rehearse = ["rehearse", "shop", "--yes", "--reason", "to see"];
    let said = night.scene.offhours(&rehearse).expect(5);
    assert!(said.err.contains("can only be read"), "{}", said.err);
    assert!(begun(&night).iter().all(|l| l.starts_with("begin tick")));
    drop(filler);
}

#[test]
fn a_state_is_begun_anew_in_the_room_of_the_reserve() {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    night.hold("again");
    let mut daemon = night.scene.up();
    night.wait_wrote("begin again");
    night.end_everything(&mut daemon);
    night.let_go("again");
    std::fs::write(night.state().join("state.db"), "damaged").unwrap();
    let filler = night.disk.as_ref().unwrap().fill(Appetite::Once);
    let mut daemon = night.scene.run_with(&["--fresh-state"], &[]);
    night.wait_wrote("end leave");
    daemon.wait("run_ended", &[("job", "tick"), ("outcome", "succeeded")]);
    drop(filler);
    assert_eq!(daemon.stop(), 0, "{}", daemon.story());
}

/// Full before the start, with or without a reserve to give up.
fn before_the_start(reserve: bool, entered: bool) {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    if entered {
        night.hold("again");
    }
    let mut daemon = night.scene.up();
    if entered {
        night.wait_wrote("begin again");
    } else {
        daemon.wait("session_announced", &[]);
    }
    daemon.kill();
    until("the end of what it had started", || {
        crate::disk::living_in(night.scene.dir.path())
            .is_empty()
            .then_some(())
    });
    let appetite = if reserve {
        Appetite::Once
    } else {
        std::fs::remove_file(night.state().join("reserve")).unwrap();
        Appetite::Endless
    };
    let filler = night.disk.as_ref().unwrap().fill(appetite);
    let before = begun(&night);
    if entered {
        night.let_go("again");
    }
    let mut daemon = night.scene.run();
    daemon.wait("daemon_started", &[]);
    if entered {
        night.wait_wrote("end leave");
    }
    if reserve {
        is_loud(&night, &daemon, "reserve");
    } else {
        is_loud(&night, &daemon, "cannot be written");
        nothing_begins_until(&night, after_opening(&night), &before);
    }
    if !reserve {
        drop(filler);
    }
    ends_well(&night, &mut daemon);
    was_played(&night);
}

#[test]
fn before_the_start_with_a_reserve() {
    before_the_start(true, false);
    before_the_start(true, true);
}

#[test]
fn before_the_start_without_a_reserve() {
    before_the_start(false, false);
    before_the_start(false, true);
}
