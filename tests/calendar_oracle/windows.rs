//! Windows against a clock that is read minute by minute: open or not.
use jiff::SignedDuration;
use offhours::core::calendar::{LONGEST, Occurrence, Window, Zone};
use proptest::prelude::*;

use crate::brute::{CHANGES, Clock, MINUTE, at};
use crate::drawn::{Drawn, drawn, merged};
use crate::seed::{Dice, cases, seed, times};
use crate::zones;

fn window(drawn: &[Drawn], zone: &str, middle: i64) -> Window {
    Window {
        name: "w".into(),
        zone: Zone::named(zone).unwrap(),
        rules: drawn.iter().map(|d| d.rule(middle)).collect(),
        cutoff: SignedDuration::ZERO,
    }
}

/// Compares what touches a span, given in minutes from the middle of the clock.
fn compare(
    drawn: &[Drawn],
    zone: &str,
    clock: &Clock,
    from: i64,
    length: i64,
) -> Result<(), TestCaseError> {
    let middle = clock.middle();
    let window = window(drawn, zone, middle);
    let (from, until) = (
        at(middle + from * MINUTE),
        at(middle + (from + length) * MINUTE),
    );
    let touching = |o: &Occurrence| o.opens < until && o.closes > from;
    let expected: Vec<Occurrence> = merged(drawn, clock, middle)
        .into_iter()
        .filter(touching)
        .collect();
    if let Some(endless) = expected.iter().find(|o| o.length() > LONGEST) {
        prop_assert!(window.never_closes(endless.opens, until).is_some());
        return Ok(());
    }
    let got: Vec<Occurrence> = window.occurrences(from, until).collect();
    prop_assert_eq!(&got, &expected, "{:?} in {}", drawn, zone);
    prop_assert_eq!(window.never_closes(from, until), None);
    prop_assert_eq!(
        window.open_at(from),
        expected.iter().copied().find(|o| o.contains(from))
    );
    if let Some(next) = expected.iter().copied().find(|o| o.opens >= from) {
        prop_assert_eq!(window.next_opening(from), Some(next));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn open_and_close_as_a_clock_on_the_wall_says(
        drawn in prop::collection::vec(drawn(), 1..4),
        change in 0..CHANGES.len(),
        (from, length) in (-3000..3000i64, 1..6000i64),
    ) {
        let (name, change) = CHANGES[change];
        compare(&drawn, name, &Clock::around(name, change, 16), from, length)?;
    }
}

/// A few windows in every zone, around each of its clock changes.
#[test]
fn open_and_close_so_in_every_zone() {
    let mut dice = Dice::new();
    for change in zones::drawn(seed()).into_iter().flatten() {
        let clock = Clock::near(&change.zone, change.at.as_second(), 16);
        for _ in 0..3 * times() {
            let drawn = dice.draw(prop::collection::vec(drawn(), 1..4));
            // What touches the span is whole within the 16 days: no occurrence that counts is longer than seven.
            let (from, length) = dice.draw((-10_500..5000i64, 1..3500i64));
            // The change itself is looked at too.
            for (from, length) in [(from, length), (-600, 1200)] {
                compare(&drawn, &change.zone, &clock, from, length).unwrap();
            }
        }
    }
}
