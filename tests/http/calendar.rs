//! `/calendar.ics`: what it says, to whom, and that an answer without news is the same.

use std::process::Command;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use offhours::core::agenda::Agenda;
use offhours::core::apply::apply;
use offhours::core::decide::{decide, letter};
use offhours::core::effect::Effect;
use offhours::core::event::{Answer, Event};
use offhours::core::fact::Fact;
use offhours::core::run::Outcome;
use offhours::core::session::{Code, Reason};
use offhours::mail::Mailbox;

use super::smtp::Lab;
use super::*;

/// With what only those may see who have the token.
const APPS: &str = r#"
name = "shop; <&> sons, \"all\""
time_zone = "Europe/Berlin"
[contacts]
technical = ["secret-address@example.org"]
[mail]
transport = "file"
from = "\"Operations, all\" <secret-sender@mail.example.org>"
[notice]
to = ["technical"]
operators = ["technical"]
[window.night]
open = "daily 22:00-05:00"
[window.weekend]
open = "Sat 10:00-18:00"
[app.shop]
window = "night"
description = "secret-description; of the shop"
contact = ["secret-contact@example.org"]
[app.blog]
window = "weekend"
[maintenance.os-updates]
app = "shop"
description = "secret-work, of the night"
script = "true"
every = "window"
estimate = "20m"
[maintenance.prune]
app = "blog"
script = "true"
every = "window"
[maintenance.reindex]
app = "blog"
script = "true"
every = "window"
after = ["prune"]
"#;

fn apps() -> Policy {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("windows.toml");
    std::fs::write(&file, APPS).expect("file");
    config::load(&file, &Env::default(), now(), Purpose::Read)
        .expect("good")
        .policy
}

fn sender() -> Option<Mailbox> {
    Some(
        "\"Operations, all\" <secret-sender@mail.example.org>"
            .parse()
            .expect("a mailbox"),
    )
}

/// A daemon's memory: told of events, it decides as the daemon would.
struct Memory {
    policy: Policy,
    state: State,
    agenda: Agenda,
    now: Timestamp,
    sent: Vec<offhours::core::letter::Letter>,
}

impl Memory {
    fn started() -> Self {
        let (policy, state) = (apps(), State::default());
        let agenda = Agenda::build(&policy, &state);
        let mut memory = Self {
            policy,
            state,
            agenda,
            now: now(),
            sent: Vec::new(),
        };
        memory.hear(Event::Started {
            found: Vec::new(),
            boot: "b".into(),
            version: "v".into(),
            nonce: "0123abcd".into(),
            alone: false,
        });
        memory
    }

    /// One event and all that follows; mails are accepted.
    fn hear(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let decision = decide(
                &self.policy,
                &mut self.state,
                &mut self.agenda,
                event,
                self.now,
            );
            assert_eq!(decision.fault, None);
            for effect in decision.effects {
                if let Effect::Send { notice, letter } = effect {
                    self.sent.push(*letter);
                    let answer = Answer::Accepted;
                    events.push(Event::Answered { notice, answer });
                }
            }
        }
    }

    fn at(&mut self, instant: &str) {
        self.now = instant.parse().expect("an instant");
        self.hear(Event::Woke);
    }

    fn calendar(&self) -> Calendar {
        Calendar::new(&self.policy, &self.state, sender(), self.now)
    }
}

/// A site whose loop is this memory.
async fn site_with(memory: &Arc<Mutex<Memory>>) -> Site {
    let memory = Arc::clone(memory);
    let spare = snapshot(true);
    site_of(move || Some((spare.clone(), memory.lock().expect("held").calendar()))).await
}

/// The head, and the lines of the body, unfolded.
fn lines(answer: &str) -> (String, Vec<String>) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let body = body.replace("\r\n ", "");
    (head.to_owned(), body.lines().map(str::to_owned).collect())
}

/// The lines of the entry whose UID has this in it.
fn entry(answer: &str, part: &str) -> Vec<String> {
    let (_, lines) = lines(answer);
    let entries = lines.split(|line| line == "BEGIN:VEVENT");
    let of = |lines: &&[String]| {
        lines
            .iter()
            .any(|line| line.starts_with("UID:") && line.contains(part))
    };
    entries
        .skip(1)
        .find(of)
        .unwrap_or_else(|| panic!("no {part} in {answer}"))
        .to_vec()
}

fn value<'l>(lines: &'l [String], key: &str) -> &'l str {
    let line = lines
        .iter()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {lines:#?}"))
}

