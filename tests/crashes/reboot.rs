//! A job that restarts the machine, in the middle of a night.

use crate::night::Night;
use crate::scene::Daemon;

const BOOT: &str = r#"
[maintenance.boot]
app = "shop"
every = "window"
reboot = true
run = ["stage", "boot"]
after = ["again"]
timeout = "20s"
estimate = "1s"
grace = "1s"
"#;

/// Up to where the machine would go down; none where there may be no mounts.
fn going_down() -> Option<(Night, Daemon)> {
    let night = Night::on_disk(4, 60)?;
    let toml = night.scene.read("windows.toml");
    let toml = toml.replace("after = [\"again\"]", "after = [\"again\", \"boot\"]");
    night.scene.write("windows.toml", &format!("{toml}{BOOT}"));
    let daemon = night.scene.up();
    night.wait_wrote("end boot");
    Some((night, daemon))
}

#[test]
fn the_session_goes_on_after_a_restart_of_the_machine_that_it_asked_for() {
    let Some((night, mut daemon)) = going_down() else {
        return;
    };
    // What systemd does while it brings the machine down: the app stays as it is.
    assert_eq!(daemon.stop(), 0, "{}", daemon.story());
    assert_eq!(
        (night.wrote("begin leave"), night.wrote("begin once")),
        (0, 0)
    );
    let mut daemon = night.up_after_reboot("0b00f000-0000-4000-8000-000000000001");
    daemon.wait("session_closed", &[("outcome", "succeeded")]);
    let ended = daemon.wait("run_ended", &[("job", "boot")]);
    assert_eq!(ended["outcome"], "succeeded");
    let done = |what: &str| night.wrote(&format!("end {what}"));
    assert_eq!(
        ["enter", "again", "boot", "once", "leave"].map(done),
        [2, 1, 1, 1, 1]
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn where_the_machine_does_not_go_down_the_app_is_brought_back() {
    let Some((night, mut daemon)) = going_down() else {
        return;
    };
    // Only the daemon was stopped: by somebody else.
    assert_eq!(daemon.stop(), 0, "{}", daemon.story());
    assert_eq!(night.wrote("begin leave"), 0);
    let mut daemon = night.scene.up();
    let ended = daemon.wait("run_ended", &[("job", "boot")]);
    assert_eq!(ended["outcome"], "interrupted");
    daemon.wait("leave_ended", &[("outcome", "succeeded")]);
    assert_eq!(daemon.stop(), 0);
}
