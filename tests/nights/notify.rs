//! What systemd is told, and what a reload does.

use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

use crate::scene::{Daemon, FILE_MAIL, Scene, in_seconds, mail_without_lead, once, until};

/// A service manager's ear.
struct Ear {
    heard: Arc<Mutex<Vec<String>>>,
    path: String,
}

impl Ear {
    fn new(scene: &Scene) -> Self {
        let path = scene.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(got) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..got]).into_owned();
                into.lock().unwrap().push(text);
            }
        });
        Self {
            heard,
            path: path.to_str().unwrap().to_owned(),
        }
    }

    fn all(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn count(&self, words: &str) -> usize {
        self.all()
            .iter()
            .filter(|text| text.contains(words))
            .count()
    }

    fn wait(&self, words: &str, n: usize) {
        until(&format!("{words} for the {n}. time"), || {
            (self.count(words) >= n).then_some(())
        });
    }

    fn run(&self, scene: &Scene, more: &[(&str, &str)]) -> Daemon {
        let mut env = vec![("NOTIFY_SOCKET", self.path.as_str())];
        env.extend(more);
        scene.run_with(&[], &env)
    }
}

const TICK: &str = "[periodic.tick]\nschedule = \"* * * * * *\"\nscript = \"env > env; sleep 0.3\"\ntimeout = \"5s\"\n";

#[test]
fn ready_status_watchdog_and_stopping() {
    let scene = Scene::new(TICK);
    let ear = Ear::new(&scene);
    let mut daemon = ear.run(&scene, &[("WATCHDOG_USEC", "600000")]);
    ear.wait("READY=1", 1);
    ear.wait("STATUS=", 2);
    ear.wait("WATCHDOG=1", 4);
    ear.wait("STATUS=1 run", 1);
    daemon.wait("run_ended", &[]);
    assert_eq!(daemon.stop(), 0);
    ear.wait("STOPPING=1", 1);
    // Jobs are not told of it.
    let env = scene.read("env");
    assert!(
        !env.contains("NOTIFY_SOCKET") && !env.contains("WATCHDOG"),
        "{env}"
    );
}

