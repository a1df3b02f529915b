//! How long the next occurrence of a schedule and of a window takes to find, beside two crates that do no more than
//! that, in the same run.
//!
//! `cargo bench --bench calendar [-- STARTS ROUNDS]`. One line of JSON a case: nanoseconds, the median of the rounds.
//! `next` is asked from scratch at each of many starts; `each` is one of the instants that follow one another. The other
//! crates are given a parsed expression and UTC, where they have no clock changes to think of.
use std::hint::black_box;
use std::time::Instant;

use chrono::{DateTime, Utc};
use croner::parser::CronParser;
use jiff::{SignedDuration, Timestamp, civil};
use offhours::core::calendar::{CronExpr, Days, End, Pattern, Rule, Window, Zone, parse_open};

/// 2026-01-01T00:00:00Z.
const FROM: i64 = 1_767_225_600;
/// Not a multiple of anything that schedules are made of.
const STEP: i64 = 86_400 + 7_919;
const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "Australia/Lord_Howe"];

/// Expressions, and the same in the notation of the `cron` crate where that is one schedule.
const SCHEDULES: [(&str, &str, Option<&str>); 9] = [
    ("every quarter", "*/15 * * * *", Some("0 */15 * * * * *")),
    ("nightly", "30 2 * * *", Some("0 30 2 * * * *")),
    ("weekdays", "0 22 * * 1-5", Some("0 0 22 * * 2-6 *")),
    ("monthly", "0 4 1 * *", Some("0 0 4 1 * * *")),
    ("either day", "0 4 13 * 5", None),
    ("yearly", "0 0 1 1 *", Some("0 0 0 1 1 * *")),
    ("leap day", "0 0 29 2 *", Some("0 0 0 29 2 * *")),
    // Once in 28 years: the star makes both days count.
    ("leap day on Sunday", "0 0 29 2 */7", Some("0 0 0 29 2 1 *")),
    ("never", "0 0 31 2 *", Some("0 0 0 31 2 * *")),
];

struct Bench {
    starts: i64,
    rounds: usize,
}

impl Bench {
    /// The median over the rounds of what one of the starts takes.
    fn time(&self, mut of: impl FnMut(i64)) -> u128 {
        let mut rounds: Vec<u128> = (0..self.rounds)
            .map(|_| {
                let began = Instant::now();
                (0..self.starts).for_each(|start| of(FROM + start * STEP));
                began.elapsed().as_nanos() / u128::from(self.starts.unsigned_abs())
            })
            .collect();
        rounds.sort_unstable();
        rounds[rounds.len() / 2]
    }
}

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let starts = numbers.next().unwrap_or(300);
    let rounds = numbers.next().unwrap_or(7);
    let bench = Bench {
        starts,
        rounds: usize::try_from(rounds).unwrap_or(1).max(1),
    };
    for (name, text, engine) in SCHEDULES {
        schedule(&bench, name, text, engine);
    }
    for (name, rules) in windows() {
        for zone in ZONES {
            window(&bench, name, &rules, zone);
        }
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a second of this century")
}

fn utc(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).expect("a second of this century")
}

fn schedule(bench: &Bench, name: &str, text: &str, engine: Option<&str>) {
    let expr = CronExpr::parse(text).expect("an expression");
    for zone in ZONES {
        let zone = Zone::named(zone).expect("a zone");
        let next = bench.time(|t| {
            black_box(expr.next_after(&zone, at(t)));
        });
        let latest = bench.time(|t| {
            black_box(expr.latest_at_or_before(&zone, at(t), at(FROM - 400 * 86_400)));
        });
        let mut instants = expr.instants(&zone, at(FROM));
        let each = bench.time(|_| {
            if black_box(instants.next()).is_none() {
                instants = expr.instants(&zone, at(FROM));
            }
        });
        println!(
            "{{\"schedule\":\"{name}\",\"expression\":\"{text}\",\"zone\":\"{}\",\"next_ns\":{next},\"each_ns\":{each},\
             \"latest_ns\":{latest}}}",
            zone.name()
        );
    }
    // Where day-of-month and day-of-week both count, this crate has to be told.
    let and = text.contains("*/7");
    let croner = CronParser::builder().dom_and_dow(and).build();
    let croner = croner.parse(text).expect("an expression");
    let next = bench.time(|t| {
        let _ = black_box(croner.find_next_occurrence(&utc(t), false));
    });
    println!(
        "{{\"schedule\":\"{name}\",\"expression\":\"{text}\",\"peer\":\"croner\",\"next_ns\":{next}}}"
    );
    if let Some(text) = engine {
        let engine: cron::Schedule = text.parse().expect("an expression");
        let next = bench.time(|t| {
            black_box(engine.after(&utc(t)).next());
        });
        let start = utc(FROM);
        let mut instants = engine.after(&start);
        let each = bench.time(|_| {
            if black_box(instants.next()).is_none() {
                instants = engine.after(&start);
            }
        });
        println!(
            "{{\"schedule\":\"{name}\",\"expression\":\"{text}\",\"peer\":\"cron\",\"next_ns\":{next},\"each_ns\":{each}}}"
        );
    }
}

fn windows() -> [(&'static str, Vec<Rule>); 6] {
    let line = |text: &str| parse_open(text).expect("a rule");
    let on = |days: Days| -> Rule {
        Pattern::Days {
            days,
            start: civil::time(22, 0, 0, 0),
            end: End::At(civil::time(2, 0, 0, 0)),
        }
        .into()
    };
    let dates = |dates: &[i8]| Days::dates(dates).expect("days of the month");
    let second_tuesday = Days::parse("2nd Tue").expect("days");
    let leap = Pattern::Cron {
        expr: CronExpr::parse("0 22 29 2 */7").expect("an expression"),
        duration: SignedDuration::from_hours(4),
    };
    [
        ("nightly", vec![line("Mon-Fri 22:00-05:00")]),
        ("2nd Tue + 4d", vec![on(second_tuesday.later(4))]),
        ("last of the month", vec![on(dates(&[-1]))]),
        ("the 31st + 31d", vec![on(dates(&[31]).later(31))]),
        (
            "three rules",
            vec![
                line("1st Sat 20:00-23:00"),
                on(dates(&[15, -1])),
                line("daily 01:00-03:00"),
            ],
        ),
        ("leap day on Sunday", vec![leap.into()]),
    ]
}

fn window(bench: &Bench, name: &str, rules: &[Rule], zone: &str) {
    let window = Window {
        name: "w".into(),
        zone: Zone::named(zone).expect("a zone"),
        rules: rules.to_vec(),
        cutoff: SignedDuration::ZERO,
    };
    let next = bench.time(|t| {
        black_box(window.next_opening(at(t)));
    });
    let open = bench.time(|t| {
        black_box(window.open_at(at(t)));
    });
    let all = || window.occurrences(at(FROM), Timestamp::MAX);
    let mut occurrences = all();
    let each = bench.time(|_| {
        if black_box(occurrences.next()).is_none() {
            occurrences = all();
        }
    });
    println!(
        "{{\"window\":\"{name}\",\"zone\":\"{zone}\",\"next_ns\":{next},\"open_ns\":{open},\"each_ns\":{each}}}"
    );
}
