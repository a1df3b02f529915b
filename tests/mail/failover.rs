//! Several mail servers: when the next is asked, and when never.

use std::sync::Arc;

use super::*;

fn hosts(settings: &mut MailSettings, ports: &[u16]) {
    let Transport::Smtp(smtp) = &mut settings.transport else {
        panic!("not smtp");
    };
    let host = |port: &u16| MailHost {
        name: "127.0.0.1".into(),
        port: *port,
    };
    smtp.hosts = ports.iter().map(host).collect();
}

fn mailer(ports: &[u16]) -> Mailer {
    let mut settings = settings(0, Tls::None);
    hosts(&mut settings, ports);
    Mailer::new(&settings).unwrap()
}

/// A port at which nobody listens.
fn dead() -> u16 {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Takes connections and never says a word.
fn mute() -> (StdListener, u16) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn the_first_that_can_be_talked_to_takes_it() {
    let lab = lab!("the_first_that_can_be_talked_to_takes_it");
    let good = SmtpServer::start(&lab, &[]);
    let rude = SmtpServer::start(&lab, &["--greet-code", "554"]);
    let full = SmtpServer::start(&lab, &["--mail-code", "452"]);
    let delivery = mailer(&[dead(), rude.port, full.port, good.port])
        .deliver(&message("support@example.org"))
        .await;
    accepted(&delivery.answer);
    assert_eq!(delivery.server, format!("127.0.0.1:{}", good.port));
    assert_eq!(good.received().len(), 1);
    assert!(rude.received().is_empty() && full.received().is_empty());
}

#[tokio::test]
async fn a_server_without_tls_or_with_another_password_is_passed_over() {
    let lab = lab!("a_server_without_tls_or_with_another_password_is_passed_over");
    let bare = SmtpServer::start(&lab, &["--auth", "ops", "hushhush"]);
    let other = SmtpServer::with_tls(&lab, &["--auth", "ops", "changed"]);
    let good = SmtpServer::with_tls(&lab, &["--auth", "ops", "hushhush"]);
    let mut settings = settings(0, Tls::StartTls);
    settings.ca_file = Some(lab.cert("cert.pem"));
    login(&mut settings, "ops", "hushhush");
    hosts(&mut settings, &[bare.port, other.port, good.port]);
    accepted(&send(&settings, "support@example.org").await);
    assert_eq!(good.received().len(), 1);
    assert!(bare.received().is_empty() && other.received().is_empty());
}

#[tokio::test]
async fn a_silent_server_uses_up_its_share_of_the_time_and_no_more() {
    let lab = lab!("a_silent_server_uses_up_its_share_of_the_time_and_no_more");
    let good = SmtpServer::start(&lab, &[]);
    let (_listener, silent) = mute();
    let mut settings = settings(0, Tls::None);
    hosts(&mut settings, &[silent, good.port]);
    settings.timeout = Duration::from_secs(4);
    let mailer = Mailer::new(&settings).unwrap();
    let started = Instant::now();
    accepted(&mailer.send(&message("support@example.org")).await);
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert!(started.elapsed() < Duration::from_secs(4));

    // One that waits at a recipient for ever is left as well: nothing was handed over.
    hosts(&mut settings, &[good.port, silent]);
    let started = Instant::now();
    let answer = Mailer::new(&settings)
        .unwrap()
        .send(&message("hang@example.org"))
        .await;
    let why = temporary(&answer);
    assert!(
        why.contains(&format!(":{}", good.port)) && why.contains(&format!(":{silent}")),
        "{why}"
    );
    assert!(started.elapsed() < Duration::from_secs(6), "one deadline");
}

#[tokio::test]
async fn a_thousand_mails_do_not_each_wait_for_a_dead_server() {
    let lab = lab!("a_thousand_mails_do_not_each_wait_for_a_dead_server");
    let good = SmtpServer::start(&lab, &[]);
    let (_listener, silent) = mute();
    let mut settings = settings(0, Tls::None);
    hosts(&mut settings, &[silent, good.port]);
    settings.timeout = Duration::from_secs(4);
    let mailer = Arc::new(Mailer::new(&settings).unwrap());
    let started = Instant::now();
    let sends: Vec<_> = (0..1_000)
        .map(|n| {
            let (mailer, message) = (mailer.clone(), message(&format!("user{n}@example.org")));
            tokio::spawn(async move { mailer.send(&message).await })
        })
        .collect();
    for sending in sends {
        accepted(&sending.await.unwrap());
    }
    // The four that were sent first waited two seconds each, at once.
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(good.received().len(), 1_000);
}

#[tokio::test]
async fn a_refusal_of_the_recipient_is_final() {
    let lab = lab!("a_refusal_of_the_recipient_is_final");
    let (first, second) = (SmtpServer::start(&lab, &[]), SmtpServer::start(&lab, &[]));
    let mailer = mailer(&[first.port, second.port]);
    for to in ["code-550@example.org", "data-554@example.org"] {
        permanent(&mailer.send(&message(to)).await);
    }
    // As is a "not now" to the recipient: the servers do the same.
    temporary(&mailer.send(&message("code-451@example.org")).await);
    assert!(second.received().is_empty());
    // And none of it is held against the server.
    accepted(&mailer.send(&message("support@example.org")).await);
    assert_eq!(first.received().len(), 1);
}

#[tokio::test]
async fn what_may_have_been_taken_is_never_given_to_another() {
    let lab = lab!("what_may_have_been_taken_is_never_given_to_another");
    let (first, second) = (SmtpServer::start(&lab, &[]), SmtpServer::start(&lab, &[]));
    let mut settings = settings(0, Tls::None);
    hosts(&mut settings, &[first.port, second.port]);
    settings.timeout = Duration::from_secs(4);
    for to in ["acceptdrop@example.org", "hangdata@example.org"] {
        unknown(&send(&settings, to).await);
    }
    assert_eq!(first.received().len(), 2);
    assert!(second.received().is_empty());
    // A connection that breaks before the message is another matter.
    temporary(&send(&settings, "drop@example.org").await);
}

#[tokio::test]
async fn where_none_can_be_talked_to_each_is_told() {
    let (one, two) = (dead(), dead());
    let delivery = mailer(&[one, two])
        .deliver(&message("support@example.org"))
        .await;
    let why = temporary(&delivery.answer);
    for port in [one, two] {
        assert!(why.contains(&format!("127.0.0.1:{port}")), "{why}");
    }
}
