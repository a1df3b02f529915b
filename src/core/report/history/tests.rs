use super::*;
use crate::core::run::What;
use crate::core::session::Code;

fn at(text: &str) -> Timestamp {
    text.parse().expect("instant")
}

#[test]
fn an_attempt_has_all_keys_of_the_interface() {
    let fact = Fact::AttemptEnded(Box::new(AttemptEnded {
        to_be_seen: false,
        run: 42,
        attempt: 1,
        what: What::Periodic {
            job: "gc".into(),
            host: "local".into(),
        },
        due: None,
        started: at("2026-11-21T21:00:00Z"),
        elapsed: SignedDuration::from_secs(3),
        outcome: Outcome::Succeeded,
        exit_code: Some(0),
        reason: None,
        output_bytes: 0,
        log: false,
        tail: String::new(),
        carried: false,
        retry: None,
    }));
    let row = rows(at("2026-11-21T21:00:03Z"), &fact).expect("a row");
    let row = serde_json::to_value(row).expect("json");
    let keys = [
        "job",
        "host",
        "run",
        "attempt",
        "session",
        "due",
        "started",
        "ended",
        "outcome",
        "exit_code",
        "reason",
    ];
    for key in keys {
        assert!(row.get(key).is_some(), "{key}: {row}");
    }
    assert_eq!((&row["run"], &row["elapsed_s"]), (&"42".into(), &3.into()));
}

#[test]
fn skipped_dues_are_one_row() {
    let fact = Fact::Skipped {
        job: "gc".into(),
        host: "local".into(),
        due: Dues {
            first: at("2026-11-21T20:00:00Z"),
            last: at("2026-11-21T21:00:00Z"),
            count: 5,
        },
        reason: Reason::new(Code::Locked, "locked by make"),
    };
    let row = rows(at("2026-11-21T21:00:03Z"), &fact).expect("a row");
    assert_eq!(row.outcome, Outcome::Skipped);
    assert_eq!(
        (row.reason, row.text.as_deref()),
        (Some("locked"), Some("locked by make"))
    );
    assert_eq!(
        (row.due, row.due_count),
        (Some(at("2026-11-21T21:00:00Z")), Some(5))
    );
}

#[test]
fn what_ends_nothing_has_no_row() {
    let fact = Fact::SessionActive {
        session: "shop/night/2026-11-21".into(),
    };
    assert_eq!(rows(at("2026-11-21T21:00:03Z"), &fact), None);
}

#[test]
fn a_step_that_an_earlier_job_stopped_says_so() {
    let fact = Fact::StepDone {
        session: "shop/night/2026-11-21".into(),
        step: 1,
        outcome: Outcome::Postponed,
        reason: Reason::new(Code::Stopped, "up"),
        job: "reindex".into(),
        host: "h001".into(),
        due: Dues::one(at("2026-11-21T21:00:00Z")),
    };
    let row = rows(at("2026-11-21T21:00:03Z"), &fact).expect("a row");
    let text = row.text.as_deref();
    assert_eq!(text, Some("an earlier job of the session failed: up"));
}