fn etag(answer: &str) -> String {
    let tag = answer.lines().find_map(|line| line.strip_prefix("etag: "));
    tag.unwrap_or_else(|| panic!("no tag: {answer}")).to_owned()
}

#[tokio::test]
async fn all_of_ninety_days_is_there() {
    let memory = Arc::new(Mutex::new(Memory::started()));
    let site = site_with(&memory).await;
    let answer = site.get("/calendar.ics").await;
    assert_eq!(code(&answer), "200", "{answer}");
    let (head, lines) = lines(&answer);
    assert!(
        head.contains("content-type: text/calendar; charset=utf-8\r\n"),
        "{head}"
    );
    assert!(
        head.contains("cache-control: private, no-cache\r\n"),
        "{head}"
    );
    assert!(!head.contains("no-store"), "{head}");
    for line in [
        "METHOD:PUBLISH",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
        r#"NAME:shop\; <&> sons\, "all""#,
        r#"X-WR-CALNAME:shop\; <&> sons\, "all""#,
    ] {
        assert!(lines.iter().any(|l| l == line), "{line}: {answer}");
    }
    let entries = |app: &str| {
        let summary = format!("SUMMARY:Maintenance: {app}");
        lines.iter().filter(|line| **line == summary).count()
    };
    // Of the first night nobody can be told in time.
    assert_eq!(entries("shop"), 89);
    assert_eq!(entries("blog"), 12);
    let first = entry(&answer, "-shop-night-2026-11-22@");
    assert_eq!(
        value(&first, "UID"),
        "offhours-0123abcd-shop-night-2026-11-22@mail.example.org"
    );
    assert_eq!(value(&first, "DTSTART"), "20261122T210000Z");
    assert_eq!(value(&first, "DTEND"), "20261122T213000Z");
}

#[tokio::test]
async fn one_can_ask_for_apps() {
    let memory = Arc::new(Mutex::new(Memory::started()));
    let site = site_with(&memory).await;
    let one = site.get("/calendar.ics?app=blog").await;
    assert!(
        one.contains("Maintenance: blog") && !one.contains("Maintenance: shop"),
        "{one}"
    );
    let both = site.get("/calendar.ics?app=blog&app=shop").await;
    assert_eq!(lines(&both).1, lines(&site.get("/calendar.ics").await).1);
    for unknown in [
        "/calendar.ics?app=nothing",
        "/calendar.ics?app=shop&app=",
        "/calendar.ics?app=%00",
    ] {
        let answer = site.get(unknown).await;
        assert_eq!(code(&answer), "404", "{answer}");
        assert!(answer.contains("there is no app of that name"), "{answer}");
    }
}

#[tokio::test]
async fn the_same_is_sent_once() {
    let memory = Arc::new(Mutex::new(Memory::started()));
    let site = site_with(&memory).await;
    let first = site.get("/calendar.ics").await;
    let tag = etag(&first);
    let ask = async |given: &str| {
        let head = format!("Host: localhost\r\nIf-None-Match: {given}");
        site.raw(&format!("GET /calendar.ics HTTP/1.1\r\n{head}\r\n\r\n"))
            .await
    };
    for given in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".into(),
    ] {
        let answer = ask(&given).await;
        assert_eq!(code(&answer), "304", "{given}: {answer}");
        assert_eq!(etag(&answer), tag);
        assert!(!answer.contains("BEGIN"), "{answer}");
    }
    assert_eq!(code(&ask("\"x\"").await), "200");
    assert_ne!(
        etag(&site.get_known("/calendar.ics").await),
        tag,
        "the known see more"
    );
    assert_ne!(etag(&site.get("/calendar.ics?app=blog").await), tag);
    // Another site asks the same memory: nothing in the answer is of the moment it is asked in, but what is only planned.
    let again = site_with(&memory).await.get("/calendar.ics").await;
    assert_eq!(etag(&again), tag);
}

