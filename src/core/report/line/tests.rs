use super::*;
use crate::core::fact::RetryAt;
use crate::core::state::AttentionKind;

fn at() -> Timestamp {
    "2026-11-21T21:00:00Z".parse().expect("instant")
}

fn session() -> SessionId {
    "shop/night/2026-11-21".into()
}

fn step() -> What {
    What::Step {
        session: session(),
        step: 0,
        job: "os-updates".into(),
        host: "local".into(),
    }
}

fn ended(what: What, outcome: Outcome) -> Fact {
    Fact::AttemptEnded(Box::new(AttemptEnded {
        to_be_seen: false,
        run: 42,
        attempt: 2,
        what,
        due: Some(Dues::one(at())),
        started: at(),
        elapsed: SignedDuration::from_millis(12_500),
        outcome,
        exit_code: Some(3),
        reason: Some(Reason::new(
            Code::JobFailed,
            "exit code 3\nsaid \u{1b}[31mno",
        )),
        output_bytes: 9,
        log: true,
        tail: String::new(),
        carried: false,
        retry: Some(RetryAt {
            at: at(),
            failures: 1,
        }),
    }))
}

fn json(fact: &Fact) -> serde_json::Value {
    let lines = event(at(), fact);
    assert_eq!(lines.len(), 1, "{lines:?}");
    serde_json::to_value(&lines[0]).expect("json")
}

#[test]
fn attempts_come_in_pairs_with_their_keys() {
    let started = json(&Fact::AttemptStarted {
        reboot: false,
        way: None,
        run: 42,
        attempt: 2,
        what: step(),
        due: Some(Dues::one(at())),
        stop_by: None,
    });
    assert_eq!(
        started,
        serde_json::json!({
            "at": "2026-11-21T21:00:00Z", "event": "run_started", "app": "shop", "window": "night",
            "session": "shop/night/2026-11-21", "job": "os-updates", "host": "local",
            "run": "42", "attempt": 2, "due": "2026-11-21T21:00:00Z",
        })
    );
    let ended = json(&ended(step(), Outcome::Failed));
    for key in ["app", "window", "session", "job", "host", "run", "attempt"] {
        assert_eq!(ended[key], started[key], "{key}");
    }
    assert_eq!(ended["event"], "run_ended");
    assert_eq!(ended["outcome"], "failed");
    assert_eq!(ended["elapsed_s"], 12.5);
    assert_eq!(ended["reason"], "job_failed");
}

#[test]
fn each_kind_of_work_has_its_own_events() {
    let hook = |leave: bool| match leave {
        false => What::Enter {
            session: session(),
            hook: 1,
            host: "local".into(),
        },
        true => What::Leave {
            session: session(),
            hook: 1,
            host: "local".into(),
        },
    };
    let periodic = What::Periodic {
        job: "gc".into(),
        host: "local".into(),
    };
    for (what, expected) in [
        (hook(false), "enter_ended"),
        (hook(true), "leave_ended"),
        (periodic, "run_ended"),
        (What::Alarm { key: "k".into() }, "alarm_ended"),
    ] {
        assert_eq!(json(&ended(what, Outcome::Succeeded))["event"], expected);
    }
}

#[test]
fn a_postponed_session_is_told_twice() {
    let closed = |outcome| {
        let fact = Fact::SessionClosed {
            session: session(),
            outcome,
            reason: None,
            next: Some(at()),
        };
        event(at(), &fact)
            .iter()
            .map(|l| l.event)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        closed(Outcome::Postponed),
        [Happening::SessionPostponed, Happening::SessionClosed]
    );
    assert_eq!(closed(Outcome::Succeeded), [Happening::SessionClosed]);
}

#[test]
fn what_calls_people_is_an_alarm() {
    let raised = |kind| {
        let fact = Fact::AttentionRaised {
            key: "k".into(),
            kind,
            text: "t".into(),
            app: None,
            alarm: false,
        };
        json(&fact)["event"].clone()
    };
    assert_eq!(raised(AttentionKind::StuckInMaintenance), "alarm");
    assert_eq!(raised(AttentionKind::PeriodicFailing), "attention_raised");
}

#[test]
fn the_clock_is_told_in_seconds() {
    let stepped = json(&Fact::ClockStepped {
        by: SignedDuration::from_hours(-1),
    });
    assert_eq!(
        (&stepped["event"], &stepped["step_s"]),
        (&"clock_stepped".into(), &(-3600).into())
    );
    let asleep = Line::suspended(at(), SignedDuration::from_mins(2));
    assert_eq!(serde_json::to_value(asleep).expect("json")["for_s"], 120);
}

#[test]
fn words_are_one_harmless_line() {
    let words = event(at(), &ended(step(), Outcome::Failed))[0].to_string();
    assert_eq!(
        words,
        "run ended: os-updates on local, shop/night/2026-11-21, failed after 12.5 s, exit code 3 said  [31mno, next 2026-11-21T21:00:00Z (run 42, attempt 2)"
    );
}

/// What people read of one fact.
fn words(fact: &Fact) -> String {
    event(at(), fact)[0].to_string()
}

#[test]
fn a_step_that_was_run_is_not_called_one_that_was_not() {
    let done = |outcome, reason| {
        words(&Fact::StepDone {
            session: session(),
            step: 0,
            outcome,
            reason,
            job: "up".into(),
            host: "h001".into(),
            due: Dues::one(at()),
        })
    };
    assert_eq!(
        done(Outcome::Succeeded, Code::Healthy.into()),
        "step ended: up on h001, shop/night/2026-11-21, succeeded, healthy"
    );
    assert_eq!(
        done(Outcome::Failed, Code::Unhealthy.into()),
        "step ended: up on h001, shop/night/2026-11-21, failed, unhealthy"
    );
    assert_eq!(
        done(Outcome::Postponed, Reason::new(Code::Stopped, "up")),
        "step not run: up on h001, shop/night/2026-11-21, postponed, an earlier job of the session failed: up"
    );
}

#[test]
fn a_question_says_what_is_asked() {
    let health = What::Health {
        session: session(),
        step: 0,
        job: "up".into(),
        host: "h001".into(),
    };
    let asked = Fact::AttemptStarted {
        way: None,
        reboot: false,
        run: 42,
        attempt: 1,
        what: health.clone(),
        due: None,
        stop_by: None,
    };
    assert_eq!(
        words(&asked),
        "healthy asked: up on h001, shop/night/2026-11-21 (run 42)"
    );
    let answered = words(&ended(health, Outcome::Succeeded));
    assert!(answered.starts_with("healthy answered: "), "{answered}");
    assert_eq!(json(&asked)["question"], "healthy");
}
