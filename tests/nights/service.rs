//! Under systemd itself, on a machine of its own.

use std::process::{Command, Stdio};

use crate::machine::Machine;
use crate::scene::until;

impl Machine {
    fn order(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file("var/lib/offhours/order")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Starts a rehearsal with its endless job, and waits until that runs.
    fn in_maintenance(&self) -> std::process::Child {
        let _ = std::fs::remove_file(self.file("var/lib/offhours/order"));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/machine.sh");
        let rehearsal = Command::new("bash")
            .args([script, "in", &self.name, "offhours", "rehearse", "shop"])
            .args(["--reason", "a try", "--yes", "--with-jobs"])
            .args(["--config", "/etc/offhours/windows.toml"])
            .env("LAB", &self.lab)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        until("the job", || {
            (self.order() == ["enter", "job"]).then_some(())
        });
        rehearsal.unwrap()
    }

    fn comes_back(&self, mut rehearsal: std::process::Child) {
        until("the app to be back", || {
            (self.order() == ["enter", "job", "leave"]).then_some(())
        });
        let _ = rehearsal.wait();
        assert_eq!(self.run(&["pgrep", "-c", "sleep"]).trim(), "0");
    }
}

const CONFIG: &str = r#"
time_zone = "UTC"
[state]
dir = "/var/lib/offhours"
[control]
socket = "/run/offhours/control.sock"
[mail]
transport = "file"
dir = "/var/lib/offhours/mail"
from = "Operations <ops@example.org>"
[contacts]
technical = ["tech@example.org"]
[notice]
to = ["technical"]
[window.rare]
from = "2099-01-01"
until = "2099-01-02"
[app.shop]
window = "rare"
enter = [{ script = "echo enter >> /var/lib/offhours/order", timeout = "5s" }]
leave = [{ script = "echo leave >> /var/lib/offhours/order", timeout = "5s" }]
[maintenance.job]
app = "shop"
every = "window"
script = "echo job >> /var/lib/offhours/order; setsid sleep 1000 & sleep 1000"
timeout = "5m"
grace = "1s"
[periodic.tick]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
"#;

/// The units as they are shipped.
const UNIT: &str = include_str!("../../examples/systemd/offhours.service");
const RESTRICTED: &str = include_str!("../../examples/systemd/offhours-restricted.service");
/// Only what makes waiting shorter; and here is no password.
const HASTE: &str =
    "[Service]\nRestartSec=200ms\nWatchdogSec=3s\nTimeoutStopSec=2s\nLoadCredential=\n";

impl Machine {
    /// Installs program, configuration and unit.
    fn install(&self, name: &str, unit: &str, config: &str) {
        std::fs::copy(
            env!("CARGO_BIN_EXE_offhours"),
            self.file("usr/local/bin/offhours"),
        )
        .unwrap();
        std::fs::create_dir_all(self.file("etc/offhours")).unwrap();
        std::fs::write(self.file("etc/offhours/windows.toml"), config).unwrap();
        std::fs::write(
            self.file(&format!("etc/systemd/system/{name}.service")),
            unit,
        )
        .unwrap();
        let drops = self.file(&format!("etc/systemd/system/{name}.service.d"));
        std::fs::create_dir_all(&drops).unwrap();
        std::fs::write(drops.join("haste.conf"), HASTE).unwrap();
        self.run(&["systemctl", "daemon-reload"]);
        self.run(&["systemctl", "enable", "--now", name]);
    }
}

#[test]
fn killed_and_switched_off_the_app_comes_back() {
    let Some(machine) = Machine::find() else {
        return;
    };
    machine.install("offhours", UNIT, CONFIG);
    let state = || machine.run(&["systemctl", "is-active", "offhours"]);
    assert_eq!(state().trim(), "active");

    // Nobody switches it off by mistake meanwhile, where logind is there to say so.
    let kept = || machine.run(&["systemd-inhibit", "--list", "--no-pager", "--no-legend"]);
    let rehearsal = machine.in_maintenance();
    until("logind to keep the machine up", || {
        let kept = kept();
        (kept.contains("offhours") && kept.contains("in maintenance: shop")).then_some(())
    });

    // A crash: systemd starts it again, and nothing of the job is left.
    machine.run(&[
        "systemctl",
        "kill",
        "-s",
        "KILL",
        "--kill-whom=main",
        "offhours",
    ]);
    machine.comes_back(rehearsal);
    until("logind to let go", || {
        (!kept().contains("offhours")).then_some(())
    });
    until("the daemon to be ready again", || {
        (state().trim() == "active").then_some(())
    });

    machine.run(&["systemctl", "reload", "offhours"]);
    assert_eq!(state().trim(), "active");

    // The main loop stands still: systemd notices that nobody feeds the watchdog.
    let restarts = || {
        machine.run(&[
            "systemctl",
            "show",
            "offhours",
            "-p",
            "NRestarts",
            "--value",
        ])
    };
    let before = restarts();
    machine.run(&[
        "systemctl",
        "kill",
        "-s",
        "STOP",
        "--kill-whom=main",
        "offhours",
    ]);
    until("the watchdog", || (restarts() != before).then_some(()));
    until("the daemon to be ready again", || {
        (state().trim() == "active").then_some(())
    });

    // A stop: the app is back before the unit is stopped.
    let rehearsal = machine.in_maintenance();
    machine.run(&["systemctl", "stop", "offhours"]);
    assert_eq!(machine.order(), ["enter", "job", "leave"]);
    machine.comes_back(rehearsal);
    let result = machine.run(&[
        "systemctl",
        "show",
        "offhours",
        "-p",
        "Result",
        "-p",
        "NRestarts",
    ]);
    assert!(result.contains("Result=success"), "{result}");

    // The power goes, and comes back.
    machine.run(&["systemctl", "start", "offhours"]);
    let rehearsal = machine.in_maintenance();
    machine.call(&["reset", &machine.name]);
    machine.up();
    machine.comes_back(rehearsal);
}

#[test]
fn a_stop_takes_longer_than_the_unit_allows_where_an_app_comes_back_slowly() {
    let Some(machine) = Machine::find() else {
        return;
    };
    // Three times as long as TimeoutStopSec.
    let slow = CONFIG.replace("echo leave >>", "sleep 6; echo leave >>");
    let slow = slow.replace(
        "order\", timeout = \"5s\" }]\n[maintenance",
        "order\", timeout = \"20s\" }]\n[maintenance",
    );
    machine.install("offhours", UNIT, &slow);
    let rehearsal = machine.in_maintenance();
    machine.run(&["systemctl", "stop", "offhours"]);
    machine.comes_back(rehearsal);
    let result = machine.run(&["systemctl", "show", "offhours", "-p", "Result"]);
    assert!(result.contains("Result=success"), "{result}");
}

#[test]
fn the_restricted_unit_runs_what_needs_no_more_than_it_has() {
    let Some(machine) = Machine::find() else {
        return;
    };
    // Its user is made up when it starts, and owns what it is given; hooks write where they may.
    let config = CONFIG.replace(
        "run = [\"true\"]",
        "script = \"id -u > /var/lib/offhours/who\"",
    );
    machine.install("offhours-restricted", RESTRICTED, &config);
    let who = machine.file("var/lib/private/offhours/who");
    until("the periodic job", || {
        let text = std::fs::read_to_string(&who).unwrap_or_default();
        let user = text.trim().parse::<u32>().ok();
        user.filter(|user| *user > 60_000).map(drop)
    });
    let state = machine.run(&["systemctl", "is-active", "offhours-restricted"]);
    assert_eq!(state.trim(), "active");
}

#[test]
fn a_job_restarts_the_machine_and_its_session_goes_on_after_the_boot() {
    let Some(machine) = Machine::find() else {
        return;
    };
    let jobs = r#"
[maintenance.boot]
app = "shop"
every = "window"
reboot = true
after = ["job"]
timeout = "1m"
[maintenance.after]
app = "shop"
every = "window"
script = "echo after >> /var/lib/offhours/order"
after = ["boot"]
"#;
    let config = CONFIG.replace("; setsid sleep 1000 & sleep 1000", "");
    machine.install("offhours", UNIT, &format!("{config}{jobs}"));
    let _ = std::fs::remove_file(machine.file("var/lib/offhours/order"));
    let boot = || machine.run(&["cat", "/proc/sys/kernel/random/boot_id"]);
    let before = boot();
    machine.run(&[
        "systemd-run",
        "--",
        "offhours",
        "rehearse",
        "shop",
        "--reason",
        "a try",
        "--yes",
        "--with-jobs",
        "--config",
        "/etc/offhours/windows.toml",
    ]);
    until("the job", || {
        machine.order().contains(&"job".into()).then_some(())
    });
    // It goes down by itself; this is the power button of the next boot.
    until("the machine to be down", || {
        (boot() != before).then_some(())
    });
    machine.up();
    assert_ne!(boot(), before);
    until("the app to be back", || {
        (machine.order().last().map(String::as_str) == Some("leave")).then_some(())
    });
    assert_eq!(machine.order(), ["enter", "job", "enter", "after", "leave"]);
}