#[tokio::test]
async fn the_token_opens_it_and_nothing_else() {
    let memory = Arc::new(Mutex::new(Memory::started()));
    let site = site_with(&memory).await;
    let stranger = site.get("/calendar.ics").await;
    assert!(!stranger.contains("secret"), "{stranger}");
    assert!(
        stranger.contains("mailto:nobody@offhours.invalid"),
        "{stranger}"
    );
    let by_address = site
        .get("/calendar.ics?app=shop&token=the-calendar-token")
        .await;
    let by_header = site.get_known("/calendar.ics?app=shop").await;
    for known in [&by_address, &by_header] {
        let text = lines(known).1.join("\n");
        for told in [
            "secret-description",
            "secret-work",
            "secret-contact@",
            "mailto:secret-sender@mail",
            "on local",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(
            !text.contains("secret-address"),
            "recipients are nobody's business: {text}"
        );
    }
    assert_eq!(lines(&by_address).1, lines(&by_header).1);
    for wrong in ["the-token", "the-calendar-toke", "", "the-calendar-token2"] {
        let answer = site.get(&format!("/calendar.ics?token={wrong}")).await;
        assert_eq!(code(&answer), "401", "{wrong}: {answer}");
        assert!(!answer.contains("BEGIN"), "{answer}");
    }
    // Elsewhere it is nothing.
    let status = site.get("/status?token=the-calendar-token").await;
    assert_eq!(code(&status), "200");
    assert!(!status.contains("secret"), "{status}");
    let header = "Host: localhost\r\nAuthorization: Bearer the-calendar-token";
    let answer = site
        .raw(&format!("GET /status HTTP/1.1\r\n{header}\r\n\r\n"))
        .await;
    assert_eq!(code(&answer), "401", "{answer}");
    let elsewhere = "GET /calendar.ics HTTP/1.1\r\nHost: evil.example.org\r\n\r\n";
    assert_eq!(code(&site.raw(elsewhere).await), "421");
    let post = "POST /calendar.ics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(code(&site.raw(post).await), "405");
}

#[tokio::test]
async fn a_silent_loop_makes_no_calendar() {
    let site = site(None).await;
    assert_eq!(code(&site.get("/calendar.ics").await), "503");
}

/// The feed beside the invitations: planned, told, cancelled.
#[tokio::test]
async fn it_says_what_the_mails_say() {
    let mut memory = Memory::started();
    let planned = Site::one(&memory).await;
    let of = |answer: &str| entry(answer, "-shop-night-2026-11-22@");
    assert_eq!(value(&of(&planned), "STATUS"), "TENTATIVE");
    assert_eq!(value(&of(&planned), "SEQUENCE"), "0");
    assert!(value(&of(&planned), "DESCRIPTION").contains("it may still move"));

    memory.at("2026-11-22T08:30:00Z");
    let told = Site::one(&memory).await;
    let letter = memory
        .sent
        .iter()
        .find(|l| l.session == "shop/night/2026-11-22")
        .expect("sent")
        .clone();
    let told = of(&told);
    assert_eq!(value(&told, "STATUS"), "CONFIRMED");
    assert_eq!(value(&told, "SEQUENCE"), letter.sequence.to_string());
    assert_eq!(
        value(&told, "UID"),
        offhours::mail::uid(&letter.uid, "mail.example.org")
    );
    assert_eq!(value(&told, "DTSTART"), offhours::mail::utc(letter.starts));
    assert_eq!(
        value(&told, "DTEND"),
        offhours::mail::utc(letter.starts + letter.expected)
    );
    assert_eq!(value(&told, "DTSTAMP"), offhours::mail::utc(letter.date));
    assert_eq!(value(&told, "LAST-MODIFIED"), value(&told, "DTSTAMP"));

    // Postponed, and its mails still owed.
    let id = "shop/night/2026-11-22".into();
    let sequence = memory.state.sessions[&id].sequence + 1;
    let mut notice = memory
        .state
        .notices
        .values()
        .find(|n| n.session.as_ref() == Some(&id))
        .expect("told")
        .clone();
    notice.id = memory.state.next_notice;
    notice.kind = offhours::core::notice::Kind::Postponed;
    notice.sequence = sequence;
    notice.owed = memory.now;
    notice.progress = offhours::core::notice::Progress::Owed {
        not_before: memory.now,
    };
    for fact in [
        Fact::NoticesOwed {
            notices: vec![notice.clone()],
        },
        Fact::SessionClosed {
            session: id,
            outcome: Outcome::Postponed,
            reason: Some(Reason::from(Code::Unavailable)),
            next: Some("2026-11-23T21:00:00Z".parse().expect("an instant")),
        },
    ] {
        apply(&mut memory.state, memory.now, &fact).expect("follows");
    }
    let cancelled = Site::one(&memory).await;
    let cancelled = of(&cancelled);
    let mail = letter_of(&memory, &notice);
    assert_eq!(value(&cancelled, "STATUS"), "CANCELLED");
    assert_eq!(value(&cancelled, "SEQUENCE"), sequence.to_string());
    assert_eq!((mail.sequence, mail.uid), (sequence, letter.uid));
    assert!(value(&cancelled, "SUMMARY").starts_with("Cancelled: "));
    assert!(value(&cancelled, "DESCRIPTION").contains("2026-11-23 21:00 UTC"));
}

fn letter_of(
    memory: &Memory,
    notice: &offhours::core::notice::Notice,
) -> offhours::core::letter::Letter {
    letter(&memory.policy, &memory.state, notice)
}

impl Site {
    /// What a site says to a stranger that is asked once.
    async fn one(memory: &Memory) -> String {
        let calendar = memory.calendar();
        let spare = snapshot(true);
        let site = site_of(move || Some((spare.clone(), calendar.clone()))).await;
        site.get("/calendar.ics").await
    }
}

/// Entries that change get a later stamp, entries that do not keep theirs.
#[tokio::test]
async fn stamps_tell_what_changed() {
    let memory = Arc::new(Mutex::new(Memory::started()));
    let site = site_with(&memory).await;
    let first = site.get("/calendar.ics").await;
    let stamp = |answer: &str, app: &str| value(&entry(answer, app), "LAST-MODIFIED").to_owned();
    {
        let mut memory = memory.lock().expect("held");
        memory.now += SignedDuration::from_hours(1);
        memory.policy.apps["blog"].description = Some("Another".into());
    }
    // What is known is kept for ten seconds.
    let end = std::time::Instant::now() + Duration::from_secs(40);
    let second = loop {
        let answer = site.get("/calendar.ics").await;
        if etag(&answer) != etag(&first) {
            break answer;
        }
        assert!(std::time::Instant::now() < end, "never asked again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let (blog, shop) = ("-blog-weekend-2026-12-12@", "-shop-night-2026-12-12@");
    assert_eq!(stamp(&first, shop), stamp(&second, shop));
    assert_eq!(stamp(&first, blog), "20261121T120000Z");
    assert_eq!(stamp(&second, blog), "20261121T130000Z");
}

#[tokio::test]
async fn very_many_sessions_are_the_next_ones() {
    let mut text = APPS.to_owned();
    for n in 0..300 {
        text += &format!(
            "[app.a{n}]\nwindow = \"night\"\n[maintenance.j{n}]\napp = \"a{n}\"\nscript = \"true\"\nevery = \"window\"\n"
        );
    }
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("windows.toml");
    std::fs::write(&file, text).expect("file");
    let mut memory = Memory::started();
    memory.policy = config::load(&file, &Env::default(), now(), Purpose::Read)
        .expect("good")
        .policy;
    let answer = Site::one(&memory).await;
    let (_, lines) = lines(&answer);
    assert_eq!(
        lines.iter().filter(|line| *line == "BEGIN:VEVENT").count(),
        2_000
    );
    let last = lines
        .iter()
        .filter_map(|line| line.strip_prefix("DTSTART:"))
        .max()
        .expect("one");
    assert!(last < "20261130", "{last}");
}

/// Every rule of the standards, by an independent parser; and each rule's own error is noticed.
#[tokio::test]
async fn the_feed_keeps_the_rules() {
    let Some(lab) = Lab::find("the_feed_keeps_the_rules") else {
        return;
    };
    let memory = Arc::new(Mutex::new(Memory::started()));
    memory.lock().expect("held").at("2026-11-22T08:30:00Z");
    let site = site_with(&memory).await;
    let dir = tempfile::tempdir().expect("folder");
    let mut paths = Vec::new();
    for (name, answer) in [
        ("stranger", site.get("/calendar.ics").await),
        ("known", site.get_known("/calendar.ics").await),
        ("one", site.get("/calendar.ics?app=blog").await),
        (
            "empty",
            Site::one(&Memory {
                policy: nothing(),
                ..Memory::started()
            })
            .await,
        ),
    ] {
        let path = dir.path().join(format!("{name}.ics"));
        std::fs::write(&path, answer.split_once("\r\n\r\n").expect("a body").1).expect("written");
        paths.push(path);
    }
    for more in [&[][..], &["--mutate"]] {
        let output = Command::new(&lab.python)
            .arg(lab.scripts.join("calendar_rules.py"))
            .args(more)
            .args(&paths)
            .output()
            .expect("python");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
        assert_eq!(
            found["broken"],
            serde_json::json!([]),
            "{more:?}: {found:#}"
        );
        for rule in [
            "lines have at most 75 octets",
            "ORGANIZER once",
            "METHOD of a feed",
            "there is a component",
        ] {
            assert!(
                found["checked"][rule]
                    .as_u64()
                    .is_some_and(|times| times >= 3),
                "{rule}: {found:#}"
            );
        }
    }
}

fn nothing() -> Policy {
    let mut policy = apps();
    policy.maintenance.clear();
    policy
}
