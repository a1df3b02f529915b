//! What the daemon says, as programs read it: entries of the journal, and lines of JSON.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::scene::{Kept, Scene, free_port, get, once, until};

const PASSWORD: &str = "correct-horse-battery-staple";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A mail server that is not there, a session to be told of, and a job; with a password and a token.
fn scene(mail: u16, http: u16) -> Scene {
    let scene = Scene::new(&format!(
        r#"
[http]
listen = ["127.0.0.1:{http}"]
token_file = "token"
[mail]
transport = "smtp"
host = "127.0.0.1"
port = {mail}
from = "ops@example.org"
username = "ops"
password_file = "password"
[contacts]
technical = ["tech@example.org"]
[notice]
lead = "1s"
to = ["technical"]
operators = ["technical"]
{}
[app.shop]
window = "now"
[maintenance.update]
app = "shop"
every = "window"
run = ["true"]
timeout = "5s"
grace = "1s"
[periodic.tick]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
"#,
        once(100, 200)
    ));
    for (name, secret) in [("password", PASSWORD), ("token", TOKEN)] {
        scene.write(name, &format!("{secret}\n"));
        fs::set_permissions(scene.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    scene
}

/// SIGTERM, and all is well.
fn stop(mut child: Kept) {
    let pid = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.0.wait().unwrap().success());
}

type Fields = BTreeMap<String, String>;

/// An entry in the journal's own form: names, lengths, values.
fn fields(mut bytes: &[u8]) -> Fields {
    let mut fields = Fields::new();
    while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
        let name = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let (length, rest) = bytes[end + 1..].split_at(8);
        let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
        let value = String::from_utf8_lossy(&rest[..length]).into_owned();
        fields.insert(name, value);
        bytes = &rest[length + 1..];
    }
    fields
}

/// Stands in for journald.
struct Journal(Arc<Mutex<Vec<Fields>>>);

impl Journal {
    fn listen(scene: &Scene) -> Self {
        fs::create_dir(scene.path("journal")).unwrap();
        let socket = UnixDatagram::bind(scene.path("journal/socket")).unwrap();
        let entries = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&entries);
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 20];
            // Ends with the process of the test.
            while let Ok(length) = socket.recv(&mut bytes) {
                heard.lock().unwrap().push(fields(&bytes[..length]));
            }
        });
        Self(entries)
    }

    fn all(&self) -> Vec<Fields> {
        self.0.lock().unwrap().clone()
    }

    fn wait(&self, what: &str, fits: impl Fn(&Fields) -> bool) -> Fields {
        until(what, || self.all().into_iter().find(|entry| fits(entry)))
    }
}

/// The program where the journal is what stands in for it: in a mount namespace of its own. None where none can be made.
fn beside_the_journal(scene: &Scene) -> Option<Kept> {
    let out = File::create(scene.path("out")).unwrap();
    let meta = out.metadata().unwrap();
    let enter = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal \
                 && mount --bind \"$1\" /run/systemd/journal || exit 77; shift; exec \"$@\"";
    let plain = scene.command(&["run"]);
    let unshared = |program: &[&std::ffi::OsStr]| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", enter, "sh"])
            .arg(scene.path("journal"))
            .args(program)
            .current_dir(scene.dir.path())
            .stdin(Stdio::null());
        command
    };
    let tried = unshared(&["true".as_ref()]).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        assert!(std::env::var("CI").is_err(), "no mount namespaces");
        eprintln!("\n*** SKIPPED: no mount namespace can be made (as root: unshare --mount) ***\n");
        return None;
    }
    let program: Vec<_> = std::iter::once(plain.get_program())
        .chain(plain.get_args())
        .collect();
    let mut command = unshared(&program);
    command.env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
        .env("OFFHOURS_LOG", "trace")
        .env("JOURNAL_STREAM", format!("{}:{}", meta.dev(), meta.ino()))
        .stdout(Stdio::from(out.try_clone().unwrap()))
        .stderr(Stdio::from(out));
    Some(Kept(command.spawn().unwrap()))
}

