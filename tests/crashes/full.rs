//! The disk is full in a night: nothing new is begun that cannot be recorded, the app comes back, it is loud, and it
//! goes on when there is room.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use offhours::core::fact::Fact;
use offhours::store::Reader;
use serde_json::Value;

use crate::disk::{Appetite, Filler, living_in};
use crate::night::{Night, in_time};
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
        let said = |line: &String| line.starts_with("state_trouble: ") && line.contains(words);
        alarms.iter().any(said).then_some(())
    });
    is_mailed(night, "state trouble");
    let status = night.status().expect(1).json();
    assert_eq!(status["well"], false, "{status}");
    let attention = status["attention"].as_array().cloned().unwrap_or_default();
    let said = |item: &Value| item["kind"] == "state_trouble";
    assert!(attention.iter().any(said), "{status}");
    let said = night.scene.offhours(&["status"]).expect(1);
    assert!(said.out.contains("state_trouble"), "{}", said.out);
}

/// The operators have a mail with these words.
pub fn is_mailed(night: &Night, words: &str) {
    until("a mail to the operators", || {
        let mails = night.scene.mails("mail");
        mails
            .iter()
            .any(|mail| mail.contains("oncall@example.org") && mail.contains(words))
            .then_some(())
    });
}

/// What was begun and is not recorded, that is not what brings the app back. `state` is where the state lies now.
pub fn unrecorded(night: &Night, state: &Path) -> Vec<String> {
    // Read first: what is recorded later was begun later.
    let lines = night.scene.lines("log");
    let reader = Reader::open(state).unwrap().expect("a state");
    let facts = reader.facts_after(0, 10_000).unwrap();
    let recorded: BTreeSet<String> = facts
        .iter()
        .filter_map(|(_, _, fact)| match fact {
            Fact::AttemptStarted { run, attempt, .. } => Some(format!("{run}.{attempt}.")),
            _ => None,
        })
        .collect();
    let known = |line: &String| {
        let run = line.split(' ').nth(2).unwrap_or_default();
        recorded.iter().any(|id| run.starts_with(id))
    };
    let begun = |line: &String| line.starts_with("begin ") && !line.starts_with("begin leave ");
    lines
        .into_iter()
        .filter(|line| begun(line) && !known(line))
        .collect()
}

/// For a while, and also where the window opens meanwhile, nothing new is begun.
pub fn nothing_begins_unrecorded(night: &Night, state: &Path) {
    let (stages, now) = (["enter", "again", "once"], Timestamp::now());
    let wrote = || stages.map(|stage| night.wrote(&format!("begin {stage}")));
    let before = wrote();
    let at = now.max(night.opens) + SignedDuration::from_secs(2);
    until("the window", || (Timestamp::now() > at).then_some(()));
    assert_eq!(wrote(), before, "{stages:?}");
    assert_eq!(unrecorded(night, state), Vec::<String>::new());
}

