//! Schedules against `cronsim`, which follows Debian's cron, and windows against `dateutil`'s recurrences.
use jiff::SignedDuration;
use offhours::core::calendar::{CronExpr, LONGEST, Window, Zone};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::brute::{DAY, MINUTE, at};
use crate::drawn::{Drawn, Kind, drawn, rare};
use crate::expression::{Expression, expression, nightly};
use crate::python::{ask, numbers};
use crate::seed::{Dice, seed, times};
use crate::zones::{self, Change};

/// 2026-01-01T00:00:00Z.
const YEAR_2026: i64 = 1_767_225_600;
const HOUR: i64 = 3600;

#[test]
fn schedules_in_utc() {
    let mut dice = Dice::new();
    let drawn: Vec<(Expression, i64)> = (0..3000 * times())
        .map(|_| dice.draw((expression(), 0..4 * 365 * DAY)))
        .filter(|(e, _)| !CronExpr::parse(&e.text()).unwrap().never_matches())
        .collect();
    let questions: Vec<Value> = drawn
        .iter()
        .map(|(e, start)| {
            json!({"expr": e.for_cronsim(), "zone": "UTC", "after": YEAR_2026 + start, "count": 8})
        })
        .collect();
    let Some(answers) = ask("schedules_in_utc", &questions) else {
        return;
    };
    for ((e, start), answer) in drawn.iter().zip(&answers) {
        let expected = numbers(answer);
        let ours = CronExpr::parse(&e.text()).unwrap();
        let got: Vec<i64> = ours
            .instants(&Zone::utc(), at(YEAR_2026 + start))
            .map(|t| t.as_second())
            .take(expected.len())
            .collect();
        assert_eq!(
            got,
            expected,
            "{} after {}",
            e.text(),
            at(YEAR_2026 + start)
        );
    }
}

/// Where cronsim loses its way with schedules that follow the real clock, because it takes a skipped midnight for the
/// start of the day and goes on in whole hours from wherever it is: in the hour after such a midnight; in the two hours
/// after a change in the middle of an hour; and after a change of half an hour, until it meets a midnight. Those
/// instants are not compared, all others are.
fn lost(change: &Change, e: &Expression, zone: &Zone) -> std::ops::Range<i64> {
    let at = change.at.as_second();
    if !e.real_clock() {
        0..0
    } else if change.by.as_secs() % HOUR != 0 {
        let midnight = zone.date(change.at).tomorrow().unwrap().at(0, 0, 0, 0);
        at..zone.instant(midnight).as_second() + HOUR
    } else if change.shows % HOUR != 0 {
        at..at + 2 * HOUR
    } else if change.over_midnight() {
        at..at + change.by.as_secs()
    } else {
        0..0
    }
}

