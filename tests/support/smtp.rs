//! The scriptable mail server of the tests, and what else `tests/lab/setup.sh` prepares.
#![allow(
    dead_code,
    clippy::print_stderr,
    reason = "shared by several test programs, each of which uses a part"
)]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// What the setup script has prepared.
pub struct Lab {
    pub python: PathBuf,
    pub scripts: PathBuf,
    pub certs: PathBuf,
}

impl Lab {
    /// The lab, or `None` where it is missing; then the caller's test is skipped, which CI does not allow.
    pub fn find(test: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let lab = root.join(target).join("lab");
        let python = lab.join("venv/bin/python");
        let certs = lab.join("certs");
        if python.exists() && certs.join("other.pem").exists() {
            return Some(Self {
                python,
                scripts: root.join("tests/lab"),
                certs,
            });
        }
        let missing = format!("{} is incomplete: run tests/lab/setup.sh", lab.display());
        assert!(std::env::var("CI").is_err(), "{missing}");
        eprintln!("\n*** SKIPPED {test}: {missing} ***\n");
        None
    }

    pub fn cert(&self, name: &str) -> PathBuf {
        self.certs.join(name)
    }
}

/// A running server; it ends with this value.
pub struct SmtpServer {
    child: Child,
    dir: TempDir,
    pub port: u16,
}

impl SmtpServer {
    /// Starts `smtp_server.py` with these arguments and waits until it listens.
    pub fn start(lab: &Lab, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(&lab.python)
            .arg(lab.scripts.join("smtp_server.py"))
            .arg(dir.path().join("log.jsonl"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line
            .trim()
            .strip_prefix("ready ")
            .and_then(|port| port.parse().ok());
        let Some(port) = port else {
            let status = child.wait();
            panic!("the mail server did not start: {status:?}");
        };
        Self { child, dir, port }
    }

    /// With STARTTLS and the certificate of the lab.
    pub fn with_tls(lab: &Lab, args: &[&str]) -> Self {
        let (cert, key) = (lab.cert("cert.pem"), lab.cert("key.pem"));
        let mut all = vec!["--tls", cert.to_str().unwrap(), key.to_str().unwrap()];
        all.extend(args);
        Self::start(lab, &all)
    }

    /// The messages it has taken so far: `{connection, tls, authenticated, from, to, data}`.
    pub fn received(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.dir.path().join("log.jsonl")).unwrap_or_default();
        log.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until it has taken `count` messages.
    pub fn wait_for(&self, count: usize, within: Duration) -> Vec<Value> {
        let end = Instant::now() + within;
        loop {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            assert!(
                Instant::now() < end,
                "{} of {count} messages after {within:?}",
                received.len()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        // Only its own child; already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
