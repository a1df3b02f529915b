//! The built program is killed, or its disk fails or fills up, or the power goes, at every point of a whole night; after
//! a restart what was promised holds.
//!
//! A sample by default. All of it: `tests/crashes/all`, which sets CRASHES=all (and KILLS=500 for the random part).
mod check;
mod damaged;
mod disk;
mod full;
mod gone;
mod night;
mod power;
mod readonly;
mod reboot;
#[path = "../nights/scene.rs"]
mod scene;
mod writes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use night::Night;
use scene::until;

/// Nights that are played side by side.
const BESIDE: usize = 6;

fn all() -> bool {
    std::env::var("CRASHES").is_ok_and(|all| all == "all")
}

/// Plays these nights side by side; what was wrong in each.
fn side_by_side(tries: &[String], play: impl Fn(&str) -> Vec<String> + Sync) {
    let (next, bad) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..BESIDE {
            scope.spawn(|| {
                while let Some(name) = tries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // One that waits in vain does not keep the others from being played.
                    let found = catch_unwind(AssertUnwindSafe(|| play(name)))
                        .unwrap_or_else(|_| vec!["waited in vain (see above)".into()]);
                    if !found.is_empty() {
                        let text = format!("{name}:\n  {}", found.join("\n  "));
                        bad.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let bad = bad.into_inner().unwrap();
    println!("{} nights, {} with a finding", tries.len(), bad.len());
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}

/// How many syncs a night has: counted once, with nothing injected.
fn syncs() -> u32 {
    let night = Night::new();
    let log = night.scene.path("strace");
    let strace = night.straced(&[
        "-e",
        "trace=fsync,fdatasync",
        "-o",
        log.to_str().expect("a plain path"),
    ]);
    until("a whole night", || night.at_rest().then_some(()));
    drop(strace);
    let lines = night.scene.read("strace");
    let count = lines.lines().filter(|line| line.contains("sync(")).count();
    u32::try_from(count).unwrap()
}

#[test]
fn killed_at_a_sync_nothing_is_lost() {
    let count = syncs();
    assert!(count > 20, "only {count} syncs in a night");
    let step = if all() { 1 } else { 6 };
    let tries: Vec<String> = (1..=count).step_by(step).map(|n| n.to_string()).collect();
    side_by_side(&tries, |n| {
        let night = Night::new();
        let mut strace = night.strace(&format!("signal=KILL:when={n}"));
        // The last ones may lie beyond the night, which is never the same twice.
        let killed = strace.ends_within(Duration::from_secs(14));
        drop(strace);
        let mut bad = night.recover_and_check();
        if !killed && bad.is_empty() && n.parse::<u32>().unwrap() < count / 2 {
            bad.push("it was not killed".into());
        }
        bad
    });
}

#[test]
fn killed_at_random_nothing_is_lost() {
    let kills: u64 = std::env::var("KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(12);
    let first: u64 = std::env::var("CRASH_SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let tries: Vec<String> = (first..first + kills.div_ceil(2))
        .map(|n| n.to_string())
        .collect();
    side_by_side(&tries, |seed| {
        // Two kills a night: one before or while it begins, one while it goes on or is recovered from.
        let mut rng = fastrand::Rng::with_seed(seed.parse().unwrap());
        let night = Night::new();
        for span in [6_000, 3_000] {
            let mut daemon = night.scene.run();
            let end = Instant::now() + Duration::from_millis(rng.u64(0..span));
            while Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            daemon.kill();
        }
        night.recover_and_check()
    });
}

#[test]
fn a_disk_that_fails_to_sync_loses_nothing() {
    let count = syncs();
    let step = if all() { 1 } else { 9 };
    let mut tries: Vec<String> = Vec::new();
    for n in (2..=count).step_by(step) {
        tries.push(format!("{n}"));
        tries.push(format!("{n}+"));
    }
    side_by_side(&tries, |when| {
        let night = Night::new();
        let mut strace = night.strace(&format!("error=EIO:when={when}"));
        // What can be done without a disk is done; then the machine is started again, with a good one.
        strace.ends_within(Duration::from_secs(12));
        drop(strace);
        night.recover_and_check()
    });
}