#[test]
fn the_journal_gets_fields() {
    let (mail, http) = (free_port(), free_port());
    let scene = scene(mail, http);
    let journal = Journal::listen(&scene);
    let Some(child) = beside_the_journal(&scene) else {
        return;
    };
    let has = |entry: &Fields, name: &str, value: &str| {
        entry
            .get(&format!("OFFHOURS_{name}"))
            .is_some_and(|v| v == value)
    };
    let ended = journal.wait("the end of a run", |entry| {
        has(entry, "EVENT", "run_ended") && has(entry, "JOB", "tick")
    });
    assert!(has(&ended, "OUTCOME", "succeeded"), "{ended:?}");
    assert!(ended["OFFHOURS_RUN"].parse::<u64>().is_ok(), "{ended:?}");
    assert!(ended["OFFHOURS_DUE"].ends_with('Z'), "{ended:?}");
    assert_eq!(ended["PRIORITY"], "6");
    assert_eq!(ended["SYSLOG_IDENTIFIER"], "offhours");
    assert!(
        ended["MESSAGE"].starts_with("run ended: tick on local"),
        "{ended:?}"
    );

    let delayed = journal.wait("a notice that stays", |entry| {
        has(entry, "EVENT", "notice_delayed") && has(entry, "APP", "shop")
    });
    assert!(
        delayed["OFFHOURS_SESSION"].starts_with("shop/now/"),
        "{delayed:?}"
    );
    assert!(
        has(&delayed, "RECIPIENT", "tech@example.org"),
        "{delayed:?}"
    );
    assert_eq!(delayed["PRIORITY"], "4");

    // What is no event, but logged: whoever reads messages alone sees the values, too.
    let logged = journal.wait("the line of a mail", |entry| {
        has(entry, "TARGET", "offhours::mail::mailer") && entry["MESSAGE"].starts_with("mail id=")
    });
    assert_eq!(logged["OFFHOURS_SESSION"], delayed["OFFHOURS_SESSION"]);
    assert!(has(&logged, "ANSWER", "temporary"), "{logged:?}");
    assert!(logged["MESSAGE"].contains("answer=temporary"), "{logged:?}");

    // The diagnosis says the same, in words.
    let status = |more: &str| -> Value {
        let (_, answer) = get(http, "localhost", "/status", more).unwrap();
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    };
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let known = until("a diagnosis", || {
        let known = status(&token);
        known["mail"]["failing_since"].is_string().then_some(known)
    });
    let said = known["mail"]["text"].as_str().unwrap();
    assert!(
        said.starts_with(&format!("cannot reach 127.0.0.1:{mail} since ")),
        "{said}"
    );
    assert!(
        said.contains(": connection refused (127.0.0.1); "),
        "{said}"
    );
    let public = status("")["mail"]["text"].as_str().unwrap().to_owned();
    assert!(
        public.starts_with("no mail has been accepted since "),
        "{public}"
    );
    assert!(!public.contains("127.0.0.1"), "{public}");

    stop(child);
    journal.wait("its last word", |entry| {
        has(entry, "EVENT", "daemon_stopped")
    });
    let out = scene.read("out");
    assert!(out.is_empty(), "said twice: {out}");
    for entry in journal.all() {
        let text = format!("{entry:?}");
        assert!(!text.contains(PASSWORD) && !text.contains(TOKEN), "{text}");
    }
}

#[test]
fn every_line_is_json_where_that_is_wanted() {
    let scene = scene(free_port(), free_port());
    let mut command = scene.command(&["run"]);
    command
        .env("OFFHOURS_LOG", "trace")
        .env("OFFHOURS_LOG_FORMAT", "json")
        .stdout(Stdio::from(File::create(scene.path("out")).unwrap()))
        .stderr(Stdio::from(File::create(scene.path("err")).unwrap()));
    let child = Kept(command.spawn().unwrap());
    until("a run and a mail", || {
        let ran = scene.read("out").contains("run_ended");
        let mailed = scene.read("err").contains("\"answer\"");
        (ran && mailed).then_some(())
    });
    stop(child);
    let lines = |name: &str| -> Vec<Value> {
        let text = scene.read(name);
        assert!(!text.contains(PASSWORD) && !text.contains(TOKEN), "{text}");
        let parse = |line: &str| serde_json::from_str(line).expect(line);
        text.lines().map(parse).collect()
    };
    let events = lines("out");
    assert!(events.iter().all(|line| line["event"].is_string()));
    let logged = lines("err");
    for line in &logged {
        for key in ["timestamp", "level", "target"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        let at = line["timestamp"].as_str().unwrap();
        assert!(at.parse::<jiff::Timestamp>().is_ok(), "{line}");
    }
    let mail = logged
        .iter()
        .find(|line| line["message"] == "mail")
        .unwrap();
    assert_eq!(mail["level"], "WARN", "{mail}");
    assert_eq!(mail["recipient"], "tech@example.org", "{mail}");
    assert!(
        mail["session"].as_str().unwrap().starts_with("shop/now/"),
        "{mail}"
    );
}

#[test]
fn another_word_for_it_is_told_and_keeps_nothing_from_running() {
    let scene = Scene::new(
        "[periodic.tick]\nschedule = \"* * * * *\"\nrun = [\"true\"]\ntimeout = \"5s\"\n",
    );
    let mut daemon = scene.run_with(&[], &[("OFFHOURS_LOG_FORMAT", "yaml")]);
    daemon.wait_err("OFFHOURS_LOG_FORMAT is neither json nor text");
    daemon.wait("daemon_started", &[]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_journal_that_stands_still_holds_up_nobody() {
    let http = free_port();
    let scene = scene(free_port(), http);
    fs::create_dir(scene.path("journal")).unwrap();
    let silent = UnixDatagram::bind(scene.path("journal/socket")).unwrap();
    let filling = UnixDatagram::unbound().unwrap();
    filling.set_nonblocking(true).unwrap();
    // Until the next one would have to wait.
    while filling.send_to(b"x", scene.path("journal/socket")).is_ok() {}
    let Some(child) = beside_the_journal(&scene) else {
        return;
    };
    until("runs beside it", || {
        let (_, text) = get(http, "localhost", "/metrics", "")?;
        let series = r#"offhours_runs_total{job="tick",what="periodic",outcome="succeeded"} "#;
        let count = text.lines().find_map(|line| line.strip_prefix(series))?;
        (count.parse::<u32>().ok()? >= 3).then_some(())
    });
    stop(child);
    assert_eq!(scene.read("out"), "");
    drop(silent);
}
