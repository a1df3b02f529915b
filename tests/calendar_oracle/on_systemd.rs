//! Windows and schedules against `systemd-analyze calendar`, at hours that no clock change touches (it skips times in
//! the gap, where we fire after it). Where the tool is missing these tests say so and prove nothing.
use std::io::Write as _;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use offhours::core::calendar::{CronExpr, Window, Zone, parse_open};

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
    // A zone of its own for the output, so that it prints each instant in UTC as well.
    let output = Command::new("systemd-analyze")
        .args([
            "calendar",
            &format!("--iterations={ITERATIONS}"),
            "--base-time=2026-02-27 12:00:00 UTC",
        ])
        .arg(format!("{calendar} {zone}"))
        .env("TZ", "Asia/Tokyo")
        .env("LC_ALL", "C")
        .output();
    let Ok(output) = output else {
        // Not eprintln!: the test harness would keep it to itself.
        let warning =
            format!("SKIPPED: no systemd-analyze here, {calendar:?} in {zone} is NOT proven\n");
        std::io::stderr().write_all(warning.as_bytes()).unwrap();
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
