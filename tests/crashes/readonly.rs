//! The file system of the state takes nothing more: mounted for reading only before the start, or found broken by the
//! kernel while the daemon runs.

use crate::full::{after_opening, begun, is_loud, nothing_begins_until};
use crate::night::{Attached, Night};
use crate::scene::{Daemon, until};

fn ends_well(night: &Night, daemon: &mut Daemon) {
    let bad = night.end_and_check(daemon);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn without_a_state_nothing_is_begun() {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    night.disk.as_ref().unwrap().remount("ro");
    let mut daemon = night.scene.run();
    assert_eq!(daemon.ended(), 1, "{}", daemon.story());
    assert!(daemon.err().contains("disk/state"), "{}", daemon.err());
    night.disk.as_ref().unwrap().remount("rw");
    ends_well(&night, &mut night.scene.up());
}

/// A start on a disk that may only be read, until it may be written again.
fn before_the_start(entered: bool) {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    let disk = night.disk.as_ref().unwrap();
    if entered {
        night.hold("again");
    }
    let mut daemon = night.scene.up();
    if entered {
        night.wait_wrote("begin again");
    } else {
        daemon.wait("session_announced", &[]);
    }
    night.end_everything(&mut daemon);
    if entered {
        night.let_go("again");
    }
    disk.remount("ro");
    let before = begun(&night);
    let mut daemon = night.scene.run();
    daemon.wait("daemon_started", &[]);
    if entered {
        night.wait_wrote("end leave");
    }
    is_loud(&night, &daemon, "may only be read");
    nothing_begins_until(&night, after_opening(&night), &before);
    disk.remount("rw");
    ends_well(&night, &mut daemon);
}

#[test]
fn before_the_start_announced() {
    before_the_start(false);
}

#[test]
fn before_the_start_entered() {
    before_the_start(true);
}

/// The kernel gives the file system up: only a boot, which repairs it, brings it back.
fn broken_down(entered: bool) {
    let Some(night) = Night::on_disk(60) else {
        return;
    };
    let disk = night.disk.as_ref().unwrap();
    if entered {
        night.hold("again");
    }
    let mut daemon = night.scene.up();
    if entered {
        night.wait_wrote("begin again");
    } else {
        daemon.wait("session_announced", &[]);
    }
    disk.break_down();
    daemon.wait_err("not recorded");
    let before = begun(&night);
    if entered {
        night.let_go("again");
        night.wait_wrote("end leave");
    }
    is_loud(&night, &daemon, "cannot be written");
    nothing_begins_until(&night, after_opening(&night), &before);
    assert_eq!(daemon.stop(), 1, "{}", daemon.story());
    disk.unmount();
    disk.repair();
    disk.mount();
    ends_well(&night, &mut night.scene.up());
}

#[test]
fn broken_down_after_the_announcement() {
    broken_down(false);
}

#[test]
fn broken_down_in_maintenance() {
    broken_down(true);
}

/// The same as a fault that passes: every write to the state is refused for a while.
fn refused_for_a_while(entered: bool) {
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
    let mut fault = night.state_files();
    for arg in ["-e", "trace=%file,%desc", "-e"] {
        fault.push(arg.into());
    }
    fault.push("inject=pwrite64,write,ftruncate,fallocate,fsync,fdatasync:error=EROFS".into());
    let fault = Attached::to(&daemon, &fault);
    daemon.wait_err("not recorded");
    let before = begun(&night);
    if entered {
        night.let_go("again");
        night.wait_wrote("end leave");
    }
    nothing_begins_until(&night, after_opening(&night), &before);
    drop(fault);
    daemon.wait_err("can be written again");
    ends_well(&night, &mut daemon);
    until("an alarm", || {
        daemon.find("alarm", &[("kind", "state_trouble")])
    });
}

#[test]
fn refused_after_the_announcement() {
    refused_for_a_while(false);
}

#[test]
fn refused_in_maintenance() {
    refused_for_a_while(true);
}
