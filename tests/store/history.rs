//! Looking up is filtering: every filter gives what a walk over all facts gives.

use jiff::Timestamp;
use offhours::core::fact::Fact;
use offhours::core::run::{Dues, Outcome, What};
use offhours::core::session::{Code, Reason};
use offhours::store::{Facts, HistoryFilter, HistoryRow, Line, Reader, Store};
use proptest::prelude::*;

use super::support::{at, ended, mark, periodic, skipped, started, step};

const JOBS: [&str; 3] = ["a", "b", "a/b"];
const SESSIONS: [&str; 4] = [
    "shop/night/2027-01-15",
    "shop/night/2027-01-15.2",
    "shop0/night/2027-01-15",
    "sho/x/y",
];

fn a_fact(number: u64) -> impl Strategy<Value = Fact> {
    (0..8_u8, 0..3_usize, 0..4_usize, 0..10_usize).prop_map(move |(kind, job, session, outcome)| {
        let (job, session, outcome) = (JOBS[job], SESSIONS[session], Outcome::ALL[outcome]);
        let reason = || Reason::from(Code::Stopped);
        match kind {
            0 => ended(number, 1, periodic(job), outcome),
            1 => ended(number, 1, step(session, job), outcome),
            2 => skipped(job),
            3 => Fact::SessionClosed {
                session: session.into(),
                outcome,
                reason: None,
                next: None,
            },
            4 => Fact::StepDone {
                session: session.into(),
                step: 0,
                job: job.into(),
                host: "local".into(),
                due: Dues::one(at(0)),
                outcome,
                reason: reason(),
            },
            5 => ended(
                number,
                1,
                What::Leave {
                    session: session.into(),
                    hook: 0,
                    host: "local".into(),
                },
                outcome,
            ),
            6 => started(number, 1, periodic(job)),
            _ => mark("x"),
        }
    })
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    (0..60_u64).prop_flat_map(|count| {
        (0..count)
            .map(|number| a_fact(number).boxed())
            .collect::<Vec<_>>()
    })
}

fn a_filter() -> impl Strategy<Value = HistoryFilter> {
    let option = prop::option::of;
    let lines = prop::collection::vec(prop::sample::select(Line::ALL.to_vec()), 0..3);
    let names = (
        prop::option::weighted(0.3, prop::sample::select(JOBS.to_vec())),
        prop::option::weighted(0.3, prop::sample::select(SESSIONS.to_vec())),
        prop::option::weighted(0.3, prop::sample::select(vec!["shop", "shop0", "sho", ""])),
        prop::option::weighted(0.2, 0..60_u64),
        prop::option::weighted(0.4, prop::sample::select(Outcome::ALL.to_vec())),
    );
    (
        names,
        lines,
        option(0..60_i64),
        option(0..60_i64),
        (0..70_usize, prop::bool::weighted(0.3)),
        (
            prop::option::weighted(0.3, 0..70_u64),
            prop::option::weighted(0.3, 0..70_u64),
        ),
    )
        .prop_map(
            |(names, lines, since, until, (limit, bad), (before_seq, from_seq))| {
                let (job, session, app, run, outcome) = names;
                HistoryFilter {
                    job: job.map(Into::into),
                    session: session.map(Into::into),
                    app: app.map(Into::into),
                    run,
                    outcome,
                    bad,
                    lines,
                    since: since.map(at),
                    until: until.map(at),
                    limit,
                    before_seq,
                    from_seq,
                }
            },
        )
}

fn outcome(fact: &Fact) -> Option<Outcome> {
    match fact {
        Fact::AttemptEnded(ended) => Some(ended.outcome),
        Fact::StepDone { outcome, .. } | Fact::SessionClosed { outcome, .. } => Some(*outcome),
        Fact::Skipped { .. } => Some(Outcome::Skipped),
        _ => None,
    }
}

