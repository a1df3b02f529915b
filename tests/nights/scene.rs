//! A folder with a configuration, and the program running on it.
#![allow(dead_code, reason = "each theme uses a part")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for a machine that does a lot beside.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// Waits until `look` gives something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// Whether a process is there and no zombie. Its first thread may be one while others still hold files and locks.
pub fn alive(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let mut threads = threads.into_iter().flatten().flatten();
    threads.any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    })
}

/// An instant some seconds from now, to the second, as the configuration takes it.
pub fn in_seconds(seconds: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_secs(seconds + 1);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A window that is open once, from and until so many seconds from now.
pub fn once(from: i64, until: i64) -> String {
    format!(
        "[window.now]\nfrom = \"{}\"\nuntil = \"{}\"\n",
        in_seconds(from),
        in_seconds(until)
    )
}

/// Mails into files; technical people and operators; the lead of a moment.
pub const FILE_MAIL: &str = r#"
[mail]
transport = "file"
dir = "mail"
from = "Operations <ops@example.org>"
[contacts]
technical = ["tech@example.org"]
operators = ["oncall@example.org"]
[notice]
lead = "1s"
to = ["technical"]
operators = ["operators"]
"#;

/// The same, with nobody to wait for before an app is taken out of service.
pub fn mail_without_lead() -> String {
    FILE_MAIL.replace("lead = \"1s\"", "lead = \"0s\"")
}

/// An app whose hooks are the script `stage`, which is told which of them it is.
pub const STAGED_APP: &str = r#"
[app.shop]
window = "now"
enter = [{ run = ["stage", "enter"], timeout = "30s", grace = "1s" }]
leave = [{ run = ["stage", "leave"], timeout = "10s", grace = "1s" }]
"#;

/// What a command said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Runs it to its end.
    pub fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error} in: {}\n{}", self.out, self.err))
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }
}

pub struct Scene {
    pub dir: TempDir,
}

