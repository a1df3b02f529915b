//! What clock changes do to windows, against the same windows on a clock that never changes.
use jiff::{SignedDuration, Timestamp};
use offhours::core::calendar::{ClockEffect, LONGEST, Occurrence, Window, Zone};
use proptest::prelude::*;

use crate::brute::{Clock, DAY, at};
use crate::drawn::{merged, on_some_days};
use crate::seed::{Dice, seed, times};
use crate::zones::{self, Change};

/// Two clocks around a change, the second of which does not make it: its instants are what the first one showed.
struct Clocks<'a> {
    change: &'a Change,
    real: Clock,
    still: Clock,
}

impl Clocks<'_> {
    fn wall(&self, t: Timestamp) -> i64 {
        let t = t.as_second();
        let tick = self.real.ticks.partition_point(|(tick, _)| *tick < t);
        self.real.ticks[tick].1
    }

    /// From the definition: what there would have been in the place of an occurrence.
    fn effect(&self, o: &Occurrence, usual: &[Occurrence]) -> Option<ClockEffect> {
        let instead: Vec<&Occurrence> = usual
            .iter()
            .filter(|n| o.contains(at(self.real.first_at(n.opens.as_second()))))
            .collect();
        let length: SignedDuration = instead.iter().map(|n| n.length()).sum();
        let closes = instead.iter().map(|n| n.closes.as_second()).max()?;
        // A change at the very end is none of its business, one at the very beginning is.
        let touched = o.opens <= self.change.at && self.change.at < o.closes;
        match (o.length() - length, self.wall(o.closes) - closes) {
            (SignedDuration::ZERO, 0) => None,
            (SignedDuration::ZERO, later) => {
                touched.then(|| ClockEffect::ClosesLater(SignedDuration::from_secs(later)))
            }
            (longer, _) => Some(ClockEffect::Longer(longer)),
        }
    }
}

#[test]
fn nights_are_unlike_the_others_where_a_still_clock_says_so() {
    let mut dice = Dice::new();
    let (mut compared, mut unlike) = (0, 0);
    for change in zones::drawn(seed()).into_iter().flatten() {
        let zone = Zone::named(&change.zone).unwrap();
        let middle = change.at.as_second();
        let before = zone.offset_s(at(middle - 1));
        let clocks = Clocks {
            change,
            real: Clock::near(&change.zone, middle, 16),
            still: Clock::near("UTC", middle + before, 16),
        };
        for _ in 0..2 * times() {
            let drawn = dice.draw(prop::collection::vec(on_some_days(), 1..4));
            let window = Window {
                name: "w".into(),
                zone: zone.clone(),
                rules: drawn.iter().map(|d| d.rule(middle)).collect(),
                cutoff: SignedDuration::ZERO,
            };
            let all = merged(&drawn, &clocks.real, middle);
            let usual = merged(&drawn, &clocks.still, middle);
            if all.iter().any(|o| o.length() > LONGEST) {
                continue;
            }
            // Far from the ends of the clocks.
            let near = |o: &&Occurrence| (o.opens.as_second() - middle).abs() < 7 * DAY;
            let mut expected = Vec::new();
            for o in all.iter().filter(near) {
                let effect = clocks.effect(o, &usual);
                let place = format!("{drawn:?} in {} at {}", change.zone, o.opens);
                assert_eq!(window.clock_effect(o), effect, "{place}");
                expected.extend(effect.map(|_| *o));
                compared += 1;
            }
            let found = window.unusual(at(middle - DAY), at(middle + DAY));
            let kept: Vec<Occurrence> = found.iter().filter_map(|u| u.occurrence).collect();
            assert_eq!(kept, expected, "{drawn:?} in {}", change.zone);
            unlike += expected.len();
            // What is left out: one rule has nothing that could be there instead.
            if drawn.len() == 1 {
                let out = |o: &&Occurrence| {
                    let first_at = |t: Timestamp| clocks.real.first_at(t.as_second());
                    first_at(o.opens) >= first_at(o.closes)
                };
                let expected: Vec<SignedDuration> = usual
                    .iter()
                    .filter(near)
                    .filter(out)
                    .map(Occurrence::length)
                    .collect();
                let left_out = found.iter().filter(|u| u.occurrence.is_none());
                let left_out: Vec<SignedDuration> = left_out.map(|u| u.usual).collect();
                assert_eq!(left_out, expected, "{drawn:?} in {}", change.zone);
            }
        }
    }
    assert!(
        unlike > 100 && compared > 10 * unlike,
        "{unlike} of {compared}"
    );
}
