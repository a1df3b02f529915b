//! Who may only look: a group that reads through the daemon, and a status that is followed.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::scene::{Said, Scene, mail_without_lead, once, until};

/// A night that has begun, whose job waits for its file to go; and where a group may look.
fn scene() -> Scene {
    let scene = Scene::new("");
    let socket = scene.path("control.sock");
    let toml = format!(
        r#"
{}
{}
[control]
socket = {socket:?}
group = "70002"
[app.shop]
window = "now"
[maintenance.nightly]
app = "shop"
every = "window"
script = "echo begun; while [ -e hold ]; do sleep 0.05; done"
timeout = "100s"
grace = "1s"
"#,
        mail_without_lead(),
        once(1, 600)
    );
    scene.write("windows.toml", &toml);
    scene.write("hold", "");
    scene
}

/// Whether this is skipped.
fn alone() -> bool {
    let alone = !rustix::process::geteuid().is_root();
    if alone {
        eprintln!("skipped: another user is needed to look");
    }
    alone
}

fn set(scene: &Scene, name: &str, mode: u32) {
    std::fs::set_permissions(scene.path(name), PermissionsExt::from_mode(mode)).unwrap();
}

/// Others get as far as the socket and the configuration.
fn hide_state(scene: &Scene) {
    set(scene, "", 0o755);
    set(scene, "state", 0o700);
}

fn by(scene: &Scene, (uid, gid): (u32, u32), args: &[&str]) -> Command {
    let mut command = scene.command(args);
    command.uid(uid).gid(gid);
    command
}

#[test]
fn a_group_reads_through_the_daemon_what_it_cannot_read_itself() {
    if alone() {
        return;
    }
    let scene = scene();
    let mut daemon = scene.up();
    daemon.wait("run_started", &[]);
    hide_state(&scene);
    let group = (70_004, 70_002);
    let says = |args: &[&str]| Said::of(by(&scene, group, args));
    let status = says(&["status", "--json"]).expect(0).json();
    assert_eq!(status["apps"][0]["state"], "in_maintenance", "{status}");
    let shown = says(&["status"]).expect(0);
    assert!(shown.out.contains("nightly"), "{}", shown.out);
    until("its output", || {
        let logs = says(&["logs", "nightly"]);
        logs.out.contains("begun").then_some(())
    });
    assert!(says(&["plan"]).expect(0).out.contains("nightly"));
    let explained = says(&["explain", "nightly"]).expect(0);
    assert!(explained.out.contains("nightly"), "{}", explained.out);
    let monitor = says(&["monitor"]).expect(0);
    assert!(monitor.out.contains("OFFHOURS OK"), "{}", monitor.out);
    // Refusals come through as they are.
    let unknown = says(&["explain", "nghtly"]).expect(2);
    assert!(unknown.err.contains("nightly"), "{}", unknown.err);
    std::fs::remove_file(scene.path("hold")).unwrap();
    daemon.wait("session_closed", &[]);
    let history = says(&["history", "--job", "nightly", "--since", "today"]).expect(0);
    assert!(history.out.contains("succeeded"), "{}", history.out);
    let none = says(&["history", "nightly", "--since", "tomorrow"]).expect(0);
    assert!(none.out.contains("nothing is recorded"), "{}", none.out);

    // Where even the configuration is not theirs, they say where the socket is.
    set(&scene, "windows.toml", 0o600);
    let socket = scene.path("control.sock");
    let mut command = by(&scene, group, &["status"]);
    command.env("OFFHOURS_CONTROL__SOCKET", &socket);
    let shown = Said::of(command).expect(0);
    assert!(shown.out.contains("all is well"), "{}", shown.out);
    set(&scene, "windows.toml", 0o644);

    // Others read nothing, and are told why.
    let stranger = Said::of(by(&scene, (70_005, 70_005), &["status"])).expect(4);
    assert!(stranger.err.contains("may not read"), "{}", stranger.err);
    let stranger = Said::of(by(&scene, (70_005, 70_005), &["monitor"])).expect(3);
    assert!(stranger.out.contains("UNKNOWN"), "{}", stranger.out);
    assert_eq!(daemon.stop(), 0);
    let gone = says(&["status"]).expect(4);
    assert!(gone.err.contains("control.sock"), "{}", gone.err);
}

#[test]
fn one_user_with_many_commands_keeps_no_other_out() {
    if alone() {
        return;
    }
    let scene = scene();
    let mut daemon = scene.up();
    hide_state(&scene);
    let socket = scene.path("control.sock");
    // Each says what it wants, and waits for an event that may be long in coming.
    let many = format!(
        "import socket,time\n\
         held=[socket.socket(socket.AF_UNIX) for n in range(60)]\n\
         def say(s):\n\
         \x20s.connect({socket:?})\n\
         \x20try: s.sendall(b'{{\"do\":\"next\"}}\\n')\n\
         \x20except BrokenPipeError: pass\n\
         for s in held: say(s)\n\
         print(sum(b'too many' in s.recv(200) for s in held[30:]), flush=True)\n\
         time.sleep(600)\n"
    );
    let mut hostile = Command::new("python3")
        .args(["-c", &many])
        .uid(70_006)
        .gid(70_002)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(hostile.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "30", "those that were turned away");
    assert!(UnixStream::connect(&socket).is_ok());
    let other = Said::of(by(&scene, (70_004, 70_002), &["status", "--json"]));
    assert!(other.expect(0).out.contains("shop"));
    let paused = ["pause", "shop", "--reason", "to see who comes through"];
    scene.offhours(&paused).expect(0);
    hostile.kill().unwrap();
    hostile.wait().unwrap();
    std::fs::remove_file(scene.path("hold")).unwrap();
    assert_eq!(daemon.stop(), 0);
}

/// A command that goes on until it is killed.
struct Following(Child, BufReader<ChildStdout>);

impl Following {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.1.read_line(&mut line).unwrap() > 0, "it ended");
        line
    }

    /// The first object for which this holds.
    fn object(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let value = serde_json::from_str(&self.line()).unwrap();
            if holds(&value) {
                return value;
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_status_is_followed_with_every_change() {
    let scene = scene();
    let mut daemon = scene.up();
    daemon.wait("run_started", &[]);
    let mut json = Following::start(scene.command(&["status", "--follow", "--json"]));
    let app = |word: &'static str| move |status: &Value| status["apps"][0]["state"] == word;
    json.object(app("in_maintenance"));
    // As a terminal sees it: from the top, with a bar of the time that was used.
    let terminal = ["status", "--follow", "--columns", "100"];
    let mut screen = Following::start(scene.command(&terminal));
    assert!(screen.line().starts_with("\u{1b}[H"));
    let bar = loop {
        let line = screen.line();
        if line.contains("run ") {
            break line;
        }
    };
    assert!(bar.contains("nightly") && bar.contains('░'), "{bar}");
    let mut through = (!alone()).then(|| {
        hide_state(&scene);
        let command = by(&scene, (70_004, 70_002), &["status", "--follow", "--json"]);
        let mut through = Following::start(command);
        through.object(app("in_maintenance"));
        through
    });
    std::fs::remove_file(scene.path("hold")).unwrap();
    json.object(app("in_service"));
    if let Some(through) = &mut through {
        through.object(app("in_service"));
    }
    assert_eq!(daemon.stop(), 0);
    json.object(|status| status["daemon"]["running"] == false);
}
