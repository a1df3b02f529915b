//! What operators ask for: through the daemon, and without one.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use crate::scene::{Said, Scene, mail_without_lead, once, until};

/// A night that begins after so many seconds; what is asked for only, and what is done every night.
pub fn scene(from: i64, until: i64) -> Scene {
    let toml = format!(
        r#"
{}
{}
[app.shop]
window = "now"
enter = [{{ run = ["stage", "enter"], timeout = "5s", grace = "1s" }}]
leave = [{{ run = ["stage", "leave"], timeout = "5s", grace = "1s" }}]
[maintenance.nightly]
app = "shop"
every = "window"
run = ["stage", "nightly"]
timeout = "30s"
grace = "1s"
[maintenance.wanted]
app = "shop"
every = "request"
run = ["stage", "wanted"]
timeout = "5s"
grace = "1s"
[periodic.tick]
schedule = "* * * * * *"
script = "echo tick >> ticks"
timeout = "5s"
"#,
        mail_without_lead(),
        once(from, until)
    );
    let scene = Scene::new(&toml);
    scene.script(
        "stage",
        "echo \"$1\" >> order; while [ -e \"hold.$1\" ]; do sleep 0.05; done",
    );
    scene
}

pub fn ask(scene: &Scene, command: &[&str]) -> Said {
    let mut all = command.to_vec();
    all.extend(["--reason", "because of the fair"]);
    scene.offhours(&all)
}

/// The session that is known by now.
fn session(scene: &Scene) -> String {
    until("a session", || {
        let status = scene.offhours(&["status", "--json"]).json();
        let announced = status["next"][0]["announcement"]["accepted"].as_u64();
        let id = status["next"][0]["session"].as_str().map(str::to_owned);
        id.filter(|_| announced > Some(0))
    })
}

