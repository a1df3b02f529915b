//! The file system of the state takes nothing more: mounted for reading only before the start, or found broken by the
//! kernel while the daemon runs.

use crate::full::{ends_well, entered, is_loud, is_mailed, killed, nothing_begins_unrecorded};
use crate::night::{Attached, Night, in_time};
use crate::scene::Daemon;

fn on_disk(opens_in: i64) -> Option<Night> {
    Night::on_disk(opens_in, 60)
}

#[test]
fn without_a_state_nothing_is_begun() {
    let Some(night) = on_disk(4) else { return };
    let disk = night.disk.as_ref().unwrap();
    disk.remount("ro");
    let mut daemon = night.scene.run();
    assert_eq!(daemon.ended(), 1, "{}", daemon.story());
    assert!(daemon.err().contains("disk/state"), "{}", daemon.err());
    disk.remount("rw");
    ends_well(&night, &mut night.scene.up());
}

#[test]
fn before_a_start_after_the_announcement() {
    in_time(on_disk, |night| {
        let disk = night.disk.as_ref().unwrap();
        let daemon = night.scene.up();
        night.announced(&daemon)?;
        killed(night, daemon);
        disk.remount("ro");
        let mut daemon = night.scene.up();
        night.is_to_come()?;
        is_loud(night, &daemon, "may only be read");
        nothing_begins_unrecorded(night, &night.state());
        assert_eq!(night.wrote("begin enter"), 0);
        disk.remount("rw");
        ends_well(night, &mut daemon);
        Some(())
    });
}

#[test]
fn before_a_start_in_maintenance() {
    let Some(night) = on_disk(4) else { return };
    let disk = night.disk.as_ref().unwrap();
    killed(&night, entered(&night));
    night.let_go("again");
    disk.remount("ro");
    let mut daemon = night.scene.up();
    night.wait_wrote("end leave");
    is_loud(&night, &daemon, "may only be read");
    nothing_begins_unrecorded(&night, &night.state());
    disk.remount("rw");
    ends_well(&night, &mut daemon);
}

/// Only a boot, which repairs it, brings a file system back that the kernel gave up.
fn repaired(night: &Night, mut daemon: Daemon) {
    let disk = night.disk.as_ref().unwrap();
    is_loud(night, &daemon, "cannot be written");
    nothing_begins_unrecorded(night, &night.state());
    assert_eq!(daemon.stop(), 1, "{}", daemon.story());
    disk.unmount();
    disk.repair();
    disk.mount();
    ends_well(night, &mut night.scene.up());
}

#[test]
fn broken_after_the_announcement() {
    in_time(on_disk, |night| {
        let daemon = night.scene.up();
        night.announced(&daemon)?;
        night.disk.as_ref().unwrap().break_down();
        daemon.wait_err("not recorded");
        night.is_to_come()?;
        repaired(night, daemon);
        Some(())
    });
}

#[test]
fn broken_in_maintenance() {
    let Some(night) = on_disk(4) else { return };
    let daemon = entered(&night);
    night.disk.as_ref().unwrap().break_down();
    daemon.wait_err("not recorded");
    night.let_go("again");
    night.wait_wrote("end leave");
    repaired(&night, daemon);
}

/// The same as a fault that passes: every write to the state is refused for a while.
fn refuse_writes(night: &Night, daemon: &Daemon) -> Attached {
    let calls = "pwrite64,write,ftruncate,fallocate,fsync,fdatasync";
    let mut fault = night.state_files();
    fault.extend(["-e", "trace=%file,%desc", "-e"].map(String::from));
    fault.push(format!("inject={calls}:error=EROFS"));
    let attached = Attached::to(daemon, &fault);
    daemon.wait_err("not recorded");
    attached
}

fn well_again(night: &Night, mut daemon: Daemon, fault: Attached) {
    is_mailed(night, "state trouble");
    nothing_begins_unrecorded(night, &night.state());
    drop(fault);
    daemon.wait_err("can be written again");
    ends_well(night, &mut daemon);
}

#[test]
fn refused_after_the_announcement() {
    let night = |opens_in| Some(Night::opening_in(opens_in));
    in_time(night, |night| {
        let daemon = night.scene.up();
        night.announced(&daemon)?;
        let fault = refuse_writes(night, &daemon);
        night.is_to_come()?;
        well_again(night, daemon, fault);
        Some(())
    });
}

#[test]
fn refused_in_maintenance() {
    let night = Night::opening_in(4);
    let daemon = entered(&night);
    let fault = refuse_writes(&night, &daemon);
    night.let_go("again");
    night.wait_wrote("end leave");
    well_again(&night, daemon, fault);
}
