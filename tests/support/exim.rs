//! A real mail server, exim, with its own configuration, spool, certificates and mailboxes in a folder of its own.
#![allow(
    dead_code,
    clippy::print_stderr,
    reason = "shared by several test programs, each of which uses a part"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::unistd::User;
use serde_json::Value;
use tempfile::TempDir;

use super::smtp::Lab;

pub const EXIM: &str = "/usr/sbin/exim4";
/// Who may log in, and how; with a blank, for it is a line and no word.
pub const USER: &str = "ops";
pub const PASSWORD: &str = "hush hush";
/// For whatever exim has to do.
pub const SOON: Duration = Duration::from_secs(20);

/// A running exim; it ends with this value. It takes mail for `support`, `nights` and `ops` at `example.org`, from who
/// logged in, and lets nobody log in without TLS.
pub struct Exim {
    child: Child,
    dir: TempDir,
    /// STARTTLS, on 127.0.0.1.
    pub port: u16,
    /// TLS from the first byte, on 127.0.0.1.
    pub implicit: u16,
    /// STARTTLS, on `[::1]`; 0 where there is no such address.
    pub port6: u16,
}

impl Exim {
    /// `None` where there is none to be had; then the caller's test is skipped, which CI does not allow.
    pub fn start(test: &str) -> Option<Self> {
        if Path::new(EXIM).exists() {
            return Some(Self::run(&account()));
        }
        let missing = "exim4-daemon-light is not installed: run tests/lab/setup.sh";
        assert!(std::env::var("CI").is_err(), "{missing}");
        eprintln!("\n*** SKIPPED {test}: {missing} ***\n");
        None
    }

