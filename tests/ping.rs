//! What is told to those who watch, over real connections to a server that behaves well and badly.
#[path = "ping/server.rs"]
mod server;
#[path = "support/smtp.rs"]
mod smtp;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use offhours::config::{self, Env, PingAddress, PingConfig, Pinged, Purpose};
use offhours::core::fact::{AttemptEnded, Fact, RetryAt};
use offhours::core::report::Counters;
use offhours::core::run::{Outcome, What};
use offhours::core::state::State;
use offhours::daemon::{Heard, alive};
use offhours::ping::{Pinger, Times};
use server::{Request, Server};
use smtp::Lab;

const TIMES: Times = Times {
    within: Duration::from_secs(2),
    again: [Duration::from_millis(20), Duration::from_millis(40)],
};
/// Long enough for a machine that does a lot beside.
const PATIENCE: Duration = Duration::from_secs(30);

struct Told {
    pinger: Pinger,
    counters: Arc<Mutex<Counters>>,
}

fn told(config: PingConfig) -> Told {
    told_within(config, TIMES)
}

fn told_within(config: PingConfig, times: Times) -> Told {
    let counters = Arc::<Mutex<Counters>>::default();
    let pinger = Pinger::new(config, times, counters.clone()).unwrap();
    Told { pinger, counters }
}

impl Told {
    fn observe(&self, facts: &[Fact]) {
        self.pinger.observe(facts, "0123abcd");
    }

    /// Waits until nothing is left to be told; the counters then.
    async fn settled(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        let begun = Instant::now();
        self.pinger.settle(PATIENCE).await;
        assert!(begun.elapsed() < PATIENCE, "still telling");
        self.counters.lock().unwrap().pings.clone()
    }
}

fn job() -> Pinged {
    Pinged::Periodic("gc".into())
}

fn config(url: &str) -> PingConfig {
    PingConfig {
        addresses: [(job(), PingAddress::parse(url).unwrap())].into(),
        every: SignedDuration::from_secs(1),
        ..PingConfig::default()
    }
}

fn started(run: u64) -> Fact {
    started_of(
        run,
        What::Periodic {
            job: "gc".into(),
            host: "local".into(),
        },
    )
}

fn started_of(run: u64, what: What) -> Fact {
    Fact::AttemptStarted {
        reboot: false,
        way: None,
        run,
        attempt: 1,
        what,
        due: None,
        stop_by: None,
    }
}

fn ended(run: u64, outcome: Outcome, exit_code: Option<i32>) -> Fact {
    Fact::AttemptEnded(Box::new(ended_of(
        run,
        What::Periodic {
            job: "gc".into(),
            host: "local".into(),
        },
        outcome,
        exit_code,
    )))
}

fn ended_of(run: u64, what: What, outcome: Outcome, exit_code: Option<i32>) -> AttemptEnded {
    AttemptEnded {
        to_be_seen: false,
        run,
        attempt: 1,
        what,
        due: None,
        started: Timestamp::UNIX_EPOCH,
        elapsed: SignedDuration::ZERO,
        outcome,
        exit_code,
        reason: None,
        output_bytes: 0,
        log: false,
        tail: "secret output".into(),
        carried: false,
        retry: None,
    }
}

fn paths(requests: &[Request]) -> Vec<&str> {
    requests
        .iter()
        .map(|request| request.path.as_str())
        .collect()
}

#[tokio::test]
async fn beginning_and_end_belong_together() {
    let server = Server::plain().await;
    let told = told(config(&server.url("ok/a")));
    for (run, outcome, code, expected) in [
        (1, Outcome::Succeeded, Some(0), "/ok/a"),
        (2, Outcome::Failed, Some(3), "/ok/a/3"),
        (3, Outcome::TimedOut, None, "/ok/a/fail"),
        (4, Outcome::Signalled, None, "/ok/a/fail"),
        (5, Outcome::Interrupted, None, "/ok/a/fail"),
        (6, Outcome::Failed, Some(-1), "/ok/a/fail"),
        // A job that says 0 and left processes that had to be killed has failed all the same.
        (7, Outcome::Failed, Some(0), "/ok/a/fail"),
    ] {
        let before = server.requests().len();
        told.observe(&[started(run), ended(run, outcome, code)]);
        told.settled().await;
        let new = &server.requests()[before..];
        assert_eq!(paths(new), ["/ok/a/start", expected], "{outcome:?}");
        assert!(new[0].run.is_some());
        assert_eq!(new[0].run, new[1].run, "one run");
    }
    let requests = server.requests();
    let runs: std::collections::BTreeSet<_> = requests.iter().map(|r| r.run.clone()).collect();
    assert_eq!(runs.len(), 7, "each run has its own");
    for request in &requests {
        assert_eq!(
            (request.method.as_str(), request.body.as_str()),
            ("GET", "")
        );
        let head = request.head.to_ascii_lowercase();
        assert!(
            head.contains(&format!("host: localhost:{}", server.address.port())),
            "{head}"
        );
        assert!(head.contains("user-agent: offhours/"), "{head}");
    }
}