#[test]
fn a_reload_is_told_and_a_broken_file_changes_nothing() {
    let scene = Scene::new(TICK);
    let ear = Ear::new(&scene);
    let mut daemon = ear.run(&scene, &[]);
    ear.wait("READY=1", 1);
    scene.write("windows.toml", "[periodic.tick]\nschedule = \"nonsense\"\n");
    daemon.signal("HUP");
    ear.wait("RELOADING=1", 1);
    ear.wait("MONOTONIC_USEC=", 1);
    ear.wait("READY=1", 2);
    daemon.wait_err("stays as it was");
    assert!(daemon.err().contains("nonsense"), "{}", daemon.err());
    let before = daemon.all("run_ended", &[("job", "tick")]).len();
    daemon.wait_nth("run_ended", &[("job", "tick")], before + 2);

    let more = "[periodic.tock]\nschedule = \"* * * * * *\"\nrun = [\"true\"]\ntimeout = \"5s\"\n";
    scene.write("windows.toml", &format!("{TICK}{more}"));
    daemon.signal("HUP");
    ear.wait("READY=1", 3);
    daemon.wait("run_ended", &[("job", "tock"), ("outcome", "succeeded")]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_job_that_is_removed_after_it_was_announced_is_cancelled() {
    let later = once(60, 120);
    let app = "[app.shop]\nwindow = \"now\"\nenter = []\nleave = []\n";
    let job = |name: &str| {
        format!(
            "[maintenance.{name}]\napp = \"shop\"\nevery = \"window\"\nrun = [\"true\"]\ntimeout = \"5s\"\ngrace = \"1s\"\n"
        )
    };
    let scene = Scene::new(&format!("{FILE_MAIL}{later}{app}{}", job("update")));
    let mut daemon = scene.up();
    daemon.wait("session_announced", &[]);
    let other = format!(
        "[window.other]\nfrom = \"{}\"\nuntil = \"{}\"\n",
        in_seconds(300),
        in_seconds(600)
    );
    let moved = job("another").replace("every", "window = \"other\"\nevery");
    scene.write("old.toml", &scene.read("windows.toml"));
    scene.write(
        "windows.toml",
        &format!("{FILE_MAIL}{later}{other}{app}{moved}"),
    );
    // What will be sent is known beforehand.
    let words = ["plan", "--against", "old.toml", "--days", "1", "--json"];
    let against = scene.offhours(&words).json();
    let foretold: Vec<(&str, &str)> = against["notices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|notice| {
            let word = |key: &str| notice[key].as_str().unwrap();
            (word("kind"), word("recipient"))
        })
        .collect();
    assert_eq!(
        foretold,
        [
            ("cancelled", "tech@example.org"),
            ("advance", "tech@example.org")
        ]
    );
    daemon.signal("HUP");
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(
        (&closed["outcome"], &closed["reason"]),
        (&"cancelled".into(), &"removed".into())
    );
    daemon.wait("plan_changed", &[("window", "now"), ("text", "cancelled")]);
    daemon.wait("plan_changed", &[("window", "other"), ("text", "added")]);
    daemon.wait("notice_accepted", &[("kind", "cancelled")]);
    daemon.wait("session_announced", &[("window", "other")]);
    let mails = scene.mails("mail");
    let entries: Vec<String> = mails
        .iter()
        .filter_map(|mail| crate::scene::calendar(mail))
        .collect();
    let cancel = entries
        .iter()
        .find(|entry| entry.contains("METHOD:CANCEL"))
        .expect("a cancellation");
    let request = entries
        .iter()
        .find(|entry| entry.contains("METHOD:REQUEST"))
        .unwrap();
    let uid = |entry: &str| {
        entry
            .lines()
            .find(|line| line.starts_with("UID:"))
            .unwrap()
            .to_owned()
    };
    assert!(
        entries
            .iter()
            .any(|e| e.contains("METHOD:REQUEST") && uid(e) == uid(cancel)),
        "{request}"
    );
    assert!(cancel.contains("\nSEQUENCE:1"), "{cancel}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_only_a_start_changes_is_said() {
    let scene = Scene::new(TICK);
    let mut daemon = scene.up();
    scene.write(
        "windows.toml",
        &format!("[http]\nlisten = [\"127.0.0.1:1\"]\n[state]\ndir = \"elsewhere\"\n{TICK}"),
    );
    daemon.signal("HUP");
    daemon.wait_err("was read again");
    let err = daemon.err();
    for words in ["[state] dir", "[http]", "restart"] {
        assert!(err.contains(words), "{words}: {err}");
    }
    let before = daemon.all("run_ended", &[]).len();
    daemon.wait_nth("run_ended", &[], before + 1);
    assert!(!scene.path("elsewhere").exists());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_app_that_is_removed_while_in_maintenance_is_brought_back_as_recorded() {
    let window = once(3, 120);
    let mail = mail_without_lead();
    let scene = Scene::new(&format!(
        r#"
{mail}{window}{TICK}
[app.shop]
window = "now"
leave = [{{ script = "echo leave >> order", timeout = "5s", env = {{ OF = "the old file" }} }}]
[maintenance.update]
app = "shop"
every = "window"
script = "echo update >> order; while [ -e hold ]; do sleep 0.05; done; echo updated >> order"
timeout = "1m"
estimate = "1s"
grace = "1s"
"#
    ));
    scene.write("hold", "");
    let mut daemon = scene.up();
    scene.wait_line("order", "update");
    scene.write("windows.toml", &format!("{mail}{window}{TICK}"));
    daemon.signal("HUP");
    daemon.wait_err("was read again");
    // What runs is not disturbed.
    assert!(daemon.all("run_ended", &[("job", "update")]).is_empty());
    std::fs::remove_file(scene.path("hold")).unwrap();
    daemon.wait("session_closed", &[]);
    assert_eq!(scene.lines("order"), ["update", "updated", "leave"]);
    // And once more the daemon goes on.
    let before = daemon.all("run_ended", &[("job", "tick")]).len();
    daemon.wait_nth("run_ended", &[("job", "tick")], before + 1);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_app_that_is_removed_and_then_killed_is_brought_back_as_recorded() {
    let window = once(3, 120);
    let mail = mail_without_lead();
    let scene = Scene::new(&format!(
        r#"
{mail}{window}{TICK}
[app.shop]
window = "now"
leave = [{{ script = "echo leave >> order", timeout = "5s" }}]
[maintenance.update]
app = "shop"
every = "window"
script = "echo update >> order; sleep 600"
timeout = "1m"
estimate = "1s"
grace = "1s"
"#
    ));
    let mut daemon = scene.up();
    scene.wait_line("order", "update");
    daemon.kill();
    scene.write("windows.toml", TICK);
    let mut daemon = scene.up();
    daemon.wait("session_left", &[]);
    assert_eq!(scene.lines("order"), ["update", "leave"]);
    daemon.wait("session_closed", &[]);
    assert_eq!(daemon.stop(), 0);
}
