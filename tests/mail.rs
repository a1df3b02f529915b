//! Delivery against a real, scriptable mail server, against servers that misbehave, and to files.

#[path = "support/smtp.rs"]
mod smtp;

use std::{
    fs,
    io::Write,
    net::TcpListener as StdListener,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use offhours::mail::{
    Answer, Composed, Language, Letter, LetterJob, LetterKind, MailSettings, Mailer, Recipient,
    SetupError, SmtpSettings, Tls, Transport, compose,
};
use serde_json::Value;
use smtp::{Lab, SmtpServer};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

const FROM: &str = "Operations <ops@example.org>";

/// Skips the test, loudly, where the lab is missing.
macro_rules! lab {
    ($name:literal) => {
        match Lab::find($name) {
            Some(lab) => lab,
            None => return,
        }
    };
}

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
        starts: at("2026-11-17T21:00:00Z"),
        expected: SignedDuration::from_mins(45),
        jobs: vec![LetterJob {
            name: "os-updates".into(),
            hosts: vec!["web1".into()],
            ..LetterJob::default()
        }],
        reason: Some("because".into()),
        next: None,
        contact: vec![FROM.into()],
        recipient: Recipient {
            email: to.into(),
            name: Some("Doe, \"Zoë\"".into()),
            language,
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            zone_name: "Europe/Berlin".into(),
        },
        text: vec!["a line".into()],
    }
}

fn message(to: &str) -> Composed {
    let letter = letter(LetterKind::Advance, to, Language::De);
    compose(&FROM.parse().unwrap(), &letter).unwrap()
}

