use jiff::civil::{date, time};

use super::*;
use crate::core::calendar::{CronExpr, Days, parse_open};

fn window(zone: &str, rules: Vec<Rule>) -> Window {
    Window {
        name: "night".into(),
        zone: Zone::named(zone).unwrap(),
        rules,
        cutoff: SignedDuration::ZERO,
    }
}

fn open(zone: &str, lines: &[&str]) -> Window {
    window(
        zone,
        lines.iter().map(|line| parse_open(line).unwrap()).collect(),
    )
}

fn elapsed(days: &str, start: (i8, i8), minutes: i64) -> Rule {
    Pattern::Days {
        days: Days::parse(days).unwrap(),
        start: time(start.0, start.1, 0, 0),
        end: End::After(SignedDuration::from_mins(minutes)),
    }
    .into()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Day, length in minutes, usual length, how much later it closes.
fn in_2026(window: &Window) -> Vec<(String, i64, i64, i64)> {
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let unusual = window.unusual(from, until);
    unusual
        .iter()
        .map(|u| {
            (
                u.day.strftime("%m-%d").to_string(),
                u.length().as_mins(),
                u.usual.as_mins(),
                u.later.as_mins(),
            )
        })
        .collect()
}

fn row(day: &str, length: i64, usual: i64, later: i64) -> (String, i64, i64, i64) {
    (day.to_owned(), length, usual, later)
}

#[test]
fn nights_are_longer_and_shorter_than_usual() {
    let night = open("Europe/Berlin", &["daily 22:00-05:00"]);
    assert_eq!(
        in_2026(&night),
        [row("03-28", 360, 420, 0), row("10-24", 480, 420, 0)]
    );
    let monday = open("Europe/Berlin", &["Mon-Fri 22:00-05:00"]);
    assert_eq!(in_2026(&monday), []);
    assert_eq!(in_2026(&open("UTC", &["daily 22:00-05:00"])), []);
    // Half an hour, and two.
    assert_eq!(
        in_2026(&open("Australia/Lord_Howe", &["daily 00:00-06:00"])),
        [row("04-05", 390, 360, 0), row("10-04", 330, 360, 0)]
    );
    assert_eq!(
        in_2026(&open("Antarctica/Troll", &["daily 00:00-06:00"])),
        [row("03-29", 240, 360, 0), row("10-25", 480, 360, 0)]
    );
}

#[test]
fn what_lasts_as_long_as_usual_closes_at_another_time() {
    let night = window("Europe/Berlin", vec![elapsed("daily", (22, 0), 420)]);
    assert_eq!(
        in_2026(&night),
        [row("03-28", 420, 420, 60), row("10-24", 420, 420, -60)]
    );
    let nightly = Pattern::Cron {
        expr: CronExpr::parse("30 2 * * *").unwrap(),
        duration: SignedDuration::from_hours(1),
    };
    // Opens half an hour late, and closes when the clock has been set back.
    assert_eq!(
        in_2026(&window("Europe/Berlin", vec![nightly.into()])),
        [row("03-29", 60, 60, 30), row("10-25", 60, 60, -60)]
    );
}

#[test]
fn an_end_in_the_gap_counts_by_what_was_wanted() {
    // 22:00-02:30 is half an hour short, not an hour; 22:00-02:00 is what it always is.
    assert_eq!(
        in_2026(&open("Europe/Berlin", &["Sat 22:00-02:30"])),
        [row("03-28", 240, 270, 0)]
    );
    assert_eq!(in_2026(&open("Europe/Berlin", &["Sat 22:00-02:00"])), []);
    let four = window("Europe/Berlin", vec![elapsed("Sat", (22, 0), 240)]);
    assert_eq!(in_2026(&four), []);
    // A start in the gap too.
    assert_eq!(
        in_2026(&open("Europe/Berlin", &["Sun 02:30-05:00"])),
        [row("03-29", 120, 150, 0), row("10-25", 210, 150, 0)]
    );
}

#[test]
fn what_a_gap_empties_is_named() {
    let short = open("Europe/Berlin", &["Sun 02:10-02:50"]);
    assert_eq!(in_2026(&short), [row("03-29", 0, 40, 0)]);
    // Open all the same, by another rule.
    let union = open("Europe/Berlin", &["Sun 02:10-02:50", "Sun 01:00-04:00"]);
    assert_eq!(
        in_2026(&union),
        [row("03-29", 120, 180, 0), row("10-25", 240, 180, 0)]
    );
    // What the gap joins is as long as both are.
    let touching = open("Europe/Berlin", &["Sun 01:00-02:00", "Sun 03:00-04:00"]);
    assert_eq!(in_2026(&touching), []);
}

#[test]
fn validity_and_single_dates_are_counted_by_the_clock() {
    let mut night = open("Europe/Berlin", &["daily 22:00-05:00"]);
    night.rules[0].valid.from = at("2026-06-01T00:00:00Z");
    assert_eq!(in_2026(&night), [row("10-24", 480, 420, 0)]);
    night.rules[0].valid = Validity {
        from: Timestamp::MIN,
        until: at("2026-03-28T21:00:00Z"),
    };
    assert_eq!(in_2026(&night), []);
    let once = Pattern::Once {
        from: at("2026-03-28T21:00:00Z"),
        until: at("2026-03-29T03:00:00Z"),
    };
    assert_eq!(
        in_2026(&window("Europe/Berlin", vec![once.into()])),
        [row("03-28", 360, 420, 0)]
    );
}

#[test]
fn a_piece_has_the_effect_only_where_the_change_is_in_it() {
    let night = open("Europe/Berlin", &["daily 22:00-05:00"]);
    let effect = |from: &str, until: &str| {
        let (opens, closes) = (at(from), at(until));
        night.clock_effect(&Occurrence { opens, closes })
    };
    let hour = SignedDuration::from_hours(1);
    assert_eq!(
        effect("2026-03-28T21:00:00Z", "2026-03-29T03:00:00Z"),
        Some(ClockEffect::Longer(-hour))
    );
    assert_eq!(
        effect("2026-03-28T22:00:00Z", "2026-03-29T02:00:00Z"),
        Some(ClockEffect::Longer(-hour))
    );
    assert_eq!(effect("2026-03-28T21:00:00Z", "2026-03-29T01:00:00Z"), None);
    assert_eq!(effect("2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"), None);
    assert_eq!(effect("2026-03-29T20:00:00Z", "2026-03-30T03:00:00Z"), None);
    let seven = window("Europe/Berlin", vec![elapsed("daily", (22, 0), 420)]);
    let whole = Occurrence {
        opens: at("2026-10-24T20:00:00Z"),
        closes: at("2026-10-25T03:00:00Z"),
    };
    assert_eq!(
        seven.clock_effect(&whole),
        Some(ClockEffect::ClosesLater(-hour))
    );
    let cut = Occurrence {
        closes: at("2026-10-25T02:00:00Z"),
        ..whole
    };
    assert_eq!(seven.clock_effect(&cut), None);
}

#[test]
fn a_day_that_never_was() {
    let night = open("Pacific/Apia", &["daily 22:00-05:00"]);
    let (from, until) = (at("2011-12-01T00:00:00Z"), at("2012-01-10T00:00:00Z"));
    let unusual = night.unusual(from, until);
    assert_eq!(unusual.len(), 1);
    assert_eq!(unusual[0].day, date(2011, 12, 29));
    assert_eq!(unusual[0].length(), SignedDuration::from_hours(7));
    assert_eq!(unusual[0].usual, SignedDuration::from_hours(14));
}

#[test]
fn the_ends_of_time_do_no_harm() {
    for zone in ["UTC", "Pacific/Apia", "America/New_York"] {
        let night = open(zone, &["daily 22:00-05:00", "1st Sun 01:00-02:00"]);
        assert!(night.unusual(Timestamp::MAX, Timestamp::MAX).is_empty());
        let early = at("-009999-01-03T00:00:00Z");
        assert!(night.unusual(Timestamp::MIN, early).is_empty());
        for opens in [Timestamp::MIN, Timestamp::MAX] {
            let closes = opens;
            assert_eq!(night.clock_effect(&Occurrence { opens, closes }), None);
        }
    }
}
