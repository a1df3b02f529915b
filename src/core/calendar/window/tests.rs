use jiff::civil::{self, date};

use super::*;
use crate::core::calendar::{CronExpr, Days, End, Pattern, Validity, parse_open};

fn window(zone: &str, rules: Vec<Rule>) -> Window {
    let zone = Zone::named(zone).unwrap();
    Window {
        name: "night".into(),
        zone,
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

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn local(window: &Window, from: &str, until: &str) -> Vec<String> {
    let show = |t| window.zone.zoned(t).strftime("%a %d %H:%M%:z").to_string();
    let found = window.occurrences(at(from), at(until));
    found
        .map(|o| format!("{} {}", show(o.opens), show(o.closes)))
        .collect()
}

#[test]
fn the_nights_of_clock_change_are_shorter_and_longer() {
    let night = open("Europe/Berlin", &["Sat,Sun 22:00-05:00"]);
    let spring: Vec<_> = night
        .occurrences(at("2026-03-28T12:00:00Z"), at("2026-03-30T12:00:00Z"))
        .collect();
    assert_eq!(
        spring
            .iter()
            .map(|o| o.length().as_hours())
            .collect::<Vec<_>>(),
        [6, 7]
    );
    assert_eq!(
        spring
            .iter()
            .map(|o| night.clock_change_s(o))
            .collect::<Vec<_>>(),
        [-3600, 0]
    );
    let autumn = night.next_opening(at("2026-10-24T12:00:00Z")).unwrap();
    assert_eq!(
        (autumn.length().as_hours(), night.clock_change_s(&autumn)),
        (8, 3600)
    );
}

#[test]
fn a_window_lives_on_after_midnight() {
    let night = open("Europe/Berlin", &["Fri 22:00-05:00"]);
    let expected = ["Fri 06 22:00+01:00 Sat 07 05:00+01:00"];
    assert_eq!(
        local(&night, "2026-02-07T03:00:00Z", "2026-02-07T03:01:00Z"),
        expected
    );
    assert_eq!(
        local(&night, "2026-02-07T04:00:00Z", "2026-02-08T03:01:00Z"),
        [""; 0],
        "the end is exclusive"
    );
    assert!(night.open_at(at("2026-02-06T21:00:00Z")).is_some());
    assert_eq!(night.open_at(at("2026-02-07T04:00:00Z")), None);
}

#[test]
fn what_overlaps_or_touches_is_one() {
    let union = open(
        "UTC",
        &[
            "Mon 20:00-24:00",
            "Tue 00:00-02:00",
            "Tue 01:00-03:00",
            "Wed 03:00-04:00",
        ],
    );
    let expected = [
        "Mon 02 20:00+00:00 Tue 03 03:00+00:00",
        "Wed 04 03:00+00:00 Wed 04 04:00+00:00",
    ];
    assert_eq!(
        local(&union, "2026-02-03T02:30:00Z", "2026-02-05T00:00:00Z"),
        expected
    );
    assert_eq!(
        union
            .next_opening(at("2026-02-03T00:00:00Z"))
            .unwrap()
            .opens,
        at("2026-02-04T03:00:00Z")
    );
}

#[test]
fn a_duration_is_elapsed_time() {
    let end = End::After(SignedDuration::from_hours(7));
    let start = civil::time(22, 0, 0, 0);
    let night = window(
        "Europe/Berlin",
        vec![
            Pattern::Days {
                days: Days::parse("Sat").unwrap(),
                start,
                end,
            }
            .into(),
        ],
    );
    let expected = ["Sat 28 22:00+01:00 Sun 29 06:00+02:00"];
    assert_eq!(
        local(&night, "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"),
        expected
    );
}

#[test]
fn a_gap_can_empty_an_occurrence() {
    let night = open(
        "Europe/Berlin",
        &["Sun 02:15-02:45", "last Sun 02:00-02:30"],
    );
    let (from, until) = ("2026-03-01T00:00:00Z", "2027-03-01T00:00:00Z");
    assert_eq!(night.emptied(at(from), at(until)), [date(2026, 3, 29)]);
    let (gap, second) = (at("2026-03-29T01:00:00Z"), SignedDuration::from_secs(1));
    assert_eq!(night.emptied(gap, gap + second), [date(2026, 3, 29)]);
    assert_eq!(night.emptied(gap + second, at(until)), []);
    assert_eq!(night.emptied(at(from), gap), []);
    assert_eq!(
        local(&night, "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"),
        [""; 0]
    );
    assert_eq!(
        open("Europe/Berlin", &["Sun 01:45-03:00"]).emptied(at(from), at(until)),
        []
    );
}

#[test]
fn a_window_that_never_closes_is_found() {
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let always = open("Europe/Berlin", &["daily 22:00-05:00", "daily 05:00-22:00"]);
    let found = always.never_closes(from, until).unwrap();
    assert!(found.length() > LONGEST && found.length() < SignedDuration::from_hours(10 * 24));
    // Exactly seven days are allowed, also when they hold an hour more by the clock.
    let week = Pattern::Once {
        from,
        until: from + LONGEST,
    };
    assert_eq!(
        window("UTC", vec![week.into()]).never_closes(from, until),
        None
    );
    let seconds = CronExpr::parse("* * * * * *").unwrap();
    let endless = window(
        "UTC",
        vec![
            Pattern::Cron {
                expr: seconds,
                duration: SignedDuration::from_secs(1),
            }
            .into(),
        ],
    );
    assert!(endless.never_closes(from, until).is_some());
    let longer = Pattern::Once {
        from,
        until: from + LONGEST + SignedDuration::from_secs(1),
    };
    assert!(
        window("UTC", vec![longer.into()])
            .never_closes(from, until)
            .is_some()
    );
}

#[test]
fn a_window_without_a_future_has_no_next() {
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
    let once = window("UTC", vec![Pattern::Once { from, until }.into()]);
    assert_eq!(
        once.next_opening(from),
        Some(Occurrence {
            opens: from,
            closes: until
        })
    );
    assert_eq!(once.next_opening(until), None);
    assert_eq!(
        once.open_at(from + SignedDuration::from_hours(23))
            .map(|o| o.opens),
        Some(from)
    );
    assert_eq!(window("UTC", vec![]).next_opening(from), None);
    let hour = SignedDuration::from_hours(1);
    let never = Pattern::Cron {
        expr: CronExpr::parse("0 0 31 2 *").unwrap(),
        duration: hour,
    };
    let backwards = Pattern::Once {
        from: until,
        until: from,
    };
    let empty = Pattern::Cron {
        expr: CronExpr::parse("* * * * *").unwrap(),
        duration: -hour,
    };
    assert_eq!(
        window("UTC", vec![never.into(), backwards.into(), empty.into()]).next_opening(from),
        None
    );
}

#[test]
fn the_ends_of_time_do_no_harm() {
    for zone in ["UTC", "Pacific/Apia", "America/New_York"] {
        let night = open(zone, &["daily 22:00-05:00", "1st Sun 01:00-02:00"]);
        assert_eq!(night.next_opening(Timestamp::MAX), None);
        assert!(night.next_opening(Timestamp::MIN).is_some());
        assert_eq!(night.open_at(Timestamp::MAX), None);
        assert!(night.emptied(Timestamp::MAX, Timestamp::MAX).is_empty());
    }
}

fn by_date(days: Days) -> Rule {
    Pattern::Days {
        days,
        start: civil::time(22, 0, 0, 0),
        end: End::At(civil::time(5, 0, 0, 0)),
    }
    .into()
}

fn opening_days(window: &Window, from: &str, until: &str) -> Vec<String> {
    let found = window.occurrences(at(from), at(until));
    found
        .map(|o| window.zone.date(o.opens).strftime("%m-%d").to_string())
        .collect()
}

#[test]
fn days_of_the_month_and_days_after_them() {
    let year = ("2027-01-02T00:00:00Z", "2027-07-01T00:00:00Z");
    let last = window(
        "Europe/Berlin",
        vec![by_date(Days::dates(&[-1, 30]).unwrap())],
    );
    assert_eq!(
        opening_days(&last, year.0, year.1),
        [
            "01-30", "01-31", "02-28", "03-30", "03-31", "04-30", "05-30", "05-31", "06-30"
        ]
    );
    let patch = Days::parse("2nd Tue").unwrap().later(4);
    let patch = window("Europe/Berlin", vec![by_date(patch)]);
    assert_eq!(
        opening_days(&patch, year.0, year.1),
        ["01-16", "02-13", "03-13", "04-17", "05-15", "06-12"]
    );
    // Counted from a day of the month before.
    let later = window("UTC", vec![by_date(Days::dates(&[31]).unwrap().later(31))]);
    assert_eq!(
        opening_days(&later, "2027-01-15T00:00:00Z", year.1),
        ["01-31", "03-03", "05-01"]
    );
    // The clock changes on the way: it is still the same time of day.
    let opens: Vec<_> = patch
        .occurrences(at("2027-03-01T00:00:00Z"), at("2027-05-01T00:00:00Z"))
        .map(|o| patch.zone.local(o.opens).time())
        .collect();
    assert_eq!(opens, [civil::time(22, 0, 0, 0); 2]);
}

#[test]
fn what_opens_outside_its_validity_does_not_count() {
    let mut night = open("Europe/Berlin", &["daily 22:00-05:00", "Sun 10:00-12:00"]);
    let (from, until) = (at("2027-01-10T21:00:00Z"), at("2027-01-12T21:00:00Z"));
    night.rules[0].valid = Validity { from, until };
    let all = |window: &Window| {
        let span = window.occurrences(at("2027-01-01T00:00:00Z"), at("2027-01-20T00:00:00Z"));
        span.map(|o| window.zone.zoned(o.opens).strftime("%d %H").to_string())
            .collect::<Vec<_>>()
    };
    // It opens at the very first instant, and no more at the very last; what is open then stays open.
    assert_eq!(all(&night), ["03 10", "10 10", "10 22", "11 22", "17 10"]);
    assert!(night.open_at(at("2027-01-12T03:59:59Z")).is_some());
    let second = SignedDuration::from_secs(1);
    night.rules[0].valid = Validity {
        from: from + second,
        until: until + second,
    };
    assert_eq!(all(&night), ["03 10", "10 10", "11 22", "12 22", "17 10"]);
    night.rules[0].valid = Validity::ALWAYS.and(Validity {
        from: until,
        until: Timestamp::MAX,
    });
    assert_eq!(
        night
            .next_opening(at("1990-01-01T00:00:00Z"))
            .unwrap()
            .opens,
        at("1990-01-07T09:00:00Z")
    );
    night.rules.truncate(1);
    assert_eq!(
        night
            .next_opening(at("1990-01-01T00:00:00Z"))
            .unwrap()
            .opens,
        until
    );
    let until = Timestamp::MIN;
    night.rules[0].valid = Validity { from, until };
    assert_eq!(night.next_opening(at("1990-01-01T00:00:00Z")), None);
}