fn settings(port: u16, tls: Tls) -> MailSettings {
    MailSettings {
        transport: Transport::Smtp(SmtpSettings {
            host: "127.0.0.1".into(),
            port,
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
    smtp.host = name.into();
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
async fn a_stale_connection_is_replaced() {
    let lab = lab!("a_stale_connection_is_replaced");
    let server = SmtpServer::start(&lab, &[]);
    let mailer = Mailer::new(&settings(server.port, Tls::None)).unwrap();
    for n in 1..=3 {
        accepted(&mailer.send(&message("loose@example.org")).await);
        // The server closes its side right after; both before and after that moment the next one must arrive.
        tokio::time::sleep(Duration::from_millis(40 * (n - 1))).await;
    }
    accepted(&mailer.send(&message("support@example.org")).await);
    assert_eq!(server.received().len(), 4);
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
    assert!(why.contains("connecting"), "{why}");
}

/// A server made of a function; the answer of one delivery to it.
async fn against<F, R>(tls: Tls, timeout: Duration, serve: F) -> (Answer, Duration)
where
    F: FnOnce(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(listener.local_addr().unwrap().port(), tls);
    settings.timeout = timeout;
    let server = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    let started = Instant::now();
    let answer = send(&settings, "support@example.org").await;
    server.abort();
    (answer, started.elapsed())
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn garbage_is_no_answer() {
    for garbage in [
        &b"hello there\r\n"[..],
        b"\x16\x03\x01\x00\x00\xff\xfe\r\n",
        b"250 not a greeting?\r\n999 x\r\n",
        b"\r\n",
    ] {
        let (answer, took) = against(Tls::None, LONG, move |mut stream| async move {
            stream.write_all(garbage).await.unwrap();
        })
        .await;
        temporary(&answer);
        assert!(took < LONG);
    }
}

#[tokio::test]
async fn an_endless_greeting_is_cut() {
    for part in [
        &b"220-welcome, and on and on\r\n"[..],
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ] {
        let (answer, took) = against(Tls::None, LONG, move |mut stream| async move {
            while stream.write_all(part).await.is_ok() {}
        })
        .await;
        temporary(&answer);
        assert!(took < LONG, "{took:?}");
    }
}

#[tokio::test]
async fn a_megabyte_in_one_line_is_cut() {
    let (answer, took) = against(Tls::None, LONG, |mut stream| async move {
        let mut line = b"220 ".to_vec();
        line.resize(1024 * 1024, b'x');
        line.extend(b"\r\n");
        // The other side may close in the middle of it.
        let _ = stream.write_all(&line).await;
        let _ = stream.read_u8().await;
    })
    .await;
    temporary(&answer);
    assert!(took < LONG);
}

#[tokio::test]
async fn a_silent_server_ends_with_the_time() {
    let (answer, took) = against(
        Tls::None,
        Duration::from_millis(300),
        |mut stream| async move {
            let _ = stream.read_u8().await;
        },
    )
    .await;
    assert!(temporary(&answer).contains("greeting"));
    assert!(took < LONG);
}

#[tokio::test]
async fn a_dripping_server_ends_with_the_time() {
    let (answer, took) = against(
        Tls::None,
        Duration::from_millis(500),
        |mut stream| async move {
            while stream.write_all(b"220-x\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        },
    )
    .await;
    temporary(&answer);
    assert!(took < LONG);
}

#[tokio::test]
async fn what_is_sent_ahead_of_tls_counts_for_nothing() {
    let (answer, _) = against(Tls::StartTls, Duration::from_secs(3), |stream| async move {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 hello\r\n").await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        stream
            .write_all(b"250-hello\r\n250 STARTTLS\r\n")
            .await
            .unwrap();
        stream.read_line(&mut line).await.unwrap();
        assert!(line.ends_with("STARTTLS\r\n"), "{line}");
        // Answers to everything that would follow, were they believed.
        stream
            .write_all(b"220 go\r\n250 hello\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")
            .await
            .unwrap();
        let _ = stream.read_to_string(&mut line).await;
    })
    .await;
    let why = temporary(&answer);
    assert!(why.contains("TLS"), "{why}");
}

#[tokio::test]
async fn a_garbled_answer_to_the_message_is_unknown() {
    let (answer, _) = against(Tls::None, LONG, |stream| async move {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 hello\r\n").await.unwrap();
        for answer in ["250 hello\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
            stream.read_line(&mut String::new()).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        let mut line = String::new();
        while line != ".\r\n" {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
        }
        stream.write_all(b"\x1b[31mwhatever\r\n").await.unwrap();
    })
    .await;
    let why = unknown(&answer);
    assert!(!why.contains("[31m"), "{why}");
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

fn to_folder(dir: PathBuf) -> MailSettings {
    MailSettings {
        transport: Transport::File { dir },
        ..settings(0, Tls::None)
    }
}

#[tokio::test]
async fn files_are_whole_private_and_one_a_notice() {
    let dir = tempfile::tempdir().unwrap();
    let mailer = Mailer::new(&to_folder(dir.path().into())).unwrap();
    let mut notice = message("support@example.org");
    accepted(&mailer.send(&notice).await);
    accepted(&mailer.send(&notice).await);
    let names = || -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names().len(), 1, "{:?}", names());
    let name = names().remove(0);
    assert!(
        name.starts_with("20261117T080000Z-advance-support@example.org-"),
        "{name}"
    );
    assert!(name.ends_with(".eml"), "{name}");
    let path = dir.path().join(&name);
    assert_eq!(fs::read(&path).unwrap(), notice.bytes);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    notice.message_id = "another@example.org".into();
    accepted(&mailer.send(&notice).await);
    notice.envelope_to = "\"../../x y\"@example.org".parse().unwrap();
    accepted(&mailer.send(&notice).await);
    assert_eq!(names().len(), 3, "{:?}", names());
    assert!(names().iter().all(|name| !name.contains(['/', ' ', '"'])));
}

#[tokio::test]
async fn a_folder_that_takes_nothing_is_temporary() {
    let dir = tempfile::tempdir().unwrap();
    let why = temporary(
        &Mailer::new(&to_folder(dir.path().join("missing")))
            .unwrap()
            .send(&message("a@example.org"))
            .await,
    );
    assert!(why.contains("missing"), "{why}");
    // /dev/full answers every write with ENOSPC but cannot stand for a folder; a file in place of one comes close.
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    temporary(
        &Mailer::new(&to_folder(file))
            .unwrap()
            .send(&message("a@example.org"))
            .await,
    );
}

fn program(dir: &tempfile::TempDir, script: &str) -> MailSettings {
    let program = dir.path().join("sendmail");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o700)
        .open(&program)
        .unwrap();
    writeln!(file, "#!/bin/sh\n{script}").unwrap();
    MailSettings {
        transport: Transport::Sendmail { program },
        timeout: Duration::from_secs(10),
        ..settings(0, Tls::None)
    }
}

#[tokio::test]
async fn sendmail_gets_the_message_and_its_exit_code_counts() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let script = format!("echo \"$@\" >{0}.args; cat >{0}", out.display());
    accepted(&send(&program(&dir, &script), "support@example.org").await);
    assert_eq!(
        fs::read(&out).unwrap(),
        message("support@example.org").bytes
    );
    let args = fs::read_to_string(dir.path().join("out.args")).unwrap();
    assert_eq!(args.trim(), "-oi -f ops@example.org -- support@example.org");

    let why = permanent(
        &send(
            &program(&dir, "cat >/dev/null; echo no such user >&2; exit 67"),
            "a@example.org",
        )
        .await,
    );
    assert!(why.contains("no such user"), "{why}");
    temporary(&send(&program(&dir, "cat >/dev/null; exit 75"), "a@example.org").await);
    temporary(&send(&program(&dir, "exit 1"), "a@example.org").await);
    temporary(&send(&program(&dir, "yes >&2; exit 1"), "a@example.org").await);

    let mut hanging = program(&dir, "cat >/dev/null; exec sleep 600");
    hanging.timeout = Duration::from_secs(1);
    unknown(&send(&hanging, "a@example.org").await);
    let mut missing = program(&dir, "");
    missing.transport = Transport::Sendmail {
        program: dir.path().join("nothing"),
    };
    temporary(&send(&missing, "a@example.org").await);
}

/// Python's mail and calendar parsers, which share no code with ours, read what a reader is meant to read.
#[test]
fn an_independent_reader_finds_the_same_facts() {
    let lab = lab!("an_independent_reader_finds_the_same_facts");
    use LetterKind::*;
    let dir = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    for kind in [
        Advance, Changed, Cancelled, Postponed, Started, Finished, Failed, Operators,
    ] {
        for language in [Language::En, Language::De] {
            let letter = letter(kind, "support@example.org", language);
            let composed = compose(&FROM.parse().unwrap(), &letter).unwrap();
            let path = dir.path().join(format!("{}-{language:?}.eml", kind.word()));
            fs::write(&path, &composed.bytes).unwrap();
            cases.push((letter, composed, path));
        }
    }
    let output = Command::new(&lab.python)
        .arg(lab.scripts.join("check_mail.py"))
        .args(cases.iter().map(|(_, _, path)| path))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(found.len(), cases.len());
    for ((letter, composed, path), found) in cases.iter().zip(&found) {
        let path = path.display();
        assert_eq!(
            found["problems"],
            serde_json::json!([]),
            "{path}: {found:#}"
        );
        let headers = &found["headers"];
        assert_eq!(headers["subject"], composed.subject.as_str(), "{path}");
        assert_eq!(headers["message-id"], format!("<{}>", letter.message_id));
        assert_eq!(headers["in-reply-to"], "<shop.night.first@example.org>");
        assert_eq!(headers["auto-submitted"], "auto-generated");
        assert_eq!(found["to_name"], "Doe, \"Zoë\"");
        let text = found["text"].as_str().unwrap();
        for fact in [
            letter.app.as_str(),
            "os-updates",
            "web1",
            "Europe/Berlin",
            "because",
            FROM,
            "night",
        ] {
            assert!(text.contains(fact), "{path} does not say {fact}: {text}");
        }
        let entry = &found["entry"];
        if !matches!(letter.kind, Advance | Changed | Cancelled | Postponed) {
            assert!(entry.is_null(), "{path}");
            continue;
        }
        let cancel = matches!(letter.kind, Cancelled | Postponed);
        assert_eq!(
            entry["method"],
            if cancel { "CANCEL" } else { "REQUEST" },
            "{path}"
        );
        assert_eq!(
            entry["status"],
            if cancel { "CANCELLED" } else { "CONFIRMED" }
        );
        assert_eq!(entry["uid"], letter.uid.as_str());
        assert_eq!(entry["sequence"], letter.sequence);
        assert_eq!(entry["summary"], composed.subject.as_str());
        assert_eq!(entry["starts"], "2026-11-17T21:00:00+00:00");
        assert_eq!(entry["ends"], "2026-11-17T21:45:00+00:00");
        assert_eq!(entry["organizer"], "mailto:ops@example.org");
        assert_eq!(entry["attendee"], "mailto:support@example.org");
        assert_eq!(entry["attendee_name"], "Doe, 'Zoë'");
        assert_eq!(entry["rsvp"], "FALSE");
        assert!(
            entry["description"]
                .as_str()
                .unwrap()
                .contains(letter.app.as_str())
        );
        assert_eq!(
            found["parts"],
            serde_json::json!([
                "multipart/mixed",
                "multipart/alternative",
                "text/plain",
                "text/html",
                "text/calendar",
                "text/calendar"
            ])
        );
    }
}
