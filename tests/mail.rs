//! Delivery against a real, scriptable mail server, against servers that misbehave, and to files.

/// Skips the test, loudly, where the lab is missing.
macro_rules! lab {
    ($name:literal) => {
        match Lab::find($name) {
            Some(lab) => lab,
            None => return,
        }
    };
}

#[path = "support/exim.rs"]
mod exim_server;
#[path = "support/smtp.rs"]
mod smtp;

#[path = "mail/exim.rs"]
mod exim;
#[path = "mail/failover.rs"]
mod failover;
#[path = "mail/hostile.rs"]
mod hostile;
#[path = "mail/local.rs"]
mod local;
#[path = "mail/rules.rs"]
mod rules;

use std::{
    fs,
    net::TcpListener as StdListener,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use offhours::mail::{
    Answer, Composed, Language, Letter, LetterJob, LetterKind, MailHost, MailSettings, Mailer,
    Recipient, SetupError, SmtpSettings, Tls, Transport, compose,
};
use smtp::{Lab, SmtpServer};

const FROM: &str = "Operations <ops@example.org>";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn letter(kind: LetterKind, to: &str, language: Language) -> Letter {
    Letter {
        kind,
        message_id: format!("shop.night.{}@example.org", kind.word()),
        in_reply_to: Some("shop.night.first@example.org".into()),
        date: at("2026-11-17T08:00:00Z"),
        installation: "Prüfstand".into(),
        app: "shop; \"Läden\", and more".into(),
        app_description: Some(
            "A description that is long enough to be folded, with €, 😀 and \\ in it".into(),
        ),
        window: "night".into(),
        session: "shop/night/2026-11-17".into(),
        uid: "shop.night.2026-11-17@example.org".into(),
        sequence: 3,
        opens: at("2026-11-17T21:00:00Z"),
        closes: at("2026-11-18T04:00:00Z"),
        longer: SignedDuration::ZERO,
        starts: at("2026-11-17T21:00:00Z"),
        expected: SignedDuration::from_mins(45),
        jobs: vec![LetterJob {
            name: "os-updates".into(),
            hosts: vec!["web1".into()],
            ..LetterJob::default()
        }],
        reason: Some("because".into()),
        next: None,
        early: false,
        contact: vec![FROM.into()],
        recipient: Recipient {
            email: to.into(),
            name: Some("Doe, \"Zoë\"".into()),
            language,
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            zone_name: "Europe/Berlin".into(),
        },
        text: vec!["a line".into()],
        parts: Vec::new(),
    }
}

fn message(to: &str) -> Composed {
    let letter = letter(LetterKind::Advance, to, Language::De);
    compose(&FROM.parse().unwrap(), &letter).unwrap()
}

fn settings(port: u16, tls: Tls) -> MailSettings {
    MailSettings {
        transport: Transport::Smtp(SmtpSettings {
            hosts: vec![MailHost {
                name: "127.0.0.1".into(),
                port,
            }],
            tls,
            username: None,
            password: None,
        }),
        from: FROM.into(),
        timeout: Duration::from_secs(20),
        ca_file: None,
    }
}

fn login(settings: &mut MailSettings, user: &str, secret: &str) {
    let Transport::Smtp(smtp) = &mut settings.transport else {
        panic!("not smtp");
    };
    smtp.username = Some(user.into());
    smtp.password = Some(secret.to_owned().into());
}

fn host(settings: &mut MailSettings, name: &str) {
    let Transport::Smtp(smtp) = &mut settings.transport else {
        panic!("not smtp");
    };
    smtp.hosts[0].name = name.into();
}

async fn send(settings: &MailSettings, to: &str) -> Answer {
    Mailer::new(settings).unwrap().send(&message(to)).await
}

#[track_caller]
fn accepted(answer: &Answer) {
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
}

#[track_caller]
fn line(why: &str) -> String {
    assert!(!why.is_empty() && why.chars().count() <= 300, "{why:?}");
    assert!(!why.chars().any(char::is_control), "{why:?}");
    why.to_owned()
}

#[track_caller]
fn temporary(answer: &Answer) -> String {
    match answer {
        Answer::Temporary { why } => line(why),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn permanent(answer: &Answer) -> String {
    match answer {
        Answer::Permanent { why } => line(why),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unknown(answer: &Answer) -> String {
    match answer {
        Answer::Unknown { why } => line(why),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn plain_is_accepted_whole() {
    let lab = lab!("plain_is_accepted_whole");
    let server = SmtpServer::start(&lab, &[]);
    let message = message("support@example.org");
    let mailer = Mailer::new(&settings(server.port, Tls::None)).unwrap();
    let answer = mailer.send(&message).await;
    assert_eq!(
        answer,
        Answer::Accepted {
            server: "250 queued".into()
        }
    );
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0]["from"], "ops@example.org");
    assert_eq!(
        received[0]["to"],
        serde_json::json!(["support@example.org"])
    );
    let data = received[0]["data"].as_str().unwrap();
    assert_eq!(
        data.trim_end(),
        std::str::from_utf8(&message.bytes).unwrap().trim_end()
    );
}

#[tokio::test]
async fn starttls_with_a_private_authority() {
    let lab = lab!("starttls_with_a_private_authority");
    let server = SmtpServer::with_tls(&lab, &[]);
    let mut settings = settings(server.port, Tls::StartTls);
    settings.ca_file = Some(lab.cert("cert.pem"));
    for name in ["127.0.0.1", "localhost"] {
        host(&mut settings, name);
        accepted(&send(&settings, "support@example.org").await);
    }
    assert!(server.received().iter().all(|mail| mail["tls"] == true));
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_not_trusted() {
    let lab = lab!("a_certificate_of_somebody_else_is_not_trusted");
    let server = SmtpServer::with_tls(&lab, &[]);
    let mut settings = settings(server.port, Tls::StartTls);
    for ca in [None, Some(lab.cert("other.pem"))] {
        settings.ca_file = ca;
        let why = temporary(&send(&settings, "support@example.org").await);
        assert!(why.contains("certificate"), "{why}");
    }
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn without_starttls_nothing_is_sent() {
    let lab = lab!("without_starttls_nothing_is_sent");
    let server = SmtpServer::start(&lab, &["--auth", "ops", "hushhush"]);
    let mut settings = settings(server.port, Tls::StartTls);
    login(&mut settings, "ops", "hushhush");
    let why = temporary(&send(&settings, "support@example.org").await);
    assert!(why.contains("STARTTLS"), "{why}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn implicit_tls() {
    let lab = lab!("implicit_tls");
    let server = SmtpServer::with_tls(&lab, &["--implicit", "--auth", "ops", "hushhush"]);
    let mut settings = settings(server.port, Tls::Implicit);
    login(&mut settings, "ops", "hushhush");
    settings.ca_file = Some(lab.cert("cert.pem"));
    let mailer = Mailer::new(&settings).unwrap();
    for _ in 0..3 {
        accepted(&mailer.send(&message("support@example.org")).await);
    }
    let received = server.received();
    assert!(
        received
            .iter()
            .all(|mail| mail["tls"] == true && mail["authenticated"] == true)
    );
    assert!(
        received.iter().all(|mail| mail["connection"] == 1),
        "{received:?}"
    );
    settings.ca_file = None;
    let why = temporary(&send(&settings, "support@example.org").await);
    assert!(why.contains("certificate"), "{why}");
}

#[tokio::test]
async fn login_good_and_bad() {
    let lab = lab!("login_good_and_bad");
    let server = SmtpServer::with_tls(&lab, &["--auth", "ops", "hushhush"]);
    let mut settings = settings(server.port, Tls::StartTls);
    settings.ca_file = Some(lab.cert("cert.pem"));
    login(&mut settings, "ops", "hushhush");
    accepted(&send(&settings, "support@example.org").await);
    assert_eq!(server.received()[0]["authenticated"], true);

    login(&mut settings, "ops", "wrongwrong");
    assert!(!format!("{settings:?}").contains("wrongwrong"));
    let mailer = Mailer::new(&settings).unwrap();
    assert!(!format!("{mailer:?}").contains("wrongwrong"));
    let why = temporary(&mailer.send(&message("support@example.org")).await);
    assert!(
        why.contains("user name or password") && why.contains("535"),
        "{why}"
    );
    assert!(!why.contains("wrongwrong"), "{why}");
}

#[tokio::test]
async fn a_server_that_wants_a_login_is_our_business() {
    let lab = lab!("a_server_that_wants_a_login_is_our_business");
    let server = SmtpServer::start(&lab, &["--auth", "ops", "hushhush"]);
    let why = temporary(&send(&settings(server.port, Tls::None), "support@example.org").await);
    assert!(why.contains("530") && why.contains("login"), "{why}");
}

#[tokio::test]
async fn codes_are_told_apart() {
    let lab = lab!("codes_are_told_apart");
    let server = SmtpServer::start(&lab, &[]);
    let settings = settings(server.port, Tls::None);
    let mailer = Mailer::new(&settings).unwrap();
    for (to, code, for_good) in [
        ("code-451@example.org", "451", false),
        ("code-550@example.org", "550", true),
        ("data-452@example.org", "452", false),
        ("data-554@example.org", "554", true),
    ] {
        let answer = mailer.send(&message(to)).await;
        let why = if for_good {
            permanent(&answer)
        } else {
            temporary(&answer)
        };
        assert!(why.contains(code), "{why}");
        // The refusal of one recipient must not spoil the connection for the next.
        accepted(&mailer.send(&message("support@example.org")).await);
    }
    let received = server.received();
    assert_eq!(received.len(), 4);
    assert!(
        received.iter().all(|mail| mail["connection"] == 1),
        "{received:?}"
    );
}

#[tokio::test]
async fn a_no_to_us_is_temporary() {
    let lab = lab!("a_no_to_us_is_temporary");
    for args in [["--mail-code", "550"], ["--greet-code", "554"]] {
        let server = SmtpServer::start(&lab, &args);
        let why = temporary(&send(&settings(server.port, Tls::None), "support@example.org").await);
        assert!(why.contains(args[1]), "{why}");
    }
}

#[tokio::test]
async fn broken_connections() {
    let lab = lab!("broken_connections");
    let server = SmtpServer::start(&lab, &[]);
    let settings = settings(server.port, Tls::None);
    temporary(&send(&settings, "drop@example.org").await);
    // Whether a server that is gone at the end of the message has kept it cannot be seen from here.
    unknown(&send(&settings, "dropdata@example.org").await);
    assert!(server.received().is_empty());
    unknown(&send(&settings, "acceptdrop@example.org").await);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn silence_ends_with_the_time() {
    let lab = lab!("silence_ends_with_the_time");
    let server = SmtpServer::start(&lab, &[]);
    let mut settings = settings(server.port, Tls::None);
    settings.timeout = Duration::from_secs(2);
    let started = Instant::now();
    let why = temporary(&send(&settings, "hang@example.org").await);
    assert!(why.contains("RCPT"), "{why}");
    unknown(&send(&settings, "hangdata@example.org").await);
    assert_eq!(server.received().len(), 1);
    assert!(started.elapsed() < Duration::from_secs(15));
    settings.timeout = Duration::from_secs(20);
    accepted(&send(&settings, "slow-1@example.org").await);
}

#[tokio::test]
async fn many_letters_in_a_row_and_at_once() {
    let lab = lab!("many_letters_in_a_row_and_at_once");
    let server = SmtpServer::start(&lab, &[]);
    let mailer = std::sync::Arc::new(Mailer::new(&settings(server.port, Tls::None)).unwrap());
    let tasks: Vec<_> = (0..250)
        .map(|n| {
            let (mailer, message) = (mailer.clone(), message(&format!("user{n}@example.org")));
            tokio::spawn(async move { mailer.send(&message).await })
        })
        .collect();
    for sending in tasks {
        accepted(&sending.await.unwrap());
    }
    let received = server.received();
    assert_eq!(received.len(), 250);
    let connections = received
        .iter()
        .filter_map(|mail| mail["connection"].as_u64())
        .max()
        .unwrap();
    assert!(connections <= 8, "{connections} connections");
}

#[tokio::test]
async fn ipv6() {
    let lab = lab!("ipv6");
    if StdListener::bind("[::1]:0").is_err() {
        println!("*** SKIPPED ipv6: no loopback address ***");
        return;
    }
    let server = SmtpServer::with_tls(&lab, &["--host", "::1"]);
    let mut settings = settings(server.port, Tls::StartTls);
    settings.ca_file = Some(lab.cert("cert.pem"));
    for name in ["::1", "[::1]"] {
        host(&mut settings, name);
        accepted(&send(&settings, "support@example.org").await);
    }
}

#[tokio::test]
async fn nobody_listens() {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let why = temporary(&send(&settings(port, Tls::None), "support@example.org").await);
    let expected = format!("cannot reach 127.0.0.1:{port}: connection refused (127.0.0.1)");
    assert_eq!(why, expected);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |change: &dyn Fn(&mut MailSettings)| {
        let mut settings = settings(25, Tls::StartTls);
        change(&mut settings);
        Mailer::new(&settings).unwrap_err()
    };
    assert!(matches!(
        refused(&|s| s.from = "nobody".into()),
        SetupError::From(_)
    ));
    assert!(matches!(refused(&|s| host(s, "a b")), SetupError::Host(_)));
    assert!(matches!(
        refused(&|s| s.ca_file = Some("/nonexistent/ca.pem".into())),
        SetupError::ReadCertificates { .. }
    ));
    let dir = tempfile::tempdir().unwrap();
    let not_pem = dir.path().join("ca.pem");
    fs::write(&not_pem, "not a certificate").unwrap();
    assert!(matches!(
        refused(&|s| s.ca_file = Some(not_pem.clone())),
        SetupError::Certificates { .. }
    ));
    let half = |s: &mut MailSettings| {
        login(s, "ops", "x");
        if let Transport::Smtp(smtp) = &mut s.transport {
            smtp.username = None;
        }
    };
    assert!(matches!(refused(&half), SetupError::Login));
}
