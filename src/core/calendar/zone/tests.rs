use jiff::civil;

use super::*;

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn instant(name: &str, wall: &str) -> String {
    zone(name).instant(wall.parse().unwrap()).to_string()
}

#[test]
fn a_skipped_time_is_the_first_instant_after_the_gap() {
    assert_eq!(
        instant("Europe/Berlin", "2026-03-29T02:00"),
        "2026-03-29T01:00:00Z"
    );
    assert_eq!(
        instant("Europe/Berlin", "2026-03-29T02:30"),
        "2026-03-29T01:00:00Z"
    );
    assert_eq!(
        instant("Europe/Berlin", "2026-03-29T02:59:59"),
        "2026-03-29T01:00:00Z"
    );
    assert_eq!(
        instant("Europe/Berlin", "2026-03-29T03:00"),
        "2026-03-29T01:00:00Z"
    );
    assert_eq!(
        instant("Australia/Lord_Howe", "2026-10-04T02:10"),
        "2026-10-03T15:30:00Z"
    );
    assert_eq!(
        instant("Antarctica/Troll", "2026-03-29T01:30"),
        "2026-03-29T01:00:00Z"
    );
    // A whole day that never was.
    assert_eq!(
        instant("Pacific/Apia", "2011-12-30T12:00"),
        "2011-12-30T10:00:00Z"
    );
}

#[test]
fn a_repeated_time_is_the_earlier_instant() {
    assert_eq!(
        instant("Europe/Berlin", "2026-10-25T02:30"),
        "2026-10-25T00:30:00Z"
    );
    assert_eq!(
        instant("Europe/Berlin", "2026-10-25T03:00"),
        "2026-10-25T02:00:00Z"
    );
    assert_eq!(
        instant("America/Havana", "2026-11-01T00:00"),
        "2026-11-01T04:00:00Z"
    );
    assert_eq!(
        instant("Australia/Lord_Howe", "2026-04-05T01:45"),
        "2026-04-04T14:45:00Z"
    );
}

#[test]
fn the_ends_of_time_do_no_harm() {
    for name in ["UTC", "Pacific/Apia", "America/Los_Angeles"] {
        assert!(
            zone(name).instant(civil::DateTime::MAX) > zone(name).instant(civil::DateTime::MIN)
        );
        assert!(zone(name).local(Timestamp::MAX) > zone(name).local(Timestamp::MIN));
        zone(name).stretch(Timestamp::MAX);
        zone(name).stretch(Timestamp::MIN);
    }
}

#[test]
fn names_are_places() {
    assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
    assert_eq!(zone("UTC"), Zone::utc());
    let long = "x".repeat(10_000);
    for bad in [
        "",
        "Europe/Berln",
        "localtime",
        "right/UTC",
        "../etc/passwd",
        "Etc/Unknown",
        "CET-1CEST",
        &long,
    ] {
        let error = Zone::named(bad).unwrap_err();
        assert!(error.len() < 200, "{error}");
    }
}

#[test]
fn seconds_round_down_on_both_sides_of_1970() {
    assert_eq!(floor_s("1969-12-31T23:59:58.5Z".parse().unwrap()), -2);
    assert_eq!(floor_s("1969-12-31T23:59:58Z".parse().unwrap()), -2);
    assert_eq!(floor_s("1970-01-01T00:00:01.5Z".parse().unwrap()), 1);
}
