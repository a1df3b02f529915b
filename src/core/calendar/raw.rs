//! What one rule of a window yields before overlaps are merged.
use jiff::{SignedDuration, Timestamp, civil};

use super::cron_instants::Instants;
use super::walk::Walk;
use super::zone::{at_second, civil_of, floor_s};
use super::{Days, End, Occurrence, Rule, Zone};

const DAY_S: i64 = 86_400;
/// 9999-12-28, counted from 1970-01-01: a day later there may be no instant any more.
const LAST_DAY: i64 = 2_932_893;

/// The days of one rule, walked from a day on.
#[derive(Debug)]
pub(super) struct DayWalk<'a> {
    walk: Walk<'a>,
    days: &'a Days,
    /// Days since 1970-01-01 by the wall clock.
    day: i64,
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
        DayWalk {
            walk,
            days,
            day: (second + offset).div_euclid(DAY_S) - 1,
            start_s,
            end,
        }
    }

    /// The next day that matches, with its span, which is empty where a clock change swallows it.
    pub(super) fn step(&mut self) -> Option<(i64, Occurrence)> {
        while self.day < LAST_DAY {
            let day = self.day;
            self.day += 1;
            if self.days.contains_day(day) {
                let opens = at_second(self.walk.instant(day * DAY_S + self.start_s));
                let closes = match self.end {
                    EndS::Wall(end) => at_second(self.walk.instant(day * DAY_S + end)),
                    EndS::Elapsed(elapsed) => later(opens, elapsed),
                };
                return Some((day, Occurrence { opens, closes }));
            }
        }
        None
    }
}

fn later(opens: Timestamp, elapsed: SignedDuration) -> Timestamp {
    opens.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
}

fn seconds_of(time: civil::Time) -> i64 {
    i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}

/// The date of a day counted from 1970-01-01.
pub(super) fn date_of(day: i64) -> civil::Date {
    civil_of(day.saturating_mul(DAY_S)).date()
}

/// One rule's occurrences, by opening, the next one at hand.
#[derive(Debug)]
pub(super) struct Raw<'a> {
    kind: Kind<'a>,
    next: Option<Occurrence>,
}

#[derive(Debug)]
enum Kind<'a> {
    Days(DayWalk<'a>),
    Cron {
        instants: Box<Instants<'a>>,
        duration: SignedDuration,
    },
    Done,
}

impl<'a> Raw<'a> {
    /// What opens at `from` or later, at least; a one-off also if it is open then.
    pub(super) fn new(zone: &'a Zone, rule: &'a Rule, from: Timestamp) -> Self {
        let kind = match rule {
            // Nothing but empty occurrences: looking for the first that is not would take long.
            Rule::Cron { duration, .. }
            | Rule::Days {
                end: End::After(duration),
                ..
            } if !duration.is_positive() => Kind::Done,
            Rule::Days { days, start, end } => {
                Kind::Days(DayWalk::new(zone, days, *start, end, from))
            }
            Rule::Cron { expr, duration } => {
                let before = at_second(floor_s(from) - 1);
                Kind::Cron {
                    instants: Box::new(expr.instants(zone, before)),
                    duration: *duration,
                }
            }
            Rule::Once { from: opens, until } => {
                let next = Some(Occurrence {
                    opens: *opens,
                    closes: *until,
                });
                let next = next.filter(|o| o.opens < o.closes && o.closes > from);
                return Raw {
                    kind: Kind::Done,
                    next,
                };
            }
        };
        let mut raw = Raw { kind, next: None };
        raw.advance();
        raw
    }

    pub(super) fn peek(&self) -> Option<Occurrence> {
        self.next
    }

    pub(super) fn advance(&mut self) {
        self.next = loop {
            let candidate = match &mut self.kind {
                Kind::Days(walk) => walk.step().map(|(_, o)| o),
                Kind::Cron { instants, duration } => instants.next().map(|opens| Occurrence {
                    opens,
                    closes: later(opens, *duration),
                }),
                Kind::Done => None,
            };
            match candidate {
                Some(o) if o.opens >= o.closes => {}
                other => break other,
            }
        };
    }
}
