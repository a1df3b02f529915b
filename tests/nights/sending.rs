//! The daemon is killed at every point of sending mail: whatever the mail server sees next, in both directions.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::scene::{Scene, header, once, until};

const PEOPLE: [&str; 2] = ["first@example.org", "second@example.org"];

/// Where the daemon dies, and what the server has taken.
#[derive(Default)]
struct Seen {
    /// Points that were passed so far, in words.
    points: Vec<String>,
    /// Whether the daemon that reached the chosen one is gone.
    dead: bool,
    taken: Vec<Taken>,
}

#[derive(Clone)]
struct Taken {
    person: String,
    text: String,
    /// Whether the daemon sent it that was killed.
    by_first: bool,
}

/// A mail server that stops at its n-th point until the daemon is killed, and takes everything.
struct Server {
    port: u16,
    at: usize,
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Server {
    fn start(at: usize) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            at,
            seen: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_thread = Arc::clone(&server);
        // Ends with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = Arc::clone(&of_thread);
                std::thread::spawn(move || server.talk(&stream));
            }
        });
        server
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened. At the chosen point nothing goes on before the daemon is gone.
    fn point(&self, what: &str) {
        let mut seen = self.seen();
        seen.points.push(what.to_owned());
        self.changed.notify_all();
        if seen.points.len() == self.at {
            let _seen = self.changed.wait_while(seen, |seen| !seen.dead);
        }
    }

    /// Ends where the other side does.
    fn talk(&self, mut stream: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).ok();
        let mut people = Vec::new();
        let by_first = !self.seen().dead;
        self.point("connected");
        say("220 mail.example.org ESMTP")?;
        loop {
            let line = lines.next()?.ok()?;
            let word = line.split([' ', ':']).next().unwrap_or_default().to_owned();
            self.point(&format!("{word} came"));
            match &*word {
                "RCPT" => {
                    people.push(line[line.find('<')? + 1..line.find('>')?].to_owned());
                    say("250 good")?;
                }
                "DATA" => {
                    say("354 go on")?;
                    self.point("DATA may come");
                    let mut text = String::new();
                    loop {
                        let line = lines.next()?.ok()?;
                        if line == "." {
                            break;
                        }
                        if text.is_empty() {
                            self.point("its first line came");
                        }
                        text.push_str(&line);
                        text.push_str("\r\n");
                    }
                    self.point("all of it came, and is not kept");
                    let of = people.drain(..).map(|person| Taken {
                        person,
                        text: text.clone(),
                        by_first,
                    });
                    self.seen().taken.extend(of);
                    self.point("it is kept, and that is not said");
                    say("250 kept")?;
                }
                "QUIT" => {
                    say("221 bye")?;
                    self.point("QUIT was answered");
                    return None;
                }
                _ => say("250 good")?,
            }
            self.point(&format!("{word} was answered"));
        }
    }

    /// Waits until the chosen point is reached, or everything was taken without it.
    fn reached(&self) -> Option<String> {
        until("the point, or the last mail", || {
            let seen = self.seen();
            match seen.points.get(self.at.saturating_sub(1)) {
                Some(point) if self.at > 0 => Some(Some(point.clone())),
                _ => (seen.taken.len() == PEOPLE.len()).then_some(None),
            }
        })
    }

    fn is_dead(&self) {
        let mut seen = self.seen();
        seen.dead = true;
        self.changed.notify_all();
    }

    fn taken(&self) -> Vec<Taken> {
        let seen = self.seen();
        seen.taken.clone()
    }
}

/// One night of an hour from now, of which two people are told.
fn scene(server: &Server) -> Scene {
    let toml = format!(
        r#"
[mail]
transport = "smtp"
host = "127.0.0.1"
port = {}
tls = "none"
timeout = "20s"
from = "Operations <ops@example.org>"
[contacts]
technical = ["{}", "{}"]
operators = ["{}"]
[notice]
lead = "1s"
to = ["technical"]
operators = ["operators"]
{}
[app.shop]
window = "now"
enter = []
leave = []
[maintenance.work]
app = "shop"
every = "window"
run = ["true"]
timeout = "5s"
"#,
        server.port,
        PEOPLE[0],
        PEOPLE[1],
        PEOPLE[0],
        once(3600, 7200)
    );
    Scene::new(&toml)
}

/// What is wrong with a night in which the daemon was killed at this point; the point in words, where it was reached.
fn killed_at(at: usize) -> (Option<String>, Vec<String>) {
    let server = Server::start(at);
    let scene = scene(&server);
    let mut daemon = scene.run();
    let point = server.reached();
    daemon.kill();
    server.is_dead();
    let heard = |person: &str| {
        daemon
            .find("notice_accepted", &[("recipient", person)])
            .is_some()
    };
    if point.is_none() {
        return (None, Vec::new());
    }
    let second = scene.up();
    // By what is recorded: the first of them may have said so already.
    let announced = || {
        let next = &scene.offhours(&["status", "--json"]).json()["next"][0];
        next["announcement"]["accepted"] == PEOPLE.len()
    };
    until("everybody to be told", || {
        let told = PEOPLE.iter().all(|person| {
            let mut taken = server.taken().into_iter();
            taken.any(|taken| taken.person == *person)
        });
        (told && announced()).then_some(())
    });
    drop(second);
    let mut bad = Vec::new();
    for person in PEOPLE {
        let taken = server.taken().into_iter();
        let copies: Vec<Taken> = taken.filter(|taken| taken.person == person).collect();
        let names: BTreeSet<_> = copies
            .iter()
            .map(|copy| header(&copy.text, "Message-ID"))
            .collect();
        if names.len() != 1 || names.contains(&None) {
            bad.push(format!("{person} got mails of the names {names:?}"));
        }
        // Nobody can know whether a mail was taken whose answer was not heard: it comes once more, by the same name.
        let unheard = copies.iter().any(|copy| copy.by_first) && !heard(person);
        if copies.len() > 1 + usize::from(unheard) {
            bad.push(format!("{person} got {} copies", copies.len()));
        }
    }
    (point, bad)
}

#[test]
fn killed_at_any_point_of_sending_no_mail_is_lost_and_none_needlessly_doubled() {
    let next = AtomicUsize::new(1);
    let (points, bad) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (point, found) = killed_at(at);
                    let Some(point) = point else {
                        ended.store(true, Ordering::Relaxed);
                        return;
                    };
                    points.lock().unwrap().insert(at, point);
                    let found = found.iter().map(|what| format!("point {at}: {what}"));
                    bad.lock().unwrap().extend(found);
                }
            });
        }
    });
    let (points, bad) = (points.into_inner().unwrap(), bad.into_inner().unwrap());
    assert!(bad.is_empty(), "{}\n{points:#?}", bad.join("\n"));
    for wanted in [
        "connected",
        "it is kept, and that is not said",
        "DATA was answered",
    ] {
        assert!(
            points.values().any(|point| point == wanted),
            "{wanted} in {points:#?}"
        );
    }
    assert!(points.len() > 20, "{points:#?}");
}
