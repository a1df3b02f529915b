//! Not announced, not run: whatever the mail server does.

use std::time::Duration;

use serde_json::Value;

use crate::scene::{Daemon, Scene, calendar, free_port, get, header, once, until};
use crate::smtp::{Lab, SmtpServer};

/// Maintenance that `technical` has to be told of, with operators at an address that works.
fn scene(mail_port: u16, http_port: u16, technical: &str, opens: i64) -> Scene {
    let scene = Scene::new(&format!(
        r#"
[mail]
transport = "smtp"
host = "127.0.0.1"
port = {mail_port}
tls = "none"
timeout = "1s"
from = "Operations <ops@example.org>"
[contacts]
technical = [{technical}]
operators = ["oncall@example.org"]
[notice]
lead = "1s"
to = ["technical"]
operators = ["operators"]
alarm = {{ run = ["alarm"] }}
[http]
listen = ["127.0.0.1:{http_port}"]
{}
[app.shop]
window = "now"
enter = [{{ run = ["enter"], timeout = "5s" }}]
leave = [{{ run = ["enter"], timeout = "5s" }}]
[maintenance.update]
app = "shop"
every = "window"
run = ["enter"]
timeout = "5s"
grace = "1s"
"#,
        once(opens, opens + 60)
    ));
    scene.script("enter", "touch disturbed");
    scene.script(
        "alarm",
        "echo \"$OFFHOURS_TEXT\" >> alarm.text; echo \"$OFFHOURS_ALARM\" >> alarms",
    );
    scene
}

/// Postponed, with everybody told who has to know.
fn postponed(scene: &Scene, daemon: &mut Daemon, http: u16) -> Value {
    let postponed = daemon.wait("session_postponed", &[]);
    assert_eq!(postponed["reason"], "unannounced", "{}", daemon.story());
    daemon.wait("alarm", &[("kind", "unannounced")]);
    scene.wait_line("alarms", "unannounced");
    let session = postponed["session"].as_str().unwrap();
    assert!(scene.read("alarm.text").contains(session));
    let status = scene.offhours(&["status", "--json"]).expect(1).json();
    let kinds: Vec<&Value> = status["attention"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["kind"])
        .collect();
    assert!(kinds.contains(&&"unannounced".into()), "{status}");
    until("the metrics", || {
        let (_, metrics) = get(http, "localhost", "/metrics", "")?;
        (metrics.contains("offhours_attention{kind=\"unannounced\"} 1")
            && metrics.contains("offhours_sessions_total{outcome=\"postponed\"} 1"))
        .then_some(())
    });
    assert!(daemon.all("enter_started", &[]).is_empty());
    assert!(!scene.path("disturbed").exists());
    assert_eq!(daemon.stop(), 0);
    postponed
}

fn never_accepted(test: &str, technical: &str) {
    let Some(lab) = Lab::find(test) else { return };
    let server = SmtpServer::start(&lab, &[]);
    let http = free_port();
    let scene = scene(server.port, http, technical, 5);
    let mut daemon = scene.up();
    postponed(&scene, &mut daemon, http);
    let mails = server.wait_for(1, Duration::from_secs(20));
    let told = mails
        .iter()
        .find(|mail| mail["to"] == serde_json::json!(["oncall@example.org"]))
        .expect("the operators are told");
    let text = told["data"].as_str().unwrap();
    assert!(
        text.contains("unannounced") || text.contains("notice"),
        "{text}"
    );
}

#[test]
fn refused_for_now_until_the_deadline() {
    never_accepted(
        "refused_for_now_until_the_deadline",
        r#""code-451@example.org""#,
    );
}

#[test]
fn no_answer_until_the_deadline() {
    never_accepted("no_answer_until_the_deadline", r#""hang@example.org""#);
}

#[test]
fn dropped_until_the_deadline() {
    never_accepted("dropped_until_the_deadline", r#""drop@example.org""#);
}

#[test]
fn nobody_listens() {
    let http = free_port();
    let scene = scene(free_port(), http, r#""tech@example.org""#, 4);
    let mut daemon = scene.up();
    let postponed = postponed(&scene, &mut daemon, http);
    assert!(
        postponed["text"].as_str().unwrap().contains("refused"),
        "{postponed}"
    );
}

#[test]
fn one_of_two_that_is_refused_for_good_is_reported_and_holds_nothing_back() {
    let Some(lab) = Lab::find("one_of_two") else {
        return;
    };
    let server = SmtpServer::start(&lab, &[]);
    let technical = r#""tech@example.org", "code-550@example.org""#;
    let scene = scene(server.port, free_port(), technical, 5);
    let mut daemon = scene.up();
    let refused = daemon.wait("notice_refused", &[("kind", "advance")]);
    assert_eq!(refused["recipient"], "code-550@example.org");
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    assert!(scene.path("disturbed").exists());
    // The operators hear of the address.
    until("a word to the operators", || {
        server
            .received()
            .iter()
            .find(|mail| mail["to"] == serde_json::json!(["oncall@example.org"]))
            .map(drop)
    });
    scene.wait_line("alarms", "notice");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn copies_after_a_lost_answer_are_the_same_message() {
    let Some(lab) = Lab::find("copies") else {
        return;
    };
    let server = SmtpServer::start(&lab, &[]);
    let scene = scene(server.port, free_port(), r#""acceptdrop@example.org""#, 25);
    let mut daemon = scene.up();
    daemon.wait("notice_delayed", &[("kind", "advance")]);
    let mails = server.wait_for(2, Duration::from_secs(40));
    let copies: Vec<&str> = mails
        .iter()
        .filter(|mail| mail["to"] == serde_json::json!(["acceptdrop@example.org"]))
        .map(|mail| mail["data"].as_str().unwrap())
        .collect();
    assert!(copies.len() >= 2);
    let marks = |mail: &str| {
        let entry = calendar(mail).expect("an invitation");
        let line = |key: &str| {
            let found = entry.lines().find(|line| line.starts_with(key));
            found
                .map(str::to_owned)
                .unwrap_or_else(|| panic!("{entry}"))
        };
        (
            header(mail, "message-id").unwrap(),
            line("UID:"),
            line("SEQUENCE:"),
        )
    };
    assert_eq!(marks(copies[0]), marks(copies[1]));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_deadline_that_passed_while_nobody_was_there() {
    // The deadline is three seconds before the opening, and nobody is told before.
    let scene = scene(free_port(), free_port(), r#""tech@example.org""#, 7);
    let file = scene.read("windows.toml");
    let file = file.replace("lead = \"1s\"", "lead = \"4s\"\nmargin = \"1s\"");
    scene.write("windows.toml", &file);
    let mut daemon = scene.up();
    daemon.stop();
    assert!(
        daemon.all("session_opened", &[]).is_empty(),
        "{}",
        daemon.story()
    );
    let opens = scene
        .offhours(&["windows", "--json", "--count", "1"])
        .json()[0]["opens"]
        .clone();
    let opens: jiff::Timestamp = opens.as_str().unwrap().parse().unwrap();
    until("the deadline to pass", || {
        (jiff::Timestamp::now() > opens - jiff::SignedDuration::from_secs(3)).then_some(())
    });
    let mut daemon = scene.up();
    let postponed = daemon.wait("session_postponed", &[]);
    assert_eq!(postponed["reason"], "unannounced");
    assert!(
        postponed["text"].as_str().unwrap().contains("not there"),
        "{postponed}"
    );
    scene.wait_line("alarms", "unannounced");
    assert_eq!(daemon.stop(), 0);
    assert!(!scene.path("disturbed").exists());
}
