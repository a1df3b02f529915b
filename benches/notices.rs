//! A thousand notices: by the mailer and by the whole daemon, beside a bare loop over lettre's own pool, all to the
//! same server; and what the daemon needs while ten thousand wait. One JSON object a line.
//!
//!     cargo bench --bench notices [-- COUNT WAITING]
//!
//! The server is a thread a connection on loopback; it answers at once and keeps nothing. The daemon makes every
//! acceptance durable, the others do not.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor, address::Envelope};
use offhours::mail::{
    Composed, Language, Letter, LetterKind, MailHost, MailSettings, Mailer, Recipient,
    SmtpSettings, Tls, Transport, compose,
};

const FROM: &str = "ops@example.org";

/// What the server was asked, and what it says.
#[derive(Default)]
struct Seen {
    taken: AtomicUsize,
    asked: AtomicUsize,
    connections: AtomicUsize,
    refuses: AtomicBool,
}

fn serve(seen: Arc<Seen>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            seen.connections.fetch_add(1, Ordering::Relaxed);
            // A client that goes away in the middle ends its thread, no more.
            std::thread::spawn(move || drop(talk(stream, &seen)));
        }
    });
    port
}

fn talk(stream: TcpStream, seen: &Seen) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    out.write_all(b"220 sink\r\n")?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let answer: &[u8] = match line.get(..4).unwrap_or_default() {
            b"EHLO" => b"250-sink\r\n250 8BITMIME\r\n",
            b"RCPT" => {
                seen.asked.fetch_add(1, Ordering::Relaxed);
                match seen.refuses.load(Ordering::Relaxed) {
                    true => b"451 later\r\n",
                    false => b"250 ok\r\n",
                }
            }
            b"DATA" => {
                out.write_all(b"354 go\r\n")?;
                loop {
                    line.clear();
                    if reader.read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                    if line == b".\r\n" {
                        break;
                    }
                }
                seen.taken.fetch_add(1, Ordering::Relaxed);
                b"250 taken\r\n"
            }
            b"QUIT" => return out.write_all(b"221 bye\r\n"),
            _ => b"250 ok\r\n",
        };
        out.write_all(answer)?;
    }
}

fn letter(number: usize) -> Letter {
    let at = |text: &str| text.parse::<Timestamp>().expect("a fixed instant");
    Letter {
        kind: LetterKind::Advance,
        message_id: format!("{number}@example.org"),
        in_reply_to: None,
        date: at("2026-11-26T09:00:00Z"),
        installation: "production".into(),
        app: "shop".into(),
        app_description: Some("The web shop".into()),
        window: "night".into(),
        session: "shop/night/2026-11-26".into(),
        uid: "offhours-shop@example.org".into(),
        sequence: 0,
        opens: at("2026-11-26T21:00:00Z"),
        closes: at("2026-11-27T04:00:00Z"),
        longer: SignedDuration::ZERO,
        starts: at("2026-11-26T21:00:00Z"),
        expected: SignedDuration::from_mins(45),
        jobs: Vec::new(),
        reason: None,
        next: None,
        early: false,
        contact: vec![FROM.into()],
        recipient: Recipient {
            email: format!("user{number}@example.org"),
            name: None,
            language: Language::En,
            zone: TimeZone::UTC,
            zone_name: "UTC".into(),
        },
        text: Vec::new(),
        parts: Vec::new(),
    }
}

fn say(what: &str, count: usize, took: Duration, seen: &Seen) {
    let per_second = count as f64 / took.as_secs_f64();
    let connections = seen.connections.swap(0, Ordering::Relaxed);
    println!(
        "{{\"what\":\"{what}\",\"notices\":{count},\"seconds\":{:.3},\"per_second\":{per_second:.0},\"connections\":{connections}}}",
        took.as_secs_f64()
    );
}

/// One after another, and four at a time: a bare loop and the mailer.
async fn clients(port: u16, seen: &Seen, messages: &[Composed]) {
    let settings = MailSettings {
        transport: Transport::Smtp(smtp(port)),
        from: FROM.into(),
        timeout: MailSettings::TIMEOUT,
        ca_file: None,
    };
    let mailer = Arc::new(Mailer::new(&settings).expect("settings that are right"));
    for at_once in [1, 4] {
        let bare = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
            .port(port)
            .pool_config(PoolConfig::new().max_size(4))
            .build();
        let begin = Instant::now();
        in_turn(messages, at_once, |message| {
            let bare = bare.clone();
            async move {
                let (from, to) = (message.envelope_from.clone(), message.envelope_to.clone());
                let envelope = Envelope::new(Some(from), vec![to]).expect("one recipient");
                bare.send_raw(&envelope, &message.bytes)
                    .await
                    .expect("the sink takes all");
            }
        })
        .await;
        say(
            &format!("lettre's pool, {at_once} at a time"),
            messages.len(),
            begin.elapsed(),
            seen,
        );
        let begin = Instant::now();
        in_turn(messages, at_once, |message| {
            let mailer = Arc::clone(&mailer);
            async move {
                let answer = mailer.send(&message).await;
                assert!(
                    matches!(answer, offhours::mail::Answer::Accepted { .. }),
                    "{answer:?}"
                );
            }
        })
        .await;
        say(
            &format!("mailer, {at_once} at a time"),
            messages.len(),
            begin.elapsed(),
            seen,
        );
    }
}

