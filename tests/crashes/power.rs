//! The power goes at any point of a night: what was said to be durable is there, and everything follows from it.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::night::Night;
use crate::scene::{Daemon, Kept, alive, until};
use crate::{all, side_by_side};

/// In a whole night, without anything that goes wrong. None where no disk can be had.
fn events_of_a_night() -> Option<usize> {
    let night = Night::on_disk(4, 20)?;
    let mut daemon = night.scene.up();
    let bad = night.end_and_check(&mut daemon);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    Some(daemon.events().len())
}

/// Waits until the daemon has told so many events, and a little longer; a night is never the same twice, and may have
/// fewer.
fn wait_for_events(night: &Night, daemon: &Daemon, count: usize, seed: u64) {
    let end = Instant::now() + Duration::from_secs(14);
    while daemon.events().len() < count && Instant::now() < end && !night.at_rest() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    std::thread::sleep(Duration::from_millis(rng.u64(0..60)));
}

#[test]
fn a_power_loss_at_any_point_of_a_night_loses_nothing() {
    let Some(count) = events_of_a_night() else {
        return;
    };
    assert!(count > 20, "only {count} events in a night");
    let (points, rounds) = if all() { (20, 2) } else { (4, 1) };
    let mut tries = Vec::new();
    for point in 0..points {
        // With an event before it in each: the first is told when the state has been made.
        let first = 1 + point * (count - 1) / points;
        tries.push(format!("{first}"));
        if rounds > 1 {
            tries.push(format!("{first}+{}", 1 + point % 9));
        }
    }
    side_by_side(&tries, |events| {
        let night = Night::on_disk(4, 25).expect("there was one a moment ago");
        let mut daemon = night.scene.run();
        for (n, count) in events.split('+').enumerate() {
            let count: usize = count.parse().unwrap();
            if count % 2 == 1 {
                // What happens to be on the disk is not all of one moment.
                wait_for_events(&night, &daemon, count / 2, 0);
                night.disk.as_ref().unwrap().sync();
            }
            wait_for_events(&night, &daemon, count, count as u64 + n as u64);
            night.power_loss(&mut daemon);
            daemon = night.up_after_reboot(&boot(n));
        }
        let mut bad = night.end_and_check(&mut daemon);
        let last = boot(events.split('+').count() - 1);
        if !boots(&night).contains(&last) {
            bad.push(format!("no boot {last} is recorded: {:?}", boots(&night)));
        }
        bad
    });
}

fn boot(n: usize) -> String {
    format!("0b00f000-0000-4000-8000-00000000000{n}")
}

/// The boots in which the daemon was started, as the record has them.
fn boots(night: &Night) -> BTreeSet<String> {
    let conn = rusqlite::Connection::open(night.state().join("state.db")).unwrap();
    let mut select = conn
        .prepare("SELECT body FROM facts WHERE kind = 'daemon_started'")
        .unwrap();
    let bodies = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
    bodies
        .filter_map(|body| {
            let fact: serde_json::Value = serde_json::from_str(&body.ok()?).ok()?;
            Some(fact["boot"].as_str()?.to_owned())
        })
        .collect()
}

/// A number that a process has was another's before the boot. What looks like a survivor is ended only in the same boot.
#[test]
fn what_a_run_left_behind_is_looked_for_in_the_same_boot_only() {
    for (reboot, ended) in [(false, true), (true, false)] {
        let Some(night) = Night::on_disk(4, 40) else {
            return;
        };
        night.hold("again");
        let mut daemon = night.scene.up();
        night.wait_wrote("begin again");
        let begun = night.scene.lines("log");
        let begun = begun.iter().find(|l| l.starts_with("begin again "));
        let mark = begun.unwrap().split(' ').nth(2).unwrap().to_owned();
        let other = Command::new("sleep")
            .arg("600")
            .env("OFFHOURS_RUN", &mark)
            .current_dir("/")
            .stdin(Stdio::null())
            .spawn();
        let mut other = Kept(other.unwrap());
        let pid = i32::try_from(other.0.id()).unwrap();
        assert!(alive(pid));
        match reboot {
            true => night.power_loss(&mut daemon),
            false => night.end_everything(&mut daemon),
        }
        night.let_go("again");
        let mut daemon = match reboot {
            true => night.up_after_reboot(&boot(0)),
            false => night.scene.up(),
        };
        let bad = night.end_and_check(&mut daemon);
        assert!(bad.is_empty(), "{}", bad.join("\n"));
        if ended {
            until("the end of what was left", || {
                other.0.try_wait().unwrap().map(drop)
            });
        } else {
            assert!(other.0.try_wait().unwrap().is_none(), "it was ended");
        }
    }
}
