//! Windows and schedules against `systemd-analyze calendar`, at hours that no clock change touches (it skips times in
//! the gap, where we fire after it). Where the tool is missing these tests say so and prove nothing.
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use offhours::core::calendar::{CronExpr, Window, Zone, parse_open};
use proptest::prelude::*;

use crate::brute::MINUTE;
use crate::expression::{Expression, nightly};
use crate::seed::{Dice, say, seed, times};
use crate::zones::{self, Change};

const BASE: &str = "2026-02-27T12:00:00Z";
const ITERATIONS: usize = 40;
const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "UTC",
];

/// The tool's next instants, or `None` where there is no such tool.
fn systemd(calendar: &str, zone: &str) -> Option<Vec<Timestamp>> {
    systemd_after(calendar, zone, BASE.parse().unwrap())
}

fn systemd_after(calendar: &str, zone: &str, after: Timestamp) -> Option<Vec<Timestamp>> {
    // A zone of its own for the output, so that it prints each instant in UTC as well.
    let output = Command::new("systemd-analyze")
        .args([
            "calendar",
            &format!("--iterations={ITERATIONS}"),
            &after.strftime("--base-time=%F %T UTC").to_string(),
        ])
        .arg(format!("{calendar} {zone}"))
        .env("TZ", "Asia/Tokyo")
        .env("LC_ALL", "C")
        .output();
    let Ok(output) = output else {
        assert!(std::env::var_os("CI").is_none(), "no systemd-analyze here");
        say(&format!(
            "SKIPPED: no systemd-analyze here, {calendar:?} in {zone} is NOT proven"
        ));
        return None;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let instants = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(in UTC): "))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{}T{}Z", words[1], words[2]).parse().unwrap()
        });
    let instants: Vec<Timestamp> = instants.collect();
    assert_eq!(instants.len(), ITERATIONS, "{text}");
    Some(instants)
}

#[test]
fn schedules() {
    let pairs = [
        ("0 22 * * 1-5", "Mon..Fri *-*-* 22:00:00"),
        ("*/15 9-17 * * *", "*-*-* 9..17:0/15:00"),
        ("30 4 1,15 * *", "*-*-1,15 04:30:00"),
        ("5 12 * 2,4,Oct Sun", "Sun *-2,4,10-* 12:05:00"),
        ("0 6 31 * *", "*-*-31 06:00:00"),
        ("0 20 29 2 *", "*-02-29 20:00:00"),
        ("0 7 */10 * 6,7", "Sat,Sun *-*-1,11,21,31 07:00:00"),
        ("10-50/20 5,23 * jan-mar *", "*-1..3-* 5,23:10,30,50:00"),
        ("0 12 13 * */5", "Sun,Fri *-*-13 12:00:00"),
    ];
    let base: Timestamp = BASE.parse().unwrap();
    for zone_name in ZONES {
        let zone = Zone::named(zone_name).unwrap();
        for (cron, calendar) in pairs {
            // The engine's years end in 2100.
            let iterations = if cron.contains("29 2") {
                15
            } else {
                ITERATIONS
            };
            let Some(expected) = systemd(calendar, zone_name) else {
                return;
            };
            let got: Vec<Timestamp> = CronExpr::parse(cron)
                .unwrap()
                .instants(&zone, base)
                .take(iterations)
                .collect();
            assert_eq!(got, expected[..iterations], "{cron} in {zone_name}");
        }
    }
}