fn walk(facts: &[(Timestamp, Fact)], filter: &HistoryFilter) -> Vec<HistoryRow> {
    let mut rows: Vec<HistoryRow> = (1..)
        .zip(facts)
        .filter(|(seq, (at, fact))| {
            Line::of(fact)
                .is_some_and(|line| filter.lines.is_empty() || filter.lines.contains(&line))
                && filter
                    .job
                    .as_ref()
                    .is_none_or(|job| fact.job() == Some(job))
                && filter
                    .session
                    .as_ref()
                    .is_none_or(|id| fact.session() == Some(id))
                && filter.app.as_ref().is_none_or(|app| {
                    fact.session()
                        .is_some_and(|id| id.split_once('/').is_some_and(|(of, _)| of == &**app))
                })
                && filter.run.is_none_or(|run| fact.run() == Some(run))
                && filter
                    .outcome
                    .is_none_or(|wanted| outcome(fact) == Some(wanted))
                && (!filter.bad || outcome(fact).is_some_and(Outcome::is_bad))
                && filter.since.is_none_or(|since| *at >= since)
                && filter.until.is_none_or(|until| *at < until)
                && filter.before_seq.is_none_or(|before| *seq < before)
                && filter.from_seq.is_none_or(|from| *seq >= from)
        })
        .map(|(seq, (at, fact))| HistoryRow {
            seq,
            at: *at,
            fact: fact.clone(),
        })
        .collect();
    rows.reverse();
    rows.truncate(filter.limit);
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_filter_gives_what_a_walk_gives(
        facts in facts(),
        filters in prop::collection::vec(a_filter(), 20),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let facts: Vec<(Timestamp, Fact)> = (0..).map(at).zip(facts).collect();
        store.append(1, &facts).unwrap();
        let reader = Reader::open(dir.path()).unwrap().unwrap();
        for filter in filters {
            prop_assert_eq!(reader.history(&filter).unwrap(), walk(&facts, &filter), "{:?}", filter);
        }
        for session in SESSIONS {
            let found: Vec<Fact> = reader.facts_of_session(session).unwrap().into_iter().map(|f| f.2).collect();
            let all = facts.iter().map(|(_, fact)| fact.clone());
            let expected: Vec<Fact> = all.filter(|f| f.session().is_some_and(|id| &**id == session)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}

#[test]
fn what_is_not_older_than_an_instant_is_bounded_also_where_the_clock_went_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let run = |run| ended(run, 1, periodic("a"), Outcome::Succeeded);
    // The third was recorded before the clock was set back; what is no line of the history does not count.
    let facts = vec![
        (at(10), run(1)),
        (at(20), run(2)),
        (at(90), run(3)),
        (at(30), run(4)),
        (at(95), mark("x")),
        (at(40), run(5)),
    ];
    store.append(1, &facts).unwrap();
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    let expected = [
        (0, Some(1)),
        (10, Some(1)),
        (11, Some(2)),
        (25, Some(3)),
        (90, Some(3)),
        (91, None),
    ];
    for (since, first) in expected {
        assert_eq!(reader.first_since(at(since)).unwrap(), first, "{since}");
        let since = HistoryFilter {
            since: Some(at(since)),
            ..HistoryFilter::default()
        };
        let all = reader.history(&since).unwrap();
        let bounded = HistoryFilter {
            from_seq: first,
            ..since
        };
        assert_eq!(reader.history(&bounded).unwrap(), all);
        assert_eq!(all.last().map(|row| row.seq), first);
    }
}

#[test]
fn names_are_no_sql() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let odd = "'; DROP TABLE facts; --";
    store
        .append(1, &[(at(0), ended(1, 1, periodic(odd), Outcome::Failed))])
        .unwrap();
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    let filter = HistoryFilter {
        job: Some(odd.into()),
        ..HistoryFilter::default()
    };
    assert_eq!(reader.history(&filter).unwrap().len(), 1);
    let filter = HistoryFilter {
        app: Some("%".into()),
        ..HistoryFilter::default()
    };
    assert_eq!(reader.history(&filter).unwrap().len(), 0);
}
