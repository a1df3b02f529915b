//! Servers that misbehave, and connections that end at a bad moment.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::*;

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
    let took = started.elapsed();
    tokio::time::timeout(LONG, server).await.unwrap().unwrap();
    (answer, took)
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

/// Answers line after line with `answers`, the first of them unasked; `354` is followed by a whole message. Then it
/// reads until the client is gone, or closes at once where the last answer is empty. Gives back what it was sent.
async fn dialogue(stream: TcpStream, answers: &[&str]) -> Vec<String> {
    let mut stream = BufReader::new(stream);
    let mut said = Vec::new();
    for (n, answer) in answers.iter().enumerate() {
        let mut line = String::new();
        if n > 0 && stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return said;
        }
        while n > 0 && answers[n - 1].starts_with("354") && line != ".\r\n" {
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return said;
            }
        }
        said.push(line);
        if answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
            return said;
        }
    }
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        said.push(std::mem::take(&mut line));
    }
    said
}

const HELLO: [&str; 2] = ["220 hello\r\n", "250 hello\r\n"];
const TAKEN: [&str; 4] = ["250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 taken\r\n"];

/// Somebody in the middle cannot read what is encrypted, but can speak before it: answers to all that will follow,
/// sent with the last plain one.
#[tokio::test]
async fn what_is_sent_ahead_of_tls_counts_for_nothing() {
    let lab = lab!("what_is_sent_ahead_of_tls_counts_for_nothing");
    let server = SmtpServer::with_tls(&lab, &[]);
    let port = server.port;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(listener.local_addr().unwrap().port(), Tls::StartTls);
    settings.ca_file = Some(lab.cert("cert.pem"));
    let middle = tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut from_server, mut to_server) = server.into_split();
        let forward = tokio::spawn(async move {
            // Ends with an error where the client gives up, which it should.
            let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        });
        let mut ahead = false;
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
            let mut part = bytes[..read].to_vec();
            if part.starts_with(b"220 Ready to start TLS") {
                part.extend(b"250 hello\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n");
                ahead = true;
            }
            if to_client.write_all(&part).await.is_err() {
                break;
            }
        }
        forward.abort();
        ahead
    });
    let answer = send(&settings, "support@example.org").await;
    let why = temporary(&answer);
    assert!(why.contains("TLS"), "{why}");
    assert!(middle.await.unwrap(), "nothing was sent ahead");
}

#[tokio::test]
async fn a_garbled_answer_to_the_message_is_unknown() {
    let (answer, _) = against(Tls::None, LONG, |stream| async move {
        let mut answers = [HELLO.as_slice(), &TAKEN].concat();
        answers[5] = "\x1b[31mwhatever\r\n";
        dialogue(stream, &answers).await;
    })
    .await;
    let why = unknown(&answer);
    assert!(!why.contains("[31m"), "{why}");
}

/// Two letters in a row; `first` and `second` are what the server answers on the first and second connection.
async fn twice(
    first: &'static [&'static str],
    second: &'static [&'static str],
) -> (Answer, Vec<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(listener.local_addr().unwrap().port(), Tls::None);
    settings.timeout = LONG;
    let mailer = Mailer::new(&settings).unwrap();
    let server = tokio::spawn(async move {
        let mut said = vec![dialogue(listener.accept().await.unwrap().0, first).await];
        if !second.is_empty() {
            said.push(dialogue(listener.accept().await.unwrap().0, second).await);
        }
        said
    });
    let message = message("support@example.org");
    accepted(&mailer.send(&message).await);
    let answer = mailer.send(&message).await;
    drop(mailer);
    (
        answer,
        tokio::time::timeout(LONG, server).await.unwrap().unwrap(),
    )
}

const FRESH: &[&str] = &[HELLO[0], HELLO[1], TAKEN[0], TAKEN[1], TAKEN[2], TAKEN[3]];

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let closed = &[
        HELLO[0], HELLO[1], TAKEN[0], TAKEN[1], TAKEN[2], TAKEN[3], "",
    ];
    let (answer, said) = twice(closed, FRESH).await;
    accepted(&answer);
    assert!(said[1][2].starts_with("MAIL"), "{said:?}");
}

#[tokio::test]
async fn a_connection_that_ends_before_the_sender_is_accepted_is_replaced() {
    for end in ["421 too many messages\r\n", "", "garbage\r\n"] {
        let first: &'static [&'static str] = Vec::leak([FRESH, &["250 reset\r\n", end]].concat());
        let (answer, said) = twice(first, FRESH).await;
        accepted(&answer);
        assert!(
            said[0].iter().any(|line| line.starts_with("RSET")),
            "{said:?}"
        );
        assert_eq!(
            said[0]
                .iter()
                .filter(|line| line.starts_with("MAIL"))
                .count(),
            2
        );
    }
}

#[tokio::test]
async fn one_that_ends_later_is_not_tried_again() {
    let at_recipient = &[
        HELLO[0],
        HELLO[1],
        TAKEN[0],
        TAKEN[1],
        TAKEN[2],
        TAKEN[3],
        "250 reset\r\n",
        "250 ok\r\n",
        "",
    ];
    temporary(&twice(at_recipient, &[]).await.0);
    let at_dot = &[
        HELLO[0],
        HELLO[1],
        TAKEN[0],
        TAKEN[1],
        TAKEN[2],
        TAKEN[3],
        "250 reset\r\n",
        TAKEN[0],
        TAKEN[1],
        TAKEN[2],
        "",
    ];
    unknown(&twice(at_dot, &[]).await.0);
}