#[test]
fn a_cancelled_session_does_not_take_place_and_people_are_told_why() {
    let scene = scene(3600, 7200);
    let mut daemon = scene.up();
    let id = session(&scene);
    let dry = ask(&scene, &["cancel", &id, "--dry-run"]).expect(0);
    assert!(
        dry.out.contains("nothing was done") && dry.out.contains("tech@example.org"),
        "{}",
        dry.out
    );
    assert!(daemon.find("session_closed", &[]).is_none());
    let done = ask(&scene, &["cancel", &id]).expect(0);
    assert!(done.out.contains("because of the fair"), "{}", done.out);
    daemon.wait("session_closed", &[("outcome", "cancelled")]);
    until("the mail", || {
        let mails = scene.mails("mail");
        let told = |mail: &String| mail.contains("METHOD:CANCEL") || mail.contains("method=CANCEL");
        mails.iter().any(told).then_some(())
    });
    let history = scene.offhours(&["history"]).expect(0);
    assert!(
        history.out.contains(&format!("cancel {id}"))
            && history.out.contains("because of the fair ("),
        "{}",
        history.out
    );
    let again = ask(&scene, &["cancel", &id]).expect(2);
    assert!(again.err.contains("there is no session"), "{}", again.err);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn cancelled_in_maintenance_the_app_comes_back_at_once() {
    let scene = scene(1, 600);
    scene.write("hold.nightly", "");
    let mut daemon = scene.up();
    scene.wait_line("order", "nightly");
    let status = scene.offhours(&["status", "--json"]).json();
    let id = status["apps"][0]["session"].as_str().unwrap().to_owned();
    let put_off = ask(&scene, &["postpone", &id]).expect(5);
    assert!(put_off.err.contains("in maintenance"), "{}", put_off.err);
    ask(&scene, &["leave", "shop"]).expect(0);
    daemon.wait("session_closed", &[("outcome", "cancelled")]);
    assert_eq!(scene.lines("order"), ["enter", "nightly", "leave"]);
    let nothing = ask(&scene, &["leave", "shop"]).expect(5);
    assert!(
        nothing.err.contains("is not in maintenance"),
        "{}",
        nothing.err
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_request_runs_once_in_the_next_window() {
    let scene = scene(4, 600);
    let mut daemon = scene.up();
    let refused = ask(&scene, &["request", "wantd"]).expect(2);
    assert!(
        refused.err.contains("did you mean wanted?"),
        "{}",
        refused.err
    );
    let dry = ask(&scene, &["request", "wanted", "--dry-run"]).expect(0);
    assert!(dry.out.contains("wanted runs in shop/now/"), "{}", dry.out);
    ask(&scene, &["request", "wanted"]).expect(0);
    ask(&scene, &["request", "wanted"]).expect(0);
    let status = scene.offhours(&["status"]);
    assert!(
        status.out.contains("requested wanted since"),
        "{}",
        status.out
    );
    daemon.wait("session_closed", &[("outcome", "succeeded")]);
    let order = scene.lines("order");
    assert_eq!(
        order.iter().filter(|line| *line == "wanted").count(),
        1,
        "{order:?}"
    );
    let status = scene.offhours(&["status", "--json"]).json();
    assert_eq!(status["requested"].as_array().map(Vec::len), Some(0));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_emergency_is_told_and_begins_at_once() {
    let scene = scene(3600, 7200);
    let alone = ask(&scene, &["request", "wanted", "--emergency"]).expect(5);
    assert!(alone.err.contains("needs the daemon"), "{}", alone.err);
    let mut daemon = scene.up();
    let dry = ask(&scene, &["request", "wanted", "--emergency", "--dry-run"]).expect(0);
    assert!(
        dry.out.contains("told (advance): ") && dry.out.contains("tech@example.org"),
        "{}",
        dry.out
    );
    assert!(scene.lines("order").is_empty());
    ask(&scene, &["request", "wanted", "--emergency"]).expect(0);
    let closed = daemon.wait("session_closed", &[("window", "emergency")]);
    assert_eq!(closed["outcome"], "succeeded");
    assert_eq!(scene.lines("order"), ["enter", "wanted", "leave"]);
    let mail = until("the mail", || {
        let mails = scene.mails("mail");
        mails.into_iter().find(|mail| mail.contains("/emergency/"))
    });
    assert!(mail.contains("because of the fair"), "{mail}");
    // Once; what is planned stays as it is.
    let status = scene.offhours(&["status", "--json"]).json();
    assert_eq!(status["requested"].as_array().map(Vec::len), Some(0));
    assert!(session(&scene).contains("/now/"));
    assert_eq!(
        daemon
            .all("session_opened", &[("window", "emergency")])
            .len(),
        1
    );
    ask(&scene, &["pause", "shop"]).expect(0);
    let paused = ask(&scene, &["request", "wanted", "--emergency"]).expect(5);
    assert!(paused.err.contains("resume it first"), "{}", paused.err);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_needs_consent_waits_for_another() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: another user is needed to approve");
        return;
    }
    let scene = scene(3600, 7200);
    std::fs::set_permissions(scene.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let toml = scene.read("windows.toml");
    let socket = scene.path("control.sock");
    let control = format!(
        "[control]\nsocket = {socket:?}\ngroup = \"70002\"\nroles = {{ leads = [\"70001\", \"70003\"] }}\n"
    );
    let held = "every = \"request\"\napproval = \"leads\"";
    let toml = toml.replace("every = \"request\"", held);
    scene.write("windows.toml", &format!("{toml}{control}"));
    let mut daemon = scene.up();
    // As a user of the group that may open the socket; the file and its folder can be read by all.
    let by = |uid: u32, command: &[&str]| {
        let mut command = scene.command(command);
        std::os::unix::process::CommandExt::uid(&mut command, uid);
        std::os::unix::process::CommandExt::gid(&mut command, 70_002);
        Said::of(command)
    };
    let emergency = ["request", "wanted", "--emergency", "--reason", "it burns"];
    by(70_001, &emergency).expect(0);
    let status = scene.offhours(&["status"]);
    assert!(status.out.contains("waits for leads"), "{}", status.out);
    let own = by(70_001, &["approve", "wanted"]).expect(5);
    assert!(own.err.contains("another has to approve"), "{}", own.err);
    let root = scene.offhours(&["approve", "wanted"]).expect(5);
    assert!(root.err.contains("is approved by leads"), "{}", root.err);
    let stranger = by(70_004, &["approve", "wanted"]).expect(5);
    assert!(stranger.err.contains("has no role"), "{}", stranger.err);
    assert!(scene.lines("order").is_empty());
    by(70_003, &["approve", "wanted", "--reason", "so be it"]).expect(0);
    daemon.wait("session_closed", &[("window", "emergency")]);
    assert_eq!(scene.lines("order"), ["enter", "wanted", "leave"]);
    let history = scene.offhours(&["history"]).expect(0);
    assert!(
        history.out.contains("so be it (uid 70003)"),
        "{}",
        history.out
    );
    let again = by(70_003, &["approve", "wanted"]).expect(5);
    assert!(again.err.contains("waits to be approved"), "{}", again.err);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_restart_waits_until_nothing_is_under_way() {
    let scene = scene(1, 600);
    scene.write("hold.nightly", "");
    let none = scene.offhours(&["restart", "--when-idle"]).expect(4);
    assert!(none.err.contains("control.sock"), "{}", none.err);
    scene.offhours(&["restart"]).expect(2);
    let ear = scene.path("notify");
    let _ear = std::os::unix::net::UnixDatagram::bind(&ear).unwrap();
    let mut daemon = scene.run_with(&[], &[("NOTIFY_SOCKET", ear.to_str().unwrap())]);
    scene.wait_line("order", "nightly");
    let asked = scene.offhours(&["restart", "--when-idle"]).expect(0);
    assert!(
        asked.out.contains("shop is in maintenance"),
        "{}",
        asked.out
    );
    std::fs::remove_file(scene.path("hold.nightly")).unwrap();
    assert_eq!(daemon.ended(), 0);
    assert_eq!(scene.lines("order"), ["enter", "nightly", "leave"]);
    let status = scene.offhours(&["status", "--json"]).json();
    assert_eq!(status["apps"][0]["state"], "in_service", "{status}");
}

#[test]
fn without_the_state_its_leave_hooks_bring_an_app_back() {
    let scene = scene(1, 600);
    scene.write("hold.nightly", "");
    let mut daemon = scene.up();
    scene.wait_line("order", "nightly");
    let running = ["leave", "shop", "--without-state"];
    let refused = scene.offhours(&running).expect(5);
    assert!(refused.err.contains("a daemon runs"), "{}", refused.err);
    daemon.kill();
    scene.write("order", "");
    for entry in std::fs::read_dir(scene.path("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "db") {
            std::fs::write(path, vec![7; 8192]).unwrap();
        }
    }
    let dry = scene
        .offhours(&["leave", "shop", "--without-state", "--dry-run"])
        .expect(0);
    assert!(dry.out.contains("leave hook"), "{}", dry.out);
    assert!(scene.lines("order").is_empty());
    scene.offhours(&running).expect(0);
    assert_eq!(scene.lines("order"), ["leave"]);
    scene
        .offhours(&["leave", "shp", "--without-state"])
        .expect(2);
}

#[test]
fn while_everything_is_paused_nothing_begins() {
    let scene = scene(3, 600);
    let mut daemon = scene.up();
    daemon.wait("run_ended", &[("job", "tick")]);
    ask(&scene, &["pause"]).expect(0);
    until("what runs to end", || {
        let status = scene.offhours(&["status", "--json"]).json();
        (status["running"].as_array().map(Vec::len) == Some(0)).then_some(())
    });
    let ticks = daemon.all("run_started", &[("job", "tick")]).len();
    daemon.wait("run_deferred", &[("reason", "paused")]);
    let explained = scene.offhours(&["explain", "nightly"]);
    assert!(explained.out.contains("paused by"), "{}", explained.out);
    let status = scene.offhours(&["status"]);
    assert!(
        status
            .out
            .contains("paused everything until somebody resumes it: because of the fair"),
        "{}",
        status.out
    );
    let monitor = scene.offhours(&["monitor"]).expect(1);
    assert!(
        monitor
            .out
            .starts_with("OFFHOURS WARNING - everything is paused"),
        "{}",
        monitor.out
    );
    assert!(
        monitor.out.trim_end().ends_with("paused=1"),
        "{}",
        monitor.out
    );
    assert_eq!(monitor.out.lines().count(), 1);
    until("the opening", || {
        let status = scene.offhours(&["status", "--json"]).json();
        (status["windows"]["windows"][0]["open"] == true).then_some(())
    });
    daemon.wait("session_announced", &[]);
    assert_eq!(daemon.all("run_started", &[("job", "tick")]).len(), ticks);
    assert!(daemon.find("session_starting", &[]).is_none());
    scene.offhours(&["resume"]).expect(0);
    daemon.wait("session_closed", &[("outcome", "succeeded")]);
    scene.offhours(&["resume"]).expect(5);
    let monitor = scene.offhours(&["monitor"]).expect(0);
    assert!(
        monitor.out.starts_with("OFFHOURS OK - all is well | "),
        "{}",
        monitor.out
    );
    assert_eq!(daemon.stop(), 0);
    let monitor = scene.offhours(&["monitor"]).expect(2);
    assert!(
        monitor.out.starts_with("OFFHOURS CRITICAL - the daemon"),
        "{}",
        monitor.out
    );
    let wrong = ["monitor", "--notices-warning", "often"];
    let monitor = scene.offhours(&wrong).expect(3);
    assert!(
        monitor.out.starts_with("OFFHOURS UNKNOWN - "),
        "{}",
        monitor.out
    );
}

#[test]
fn without_a_daemon_it_is_recorded_and_followed_by_the_next() {
    let scene = scene(3600, 7200);
    let mut daemon = scene.up();
    let id = session(&scene);
    assert_eq!(daemon.stop(), 0);
    let done = ask(&scene, &["cancel", &id]).expect(0);
    assert!(done.out.contains("no daemon runs"), "{}", done.out);
    let mut daemon = scene.up();
    daemon.wait("session_closed", &[("outcome", "cancelled")]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_is_said_to_the_socket_is_hostile() {
    let scene = scene(3600, 7200);
    let mut daemon = scene.up();
    let say = |text: &[u8]| {
        let mut stream = UnixStream::connect(scene.path("state/control.sock")).unwrap();
        stream.write_all(text).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let pause = r#"{"do":"ask","wish":{"wish":"pause","app":"shop"},"reason":"a\u001b[2J\r\nSubject: b","dry_run":false}"#;
    let answer = say(format!("{pause}\n").as_bytes());
    assert!(
        answer.contains("\"done\"") && !answer.contains('\u{1b}'),
        "{answer}"
    );
    for nonsense in [&b"{}\n"[..], b"\n", b"\xff\xfe\n", b"{\"do\":\"ask\"}\n"] {
        let answer = say(nonsense);
        assert!(answer.contains("refused"), "{answer}");
    }
    let long = format!("{}\n", pause.replace("Subject", &"x".repeat(2_000)));
    assert!(say(long.as_bytes()).contains("longer than"));
    // Those that say nothing keep nobody out.
    let _silent: Vec<UnixStream> = (0..40)
        .map(|_| UnixStream::connect(scene.path("state/control.sock")).unwrap())
        .collect();
    scene.offhours(&["resume", "shop"]).expect(0);
    assert_eq!(daemon.stop(), 0);
}
