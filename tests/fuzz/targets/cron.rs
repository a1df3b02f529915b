//! Crontab expressions, to the instants they mean.
//!
//! A second line, where there is one, is the second to start from.

use jiff::{SignedDuration, Timestamp};
use offhours::core::calendar::{CronExpr, Zone};

use super::fixture::now;
use super::safe;

/// Three that are far apart, one of them with half-hour clock changes.
const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "Australia/Lord_Howe"];
/// The engine knows no later years.
const LAST: &str = "2100-01-01T00:00:00Z";

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (text, from) = text.split_once('\n').unwrap_or((text, ""));
    let from = from.trim().parse().ok();
    let from = from.and_then(|second| Timestamp::from_second(second).ok());
    let from = from.unwrap_or_else(now);
    let expr = match CronExpr::parse(text) {
        Ok(expr) => expr,
        Err(error) => {
            assert!(text.get(error.range.clone()).is_some(), "{error:?}");
            safe::line(&error.hint, 10_000);
            return safe::line(&error.message, 10_000);
        }
    };
    assert_eq!(expr.text(), text);
    assert_eq!(CronExpr::parse(expr.text()).as_ref(), Ok(&expr));
    for zone in ZONES {
        let zone = Zone::named(zone).expect("a zone");
        instants(&expr, &zone, from);
    }
}

fn instants(expr: &CronExpr, zone: &Zone, from: Timestamp) {
    let mut last = from;
    for at in expr.instants(zone, from).take(50) {
        assert!(at > last, "{at} after {last}");
        assert_eq!(expr.next_after(zone, last), Some(at));
        last = at;
    }
    let whole: Timestamp = LAST.parse().expect("an instant");
    if expr.never_matches() {
        assert_eq!(last, from);
    } else if last == from
        && from
            < whole
                .saturating_sub(SignedDuration::from_hours(24 * 366 * 9))
                .expect("early")
    {
        // Only where each falls into an hour that the clocks leave out; in UTC there is none.
        let utc = Zone::utc();
        let mut walls = expr.instants(&utc, from).map(|at| utc.local(at)).take(50);
        assert_ne!(zone.name(), "UTC", "there is a next one");
        assert!(walls.all(|wall| zone.local(zone.instant(wall)) != wall));
    }
    let latest = expr.latest_at_or_before(zone, last, from);
    assert_eq!(latest, (last > from).then_some(last));
    if last > from {
        assert!(expr.count_between(zone, from, last) >= 1);
    }
}