#[tokio::test]
async fn what_is_no_end_is_not_told() {
    let server = Server::plain().await;
    let told = told(config(&server.url("ok/a")));
    let session = "shop/rehearsal/2026-11-20";
    let step = |job: &str| What::Step {
        session: session.into(),
        step: 0,
        job: job.into(),
        host: "local".into(),
    };
    let again = AttemptEnded {
        retry: Some(RetryAt {
            at: Timestamp::UNIX_EPOCH,
            failures: 1,
        }),
        ..ended_of(
            1,
            What::Periodic {
                job: "gc".into(),
                host: "local".into(),
            },
            Outcome::Failed,
            Some(1),
        )
    };
    told.observe(&[
        Fact::AttemptEnded(Box::new(again)),
        ended(2, Outcome::Postponed, Some(69)),
        ended(3, Outcome::Skipped, None),
        ended(4, Outcome::Cancelled, None),
        // A maintenance job of the same name is another, and this one is only rehearsed.
        started_of(5, step("gc")),
        started_of(6, What::Alarm { key: "gc".into() }),
    ]);
    assert!(told.settled().await.is_empty());
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn maintenance_is_told_but_not_rehearsed() {
    let server = Server::plain().await;
    let mut config = config(&server.url("ok/periodic"));
    let url = server.url("ok/maintenance");
    config.addresses.insert(
        Pinged::Maintenance("gc".into()),
        PingAddress::parse(&url).unwrap(),
    );
    let told = told(config);
    for session in ["shop/night/2026-11-20", "shop/rehearsal/2026-11-20"] {
        let what = What::Step {
            session: session.into(),
            step: 0,
            job: "gc".into(),
            host: "local".into(),
        };
        let end = ended_of(1, what.clone(), Outcome::Succeeded, Some(0));
        told.observe(&[started_of(1, what), Fact::AttemptEnded(Box::new(end))]);
        told.settled().await;
    }
    assert_eq!(
        paths(&server.requests()),
        ["/ok/maintenance/start", "/ok/maintenance"]
    );
}

#[tokio::test]
async fn output_is_sent_only_where_asked_for() {
    let server = Server::plain().await;
    let told = told(PingConfig {
        output: true,
        ..config(&server.url("ok/a"))
    });
    told.observe(&[started(1), ended(1, Outcome::Failed, Some(3))]);
    told.settled().await;
    let requests = server.requests();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].body.as_str()),
        ("GET", "")
    );
    assert_eq!(
        (requests[1].method.as_str(), requests[1].body.as_str()),
        ("POST", "secret output")
    );
}

#[tokio::test]
async fn what_fails_is_tried_three_times() {
    let server = Server::plain().await;
    for (path, times, result) in [
        ("flaky", 3, "delivered"),
        ("503", 3, "failed"),
        ("429", 3, "failed"),
        ("drop", 3, "failed"),
        ("nonsense", 3, "failed"),
        ("endless", 3, "failed"),
        ("404", 1, "failed"),
        ("401", 1, "failed"),
    ] {
        let before = server.requests().len();
        let told = told(config(&server.url(path)));
        told.observe(&[ended(1, Outcome::Succeeded, Some(0))]);
        let counted = told.settled().await;
        assert_eq!(server.requests().len() - before, times, "{path}");
        assert_eq!(counted, [(("success", result), 1)].into(), "{path}");
    }
}

#[tokio::test]
async fn who_hangs_or_is_not_there_is_not_waited_for() {
    let server = Server::plain().await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let times = Times {
        within: Duration::from_millis(200),
        ..TIMES
    };
    for url in [
        server.url("hang"),
        format!("http://127.0.0.1:{closed}/x"),
        "http://nowhere.invalid/x".to_owned(),
    ] {
        let told = told_within(config(&url), times);
        let begun = Instant::now();
        told.observe(&[ended(1, Outcome::Succeeded, Some(0))]);
        assert!(
            begun.elapsed() < Duration::from_millis(100),
            "telling waits for nothing"
        );
        assert_eq!(
            told.settled().await,
            [(("success", "failed"), 1)].into(),
            "{url}"
        );
    }
}

