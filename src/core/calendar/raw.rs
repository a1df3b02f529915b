//! What one rule of a window yields before overlaps are merged.
use jiff::{SignedDuration, Timestamp, civil};

use super::cron_instants::Instants;
use super::walk::Walk;
use super::zone::{at_second, civil_of, floor_s};
use super::{Days, End, Occurrence, Rule, Zone};

const DAY_S: i64 = 86_400;

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
    Elapsed(i64),
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
            End::After(elapsed) => EndS::Elapsed(elapsed.as_secs()),
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
        while !self.days.contains_day(self.day) {
            self.day += 1;
        }
        let day = self.day;
        let last = Timestamp::MAX.as_second() / DAY_S - 2;
        if day >= last {
            return None;
        }
        self.day += 1;
        let opens = self.walk.instant(day * DAY_S + self.start_s);
        let closes = match self.end {
            EndS::Wall(end) => self.walk.instant(day * DAY_S + end),
            EndS::Elapsed(elapsed) => opens.saturating_add(elapsed),
        };
        Some((
            day,
            Occurrence {
                opens: at_second(opens),
                closes: at_second(closes),
            },
        ))
    }
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
        let (kind, next) = match rule {
            Rule::Days { days, start, end } => (
                Kind::Days(DayWalk::new(zone, days, *start, end, from)),
                None,
            ),
            Rule::Cron { expr, duration } => {
                let before = at_second(floor_s(from) - 1);
                (
                    Kind::Cron {
                        instants: Box::new(expr.instants(zone, before)),
                        duration: *duration,
                    },
                    None,
                )
            }
            Rule::Once { from: opens, until } => {
                let once = Occurrence {
                    opens: *opens,
                    closes: *until,
                };
                (
                    Kind::Done,
                    (once.opens < once.closes && once.closes > from).then_some(once),
                )
            }
        };
        let mut raw = Raw { kind, next };
        if raw.next.is_none() {
            raw.advance();
        }
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
                    closes: opens.saturating_add(*duration).unwrap_or(Timestamp::MAX),
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