pub fn ends_well(night: &Night, daemon: &mut Daemon) {
    let bad = night.end_and_check(daemon);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// In maintenance: a job runs, and goes on until it is let go.
pub fn entered(night: &Night) -> Daemon {
    night.hold("again");
    let daemon = night.scene.up();
    night.wait_wrote("begin again");
    daemon
}

/// The daemon is killed, and everything it had started has ended.
pub fn killed(night: &Night, mut daemon: Daemon) {
    daemon.kill();
    until("the end of what it had started", || {
        living_in(night.scene.dir.path()).is_empty().then_some(())
    });
}

fn on_disk(opens_in: i64) -> Option<Night> {
    Night::on_disk(opens_in, 60)
}

fn fill(night: &Night, appetite: Appetite) -> Filler {
    night.disk.as_ref().unwrap().fill(appetite)
}

fn reserve_is_there(night: &Night) -> bool {
    night.state().join("reserve").exists()
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
    in_time(on_disk, |night| {
        let filler = fill(night, Appetite::Endless);
        let mut daemon = night.scene.run();
        assert_eq!(daemon.ended(), 1, "{}", daemon.story());
        let err = daemon.err();
        assert!(err.contains("disk/state"), "{err}");
        assert!(err.contains("full") || err.contains("No space"), "{err}");
        assert!(night.scene.lines("log").is_empty());
        drop(filler);
        let mut daemon = night.scene.up();
        night.announced(&daemon)?;
        ends_well(night, &mut daemon);
        was_played(night);
        Some(())
    });
}

#[test]
fn the_reserve_carries_the_night() {
    in_time(on_disk, |night| {
        let mut daemon = night.scene.up();
        night.announced(&daemon)?;
        assert!(reserve_is_there(night));
        let filler = fill(night, Appetite::Once);
        is_loud(night, &daemon, "reserve");
        assert!(!reserve_is_there(night));
        ends_well(night, &mut daemon);
        was_played(night);
        drop(filler);
        let mut daemon = night.scene.up();
        assert!(reserve_is_there(night), "it is kept again");
        assert_eq!(daemon.stop(), 0);
        Some(())
    });
}

#[test]
fn after_the_announcement() {
    in_time(on_disk, |night| {
        let mut daemon = night.scene.up();
        night.announced(&daemon)?;
        let filler = fill(night, Appetite::Endless);
        daemon.wait_err("not recorded");
        night.is_to_come()?;
        is_loud(night, &daemon, "cannot be written");
        assert!(!reserve_is_there(night), "it was kept for this");
        nothing_begins_unrecorded(night, &night.state());
        assert_eq!(night.wrote("begin enter"), 0);
        drop(filler);
        ends_well(night, &mut daemon);
        was_played(night);
        Some(())
    });
}

#[test]
fn in_maintenance() {
    let Some(night) = on_disk(4) else { return };
    let mut daemon = entered(&night);
    let filler = fill(&night, Appetite::Endless);
    daemon.wait_err("not recorded");
    night.let_go("again");
    night.wait_wrote("end leave");
    is_loud(&night, &daemon, "cannot be written");
    nothing_begins_unrecorded(&night, &night.state());
    assert_eq!(night.wrote("begin once"), 0);
    drop(filler);
    daemon.wait_err("can be written again");
    ends_well(&night, &mut daemon);
    let history = night.scene.offhours(&["history", "again", "--json"]);
    let history = history.expect(0).json();
    assert_eq!(history[0]["outcome"], "succeeded", "{history}");
}

#[test]
fn stopped_meanwhile_it_says_what_is_not_recorded() {
    let Some(night) = on_disk(4) else { return };
    let mut daemon = entered(&night);
    let filler = fill(&night, Appetite::Endless);
    daemon.wait_err("not recorded");
    assert_eq!(daemon.stop(), 1, "{}", daemon.story());
    let err = daemon.err();
    assert!(err.contains("could not be recorded"), "{err}");
    assert_eq!(night.wrote("end leave"), 1);
    drop(filler);
    night.let_go("again");
    ends_well(&night, &mut night.scene.up());
}

#[test]
fn stopped_when_there_is_room_again_everything_is_recorded() {
    let Some(night) = on_disk(4) else { return };
    let mut daemon = entered(&night);
    let filler = fill(&night, Appetite::Endless);
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
    let Some(night) = on_disk(60) else { return };
    assert_eq!(night.scene.up().stop(), 0);
    std::fs::remove_file(night.state().join("reserve")).unwrap();
    let filler = fill(&night, Appetite::Endless);
    let rehearse = ["rehearse", "shop", "--yes", "--reason", "to see"];
    let said = night.scene.offhours(&rehearse).expect(5);
    assert!(said.err.contains("can only be read"), "{}", said.err);
    assert_eq!(night.wrote("begin enter"), 0);
    drop(filler);
}

#[test]
fn a_state_is_begun_anew_in_the_room_of_the_reserve() {
    let Some(night) = on_disk(4) else { return };
    killed(&night, entered(&night));
    night.let_go("again");
    std::fs::write(night.state().join("state.db"), "damaged").unwrap();
    let filler = fill(&night, Appetite::Once);
    let mut daemon = night.scene.run_with(&["--fresh-state"], &[]);
    night.wait_wrote("end leave");
    daemon.wait("run_ended", &[("job", "tick"), ("outcome", "succeeded")]);
    drop(filler);
    assert_eq!(daemon.stop(), 0, "{}", daemon.story());
}

/// Full at a start, with a reserve to give up or without.
fn full_at_a_start(night: &Night, reserve: bool) -> (Filler, Daemon) {
    let appetite = match reserve {
        true => Appetite::Once,
        false => Appetite::Endless,
    };
    if !reserve {
        std::fs::remove_file(night.state().join("reserve")).unwrap();
    }
    let filler = fill(night, appetite);
    (filler, night.scene.up())
}

#[test]
fn before_a_start_in_maintenance() {
    for reserve in [true, false] {
        let Some(night) = on_disk(4) else { return };
        killed(&night, entered(&night));
        night.let_go("again");
        let (filler, mut daemon) = full_at_a_start(&night, reserve);
        night.wait_wrote("end leave");
        match reserve {
            true => is_loud(&night, &daemon, "reserve"),
            false => {
                is_loud(&night, &daemon, "cannot be written");
                nothing_begins_unrecorded(&night, &night.state());
                drop(filler);
            }
        }
        // The app is back before that, and goes on once it can be recorded.
        daemon.wait("session_closed", &[]);
        ends_well(&night, &mut daemon);
        was_played(&night);
    }
}

#[test]
fn before_a_start_after_the_announcement() {
    for reserve in [true, false] {
        in_time(on_disk, |night| {
            let daemon = night.scene.up();
            night.announced(&daemon)?;
            killed(night, daemon);
            let (filler, mut daemon) = full_at_a_start(night, reserve);
            night.is_to_come()?;
            match reserve {
                true => is_loud(night, &daemon, "reserve"),
                false => {
                    is_loud(night, &daemon, "cannot be written");
                    nothing_begins_unrecorded(night, &night.state());
                    assert_eq!(night.wrote("begin enter"), 0);
                    drop(filler);
                }
            }
            ends_well(night, &mut daemon);
            was_played(night);
            Some(())
        });
    }
}
