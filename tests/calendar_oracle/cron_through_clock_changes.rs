//! Expressions through clock changes of all kinds, against a clock that is read minute by minute.
use jiff::{SignedDuration, Timestamp};
use offhours::core::calendar::{CronExpr, Zone};
use proptest::prelude::*;

use crate::brute::{CHANGES, Clock, DAY, at};
use crate::expression::{Expression, nightly};
use crate::seed::{Dice, cases, seed, times};
use crate::zones;

fn expected(clock: &Clock, e: &Expression) -> Vec<i64> {
    if e.real_clock() {
        clock.real(|w| e.matches(w))
    } else {
        clock.fixed(|w| e.matches(w))
    }
}

fn seconds(instants: impl Iterator<Item = Timestamp>, until: i64) -> Vec<i64> {
    instants
        .map(|t| t.as_second())
        .take_while(|t| *t <= until)
        .collect()
}

#[test]
fn the_changes_are_changes() {
    for (zone, change) in CHANGES {
        let steady = matches!(zone, "UTC" | "Asia/Kolkata");
        let instant: Timestamp = change.parse().unwrap();
        let zone = Zone::named(zone).unwrap();
        let before = zone.offset_s(instant - SignedDuration::from_secs(1));
        assert_eq!(
            before == zone.offset_s(instant),
            steady,
            "{} {change}",
            zone.name()
        );
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn fires_as_a_clock_on_the_wall_says(e in nightly(), starts in prop::collection::vec(0.0..1.0f64, 4)) {
        let ours = CronExpr::parse(&e.text()).unwrap();
        for (name, change) in CHANGES {
            let zone = Zone::named(name).unwrap();
            let clock = Clock::around(name, change, 2);
            let expected = expected(&clock, &e);
            let (first, last) = (clock.ticks[0].0, clock.ticks[clock.ticks.len() - 1].0);
            let all = seconds(ours.instants(&zone, at(first)), last);
            prop_assert_eq!(&all, &expected, "{} in {} from {}", e.text(), name, at(first));

            for start in &starts {
                let after = at(first + DAY) + SignedDuration::from_secs_f64(start * 2.0 * DAY as f64);
                let later: Vec<i64> = expected.iter().copied().filter(|t| at(*t) > after).collect();
                let some = seconds(ours.instants(&zone, after), last);
                prop_assert_eq!(&some, &later, "{} in {} after {}", e.text(), name, after);
                prop_assert_eq!(
                    ours.next_after(&zone, after).map(|t| t.as_second()).filter(|t| *t <= last),
                    later.first().copied()
                );
                let earlier = expected.iter().copied().rfind(|t| at(*t) <= after);
                let latest = ours.latest_at_or_before(&zone, after, at(first));
                prop_assert_eq!(latest.map(|t| t.as_second()), earlier, "{} in {} at {}", e.text(), name, after);
                let count = ours.count_between(&zone, after, at(last));
                prop_assert_eq!(count, u64::try_from(later.len()).unwrap());
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// Far from any table: every instant is later than the one before and than what was asked for.
    #[test]
    fn is_strictly_ascending(e in nightly(), zone in 0..CHANGES.len(), start in -2_000_000_000..4_000_000_000i64, nanos in 0..1_000_000_000i32) {
        let zone = Zone::named(CHANGES[zone].0).unwrap();
        let ours = CronExpr::parse(&e.text()).unwrap();
        let mut before = Timestamp::new(start, if start > 0 { nanos } else { 0 }).unwrap();
        for t in ours.instants(&zone, before).take(200) {
            prop_assert!(t > before, "{} in {}: {} after {}", e.text(), zone.name(), t, before);
            prop_assert_eq!(ours.next_after(&zone, before), Some(t));
            before = t;
        }
    }
}

/// A few expressions in every zone, around each of its clock changes.
#[test]
fn fires_so_in_every_zone() {
    let mut dice = Dice::new();
    for change in zones::drawn(seed()).into_iter().flatten() {
        let zone = Zone::named(&change.zone).unwrap();
        let clock = Clock::near(&change.zone, change.at.as_second(), 2);
        let (first, last) = (clock.ticks[0].0, clock.ticks[clock.ticks.len() - 1].0);
        for _ in 0..8 * times() {
            let e = dice.draw(nightly());
            let ours = CronExpr::parse(&e.text()).unwrap();
            let got = seconds(ours.instants(&zone, at(first)), last);
            let from = at(first);
            assert_eq!(
                got,
                expected(&clock, &e),
                "{} in {} from {from}",
                e.text(),
                change.zone
            );
        }
    }
}
