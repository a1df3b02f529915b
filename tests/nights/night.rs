//! One whole night: told, entered, worked, left, told again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::scene::{FILE_MAIL, Scene, calendar, header, once};
use crate::smtp::{Lab, SmtpServer};

fn at(event: &Value) -> Timestamp {
    event["at"].as_str().unwrap().parse().unwrap()
}

const ORDER: &str = r#"
[app.shop]
window = "now"
enter = [{ run = ["note", "enter-0"], timeout = "5s" }, { run = ["note", "enter-1"], timeout = "5s" }]
leave = [{ run = ["note", "leave-0"], timeout = "5s" }, { run = ["note", "leave-1"], timeout = "5s" }]
[maintenance.second]
app = "shop"
every = "window"
after = ["first"]
run = ["note", "second"]
timeout = "5s"
grace = "1s"
[maintenance.first]
app = "shop"
every = "window"
run = ["note", "first"]
timeout = "5s"
grace = "1s"
"#;

#[test]
fn a_whole_night() {
    let Some(lab) = Lab::find("a_whole_night") else {
        return;
    };
    let server = SmtpServer::start(&lab, &[]);
    let scene = Scene::new(&format!(
        r#"
name = "lab"
[mail]
transport = "smtp"
host = "127.0.0.1"
port = {}
tls = "none"
from = "Operations <ops@example.org>"
[contacts]
technical = ["tech@example.org", {{ email = "technik@example.org", language = "de", time_zone = "Europe/Berlin" }}]
[notice]
lead = "2s"
to = ["technical"]
{}{ORDER}"#,
        server.port,
        once(7, 60)
    ));
    scene.script(
        "note",
        "echo \"begin $1 $(date +%s%N)\" >> order\nenv | sort > env.$1\nsleep 0.2\necho \"end $1 $(date +%s%N)\" >> order",
    );
    let mut daemon = scene.run_with(
        &[],
        &[
            ("SECRET_OF_THE_DAEMON", "x"),
            ("CREDENTIALS_DIRECTORY", "/nonexistent"),
            ("OFFHOURS_MAIL__TIMEOUT", "20s"),
            ("LANG", "C.UTF-8"),
        ],
    );
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    let mails = server.wait_for(4, Duration::from_secs(20));
    assert_eq!(daemon.stop(), 0);

    // Told early enough: accepted at least the lead before the first hook.
    let entered = at(&daemon.find("enter_started", &[]).unwrap());
    let accepted = daemon.all("notice_accepted", &[("kind", "advance")]);
    assert_eq!(accepted.len(), 2, "{}", daemon.story());
    for told in &accepted {
        assert!(entered.duration_since(at(told)) >= SignedDuration::from_secs(2));
    }

    // In order, and never two at once.
    let order = scene.lines("order");
    let words: Vec<String> = order
        .iter()
        .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
        .collect();
    let expected: Vec<String> = [
        "enter-0", "enter-1", "first", "second", "leave-1", "leave-0",
    ]
    .iter()
    .flat_map(|name| [format!("begin {name}"), format!("end {name}")])
    .collect();
    assert_eq!(words, expected);
    let times: Vec<u128> = order
        .iter()
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(times.is_sorted());

    mails_are_one_thread(&mails);
    environments(&scene, closed["session"].as_str().unwrap());
}

/// One invitation and one word of the end to each of two people, in one thread each.
fn mails_are_one_thread(mails: &[Value]) {
    assert_eq!(mails.len(), 4);
    let mut uids = Vec::new();
    for person in ["tech@example.org", "technik@example.org"] {
        let own: Vec<&str> = mails
            .iter()
            .filter(|mail| mail["to"] == serde_json::json!([person]))
            .map(|mail| mail["data"].as_str().unwrap())
            .collect();
        assert_eq!(own.len(), 2, "{person}");
        let (advance, finished) = (own[0], own[1]);
        assert_eq!(
            header(advance, "to").map(|to| to.contains(person)),
            Some(true)
        );
        let entry = calendar(advance).expect("an invitation");
        assert!(entry.contains("METHOD:REQUEST"), "{entry}");
        assert!(entry.contains("\nSEQUENCE:0"), "{entry}");
        let uid = entry
            .lines()
            .find_map(|line| line.strip_prefix("UID:"))
            .expect("a UID");
        uids.push(uid.to_owned());
        assert!(!finished.contains("METHOD:REQUEST"));
        let first = header(advance, "message-id").unwrap();
        assert_eq!(header(finished, "in-reply-to"), Some(first.clone()));
        assert!(
            header(finished, "references").is_some_and(|all| all.contains(&first)),
            "{finished}"
        );
    }
    assert_eq!(uids[0], uids[1], "one calendar entry a session");
}

