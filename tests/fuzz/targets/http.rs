//! The bytes of an HTTP request, over a connection in memory.

use std::pin::pin;
use std::sync::OnceLock;

use offhours::config::HttpConfig;
use offhours::core::plan::plan;
use offhours::core::report::Counters;
use offhours::core::state::{AlarmState, Attention, AttentionKind, State};
use offhours::http::{Access, Asked, Calendar, Snapshot, Source, converse};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::fixture::{self, now, week};
use shell::shell;

#[path = "../../support/shell.rs"]
mod shell;

/// More than any answer, so that nobody waits for room.
const ROOM: usize = 1 << 20;
/// How often everybody gets a turn before the asker is done with waiting.
const TURNS: usize = 100;
const TOKEN: &str = "the-token";
const CALENDAR_TOKEN: &str = "the-calendar-token";
/// What only those learn who have the token.
const SECRET: &str = "secret-";

pub fn run(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let answer = runtime.block_on(ask(data));
    judge(data, &answer);
}

/// What is answered. All is in memory: where nothing moves after so many turns, nothing will.
async fn ask(data: &[u8]) -> Vec<u8> {
    let config = HttpConfig {
        listen: vec!["127.0.0.1:9190".parse().expect("an address")],
        hosts: vec!["status.example.org".into()],
        token: Some(TOKEN.to_owned().into()),
        calendar_token: Some(CALENDAR_TOKEN.to_owned().into()),
    };
    let (source, mut asked) = Source::new();
    tokio::spawn(async move {
        while let Some(question) = asked.recv().await {
            // Whoever asked may be gone.
            match question {
                Asked::Snapshot(question) => drop(question.send(snapshot())),
                Asked::Calendar(question) => drop(question.send(calendar())),
            }
        }
    });
    let (mut near, far) = duplex(ROOM);
    let mut served = pin!(tokio::spawn(converse(far, source, Access::new(&config))));
    near.write_all(data).await.expect("room for it");
    turns().await;
    near.shutdown().await.expect("closed");
    turns().await;
    assert!(served.is_finished(), "neither answered nor closed");
    served.as_mut().await.expect("no panic");
    let mut answer = Vec::new();
    // Where it was closed with bytes unread there may be no answer at all.
    let _ = near.read_to_end(&mut answer).await;
    answer
}

async fn turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

fn judge(asked: &[u8], answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    let text = std::str::from_utf8(answer).expect("UTF-8");
    let (head, _) = text.split_once("\r\n\r\n").expect("a whole head");
    let code = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    let code = code.expect("a status line");
    let asked = String::from_utf8_lossy(asked);
    if text.contains(SECRET) {
        let known = asked.contains(TOKEN) || asked.contains(CALENDAR_TOKEN);
        assert!(known, "told to a stranger: {text}");
    }
    if code == "200" {
        let method = asked.trim_start().split(' ').next().unwrap_or_default();
        assert!(matches!(method, "GET" | "HEAD"), "{method}");
        let lower = asked.to_ascii_lowercase();
        assert!(lower.contains("\nhost:"), "for no name: {asked}");
    }
    // What the server of the protocol refuses by itself has no headers of ours.
    if !matches!(code, "400" | "414" | "431" | "500") {
        assert!(
            head.contains("content-security-policy: default-src 'none'"),
            "{head}"
        );
    }
    assert_ne!(code, "500", "{text}");
}

fn calendar() -> Calendar {
    static CALENDAR: OnceLock<Calendar> = OnceLock::new();
    let make = || Calendar::new(&fixture::policy(), &State::default(), None, now());
    CALENDAR.get_or_init(make).clone()
}

fn snapshot() -> Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(make).clone()
}

fn make() -> Snapshot {
    let policy = fixture::policy();
    let mut state = State::default();
    let attention = Attention {
        kind: AttentionKind::PeriodicFailing,
        text: "gc said secret-output".into(),
        since: now(),
        app: None,
        alarm: AlarmState::None,
    };
    state
        .attention
        .insert("notice:secret-address@example.org".into(), attention);
    let planned = plan(&policy, &state, now(), week());
    Snapshot::new(
        &policy,
        &state,
        &planned,
        shell(now()),
        Counters::default(),
        true,
        now(),
    )
}