#[test]
fn schedules_through_the_clock_changes_of_every_zone() {
    let mut dice = Dice::new();
    let mut drawn: Vec<(&Change, Expression, i64)> = Vec::new();
    for change in zones::drawn(seed()).into_iter().flatten() {
        for _ in 0..4 * times() {
            let (e, before) = dice.draw((nightly(), 6 * 60..40 * 60i64));
            drawn.push((change, e, change.at.as_second() - before * MINUTE));
        }
    }
    let questions: Vec<Value> = drawn
        .iter()
        .map(|(change, e, after)| {
            json!({"expr": e.for_cronsim(), "zone": change.zone, "after": after, "count": 60})
        })
        .collect();
    let Some(answers) = ask(
        "schedules_through_the_clock_changes_of_every_zone",
        &questions,
    ) else {
        return;
    };
    let mut wrong = Vec::new();
    for ((change, e, after), answer) in drawn.iter().zip(&answers) {
        let zone = Zone::named(&change.zone).unwrap();
        let lost = lost(change, e, &zone);
        let mut all = numbers(answer);
        // Where the clock goes back into the middle of an hour (Chatham), cronsim goes round in circles.
        if change.by.is_negative() && change.shows % HOUR != 0 && e.real_clock() {
            let back = all.windows(2).position(|pair| pair[1] <= pair[0]);
            all.truncate(back.map_or(all.len(), |last| last + 1));
        }
        // Rare ones are followed until the next change may come.
        let last = all[all.len() - 1].min(change.at.as_second() + zones::ALONE.as_secs());
        let found = |t: &i64| *t <= last && !lost.contains(t);
        let expected: Vec<i64> = all.into_iter().filter(found).collect();
        let ours = CronExpr::parse(&e.text()).unwrap();
        let got: Vec<i64> = ours
            .instants(&zone, at(*after))
            .map(|t| t.as_second())
            .take_while(|t| *t <= last)
            .filter(found)
            .collect();
        if got != expected {
            let differs = |(a, b): (&i64, &i64)| a != b;
            let place = got.iter().zip(&expected).position(differs).unwrap_or(0);
            wrong.push(format!(
                "{} in {} after {} ({:?} at {}): {:?} instead of {:?}",
                e.text(),
                change.zone,
                at(*after),
                change.by,
                change.at,
                got.get(place).map(|t| at(*t)),
                expected.get(place).map(|t| at(*t)),
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        drawn.len(),
        wrong.join("\n")
    );
}

fn compare(test: &str, all: &[(&Change, Vec<Drawn>, i64, i64)]) {
    let questions: Vec<Value> = all
        .iter()
        .map(|(change, rules, from, until)| {
            let middle = change.at.as_second();
            let rules: Vec<Value> = rules.iter().map(|rule| rule.json(middle)).collect();
            json!({"zone": change.zone, "rules": rules, "from": from, "until": until})
        })
        .collect();
    let Some(answers) = ask(test, &questions) else {
        return;
    };
    for ((change, drawn, from, until), answer) in all.iter().zip(&answers) {
        let middle = change.at.as_second();
        let window = Window {
            name: "w".into(),
            zone: Zone::named(&change.zone).unwrap(),
            rules: drawn.iter().map(|rule| rule.rule(middle)).collect(),
            cutoff: SignedDuration::ZERO,
        };
        let expected: Vec<Vec<i64>> = answer.as_array().unwrap().iter().map(numbers).collect();
        let longest = LONGEST.as_secs();
        if let Some(endless) = expected.iter().find(|span| span[1] - span[0] > longest) {
            assert!(window.never_closes(at(endless[0]), at(*until)).is_some());
            continue;
        }
        let got: Vec<Vec<i64>> = window
            .occurrences(at(*from), at(*until))
            .map(|o| vec![o.opens.as_second(), o.closes.as_second()])
            .collect();
        assert_eq!(
            got,
            expected,
            "{drawn:?} in {} from {}",
            change.zone,
            at(*from)
        );
    }
}

/// A schedule that follows the real clock is judged above.
fn fixed(drawn: &Drawn) -> bool {
    match &drawn.kind {
        Kind::Cron { expression, .. } => !expression.real_clock(),
        _ => true,
    }
}

#[test]
fn windows_around_the_clock_changes_of_every_zone() {
    let mut dice = Dice::new();
    let mut all = Vec::new();
    for change in zones::drawn(seed()).into_iter().flatten() {
        for _ in 0..3 * times() {
            let rules = dice.draw(prop::collection::vec(drawn(), 1..4));
            let rules: Vec<Drawn> = rules.into_iter().filter(fixed).collect();
            let before = dice.draw(0..20 * DAY / MINUTE);
            let from = change.at.as_second() - before * MINUTE;
            all.push((change, rules, from, from + 25 * DAY));
        }
    }
    compare("windows_around_the_clock_changes_of_every_zone", &all);
}

#[test]
fn rare_windows_over_years() {
    let mut dice = Dice::new();
    let mut all = Vec::new();
    for changes in zones::drawn(seed()) {
        for _ in 0..4 * times() {
            let rules = dice.draw(prop::collection::vec(rare(), 1..4));
            let from = YEAR_2026 + dice.draw(0..366 * DAY / HOUR) * HOUR;
            all.push((&changes[0], rules, from, from + 800 * DAY));
        }
    }
    compare("rare_windows_over_years", &all);
}