#[test]
fn windows() {
    let pairs = [
        (
            "Mon-Fri 22:00-05:00",
            "Mon..Fri *-*-* 22:00:00",
            "Tue..Sat *-*-* 05:00:00",
        ),
        (
            "Fri-Mon 20:00-23:30",
            "Fri..Sun,Mon *-*-* 20:00:00",
            "Fri..Sun,Mon *-*-* 23:30:00",
        ),
        (
            "1st Sun 05:00-06:00",
            "Sun *-*-1..7 05:00:00",
            "Sun *-*-1..7 06:00:00",
        ),
        ("2nd Tue 19:00-24:00", "Tue *-*-8..14 19:00:00", ""),
        (
            "last Fri 18:15-21:45",
            "Fri *-*~07/1 18:15:00",
            "Fri *-*~07/1 21:45:00",
        ),
        ("daily 12:00-13:00", "*-*-* 12:00:00", "*-*-* 13:00:00"),
    ];
    let base: Timestamp = BASE.parse().unwrap();
    for zone_name in ZONES {
        let zone = Zone::named(zone_name).unwrap();
        for (open, opens, closes) in pairs {
            let window = Window {
                name: "w".into(),
                zone: zone.clone(),
                rules: vec![parse_open(open).unwrap()],
                cutoff: SignedDuration::ZERO,
            };
            let Some(expected) = systemd(opens, zone_name) else {
                return;
            };
            let until = expected[ITERATIONS - 1] + SignedDuration::from_secs(1);
            let got: Vec<_> = window.occurrences(base, until).collect();
            let opened: Vec<Timestamp> =
                got.iter().map(|o| o.opens).filter(|t| *t > base).collect();
            assert_eq!(opened, expected, "{open} in {zone_name}");
            if !closes.is_empty() {
                let Some(expected) = systemd(closes, zone_name) else {
                    return;
                };
                let closed: Vec<Timestamp> = got.iter().map(|o| o.closes).collect();
                assert_eq!(closed[..ITERATIONS], expected, "{open} in {zone_name}");
            }
        }
    }
}

/// The expression in systemd's notation.
fn calendar(e: &Expression) -> String {
    const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let list = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(",");
    let numbers =
        |field: &crate::expression::Field| list(&mut field.values.iter().map(ToString::to_string));
    let weekday = |day: &i64| NAMES[usize::try_from(day % 7).unwrap()].to_owned();
    let weekdays = match e.weekday.values.len() {
        7 => String::new(),
        _ => list(&mut e.weekday.values.iter().map(weekday)),
    };
    let (day, hour, minute) = (numbers(&e.day), numbers(&e.hour), numbers(&e.minute));
    format!("{weekdays} *-*-{day} {hour}:{minute}:00")
        .trim()
        .into()
}

/// A time that a gap skips does not come at all there; all others are the same, the earlier of two among them.
#[test]
fn random_schedules_through_clock_changes() {
    let mut dice = Dice::new();
    let changes: Vec<&Change> = zones::drawn(seed()).into_iter().flatten().collect();
    let fixed = |e: &Expression| !e.real_clock() && !e.either_day();
    for _ in 0..120 * times() {
        let change = changes[dice.draw(0..changes.len())];
        let e = dice.draw(nightly().prop_filter("systemd has no such thing", fixed));
        let before = SignedDuration::from_secs(dice.draw(60..4000i64) * MINUTE);
        let after = change.at - before;
        let Some(expected) = systemd_after(&calendar(&e), &change.zone, after) else {
            return;
        };
        let zone = Zone::named(&change.zone).unwrap();
        let ours = CronExpr::parse(&e.text()).unwrap();
        // The tool gives the day up in a gap that ends summer time (Dublin, Casablanca), and the hour in one that does
        // not end with it (Chatham, Lord Howe).
        let midnight = zone.date(change.at).tomorrow().unwrap().at(0, 0, 0, 0);
        let lost = match change.by.is_positive() {
            true if change.ends_summer => change.at..zone.instant(midnight),
            true if change.shows % 3600 != 0 => {
                change.at..change.at + SignedDuration::from_hours(1)
            }
            _ => change.at..change.at,
        };
        let last = expected[ITERATIONS - 1].min(change.at + zones::ALONE);
        let found = |t: &Timestamp| *t <= last && !lost.contains(t);
        let expected: Vec<Timestamp> = expected.into_iter().filter(found).collect();
        let got: Vec<Timestamp> = ours
            .instants(&zone, after)
            .take_while(|t| *t <= last)
            .filter(|t| e.matches(t.as_second() + zone.offset_s(*t)) && found(t))
            .collect();
        assert_eq!(
            got,
            expected,
            "{} in {} after {after}",
            e.text(),
            change.zone
        );
    }
}
