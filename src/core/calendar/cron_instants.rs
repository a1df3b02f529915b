//! From an expression's wall-clock times to instants, through clock changes.
use jiff::Timestamp;

use super::cron_match::Matcher;
use super::walk::Walk;
use super::zone::{at_second, floor_s};
use super::{CronExpr, Zone};

/// [`CronExpr::count_between`] counts no further.
pub const COUNT_CAP: u64 = 1_000_000;
/// The first span in which [`CronExpr::latest_at_or_before`] looks back.
const LOOK_BACK_S: i64 = 64;

impl CronExpr {
    /// The first instant strictly after `after`; `None` when there is none up to the year 2100.
    pub fn next_after(&self, zone: &Zone, after: Timestamp) -> Option<Timestamp> {
        self.instants(zone, after).next()
    }

    /// The instants strictly after `after`, strictly ascending, up to the year 2100.
    pub fn instants<'a>(&self, zone: &'a Zone, after: Timestamp) -> Instants<'a> {
        let mut instants = Instants {
            matcher: Matcher::new(&self.fields),
            real_clock: self.fields.real_clock,
            walk: Walk::new(zone),
            last: 0,
            wall: 0,
        };
        instants.seek(floor_s(after));
        instants
    }

    /// The last instant in `(not_before, at]`. Looks back in growing spans, then halves the one it was found in, so
    /// the work grows with the logarithm of the span and not with the instants in it.
    pub fn latest_at_or_before(
        &self,
        zone: &Zone,
        at: Timestamp,
        not_before: Timestamp,
    ) -> Option<Timestamp> {
        let (at, not_before) = (floor_s(at), floor_s(not_before));
        let mut instants = self.instants(zone, at_second(at));
        let mut span = LOOK_BACK_S;
        let mut found = loop {
            let from = at.saturating_sub(span).max(not_before);
            if let Some(found) = instants.first_in(from, at) {
                break found;
            }
            if from <= not_before {
                return None;
            }
            span = span.saturating_mul(2);
        };
        let mut none_after = at;
        while let Some(later) = instants.first_in(found, none_after) {
            let middle = later.midpoint(none_after);
            match instants.first_in(middle, none_after) {
                Some(late) => found = late,
                None => (found, none_after) = (later, middle),
            }
        }
        Some(at_second(found))
    }

    /// How many instants lie in `(after, until]`, at most [`COUNT_CAP`].
    pub fn count_between(&self, zone: &Zone, after: Timestamp, until: Timestamp) -> u64 {
        let cap = usize::try_from(COUNT_CAP).unwrap_or(usize::MAX);
        let counted = self
            .instants(zone, after)
            .take_while(|t| *t <= until)
            .take(cap)
            .count();
        u64::try_from(counted).unwrap_or(COUNT_CAP)
    }
}

/// The instants of one expression in one zone, strictly ascending.
#[derive(Clone, Debug)]
pub struct Instants<'a> {
    matcher: Matcher,
    real_clock: bool,
    walk: Walk<'a>,
    /// The last instant that was given, or the one to start after.
    last: i64,
    /// The last wall-clock second that was looked at.
    wall: i64,
}

impl Instants<'_> {
    fn seek(&mut self, after: i64) {
        let (offset, _) = self.walk.seat(after);
        self.last = after;
        self.wall = after.saturating_add(offset);
    }

    fn first_in(&mut self, after: i64, until: i64) -> Option<i64> {
        self.seek(after);
        self.step().filter(|t| *t <= until)
    }

    fn step(&mut self) -> Option<i64> {
        if self.real_clock {
            self.step_real()
        } else {
            self.step_fixed()
        }
    }

    /// A fixed time fires when the clock first reaches it. That order is kept, so what the clock had reached before
    /// is left out, and skipped times that fall together are one.
    fn step_fixed(&mut self) -> Option<i64> {
        loop {
            self.wall = self.matcher.next(self.wall)?;
            let t = self.walk.instant(self.wall);
            if t > self.last {
                self.last = t;
                return Some(t);
            }
        }
    }

    /// The real clock is read stretch by stretch: what it shows twice matches twice, what it skips does not.
    fn step_real(&mut self) -> Option<i64> {
        // The stretch of the next second: `last` itself may be the last second of the one before.
        let (mut offset, mut end) = self.walk.seat(self.last + 1);
        self.wall = self.last + offset;
        loop {
            let wall = self.matcher.next(self.wall)?;
            let t = wall - offset;
            if t < end {
                self.last = t;
                return Some(t);
            }
            let start = end;
            (offset, end) = self.walk.seat(start);
            self.wall = start + offset - 1;
        }
    }
}

impl Iterator for Instants<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        self.step().map(at_second)
    }
}

#[cfg(test)]
mod tests;