#[tokio::test]
async fn elsewhere_is_followed_by_the_same_way_only() {
    let server = Server::plain().await;
    for (path, expected, result) in [
        ("moved/x", &["/moved/x", "/ok/moved"][..], "delivered"),
        ("kept/x", &["/kept/x", "/ok/kept"], "delivered"),
        (
            "round/x",
            &["/round/x", "/round/again", "/round/again", "/round/again"],
            "failed",
        ),
        ("secure/x", &["/secure/x"], "failed"),
        ("file/x", &["/file/x"], "failed"),
        ("nowhere/x", &["/nowhere/x"], "failed"),
    ] {
        let before = server.requests().len();
        let told = told(PingConfig {
            output: true,
            ..config(&server.url(path))
        });
        told.observe(&[ended(1, Outcome::Succeeded, Some(0))]);
        assert_eq!(
            told.settled().await,
            [(("success", result), 1)].into(),
            "{path}"
        );
        let new = &server.requests()[before..];
        assert_eq!(paths(new), expected, "{path}");
        let body = new.last().unwrap().body.as_str();
        let kept = path.starts_with("kept") || new.len() == 1;
        assert_eq!(body, if kept { "secret output" } else { "" }, "{path}");
    }
}

#[tokio::test]
async fn only_what_came_last_is_told_where_it_cannot_be_told_in_time() {
    let server = Server::plain().await;
    let told = told_within(
        config(&server.url("hang")),
        Times {
            within: PATIENCE,
            ..TIMES
        },
    );
    told.observe(&[started(1)]);
    server.wait(1).await;
    for run in 1..50 {
        told.observe(&[ended(run, Outcome::Failed, Some(1)), started(run + 1)]);
    }
    told.observe(&[ended(50, Outcome::Succeeded, Some(0))]);
    server.release();
    server.wait(2).await;
    server.release();
    server.wait(3).await;
    server.release();
    let counted = told.settled().await;
    assert_eq!(
        paths(&server.requests()),
        ["/hang/start", "/hang/start", "/hang"]
    );
    let runs: Vec<_> = server.requests().iter().map(|r| r.run.clone()).collect();
    assert_eq!(runs[1], runs[2]);
    assert_eq!(counted[&("fail", "skipped")], 49);
    assert_eq!(counted[&("start", "skipped")], 48);
    assert_eq!(counted[&("success", "delivered")], 1);
}

#[tokio::test]
async fn a_retry_gives_way_to_what_comes_later() {
    let server = Server::plain().await;
    // Long pauses: without giving way this would take a minute.
    let told = told_within(
        config(&server.url("503")),
        Times {
            within: PATIENCE,
            again: [Duration::from_millis(10), Duration::from_secs(60)],
        },
    );
    told.observe(&[
        started(1),
        ended(1, Outcome::Failed, Some(1)),
        ended(2, Outcome::Succeeded, Some(0)),
    ]);
    // The beginning and the failure gave way; the last is tried again.
    server.wait(3).await;
    let counted = told.counters.lock().unwrap().pings.clone();
    assert_eq!(counted[&("start", "skipped")], 1, "{counted:?}");
}

#[tokio::test]
async fn few_are_under_way_and_many_wait_no_longer() {
    let server = Server::plain().await;
    let mut all = config(&server.url("hang"));
    for n in 0..2_000 {
        let address = PingAddress::parse(&server.url("hang")).unwrap();
        all.addresses
            .insert(Pinged::Periodic(format!("job{n}").into()), address);
    }
    let told = told_within(
        all,
        Times {
            within: PATIENCE,
            ..TIMES
        },
    );
    for n in 0..2_000 {
        told.observe(&[started_of(
            n,
            What::Periodic {
                host: "local".into(),
                job: format!("job{n}").into(),
            },
        )]);
    }
    server.wait(4).await;
    assert_eq!(
        told.counters.lock().unwrap().pings[&("start", "skipped")],
        1_000
    );
    // Whoever is let go makes room for one more.
    for _ in 0..3 {
        let before = server.requests().len();
        server.release();
        server.wait(before + 4).await;
    }
    assert_eq!(server.most_at_once(), 4);
}

