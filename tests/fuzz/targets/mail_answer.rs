//! What a mail server says, over a real connection to the real client.
//!
//! The first byte chooses how the client connects; the rest is sent at once, or line by line.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use offhours::mail::{
    Answer, Composed, Language, MailHost, MailSettings, Mailer, Recipient, SmtpSettings, Tls,
    Transport, compose,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::fixture;
use super::safe;

const FROM: &str = "Operations <ops@example.org>";
const PASSWORD: &str = "hush-hush-word";
/// The server says all it has and closes, so that nobody ever waits for it.
const TIMEOUT: Duration = Duration::from_secs(4);

pub fn run(data: &[u8]) {
    thread_local! {
        static SCENE: Scene = Scene::new();
    }
    let Some((mode, said)) = data.split_first() else {
        return;
    };
    // By the clock, for a server may say itself that it has waited.
    let began = Instant::now();
    let (answer, again) = SCENE.with(|scene| scene.runtime.block_on(scene.deliver(*mode, said)));
    assert!(began.elapsed() < TIMEOUT, "it waited: {answer:?} {again:?}");
    for answer in [Some(answer), again].into_iter().flatten() {
        judge(&answer, said, mode & 2 != 0);
    }
}

/// What takes long to make.
struct Scene {
    runtime: Runtime,
    listener: TcpListener,
    /// Never get as far as to keep a connection: without login, and with it.
    encrypted: [Mailer; 2],
}

impl Scene {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = TcpListener::bind("127.0.0.1:0");
        let listener = runtime.block_on(listener).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let encrypted = [1, 3].map(|mode| mailer(mode, port));
        Self {
            runtime,
            listener,
            encrypted,
        }
    }

    async fn deliver(&self, mode: u8, said: &[u8]) -> (Answer, Option<Answer>) {
        let plain;
        let mailer = if mode & 1 == 0 {
            let port = self.listener.local_addr().expect("its address").port();
            plain = mailer(mode, port);
            &plain
        } else {
            &self.encrypted[usize::from(mode >> 1 & 1)]
        };
        let by_line = mode & 4 != 0;
        let serve = async {
            loop {
                let (stream, _) = self.listener.accept().await.expect("a connection");
                speak(stream, said, by_line).await;
            }
        };
        let send = async {
            let first = mailer.send(message()).await;
            // Over a connection that was kept, where there is one.
            let again = match &first {
                Answer::Accepted { .. } => Some(mailer.send(message()).await),
                _ => None,
            };
            (first, again)
        };
        tokio::select! {
            answers = send => answers,
            () = serve => unreachable!("it serves on"),
        }
    }
}

/// Says everything, and listens until the client is gone.
async fn speak(mut stream: TcpStream, said: &[u8], by_line: bool) {
    let (mut from, mut to) = stream.split();
    let talk = async {
        if by_line {
            for line in said.split_inclusive(|byte| *byte == b'\n') {
                let _ = to.write_all(line).await;
                tokio::task::yield_now().await;
            }
        } else {
            let _ = to.write_all(said).await;
        }
        let _ = to.shutdown().await;
    };
    let listen = async {
        let mut part = [0; 4096];
        while from.read(&mut part).await.is_ok_and(|read| read > 0) {}
    };
    tokio::join!(talk, listen);
}

fn mailer(mode: u8, port: u16) -> Mailer {
    let login = mode & 2 != 0;
    let settings = MailSettings {
        transport: Transport::Smtp(SmtpSettings {
            hosts: vec![MailHost {
                name: "127.0.0.1".into(),
                port,
            }],
            tls: if mode & 1 == 0 {
                Tls::None
            } else {
                Tls::StartTls
            },
            username: login.then(|| "ops".into()),
            password: login.then(|| PASSWORD.to_owned().into()),
        }),
        from: FROM.into(),
        timeout: TIMEOUT,
        ca_file: None,
    };
    Mailer::new(&settings).expect("good settings")
}

fn judge(answer: &Answer, said: &[u8], login: bool) {
    let (why, accepted) = match answer {
        Answer::Accepted { server } => (server, true),
        Answer::Temporary { why } | Answer::Permanent { why } | Answer::Unknown { why } => {
            (why, false)
        }
    };
    assert!(!why.trim().is_empty());
    safe::line(why, 300);
    assert!(!login || !why.contains(PASSWORD), "{why}");
    if accepted {
        assert!(
            said.windows(4).any(|part| part == b"354 "),
            "taken without being asked for"
        );
    }
}

fn message() -> &'static Composed {
    static MESSAGE: OnceLock<Composed> = OnceLock::new();
    MESSAGE.get_or_init(|| {
        let letter = fixture::letter(Recipient {
            email: "support@example.org".into(),
            name: None,
            language: Language::En,
            zone: TimeZone::UTC,
            zone_name: "UTC".into(),
        });
        compose(&FROM.parse().expect("an address"), &letter).expect("a message")
    })
}
