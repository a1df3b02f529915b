//! A write of the state that fails, once or from then on: the disk has an error, or no room.

use std::time::Duration;

use crate::night::Night;
use crate::scene::until;
use crate::{all, side_by_side};

const CALLS: &str = "pwrite64,write,pwritev,ftruncate,fallocate";

/// How many writes of the state a night has: counted once, with nothing injected.
fn writes() -> usize {
    let night = Night::new();
    let log = night.scene.path("strace").to_string_lossy().into_owned();
    let mut args = night.state_files();
    args.extend(["-e".into(), format!("trace={CALLS}"), "-o".into(), log]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let strace = night.straced(&args);
    until("a whole night", || night.at_rest().then_some(()));
    drop(strace);
    let lines = night.scene.lines("strace");
    lines.iter().filter(|line| line.contains('(')).count()
}

#[test]
fn a_write_that_fails_loses_nothing() {
    let count = writes();
    assert!(count > 50, "only {count} writes in a night");
    let step = if all() { 4 } else { 70 };
    let mut tries: Vec<String> = Vec::new();
    for n in (1..=count).step_by(step) {
        for error in ["EIO", "ENOSPC"] {
            tries.push(format!("error={error}:when={n}"));
            tries.push(format!("error={error}:when={n}+"));
        }
    }
    side_by_side(&tries, |fault| {
        let night = Night::new();
        let mut args = night.state_files();
        args.extend(["-e", "trace=%file,%desc", "-o", "/dev/null", "-e"].map(String::from));
        args.push(format!("inject={CALLS}:{fault}"));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut strace = night.straced(&args);
        // What can be done without a disk is done; then the machine is started again, with a good one.
        strace.ends_within(Duration::from_secs(12));
        drop(strace);
        night.recover_and_check()
    });
}
