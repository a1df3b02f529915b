//! Facts as they stand in the record, folded to a state, and the daemon's first turns on it.
//!
//! A line is an instant in nanoseconds and the body of a fact; without an instant it is one second after the last.

use jiff::{SignedDuration, Timestamp};
use offhours::core::agenda::Agenda;
use offhours::core::apply::apply;
use offhours::core::decide::decide;
use offhours::core::event::{Answer, Event};
use offhours::core::fact::Fact;
use offhours::core::plan::plan;
use offhours::core::policy::Policy;
use offhours::core::report::{PlanView, Shell, status};
use offhours::core::run::{End, Report};
use offhours::core::state::{Live, State};
use offhours::core::wakeup::wakeup;
use offhours::store::Line;

use super::fixture::{self, now};

/// More facts say nothing new, and folding compares the whole state with itself.
const MOST: usize = 200;

pub fn run(data: &[u8]) {
    thread_local! {
        static POLICY: Policy = fixture::policy();
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut state = State::default();
    let mut at = now();
    for line in text.lines().take(MOST) {
        let (instant, body) = line.split_at(line.find('{').unwrap_or(0));
        let Ok(fact) = serde_json::from_str::<Fact>(body) else {
            continue;
        };
        written(&fact);
        at = instant_of(instant).unwrap_or_else(|| at.saturating_add(SECOND).unwrap_or(at));
        let before = state.clone();
        if apply(&mut state, at, &fact).is_err() {
            // The loading ends here; what follows may still be good.
            assert_eq!(before, state, "what does not follow changes nothing");
        }
    }
    kept(&state);
    POLICY.with(|policy| go_on(policy, state));
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// As the store reads it.
fn instant_of(text: &str) -> Option<Timestamp> {
    let nanoseconds: i64 = text.trim().parse().ok()?;
    Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()
}

/// A fact is recorded as what it was read from.
fn written(fact: &Fact) {
    let body = serde_json::to_string(fact).expect("written");
    let again: Fact = serde_json::from_str(&body).expect("read again");
    assert_eq!(&again, fact);
    assert!(body.contains(fact.kind()));
    assert!(fact.run().is_none() || fact.job().is_some() || fact.kind().starts_with("attempt"));
    Line::of(fact);
}

/// A snapshot brings the same state back.
fn kept(state: &State) {
    let body = serde_json::to_string(state).expect("written");
    let again: State = serde_json::from_str(&body).expect("read again");
    let recorded = State {
        live: Live::default(),
        ..state.clone()
    };
    assert_eq!(again, recorded);
}

/// Whatever was recorded, the daemon starts on it: it may refuse to go on, and must not fall over.
fn go_on(policy: &Policy, mut state: State) {
    let now = now();
    let soon = now + SECOND * 86_400;
    let planned = plan(policy, &state, now, soon);
    let view = PlanView {
        policy,
        plan: &planned,
        limit: 100,
    };
    serde_json::to_string(&view).expect("written");
    told(policy, &state, now);

    let mut agenda = Agenda::build(policy, &state);
    let mut at = now;
    let runs: Vec<u64> = state.running.keys().copied().take(10).collect();
    let notices: Vec<u64> = state.notices.keys().copied().take(10).collect();
    let mut events = vec![Event::Started {
        found: Vec::new(),
        boot: "boot".into(),
        version: "0".into(),
        nonce: "nonce".into(),
        alone: false,
    }];
    events.extend(runs.into_iter().map(|run| Event::Ended {
        run,
        report: Report {
            end: End::Exited { code: 75 },
            elapsed: SECOND,
            output_bytes: 1,
            log: true,
            tail: "tail".into(),
        },
    }));
    events.extend(notices.into_iter().map(|notice| Event::Answered {
        notice,
        answer: Answer::Temporary { why: "no".into() },
    }));
    events.extend([Event::Woke, Event::Woke, Event::Woke, Event::Shutdown]);
    for event in events {
        if decide(policy, &mut state, &mut agenda, event, at)
            .fault
            .is_some()
        {
            return;
        }
        let next = wakeup(policy, &state, &agenda, at);
        assert!(next.is_none_or(|next| next > at));
        at = next.unwrap_or(at);
    }
    kept(&state);
    told(policy, &state, at);
}

fn told(policy: &Policy, state: &State, at: Timestamp) {
    let soon = at.saturating_add(SECOND * 86_400).unwrap_or(at);
    let planned = plan(policy, state, at, soon);
    let shown = status(policy, state, &planned, at).with(policy, Shell::default());
    serde_json::to_string(&shown.public()).expect("written");
}