/// Exactly the contract.
fn environments(scene: &Scene, session: &str) {
    let mut common = vec![
        "PATH".to_owned(),
        "HOME".into(),
        "USER".into(),
        "LANG".into(),
        // The shell's own.
        "PWD".into(),
        "OLDPWD".into(),
        "SHLVL".into(),
        "_".into(),
    ];
    for name in [
        "EVENT", "APP", "WINDOW", "SESSION", "OPENS", "CLOSES", "HOST", "RUN",
    ] {
        common.push(format!("OFFHOURS_{name}"));
    }
    for (file, event, more) in [
        ("env.enter-0", "enter", &["JOBS"][..]),
        ("env.first", "run", &["JOB"]),
        ("env.leave-1", "leave", &["JOBS", "RESULT"]),
    ] {
        let env = scene.lines(file);
        let value = |name: &str| {
            env.iter()
                .find_map(|line| line.strip_prefix(&format!("OFFHOURS_{name}=")))
                .unwrap_or_else(|| panic!("{file} lacks {name}: {env:?}"))
        };
        assert_eq!(value("EVENT"), event);
        assert_eq!(value("APP"), "shop");
        assert_eq!(value("WINDOW"), "now");
        assert_eq!(value("SESSION"), session);
        assert_eq!(value("HOST"), "local");
        for instant in ["OPENS", "CLOSES"] {
            let text = value(instant);
            assert!(text.parse::<Timestamp>().is_ok() && text.ends_with('Z'));
        }
        for name in more {
            match *name {
                "JOBS" => assert_eq!(value("JOBS"), "first second"),
                "JOB" => assert_eq!(value("JOB"), "first"),
                "RESULT" => assert_eq!(value("RESULT"), "success"),
                _ => {}
            }
        }
        let allowed = |name: &str| {
            common.iter().any(|known| known == name)
                || more.iter().any(|m| name == format!("OFFHOURS_{m}"))
        };
        for line in &env {
            let name = line.split('=').next().unwrap();
            assert!(allowed(name), "{file}: {line} is none of its business");
        }
    }
}

/// One app whose only job is this, in a window of so many seconds.
fn one_job(job: &str) -> Scene {
    let scene = Scene::new(&format!(
        r#"
{FILE_MAIL}
{}
[app.shop]
window = "now"
enter = [{{ script = "echo enter >> order", timeout = "5s", grace = "1s" }}]
leave = [{{ script = "echo leave $OFFHOURS_RESULT >> order", timeout = "5s" }}]
[maintenance.update]
app = "shop"
every = "window"
timeout = "5s"
grace = "1s"
{job}
[maintenance.later]
app = "shop"
every = "window"
after = ["update"]
script = "echo later >> order"
timeout = "5s"
grace = "1s"
"#,
        once(3, 60)
    ));
    scene.script("exits", "echo update >> order; exit \"$(cat code)\"");
    scene
}

fn closed(scene: &Scene, code: &str) -> (crate::scene::Daemon, Value) {
    scene.write("code", code);
    let daemon = scene.up();
    let closed = daemon.wait("session_closed", &[]);
    (daemon, closed)
}

