//! Machines with systemd of their own. Where there are none the tests are skipped: `tests/lab/machines` makes them (as
//! root: mmdebstrap, systemd-container) and runs these tests; `OFFHOURS_MACHINES` names their folder.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Tells machines of one test program apart.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A booted machine; it is switched off with this value.
pub struct Machine {
    pub lab: PathBuf,
    pub name: String,
    pub address: String,
}

impl Machine {
    pub fn find() -> Option<Self> {
        let Some(lab) = std::env::var_os("OFFHOURS_MACHINES").map(PathBuf::from) else {
            eprintln!(
                "\n*** SKIPPED: OFFHOURS_MACHINES names no folder with machines, see tests/lab/machine.sh ***\n"
            );
            return None;
        };
        let number = std::process::id() % 28 * 8 + NEXT.fetch_add(1, Ordering::Relaxed) % 8 + 20;
        let machine = Self {
            lab,
            name: format!("night{number}"),
            address: format!("10.99.0.{number}"),
        };
        machine.script(&["bridge"]);
        machine.up();
        Some(machine)
    }

    pub fn call(&self, args: &[&str]) -> std::process::Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/machine.sh");
        let mut command = Command::new("bash");
        command.arg(script).args(args).env("LAB", &self.lab);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Its output would be held open by the machine itself.
    pub fn script(&self, args: &[&str]) {
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

    pub fn up(&self) {
        self.script(&["up", &self.name, &self.address]);
    }

    pub fn run(&self, args: &[&str]) -> String {
        let mut all = vec!["in", &self.name];
        all.extend(args);
        let output = self.call(&all);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.lab
            .join("machines")
            .join(&self.name)
            .join("root")
            .join(path)
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
