//! Hosts that are this machine: one sshd of the test's own answers for every 127.x.y.z.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::scene::until;

const SSHD: &str = "/usr/sbin/sshd";

pub struct Sshd {
    dir: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Sshd {
    /// None, and a word about it, where there is no sshd.
    pub fn start() -> Option<Self> {
        if !Path::new(SSHD).exists() {
            assert!(
                std::env::var("CI").is_err(),
                "openssh-server is not installed"
            );
            eprintln!(
                "\n*** SKIPPED: openssh-server is not installed, see tests/lab/setup.sh ***\n"
            );
            return None;
        }
        let dir = tempfile::Builder::new()
            .prefix("s")
            .tempdir_in("/tmp")
            .unwrap();
        for key in ["host", "key"] {
            let done = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(dir.path().join(key))
                .status();
            assert!(done.unwrap().success());
        }
        fs::copy(dir.path().join("key.pub"), dir.path().join("authorized")).unwrap();
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut sshd = Self {
            dir,
            port: 0,
            child: None,
        };
        // Somebody else may take a port that was free a moment ago.
        for _ in 0..5 {
            sshd.port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            if sshd.up() {
                return Some(sshd);
            }
        }
        panic!("sshd does not start");
    }

    /// Starts it on its port; whether it listens.
    pub fn up(&mut self) -> bool {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let config = format!(
            "Port {}\nListenAddress 0.0.0.0\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nMaxStartups 500:30:1000\nMaxSessions 100\nUseDNS no\n\
             KexAlgorithms curve25519-sha256\n",
            self.port,
            at("host"),
            at("authorized")
        );
        // Each address is a host with locks of its own.
        let own = |n: u32| {
            format!(
                "Match LocalAddress 127.0.0.{n}\nSetEnv XDG_STATE_HOME={}{n}\n",
                at("state")
            )
        };
        let config = config + &(1..10).map(own).collect::<String>();
        fs::write(self.dir.path().join("sshd_config"), config).unwrap();
        let key = fs::read_to_string(self.dir.path().join("host.pub")).unwrap();
        let known = format!("[127.0.0.*]:{} {key}", self.port);
        fs::write(self.dir.path().join("known"), known).unwrap();
        fs::write(
            self.dir.path().join("config"),
            "GlobalKnownHostsFile /dev/null\n",
        )
        .unwrap();
        let mut child = Command::new(SSHD)
            .args(["-D", "-f"])
            .arg(self.dir.path().join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let up = until("sshd", || match child.try_wait().unwrap() {
            Some(_) => Some(false),
            None => TcpStream::connect(("127.0.0.1", self.port))
                .is_ok()
                .then_some(true),
        });
        self.child = Some(child);
        up
    }

    /// Where a host keeps its state.
    pub fn state(&self, host: u32) -> std::path::PathBuf {
        self.dir.path().join(format!("state{host}"))
    }

    /// Nobody listens any more; sessions go on.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The processes that serve its connections.
    pub fn sessions(&self) -> Vec<i32> {
        let own = self.child.as_ref().map_or(0, Child::id);
        let path = format!("/proc/{own}/task/{own}/children");
        let children = fs::read_to_string(path).unwrap_or_default();
        let children = children.split_whitespace();
        children.filter_map(|pid| pid.parse().ok()).collect()
    }

    /// The tables of some hosts of the group `web`, web1 and so on.
    pub fn hosts(&self, count: usize) -> String {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
            .unwrap()
            .unwrap();
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let host = |n: usize| {
            format!(
                "[host.web{n}]\nssh = \"{}@127.0.0.{n}\"\nport = {}\nidentity = {:?}\nknown_hosts = {:?}\n\
                 ssh_config = {:?}\ngroups = [\"web\"]\nconnect_timeout = \"5s\"\nalive_interval = \"1s\"\n",
                user.name,
                self.port,
                at("key"),
                at("known"),
                at("config")
            )
        };
        (1..=count).map(host).collect()
    }
}