#[test]
fn a_failure_stops_the_rest_and_is_told() {
    let scene = one_job("run = [\"exits\"]");
    let (mut daemon, closed) = closed(&scene, "3");
    assert_eq!(closed["outcome"], "failed", "{}", daemon.story());
    assert_eq!(scene.lines("order"), ["enter", "update", "leave failure"]);
    let run = daemon.find("run_ended", &[("job", "update")]).unwrap();
    assert_eq!(run["exit_code"], 3);
    daemon.wait("alarm", &[("kind", "session_failed")]);
    daemon.wait(
        "notice_accepted",
        &[("kind", "failed"), ("recipient", "tech@example.org")],
    );
    daemon.wait(
        "notice_accepted",
        &[("kind", "operators"), ("recipient", "oncall@example.org")],
    );
    scene.offhours(&["status"]).expect(1);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_failure_may_be_passed_over() {
    let scene = one_job("run = [\"exits\"]\non_failure = \"continue\"");
    let (mut daemon, closed) = closed(&scene, "3");
    assert_eq!(closed["outcome"], "failed", "{}", daemon.story());
    let order = scene.lines("order");
    assert_eq!(order[..3], ["enter", "update", "later"]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn retries_count_and_are_bounded() {
    let scene = one_job("run = [\"exits\"]\nretry = { attempts = 2, backoff = \"1s\" }");
    let (mut daemon, closed) = closed(&scene, "3");
    assert_eq!(closed["outcome"], "failed", "{}", daemon.story());
    assert_eq!(
        daemon
            .all("run_ended", &[("job", "update"), ("outcome", "failed")])
            .len(),
        2
    );
    let order = scene.lines("order");
    assert_eq!(order, ["enter", "update", "update", "leave failure"]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn exit_code_69_postpones() {
    let scene = one_job("run = [\"exits\"]");
    let (mut daemon, closed) = closed(&scene, "69");
    let run = daemon.find("run_ended", &[("job", "update")]).unwrap();
    assert_eq!(
        (&run["outcome"], &run["reason"]),
        (&"postponed".into(), &"unavailable".into())
    );
    assert!(
        scene.lines("order").last().unwrap().starts_with("leave"),
        "{closed}"
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn exit_code_75_is_repeated_and_counts_as_no_attempt() {
    let scene = one_job("run = [\"exits\"]\nretry = { attempts = 1, backoff = \"1s\" }");
    scene.write("code", "75");
    let mut daemon = scene.up();
    daemon.wait_nth(
        "run_ended",
        &[("job", "update"), ("outcome", "postponed")],
        2,
    );
    scene.write("code", "0");
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    let order = scene.lines("order");
    assert_eq!(order.first().unwrap(), "enter");
    assert_eq!(order[order.len() - 2..], ["later", "leave success"]);
    assert_eq!(daemon.all("enter_started", &[]).len(), 1);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn nothing_to_do_leaves_the_app_in_peace() {
    let scene = one_job("run = [\"exits\"]\nonly_if = { run = [\"false\"] }");
    let file = scene.read("windows.toml");
    let (file, _) = file.split_once("[maintenance.later]").unwrap();
    scene.write("windows.toml", file);
    let (mut daemon, closed) = closed(&scene, "0");
    assert_eq!(closed["outcome"], "skipped", "{}", daemon.story());
    assert_eq!(closed["reason"], "nothing_to_do");
    assert!(scene.lines("order").is_empty());
    assert!(scene.mails("mail").is_empty(), "nobody is told of nothing");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_is_asked_again_before_the_start_may_have_changed() {
    let scene = one_job("run = [\"exits\"]\nonly_if = { script = \"test ! -e done\" }");
    scene.write("code", "0");
    let mut daemon = scene.up();
    daemon.wait("session_announced", &[]);
    scene.write("done", "");
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    assert_eq!(scene.lines("order"), ["enter", "later", "leave success"]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_enter_hook_that_fails_unwinds() {
    let scene = one_job("run = [\"exits\"]");
    let file = scene
        .read("windows.toml")
        .replace("echo enter >> order", "echo enter >> order; exit 1");
    scene.write("windows.toml", &file);
    let (mut daemon, closed) = closed(&scene, "0");
    assert_eq!(
        (&closed["outcome"], &closed["reason"]),
        (&"failed".into(), &"enter_failed".into())
    );
    assert_eq!(scene.lines("order"), ["enter", "leave failure"]);
    assert_eq!(daemon.stop(), 0);
}
