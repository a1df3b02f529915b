//! A host: an sshd of the test's own, with throwaway keys, for the user who runs the tests.
#![allow(
    clippy::print_stderr,
    reason = "a test that is skipped must say so where people look"
)]
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use offhours::ssh::{Destination, Fate, Masters, Order, Verdict, order};
use tempfile::TempDir;

pub const SSHD: &str = "/usr/sbin/sshd";
/// Far beyond what anything here takes, also on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Ends what it was given with itself.
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Lab {
    pub dir: TempDir,
    pub destination: Destination,
    pub masters: Masters,
    pub sshd: Option<Guard>,
}

/// Says that a test is skipped, which CI does not allow.
pub fn skip(test: &str, missing: &str) {
    assert!(std::env::var("CI").is_err(), "{missing}");
    eprintln!("\n*** SKIPPED {test}: {missing} ***\n");
}

/// A short path: those of sockets are.
pub fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("s")
        .tempdir_in("/tmp")
        .unwrap()
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {said}");
}

/// What the tests wait for.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes with this in their command line.
pub fn processes(mark: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let marked = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    };
    pids.filter(marked).collect()
}

pub fn kill(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

/// Writes keys and configuration of a host into a folder.
pub fn prepare(dir: &Path, address: &str, port: u16, more: &str) -> Destination {
    let at = |name: &str| dir.join(name).display().to_string();
    for key in ["host", "key"] {
        run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", &at(key)],
        );
    }
    fs::copy(dir.join("key.pub"), dir.join("authorized")).unwrap();
    let configuration = format!(
        "Port {port}\nListenAddress {address}\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\nMaxStartups 500:30:1000\nMaxSessions 100\nUseDNS no\n\
         KexAlgorithms curve25519-sha256\nSetEnv HOME={} XDG_STATE_HOME={}{more}\n",
        at("host"),
        at("authorized"),
        // Whatever the login shell of this user does elsewhere, it does not do here.
        dir.display(),
        at("state"),
    );
    fs::write(dir.join("sshd_config"), configuration).unwrap();
    let key = fs::read_to_string(dir.join("host.pub")).unwrap();
    fs::write(dir.join("known"), format!("[{address}]:{port} {key}")).unwrap();
    // Nothing of the machine's own configuration.
    fs::write(dir.join("config"), "GlobalKnownHostsFile /dev/null\n").unwrap();
    if nix::unistd::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
        .unwrap()
        .unwrap();
    Destination {
        port: Some(port),
        identity: Some(dir.join("key")),
        known_hosts: Some(dir.join("known")),
        config_file: Some(dir.join("config")),
        connect_timeout: Duration::from_secs(20),
        ..Destination::new("host1", &format!("{}@{address}", user.name))
    }
}

impl Lab {
    /// `None` where there is no sshd; then the caller's test is skipped.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, "", &[])
    }

    /// `more` goes behind the variables of the host; `wrapped` is what sshd is started by.
    pub fn start_with(test: &str, more: &str, wrapped: &[&str]) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            skip(
                test,
                "openssh-server is not installed: run tests/lab/setup.sh",
            );
            return None;
        }
        let dir = folder();
        // Somebody else may take a port that was free a moment ago.
        for _ in 0..5 {
            let port = free_port();
            for old in ["host", "host.pub", "key", "key.pub"] {
                let _ = fs::remove_file(dir.path().join(old));
            }
            let destination = prepare(dir.path(), "127.0.0.1", port, more);
            let config = dir.path().join("sshd_config");
            let config = config.to_str().unwrap();
            let line = [wrapped, &[SSHD, "-D", "-f", config]].concat();
            let child = Command::new(line[0])
                .args(&line[1..])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            let mut sshd = Guard(child.unwrap());
            let mut ended = false;
            until("sshd answers", || {
                ended = sshd.0.try_wait().unwrap().is_some();
                ended || TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            if !ended {
                let masters = Masters::new(&dir.path().join("m")).unwrap();
                return Some(Self {
                    dir,
                    destination,
                    masters,
                    sshd: Some(sshd),
                });
            }
        }
        panic!("sshd does not start");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn state(&self, name: &str) -> PathBuf {
        self.path("state/offhours").join(name)
    }

    pub async fn control(&self) -> PathBuf {
        self.masters.reach(&self.destination).await.unwrap()
    }

    /// An order with a name of its own: no lock, a long time bound, a grace of 2 s.
    pub async fn order(&self, argv: &[&str]) -> Order {
        let run = format!("test.{}", fastrand::u64(..));
        Order {
            control: self.control().await,
            verdict: self.path(&format!("{run}.verdict")),
            tell: None,
            regardless: false,
            run,
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            script: None,
            env: Vec::new(),
            dir: None,
            r#become: Vec::new(),
            lock: Vec::new(),
            lock_wait_s: 0,
            timeout_s: 600,
            grace_s: 2,
            umask: None,
        }
    }

    pub async fn shell(&self, script: &str) -> Order {
        self.order(&["sh", "-c", script]).await
    }

    pub async fn fate(&self, order: &Order) -> Fate {
        let control = self.control().await;
        offhours::ssh::ask(&control, &order.r#become, &order.run)
            .await
            .unwrap()
    }

    /// Asks until the run has come to an end.
    pub async fn end(&self, order: &Order) -> Fate {
        let end = Instant::now() + PATIENCE;
        loop {
            let fate = self.fate(order).await;
            if !matches!(fate, Fate::Running { .. }) || Instant::now() > end {
                return fate;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A client that runs.
pub struct Client {
    pub guard: Guard,
    pub order: Order,
}

pub fn start(order: Order) -> Client {
    let child = Command::new(env!("CARGO_BIN_EXE_offhours"))
        .arg("internal-ssh")
        .env_clear()
        .env(order::VARIABLE, order.to_variable().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Client {
        guard: Guard(child),
        order,
    }
}

pub struct Done {
    pub status: Option<i32>,
    pub output: String,
    pub verdict: Verdict,
}

impl Client {
    pub fn pid(&self) -> i32 {
        self.guard.0.id() as i32
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        kill(self.pid(), signal);
    }

    pub fn done(mut self) -> Done {
        let mut output = Vec::new();
        let stdout = self.guard.0.stdout.as_mut().unwrap();
        stdout.read_to_end(&mut output).unwrap();
        let mut said = String::new();
        let stderr = self.guard.0.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(said, "");
        let status = self.guard.0.wait().unwrap().code();
        Done {
            status,
            output: String::from_utf8_lossy(&output).into_owned(),
            verdict: Verdict::read(&self.order.verdict).unwrap(),
        }
    }
}

/// Runs to the end.
pub fn finish(order: Order) -> Done {
    start(order).done()
}
