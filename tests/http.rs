//! The HTTP side over real sockets, with a made-up loop behind it.
#[path = "http/calendar.rs"]
mod calendar;
#[path = "support/promtool.rs"]
mod promtool;
#[path = "support/shell.rs"]
mod shell;
#[path = "support/smtp.rs"]
mod smtp;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use offhours::config::{self, Env, HttpConfig, Purpose};
use offhours::core::plan::plan;
use offhours::core::policy::Policy;
use offhours::core::report::{Counters, Runs};
use offhours::core::run::{Outcome, What};
use offhours::core::state::{
    AlarmState, Attention, AttentionKind, Pause, Requested, Running, State,
};
use offhours::http::{self, Access, Asked, Calendar, HttpError, Snapshot, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use promtool::promtool;
use shell::shell;

const FILE: &str = r#"
name = "shop <&> sons"
time_zone = "UTC"
[contacts]
technical = ["secret-address@example.org"]
[mail]
transport = "file"
from = "ops@example.org"
[notice]
to = ["technical"]
operators = ["technical"]
[window.night]
open = "daily 22:00-05:00"
[app.shop]
window = "night"
[maintenance.os-updates]
app = "shop"
script = "true"
every = "window"
[periodic.gc]
schedule = "*/15 * * * *"
script = "true"
timeout = "5m"
"#;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("instant")
}

fn policy() -> Policy {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("windows.toml");
    std::fs::write(&file, FILE).expect("file");
    config::load(&file, &Env::of_process(), now(), Purpose::Read)
        .expect("good")
        .policy
}

fn state() -> State {
    let mut state = State {
        nonce: "n".into(),
        last: now(),
        ..State::default()
    };
    let attention = Attention {
        kind: AttentionKind::PeriodicFailing,
        text: "<script>gc said secret-output</script>".into(),
        since: now(),
        app: None,
        alarm: AlarmState::None,
    };
    state
        .attention
        .insert("notice:secret@example.org".into(), attention);
    let running = Running {
        way: None,
        reboot: false,
        attempt: 1,
        what: What::Periodic {
            job: "gc".into(),
            host: "local".into(),
        },
        due: None,
        started: now(),
        stop_by: None,
        waiting: Some("secret-holder".into()),
        unheard: Some(("secret-host".into(), now())),
        pid: Some(4711),
    };
    state.running.insert(42, running);
    let pause = Pause {
        since: now(),
        until: None,
        by: "secret-operator".into(),
        reason: "a <b>fair</b> of secret-customer".into(),
    };
    state.paused.insert("shop".into(), pause);
    let requested = Requested {
        person: None,
        emergency: false,
        approval: None,
        at: now(),
        hosts: vec!["secret-host".into()],
        by: "secret-operator".into(),
        reason: "secret-reason".into(),
    };
    let past = state.maintenance.entry("update".into()).or_default();
    past.requested = Some(Box::new(requested));
    state.periodic.entry("gc".into()).or_default().last_success = Some(now());
    state
}

fn snapshot(recovered: bool) -> Snapshot {
    let (policy, state) = (policy(), state());
    let until = "2026-11-25T12:00:00Z".parse().expect("instant");
    let mut runs = Runs::default();
    runs.know(&policy);
    runs.lock_waited(SignedDuration::from_secs(42), true);
    let counters = Counters {
        runs,
        attempts: BTreeMap::from([(("periodic", Outcome::Failed), 3)]),
        pings: BTreeMap::from([(("fail", "skipped"), 2)]),
        ..Counters::default()
    };
    Snapshot::new(
        &policy,
        &state,
        &plan(&policy, &state, now(), until),
        shell(now()),
        counters,
        recovered,
        now(),
    )
}

struct Site {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
}

/// Serves what the loop says; `None`: a loop that never answers.
async fn site(answer: Option<Snapshot>) -> Site {
    let answer = answer.map(|snapshot| {
        let calendar = Calendar::new(&policy(), &state(), None, now());
        (snapshot, calendar)
    });
    site_of(move || answer.clone()).await
}

