use super::*;

fn list(expr: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let zone = Zone::named(zone).unwrap();
    let instants = CronExpr::parse(expr).unwrap();
    let instants = instants.instants(&zone, after.parse().unwrap()).take(count);
    instants
        .map(|t| zone.zoned(t).strftime("%a %d %H:%M:%S%:z").to_string())
        .collect()
}

const SPRING: &str = "2026-03-28T12:00:00Z";
const AUTUMN: &str = "2026-10-24T22:30:00Z";

#[test]
fn a_skipped_time_fires_once_after_the_gap() {
    let nightly = ["Sun 29 03:00:00+02:00", "Mon 30 02:30:00+02:00"];
    assert_eq!(list("30 2 * * *", "Europe/Berlin", SPRING, 2), nightly);
    let twice = [
        "Sun 29 03:00:00+02:00",
        "Mon 30 02:00:00+02:00",
        "Mon 30 02:40:00+02:00",
    ];
    assert_eq!(list("0,40 2 * * *", "Europe/Berlin", SPRING, 3), twice);
    // The skipped 02:00 and the real 03:00 are one instant.
    let hours = [
        "Sun 29 01:00:00+01:00",
        "Sun 29 03:00:00+02:00",
        "Sun 29 04:00:00+02:00",
    ];
    assert_eq!(list("0 1-4 * * *", "Europe/Berlin", SPRING, 3), hours);
    assert_eq!(
        list("@daily", "America/Havana", "2026-03-08T00:00:00Z", 1),
        ["Sun 08 01:00:00-04:00"]
    );
}

#[test]
fn a_skipped_day_fires_at_its_end() {
    let noon = ["Sat 31 00:00:00+14:00", "Sat 31 12:00:00+14:00"];
    assert_eq!(
        list("0 12 * * *", "Pacific/Apia", "2011-12-30T09:00:00Z", 2),
        noon
    );
}

#[test]
fn a_repeated_time_fires_the_first_time() {
    let nightly = ["Sun 25 02:30:00+02:00", "Mon 26 02:30:00+01:00"];
    assert_eq!(list("30 2 * * *", "Europe/Berlin", AUTUMN, 2), nightly);
    assert_eq!(
        list("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", 1),
        nightly[1..]
    );
    assert_eq!(
        list("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1),
        nightly[1..]
    );
}

#[test]
fn a_star_follows_the_real_clock() {
    let half_hours = [
        "Sun 25 02:00:00+02:00",
        "Sun 25 02:30:00+02:00",
        "Sun 25 02:00:00+01:00",
        "Sun 25 02:30:00+01:00",
        "Sun 25 03:00:00+01:00",
    ];
    assert_eq!(
        list("*/30 2,3 * * *", "Europe/Berlin", AUTUMN, 5),
        half_hours
    );
    let spring = [
        "Sun 29 01:00:00+01:00",
        "Sun 29 03:00:00+02:00",
        "Sun 29 04:00:00+02:00",
    ];
    assert_eq!(
        list("@hourly", "Europe/Berlin", "2026-03-28T23:00:00Z", 3),
        spring
    );
    let skipped = ["Mon 30 02:15:00+02:00"];
    assert_eq!(
        list(
            "*/60,15 2 * * *",
            "Europe/Berlin",
            "2026-03-30T00:00:00Z",
            1
        ),
        skipped
    );
    assert_eq!(
        list("15 */2 * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 1),
        ["Sun 29 04:15:00+02:00"]
    );
}

#[test]
fn seconds_are_an_extension() {
    let thirds = [
        "Sun 29 01:59:40+01:00",
        "Sun 29 03:00:00+02:00",
        "Sun 29 03:00:20+02:00",
    ];
    assert_eq!(
        list(
            "*/20 * * * * *",
            "Europe/Berlin",
            "2026-03-29T00:59:20.5Z",
            3
        ),
        thirds
    );
}

#[test]
fn rare_dates_are_found_and_impossible_ones_end() {
    assert_eq!(
        list("0 20 29 2 *", "Asia/Tokyo", "2026-01-01T00:00:00Z", 1),
        ["Tue 29 20:00:00+09:00"]
    );
    let zone = Zone::utc();
    let never = CronExpr::parse("0 0 31 2 *").unwrap();
    let now: Timestamp = SPRING.parse().unwrap();
    assert_eq!(never.next_after(&zone, now), None);
    assert_eq!(never.latest_at_or_before(&zone, now, Timestamp::MIN), None);
    assert_eq!(
        never.count_between(&zone, Timestamp::MIN, Timestamp::MAX),
        0
    );
}

#[test]
fn the_ends_of_time_do_no_harm() {
    for expr in ["* * * * *", "0 22 * * 1-5", "0 0 1 * 1"] {
        let expr = CronExpr::parse(expr).unwrap();
        for name in ["UTC", "Pacific/Apia", "America/New_York"] {
            let zone = Zone::named(name).unwrap();
            assert_eq!(expr.next_after(&zone, Timestamp::MAX), None);
            let first = expr.next_after(&zone, Timestamp::MIN).unwrap();
            assert!((1969..=1970).contains(&zone.date(first).year()), "{first}");
            let last = expr
                .latest_at_or_before(&zone, Timestamp::MAX, Timestamp::MIN)
                .unwrap();
            assert!((2100..=2101).contains(&zone.date(last).year()), "{last}");
        }
    }
}

#[test]
fn counting_is_bounded() {
    let zone = Zone::utc();
    let minutely = CronExpr::parse("* * * * *").unwrap();
    let (after, until) = (
        "2026-01-01T00:00:00Z".parse().unwrap(),
        "2026-01-02T00:00:00Z".parse().unwrap(),
    );
    assert_eq!(minutely.count_between(&zone, after, until), 1440);
    assert_eq!(minutely.count_between(&zone, until, after), 0);
    assert_eq!(
        minutely.count_between(&zone, after, Timestamp::MAX),
        COUNT_CAP
    );
}

#[test]
fn the_latest_excludes_one_bound_and_includes_the_other() {
    let zone = Zone::utc();
    let daily = CronExpr::parse("0 22 * * *").unwrap();
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let ten = at("2026-03-01T22:00:00Z");
    assert_eq!(
        daily.latest_at_or_before(&zone, ten, at("2026-02-01T00:00:00Z")),
        Some(ten)
    );
    assert_eq!(
        daily.latest_at_or_before(
            &zone,
            at("2026-03-02T21:59:59.9Z"),
            at("2020-01-01T00:00:00Z")
        ),
        Some(ten)
    );
    assert_eq!(
        daily.latest_at_or_before(&zone, at("2026-03-02T21:00:00Z"), ten),
        None
    );
    assert_eq!(
        daily.latest_at_or_before(&zone, ten, at("2027-01-01T00:00:00Z")),
        None
    );
}