async fn in_turn<F: Future<Output = ()> + Send + 'static>(
    messages: &[Composed],
    at_once: usize,
    send: impl Fn(Composed) -> F,
) {
    let mut tasks = tokio::task::JoinSet::new();
    for message in messages {
        if tasks.len() == at_once {
            tasks.join_next().await;
        }
        tasks.spawn(send(message.clone()));
    }
    while tasks.join_next().await.is_some() {}
}

fn smtp(port: u16) -> SmtpSettings {
    SmtpSettings {
        hosts: vec![MailHost {
            name: "127.0.0.1".into(),
            port,
        }],
        tls: Tls::None,
        username: None,
        password: None,
    }
}

/// `apps` apps with a session each that is announced at once to a thousand people.
fn configuration(dir: &Path, port: u16, people: usize) {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("a writable folder");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mine");
    };
    let mut text = format!(
        "time_zone = \"UTC\"\n[mail]\ntransport = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         from = \"{FROM}\"\n[notice]\nlead = \"1h\"\nmargin = \"9d\"\noperators = [\"{FROM}\"]\ndigest_after = 1000\n\
         [window.night]\ndays = \"Sun\"\nstart = \"22:00\"\nduration = \"4h\"\n[contacts]\n"
    );
    let apps = people.div_ceil(1_000);
    for app in 0..apps {
        let of = (people - app * 1_000).min(1_000);
        let list: Vec<String> = (0..of)
            .map(|n| format!("\"user{app}-{n}@example.org\""))
            .collect();
        text += &format!("role{app} = [{}]\n", list.join(", "));
    }
    for app in 0..apps {
        text += &format!(
            "[app.app{app}]\nwindow = \"night\"\nnotify = [\"role{app}\"]\n[maintenance.job{app}]\napp = \"app{app}\"\n\
             every = \"window\"\nrun = [\"true\"]\ntimeout = \"5m\"\n"
        );
    }
    write("windows.toml", &text);
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    fn start(dir: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_offhours"))
            .args(["run", "--config"])
            .arg(dir.join("windows.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn();
        Self(child.expect("the program starts"))
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(field));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0)
    }

    /// User and system time so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()));
        let stat = stat.unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok());
        (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(300), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
    begin.elapsed()
}

fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let count = arguments.first().copied().unwrap_or(1_000);
    let waiting = arguments.get(1).copied().unwrap_or(10_000);
    let seen = Arc::new(Seen::default());
    let port = serve(Arc::clone(&seen));
    let from = FROM.parse().expect("an address");
    let begin = Instant::now();
    let messages: Vec<Composed> = (0..count)
        .map(|n| compose(&from, &letter(n)).expect("a letter that is right"))
        .collect();
    say("composed", count, begin.elapsed(), &seen);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(clients(port, &seen, &messages));

    let dir = tempfile::tempdir().expect("a folder");
    configuration(dir.path(), port, count);
    seen.taken.store(0, Ordering::Relaxed);
    let daemon = Daemon::start(dir.path());
    until("the first is sent", || {
        seen.taken.load(Ordering::Relaxed) > 0
    });
    let took = until("all are sent", || {
        seen.taken.load(Ordering::Relaxed) >= count
    });
    say("daemon, each made durable", count, took, &seen);
    drop(daemon);

    seen.refuses.store(true, Ordering::Relaxed);
    for people in [0, waiting] {
        let dir = tempfile::tempdir().expect("a folder");
        configuration(dir.path(), port, people.max(1));
        seen.asked.store(0, Ordering::Relaxed);
        let daemon = Daemon::start(dir.path());
        let took = until("all were tried", || {
            seen.asked.load(Ordering::Relaxed) >= people.max(1)
        });
        println!(
            "{{\"what\":\"daemon, all refused for now\",\"waiting\":{},\"seconds\":{:.2},\"cpu_seconds\":{:.2},\"anonymous_kb\":{},\"peak_kb\":{}}}",
            people.max(1),
            took.as_secs_f64(),
            daemon.cpu(),
            daemon.memory("RssAnon:"),
            daemon.memory("VmHWM:")
        );
    }
}