#[tokio::test]
async fn certificates_count() {
    let Some(lab) = Lab::find("certificates_count") else {
        return;
    };
    let server = Server::tls(&lab.certs).await;
    for (ca, result) in [
        (Some("cert.pem"), "delivered"),
        (Some("other.pem"), "failed"),
        (None, "failed"),
    ] {
        let told = told(PingConfig {
            ca_file: ca.map(|name| lab.cert(name)),
            ..config(&server.url("ok/a"))
        });
        told.observe(&[ended(1, Outcome::Succeeded, Some(0))]);
        assert_eq!(
            told.settled().await,
            [(("success", result), 1)].into(),
            "{ca:?}"
        );
    }
    let own = || Some(lab.cert("cert.pem"));
    for (path, result) in [("clear/x", "failed"), ("moved/x", "delivered")] {
        let told = told(PingConfig {
            ca_file: own(),
            ..config(&server.url(path))
        });
        told.observe(&[ended(1, Outcome::Succeeded, Some(0))]);
        assert_eq!(
            told.settled().await,
            [(("success", result), 1)].into(),
            "{path}"
        );
    }
    // A name that is not in the certificate; an address that is.
    for (host, result) in [("sub.localhost", "failed"), ("127.0.0.1", "delivered")] {
        let url = server
            .url("ok/a")
            .replace("//localhost", &format!("//{host}"));
        let told = told(PingConfig {
            ca_file: own(),
            ..config(&url)
        });
        told.observe(&[ended(1, Outcome::Succeeded, Some(0))]);
        assert_eq!(
            told.settled().await,
            [(("success", result), 1)].into(),
            "{host}"
        );
    }
    let wrong = PingConfig {
        ca_file: Some(lab.cert("cert.key")),
        ..config("https://localhost/secret")
    };
    let error = Pinger::new(wrong, TIMES, Arc::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cert.key") && !error.contains("secret"),
        "{error}"
    );
}

#[tokio::test]
async fn a_reload_moves_what_is_told() {
    let server = Server::plain().await;
    let told = told(config(&server.url("ok/old")));
    told.observe(&[started(1)]);
    told.settled().await;
    told.pinger.replace(config(&server.url("ok/new"))).unwrap();
    told.observe(&[ended(1, Outcome::Succeeded, Some(0))]);
    told.settled().await;
    told.pinger.replace(PingConfig::default()).unwrap();
    told.observe(&[started(2)]);
    told.settled().await;
    assert_eq!(paths(&server.requests()), ["/ok/old/start", "/ok/new"]);
}

/// A loop that says of its state what it is told to say.
fn turning(unwritable: Option<&str>) -> tokio::sync::mpsc::Sender<Heard> {
    let (tell, mut ears) = tokio::sync::mpsc::channel(8);
    let mut state = State::default();
    state.live.unwritable = unwritable.map(str::to_owned);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("windows.toml");
    std::fs::write(&file, "time_zone = \"UTC\"\n").unwrap();
    let loaded = config::load(&file, &Env::default(), Timestamp::UNIX_EPOCH, Purpose::Read);
    let policy = loaded.unwrap().policy;
    tokio::spawn(async move {
        while let Some(heard) = ears.recv().await {
            if let Heard::Look(look) = heard {
                look(&policy, &state, Timestamp::UNIX_EPOCH);
            }
        }
    });
    tell
}

fn daemon_at(url: &str, every: SignedDuration) -> PingConfig {
    PingConfig {
        addresses: [(Pinged::Daemon, PingAddress::parse(url).unwrap())].into(),
        every,
        ..PingConfig::default()
    }
}

#[tokio::test]
async fn the_daemon_says_that_it_lives() {
    let server = Server::plain().await;
    let told = told(daemon_at(
        &server.url("ok/daemon"),
        SignedDuration::from_millis(50),
    ));
    let saying = tokio::spawn(alive::tell(turning(None), told.pinger.clone()));
    let requests = server.wait(3).await;
    assert!(
        requests
            .iter()
            .all(|r| r.path == "/ok/daemon" && r.run.is_none()),
        "{requests:?}"
    );
    // Nobody is to be told any more; then somebody is again, at once.
    told.pinger.replace(PingConfig::default()).unwrap();
    told.settled().await;
    let before = server.requests().len();
    let hourly = daemon_at(&server.url("ok/again"), SignedDuration::from_hours(1));
    told.pinger.replace(hourly).unwrap();
    let requests = server.wait(before + 1).await;
    assert_eq!(requests.last().unwrap().path, "/ok/again");
    saying.abort();
}

#[tokio::test]
async fn a_daemon_that_records_nothing_or_does_not_turn_says_nothing() {
    let server = Server::plain().await;
    let gone = tokio::sync::mpsc::channel(1).0;
    for loop_ in [turning(Some("disk full")), gone] {
        let told = told(daemon_at(
            &server.url("ok/daemon"),
            SignedDuration::from_millis(10),
        ));
        let asked = loop_.clone();
        let saying = tokio::spawn(alive::tell(loop_, told.pinger.clone()));
        // Asked many times by then: the loop answers in the order of the questions.
        for _ in 0..20 {
            let (say, said) = tokio::sync::oneshot::channel();
            let look = Heard::Look(Box::new(move |_, _, _| say.send(()).unwrap_or_default()));
            if asked.send(look).await.is_ok() {
                let _ = said.await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        saying.abort();
        assert!(told.settled().await.is_empty());
    }
    assert!(server.requests().is_empty());
}