/// The same where the answer is another each time.
async fn site_of(answer: impl Fn() -> Option<(Snapshot, Calendar)> + Send + 'static) -> Site {
    let config = HttpConfig {
        listen: vec!["127.0.0.1:0".parse().expect("address")],
        hosts: vec!["status.example.org".into()],
        token: Some("the-token".to_owned().into()),
        calendar_token: Some("the-calendar-token".to_owned().into()),
    };
    let listeners = http::bind(&config).await.expect("bound");
    let address = listeners[0].local_addr().expect("address");
    let (source, mut asked) = Source::new();
    tokio::spawn(async move {
        let mut unanswered = Vec::new();
        while let Some(question) = asked.recv().await {
            match (answer(), question) {
                (None, question) => unanswered.push(question),
                (Some((snapshot, _)), Asked::Snapshot(question)) => drop(question.send(snapshot)),
                (Some((_, calendar)), Asked::Calendar(question)) => drop(question.send(calendar)),
            }
        }
    });
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(http::serve(
        listeners,
        source,
        Access::new(&config),
        async {
            let _ = stopped.await;
        },
    ));
    Site {
        address,
        stop: Some(stop),
        served,
    }
}

impl Site {
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).expect("text")
    }

    async fn get(&self, path: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await
    }

    async fn get_known(&self, path: &str) -> String {
        let head = "Host: localhost\r\nAuthorization: Bearer the-token";
        self.raw(&format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n"))
            .await
    }
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn strangers_learn_states_and_no_secrets() {
    let site = site(Some(snapshot(true))).await;
    for path in [
        "/",
        "/status",
        "/metrics",
        "/calendar.ics",
        "/calendar.ics?app=secret",
        "/livez",
        "/readyz",
        "/style.css",
        "/nothing",
    ] {
        let answer = site.get(path).await;
        assert!(!answer.contains("secret"), "{path}: {answer}");
        assert!(!answer.contains("4711"), "{path}: {answer}");
        assert!(
            answer.contains("content-security-policy: default-src 'none'"),
            "{path}: {answer}"
        );
    }
    let known = site.get_known("/status").await;
    for told in [
        "/secret-folder/locks",
        "secret-output",
        "secret-holder",
        "secret-host",
        "4711",
        "secret-host",
        "notice:secret@",
        "secret-customer",
        "secret-reason",
    ] {
        assert!(known.contains(told), "{told}: {known}");
    }
}

#[tokio::test]
async fn the_page_escapes_and_needs_no_script() {
    let site = site(Some(snapshot(true))).await;
    let page = site.get_known("/").await;
    assert_eq!(code(&page), "200", "{page}");
    assert!(page.contains("shop &lt;&amp;&gt; sons"), "{page}");
    assert!(page.contains("&lt;script&gt;gc said"), "{page}");
    assert!(page.contains("a &lt;b&gt;fair&lt;"), "{page}");
    assert!(
        page.contains("is paused until somebody resumes it"),
        "{page}"
    );
    assert!(!page.contains("<script"), "{page}");
    assert!(
        page.contains("shop&#x2f;night&#x2f;2026-11-22") || page.contains("shop/night/2026-11-22"),
        "{page}"
    );
}

#[tokio::test]
async fn the_status_is_json_with_a_diagnosis_of_each_part() {
    let site = site(Some(snapshot(true))).await;
    let answer = site.get("/status").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    assert!(head.contains("content-type: application/json"), "{head}");
    let status: serde_json::Value = serde_json::from_str(body).expect("json");
    for part in ["mail", "hosts", "state", "windows"] {
        assert!(status[part]["text"].is_string(), "{part}: {status}");
    }
    assert_eq!(status["attention"][0]["kind"], "periodic_failing");
    assert_eq!(status["apps"][0]["state"], "in_service");
    assert_eq!(status["running"][0]["run"], "42");
}

#[tokio::test]
async fn the_metrics_are_counted() {
    let site = site(Some(snapshot(true))).await;
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let answer = site
        .raw(&format!(
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n\r\n"
        ))
        .await;
    for line in [
        r#"offhours_attempts_total{what="periodic",outcome="failed"} 3"#,
        r#"offhours_pings_total{kind="fail",result="skipped"} 2"#,
        r#"offhours_attention{kind="periodic_failing"} 1"#,
        r#"offhours_app_in_maintenance{app="shop"} 0"#,
        r#"offhours_job_last_success_timestamp_seconds{job="gc"} 1795262400"#,
        r#"offhours_runs_total{job="gc",what="periodic",outcome="failed"} 0"#,
        r#"offhours_lock_wait_seconds_sum{result="obtained"} 42.0"#,
        r#"offhours_lock_wait_seconds_bucket{le="15.0",result="obtained"} 0"#,
        r#"offhours_lock_wait_seconds_bucket{le="60.0",result="obtained"} 1"#,
        r#"offhours_lock_wait_seconds_bucket{le="+Inf",result="obtained"} 1"#,
        r#"offhours_start_lateness_seconds_count{what="session"} 0"#,
        r#"offhours_locks_waiting 1"#,
        r#"offhours_window_open{window="night"} 0"#,
        r#"offhours_window_opens_timestamp_seconds{window="night"} 1795298400"#,
        r#"offhours_app_past_window{app="shop"} 0"#,
        r#"offhours_notices_by_state{state="retrying"} 0"#,
        "# EOF",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
}

#[tokio::test]
async fn prometheus_finds_nothing_to_complain_about() {
    let site = site(Some(snapshot(true))).await;
    let answer = site.get("/metrics").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(!body.contains("# EOF"));
    if let Some((good, said)) = promtool(&["check", "metrics"], body) {
        assert!(good && said.is_empty(), "{said}");
    }
}

#[test]
fn the_alert_rules_alert() {
    if let Some((good, said)) = promtool(&["test", "rules", "alerts.test.yml"], "") {
        assert!(good, "{said}");
    }
}

#[tokio::test]
async fn ready_is_more_than_alive() {
    let recovering = site(Some(snapshot(false))).await;
    assert_eq!(code(&recovering.get("/livez").await), "200");
    assert_eq!(code(&recovering.get("/readyz").await), "503");
    let ready = site(Some(snapshot(true))).await;
    assert_eq!(code(&ready.get("/readyz").await), "200");
}

#[tokio::test]
async fn a_silent_loop_is_told_in_time() {
    let silent = site(None).await;
    let asked = std::time::Instant::now();
    let answers = futures_of(&silent, 8).await;
    assert!(answers.iter().all(|a| code(a) == "503"), "{answers:?}");
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "all wait at the same time"
    );
}

async fn futures_of(site: &Site, count: usize) -> Vec<String> {
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..count {
        let address = site.address;
        asking.spawn(async move {
            let site = Site {
                address,
                stop: None,
                served: tokio::spawn(async {}),
            };
            site.get("/livez").await
        });
    }
    asking.join_all().await
}

#[tokio::test]
async fn other_names_methods_and_tokens_are_refused() {
    let site = site(Some(snapshot(true))).await;
    let ask = async |head: &str| site.raw(&format!("{head}\r\n\r\n")).await;
    for (head, expected) in [
        ("GET /livez HTTP/1.1\r\nHost: status.example.org", "200"),
        ("HEAD /status HTTP/1.1\r\nHost: 127.0.0.1:9190", "200"),
        ("GET /livez HTTP/1.1\r\nHost: evil.example.org", "421"),
        ("GET /livez HTTP/1.1", "421"),
        (
            "GET http://evil.example.org/livez HTTP/1.1\r\nHost: localhost",
            "421",
        ),
        (
            "POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0",
            "405",
        ),
        ("DELETE / HTTP/1.1\r\nHost: localhost", "405"),
        (
            "GET /status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong",
            "401",
        ),
        ("GET /etc/passwd HTTP/1.1\r\nHost: localhost", "404"),
        ("nonsense", "400"),
    ] {
        let answer = ask(head).await;
        assert_eq!(code(&answer), expected, "{head}: {answer}");
    }
    let huge = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}",
        "x".repeat(64 * 1024)
    );
    let answer = ask(&huge).await;
    assert!(matches!(code(&answer), "431" | ""), "{answer}");
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let site = site(Some(snapshot(true))).await;
    let mut idle = TcpStream::connect(site.address).await.expect("connected");
    idle.write_all(b"GET / HT").await.expect("sent");
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), idle.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn idle_connections_keep_nobody_out_for_long() {
    let site = site(Some(snapshot(true))).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(site.address).await.expect("connected"));
    }
    let answer = tokio::time::timeout(Duration::from_secs(60), site.get("/livez")).await;
    assert_eq!(code(&answer.expect("answered")), "200");
}

#[tokio::test]
async fn it_stops_when_it_is_told() {
    let mut site = site(Some(snapshot(true))).await;
    assert_eq!(code(&site.get("/livez").await), "200");
    site.stop.take().expect("first").send(()).expect("served");
    tokio::time::timeout(Duration::from_secs(10), &mut site.served)
        .await
        .expect("stopped")
        .expect("no panic");
    assert!(
        TcpStream::connect(site.address).await.is_err(),
        "nothing listens any more"
    );
}

#[tokio::test]
async fn nothing_is_exposed_without_a_token() {
    let config = HttpConfig {
        listen: vec!["0.0.0.0:0".parse().expect("address")],
        hosts: Vec::new(),
        token: None,
        calendar_token: None,
    };
    assert!(matches!(
        http::bind(&config).await,
        Err(HttpError::Exposed { .. })
    ));
}
