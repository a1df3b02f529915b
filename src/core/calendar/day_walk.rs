//! The days of a rule with their spans, one by one.
use jiff::{SignedDuration, Timestamp, civil};

use super::month::{DAY_S, Month};
use super::walk::Walk;
use super::zone::{at_second, floor_s};
use super::{Days, End, Occurrence, Zone};

/// 9999-12-28, counted from 1970-01-01: a day later there may be no instant any more.
const LAST_DAY: i64 = 2_932_893;
/// -9999-02-01, likewise.
const FIRST_DAY: i64 = -4_371_557;

/// The days of one rule, walked from a day on. Months are looked at as a whole: a rule that names one day a month costs
/// no more than one that names all.
#[derive(Debug)]
pub(super) struct DayWalk<'a> {
    walk: Walk<'a>,
    days: &'a Days,
    /// The month that is walked, by the wall clock.
    month: Month,
    /// Days of that month that are still to come, bit 0 being its first.
    left: u32,
    start_s: i64,
    end: EndS,
}

#[derive(Clone, Copy, Debug)]
enum EndS {
    /// Seconds after midnight of the day of opening.
    Wall(i64),
    Elapsed(SignedDuration),
}

impl<'a> DayWalk<'a> {
    /// Begins a day early, so that what opens at `from` or later is not missed whatever the clock does.
    pub(super) fn new(
        zone: &'a Zone,
        days: &'a Days,
        start: civil::Time,
        end: &End,
        from: Timestamp,
    ) -> Self {
        let start_s = seconds_of(start);
        let end = match end {
            End::At(at) if *at <= start => EndS::Wall(seconds_of(*at) + DAY_S),
            End::At(at) => EndS::Wall(seconds_of(*at)),
            End::After(elapsed) => EndS::Elapsed(*elapsed),
        };
        let mut walk = Walk::new(zone);
        let second = floor_s(from);
        let (offset, _) = walk.seat(second);
        let day = (second + offset).div_euclid(DAY_S) - 1 - days.offset();
        let day = day.max(FIRST_DAY);
        let month = Month::of(day);
        let passed = u32::try_from(day - month.first).unwrap_or(0);
        DayWalk {
            walk,
            days,
            month,
            left: days.named_in(month) & u32::MAX << passed,
            start_s,
            end,
        }
    }

    /// How long an occurrence is where no clock changes.
    pub(super) fn usual(&self) -> SignedDuration {
        match self.end {
            EndS::Wall(end) => SignedDuration::from_secs(end - self.start_s),
            EndS::Elapsed(elapsed) => elapsed,
        }
    }

    /// The next day that matches, with its span, which is empty where a clock change swallows it.
    pub(super) fn step(&mut self) -> Option<(i64, Occurrence)> {
        while self.left == 0 {
            self.month = self.month.next();
            if self.month.first > LAST_DAY {
                return None;
            }
            self.left = self.days.named_in(self.month);
        }
        let day = self.month.first + i64::from(self.left.trailing_zeros()) + self.days.offset();
        self.left &= self.left - 1;
        if day > LAST_DAY {
            return None;
        }
        let opens = at_second(self.walk.instant(day * DAY_S + self.start_s));
        let closes = match self.end {
            EndS::Wall(end) => at_second(self.walk.instant(day * DAY_S + end)),
            EndS::Elapsed(elapsed) => later(opens, elapsed),
        };
        Some((day, Occurrence { opens, closes }))
    }
}

/// So much later, or earlier; at the ends of time, there.
pub(super) fn later(t: Timestamp, elapsed: SignedDuration) -> Timestamp {
    t.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
}

fn seconds_of(time: civil::Time) -> i64 {
    i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}
