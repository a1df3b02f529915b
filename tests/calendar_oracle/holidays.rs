//! Calendars of holidays against the `recurring_ical_events` library of Python, which shares no code and no author
//! with ours. Where the lab is missing this test says so and proves nothing.
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use offhours::core::calendar::{Holidays, Zone};
use serde::Deserialize;

/// Played one after another by each of two processes: their seeds.
const SEEDS: [&str; 2] = ["1", "2"];
const CALENDARS: &str = "50";

#[derive(Deserialize)]
struct Calendar {
    zone: String,
    from: i64,
    until: i64,
    text: String,
    spans: Vec<(i64, i64)>,
    events: usize,
}

/// The calendars of a seed, as the library reads them; `None` without a lab.
fn listed(seed: &str) -> Option<std::process::Child> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let python = root.join(target).join("lab/venv/bin/python");
    if !python.exists() {
        let missing = format!("{} is not there: run tests/lab/setup.sh", python.display());
        assert!(std::env::var("CI").is_err(), "{missing}");
        eprintln!("SKIPPED: {missing}; calendars of holidays are NOT proven");
        return None;
    }
    let script = root.join("tests/lab/holidays.py");
    let mut command = Command::new(python);
    command.arg(script).args([seed, CALENDARS]);
    Some(command.stdout(Stdio::piped()).spawn().unwrap())
}

#[test]
fn calendars_hold_the_same_spans() {
    let processes: Vec<_> = SEEDS.iter().map_while(|seed| listed(seed)).collect();
    let (mut events, mut spans) = (0, 0);
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "the library failed");
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let calendar: Calendar = serde_json::from_str(line).unwrap();
            (events, spans) = (events + calendar.events, spans + calendar.spans.len());
            same(&calendar);
        }
    }
    println!("{events} events, {spans} spans");
}

fn same(calendar: &Calendar) {
    let at = |second| Timestamp::from_second(second).unwrap();
    let zone = Zone::named(&calendar.zone).unwrap();
    let (from, until) = (at(calendar.from), at(calendar.until));
    let read = Holidays::read(&calendar.text, &zone, from, until);
    let read = read.unwrap_or_else(|wrong| panic!("{wrong:?}\n{}", calendar.text));
    let ours: Vec<_> = read
        .spans
        .all()
        .iter()
        .map(|span| (span.0.as_second(), span.1.as_second()))
        .collect();
    let only = |these: &[(i64, i64)], others: &[(i64, i64)]| -> Vec<String> {
        let missing = these.iter().filter(|span| !others.contains(span));
        missing
            .map(|span| format!("{} {}", at(span.0), at(span.1)))
            .collect()
    };
    assert!(
        ours == calendar.spans,
        "days are those of {}\n{}\nonly ours: {:#?}\nonly theirs: {:#?}",
        calendar.zone,
        calendar.text.replace("\r\n ", "").replace("\r\n\t", ""),
        only(&ours, &calendar.spans),
        only(&calendar.spans, &ours),
    );
}