    fn run(account: &User) -> Self {
        let (uid, gid) = (account.uid.as_raw(), account.gid.as_raw());
        let dir = tempfile::tempdir().unwrap();
        // It may work as a user of its own, who has to get in.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        certificates(dir.path());
        for name in ["spool", "mail"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            chown(dir.path().join(name), Some(uid), Some(gid)).unwrap();
        }
        chown(dir.path().join("server.key"), Some(uid), Some(gid)).unwrap();
        // Somebody else may take a port that was free a moment ago.
        for _ in 0..5 {
            let (port, implicit) = (free("127.0.0.1"), free("127.0.0.1"));
            let port6 = match TcpListener::bind("[::1]:0") {
                Ok(_) => free("::1"),
                Err(_) => 0,
            };
            let config = configuration(dir.path(), port, implicit, port6, account);
            fs::write(dir.path().join("exim.conf"), config).unwrap();
            let mut command = Command::new(EXIM);
            if nix::unistd::geteuid().is_root() {
                command.uid(uid).gid(gid);
            }
            let mut child = command
                .arg("-C")
                .arg(dir.path().join("exim.conf"))
                .arg("-bdf")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            if greets(port, &mut child) {
                return Self {
                    child,
                    dir,
                    port,
                    implicit,
                    port6,
                };
            }
            let _ = child.kill();
            let said = child.wait_with_output().unwrap().stderr;
            eprintln!("exim did not start: {}", String::from_utf8_lossy(&said));
        }
        panic!("exim does not start: {}", log(dir.path()));
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The certificate of the authority that signed the server's.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A program with the interface of sendmail.
    pub fn sendmail(&self) -> PathBuf {
        let path = self.dir.path().join("sendmail");
        let config = self.dir.path().join("exim.conf");
        let script = format!("#!/bin/sh\nexec {EXIM} -C {} \"$@\"\n", config.display());
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The messages in one mailbox, once there are so many, as files.
    pub fn mailbox(&self, name: &str, count: usize) -> Vec<PathBuf> {
        let new = self.dir.path().join("mail").join(name).join("new");
        let end = Instant::now() + SOON;
        loop {
            let mut files: Vec<PathBuf> = fs::read_dir(&new)
                .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
                .unwrap_or_default();
            if files.len() >= count {
                files.sort();
                return files;
            }
            assert!(
                Instant::now() < end,
                "{} of {count} messages for {name} after {SOON:?}; exim says:\n{}",
                files.len(),
                log(self.dir.path())
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What Python's mail and calendar parsers make of the messages of a mailbox, by subject.
    pub fn read(&self, lab: &Lab, name: &str, count: usize) -> Vec<Value> {
        let output = Command::new(&lab.python)
            .arg(lab.scripts.join("check_mail.py"))
            .args(self.mailbox(name, count))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let mut found: Vec<Value> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        found.sort_by_key(|mail| mail["headers"]["subject"].to_string());
        for mail in &found {
            assert_eq!(mail["problems"], serde_json::json!([]), "{mail:#}");
        }
        found
    }

    /// What it wrote into its log, once that says this: it answers first.
    pub fn logged(&self, text: &str) -> String {
        let end = Instant::now() + SOON;
        loop {
            let log = log(self.dir.path());
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < end, "{text:?} is not in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        // Only its own child; already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who it runs as: never root.
fn account() -> User {
    let own = nix::unistd::geteuid();
    let of_package = || User::from_name("Debian-exim").ok().flatten();
    match own.is_root() {
        true => of_package().expect("the package makes this user"),
        false => User::from_uid(own).unwrap().expect("a user with a name"),
    }
}

fn log(dir: &Path) -> String {
    ["mainlog", "paniclog"]
        .iter()
        .filter_map(|name| fs::read_to_string(dir.join("spool/log").join(name)).ok())
        .collect()
}

fn free(address: &str) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn greets(port: u16, child: &mut Child) -> bool {
    let end = Instant::now() + SOON;
    while Instant::now() < end && child.try_wait().unwrap().is_none() {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_read_timeout(Some(SOON)).unwrap();
            let mut line = String::new();
            let read = BufReader::new(stream).read_line(&mut line);
            return read.is_ok() && line.starts_with("220 ") && line.contains("mx.example.org");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// An authority, and a certificate for this machine that it signed.
fn certificates(dir: &Path) {
    let script = r#"
        set -e
        new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        openssl req -x509 $new -subj "/CN=Test authority" -keyout ca.key -out ca.pem \
            -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
        openssl req $new -subj "/CN=localhost" -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nbasicConstraints=CA:FALSE\n' >server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -set_serial 1 -days 2 \
            -extfile server.ext -out server.pem
    "#;
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

fn configuration(dir: &Path, port: u16, implicit: u16, port6: u16, account: &User) -> String {
    let dir = dir.display();
    let (user, group) = (account.uid, account.gid);
    let six = match port6 {
        0 => String::new(),
        port6 => format!(" ; [::1]:{port6}"),
    };
    format!(
        r"primary_hostname = mx.example.org
spool_directory = {dir}/spool
log_file_path = {dir}/spool/log/%slog
pid_file_path = {dir}/spool/exim.pid
local_interfaces = <; [127.0.0.1]:{port} ; [127.0.0.1]:{implicit}{six}
tls_on_connect_ports = {implicit}
tls_advertise_hosts = *
tls_certificate = {dir}/server.pem
tls_privatekey = {dir}/server.key
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
domainlist local_domains = example.org
acl_smtp_rcpt = rcpt
exim_user = {user}
exim_group = {group}
deliver_drop_privilege
untrusted_set_sender = *
host_lookup =
rfc1413_query_timeout = 0s

begin acl
rcpt:
  deny !authenticated = *
       message = log in first
  require domains = +local_domains
  require message = nobody of that name here
          verify = recipient
  accept

begin routers
people:
  driver = accept
  domains = +local_domains
  local_parts = support : nights : ops
  transport = mailbox

begin transports
mailbox:
  driver = appendfile
  maildir_format
  directory = {dir}/mail/$local_part_data
  return_path_add
  envelope_to_add
  delivery_date_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
"
    )
}