impl Scene {
    /// A folder with this configuration.
    pub fn new(toml: &str) -> Self {
        let scene = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        scene.write("windows.toml", toml);
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// An executable shell script beside the configuration.
    pub fn script(&self, name: &str, body: &str) {
        self.write(name, &format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The lines of a file, without waiting for it.
    pub fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }

    /// Waits for a line in a file.
    pub fn wait_line(&self, name: &str, wanted: &str) {
        until(&format!("{wanted:?} in {name}"), || {
            self.lines(name)
                .iter()
                .any(|line| line == wanted)
                .then_some(())
        });
    }

    /// Waits for a number in a file: a pid that a script wrote.
    pub fn wait_pid(&self, name: &str) -> i32 {
        until(&format!("a pid in {name}"), || {
            self.read(name)
                .strip_suffix('\n')
                .and_then(|pid| pid.trim().parse().ok())
        })
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offhours"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("OFFHOURS_CONFIG", self.path("windows.toml"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn offhours(&self, args: &[&str]) -> Said {
        self.offhours_with(args, &[])
    }

    pub fn offhours_with(&self, args: &[&str], env: &[(&str, &str)]) -> Said {
        let mut command = self.command(args);
        command.envs(env.iter().copied());
        Said::of(command)
    }

    /// Starts the daemon.
    pub fn run(&self) -> Daemon {
        self.run_with(&[], &[])
    }

    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Daemon {
        let mut all = vec!["run", "--json"];
        all.extend(args);
        let mut command = self.command(&all);
        command.envs(env.iter().copied());
        Daemon::start(command)
    }

    /// Starts the daemon and waits until it has begun.
    pub fn up(&self) -> Daemon {
        let daemon = self.run();
        daemon.wait("daemon_started", &[]);
        daemon
    }

    /// A mail that has been written, oldest first, by part of its text.
    pub fn mails(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .collect();
        files.sort_by_key(|path| {
            fs::metadata(path)
                .and_then(|meta| meta.modified())
                .unwrap_or(std::time::UNIX_EPOCH)
        });
        files
            .iter()
            .map(|path| fs::read_to_string(path).unwrap_or_default())
            .collect()
    }
}

/// One running daemon; it is killed with this value.
pub struct Daemon {
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
    err: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Daemon {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let err = Arc::new(Mutex::new(String::new()));
        let (heard, said) = (Arc::clone(&events), Arc::clone(&err));
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let readers = vec![
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                    heard.lock().unwrap().push(event);
                }
            }),
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(got @ 1..) = stderr.read(&mut piece) {
                    let text = String::from_utf8_lossy(&piece[..got]).into_owned();
                    said.lock().unwrap().push_str(&text);
                }
            }),
        ];
        Self {
            child,
            events,
            err,
            readers,
        }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap().clone()
    }

    pub fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// The names of the events, in order.
    pub fn names(&self) -> Vec<String> {
        let name = |e: &Value| e["event"].as_str().unwrap_or_default().to_owned();
        self.events().iter().map(name).collect()
    }

    /// The first event that looks like this, so far.
    pub fn find(&self, event: &str, with: &[(&str, &str)]) -> Option<Value> {
        self.all(event, with).into_iter().next()
    }

    /// All events that look like this, so far.
    pub fn all(&self, event: &str, with: &[(&str, &str)]) -> Vec<Value> {
        let fits = |e: &Value| {
            e["event"] == event
                && with.iter().all(|(key, value)| match &e[*key] {
                    Value::String(text) => text == value,
                    other => {
                        let shown = other.to_string();
                        shown == *value
                    }
                })
        };
        self.events().into_iter().filter(fits).collect()
    }

    /// Waits for an event.
    #[track_caller]
    pub fn wait(&self, event: &str, with: &[(&str, &str)]) -> Value {
        self.wait_nth(event, with, 1)
    }

    /// Waits for the n-th event that looks like this.
    #[track_caller]
    pub fn wait_nth(&self, event: &str, with: &[(&str, &str)], n: usize) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.all(event, with).into_iter().nth(n - 1) {
                return found;
            }
            assert!(
                Instant::now() < end,
                "waited in vain for {event} {with:?}\n{}",
                self.story()
            );
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// Waits for words on standard error.
    #[track_caller]
    pub fn wait_err(&self, words: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.err().contains(words) {
            assert!(
                Instant::now() < end,
                "waited in vain for {words:?}\n{}",
                self.story()
            );
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// What happened, for those who read a failure.
    pub fn story(&self) -> String {
        let events: Vec<String> = self.events().iter().map(ToString::to_string).collect();
        format!("events:\n{}\nstderr:\n{}", events.join("\n"), self.err())
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end; the exit code, or minus the signal.
    #[track_caller]
    pub fn ended(&mut self) -> i32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                for reader in self.readers.drain(..) {
                    let _ = reader.join();
                }
                return status
                    .code()
                    .unwrap_or_else(|| -status.signal().unwrap_or(0));
            }
            assert!(
                Instant::now() < end,
                "the daemon did not end\n{}",
                self.story()
            );
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// SIGTERM, and the exit code.
    #[track_caller]
    pub fn stop(&mut self) -> i32 {
        self.signal("TERM");
        self.ended()
    }

    /// SIGKILL, as a crash would have it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A child that does not outlive its test.
pub struct Kept(pub Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The value of a header of a mail, unfolded.
pub fn header(mail: &str, name: &str) -> Option<String> {
    let head = mail.replace("\r\n", "\n");
    let head = head.split("\n\n").next()?.replace("\n ", " ");
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// The calendar part of a mail: unfolded lines, decoded where it is quoted-printable or base64.
pub fn calendar(mail: &str) -> Option<String> {
    let mail = mail.replace("\r\n", "\n");
    let at = mail.to_lowercase().find("content-type: text/calendar")?;
    let part = &mail[at..];
    let (head, body) = part.split_once("\n\n")?;
    let body = body.split("\n--").next()?;
    let body = if head.to_lowercase().contains("base64") {
        use base64::Engine;
        let packed: String = body.split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(packed)
            .ok()?;
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
    } else {
        body.replace("=\n", "").replace("=3D", "=")
    };
    Some(body.replace("\n ", ""))
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An answer of the page: status and text.
pub fn get(port: u16, host: &str, path: &str, more: &str) -> Option<(u16, String)> {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let code = answer.split(' ').nth(1)?.parse().ok()?;
    Some((code, answer))
}
