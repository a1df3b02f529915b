//! Under systemd itself, on a machine of its own. Where there is none this is skipped: `tests/lab/machine.sh` makes one
//! (as root: mmdebstrap, systemd-container), and `OFFHOURS_MACHINES` names its folder.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::scene::until;

/// A booted machine; it is switched off with this value.
struct Machine {
    lab: PathBuf,
    name: String,
    address: String,
}

impl Machine {
    fn find() -> Option<Self> {
        let Some(lab) = std::env::var_os("OFFHOURS_MACHINES").map(PathBuf::from) else {
            eprintln!(
                "\n*** SKIPPED: OFFHOURS_MACHINES names no folder with machines, see tests/lab/machine.sh ***\n"
            );
            return None;
        };
        let number = std::process::id() % 200 + 20;
        let machine = Self {
            lab,
            name: format!("night{number}"),
            address: format!("10.99.0.{number}"),
        };
        machine.script(&["bridge"]);
        machine.up();
        Some(machine)
    }

    fn call(&self, args: &[&str]) -> std::process::Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/machine.sh");
        let mut command = Command::new("bash");
        command.arg(script).args(args).env("LAB", &self.lab);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Its output would be held open by the machine itself.
    fn script(&self, args: &[&str]) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/machine.sh");
        let status = Command::new("bash")
            .arg(script)
            .args(args)
            .env("LAB", &self.lab)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{args:?}");
    }

    fn up(&self) {
        self.script(&["up", &self.name, &self.address]);
    }

    fn run(&self, args: &[&str]) -> String {
        let mut all = vec!["in", &self.name];
        all.extend(args);
        let output = self.call(&all);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn file(&self, path: &str) -> PathBuf {
        self.lab
            .join("machines")
            .join(&self.name)
            .join("root")
            .join(path)
    }

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

impl Drop for Machine {
    fn drop(&mut self) {
        self.call(&["reset", &self.name]);
        let root = self.file("");
        let _ = Command::new("umount").arg(&root).status();
        if let Some(machine) = root.parent() {
            let _ = std::fs::remove_dir_all(machine);
        }
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

const UNIT: &str = "[Service]
Type=notify
ExecStart=/usr/local/bin/offhours run --config /etc/offhours/windows.toml
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=200ms
WatchdogSec=3s
KillMode=mixed
Delegate=yes
StateDirectory=offhours
StateDirectoryMode=0700
RuntimeDirectory=offhours
RuntimeDirectoryMode=0700
[Install]
WantedBy=multi-user.target
";

#[test]
fn killed_and_switched_off_the_app_comes_back() {
    let Some(machine) = Machine::find() else {
        return;
    };
    std::fs::copy(
        env!("CARGO_BIN_EXE_offhours"),
        machine.file("usr/local/bin/offhours"),
    )
    .unwrap();
    std::fs::create_dir_all(machine.file("etc/offhours")).unwrap();
    std::fs::write(machine.file("etc/offhours/windows.toml"), CONFIG).unwrap();
    std::fs::write(machine.file("etc/systemd/system/offhours.service"), UNIT).unwrap();
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "enable", "--now", "offhours"]);
    let state = || machine.run(&["systemctl", "is-active", "offhours"]);
    assert_eq!(state().trim(), "active");

    // A crash: systemd starts it again, and nothing of the job is left.
    let rehearsal = machine.in_maintenance();
    machine.run(&[
        "systemctl",
        "kill",
        "-s",
        "KILL",
        "--kill-whom=main",
        "offhours",
    ]);
    machine.comes_back(rehearsal);
    until("the daemon to be ready again", || {
        (state().trim() == "active").then_some(())
    });

    machine.run(&["systemctl", "reload", "offhours"]);
    assert_eq!(state().trim(), "active");

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
