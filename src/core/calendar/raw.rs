//! What one rule of a window yields before overlaps are merged.
use jiff::{SignedDuration, Timestamp};

use super::cron_instants::Instants;
use super::day_walk::{DayWalk, later};
use super::zone::{Zone, at_second, floor_s};
use super::{End, Occurrence, Pattern, Rule, Validity};

/// One rule's occurrences, by opening, the next one at hand.
#[derive(Debug)]
pub(super) struct Raw<'a> {
    kind: Kind<'a>,
    valid: Validity,
    next: Option<Occurrence>,
}

#[derive(Debug)]
enum Kind<'a> {
    Days(DayWalk<'a>),
    Cron {
        instants: Box<Instants<'a>>,
        duration: SignedDuration,
    },
    Once(Option<Occurrence>),
}

impl<'a> Raw<'a> {
    /// What opens at `from` or later, at least; a one-off also if it is open then.
    pub(super) fn new(zone: &'a Zone, rule: &'a Rule, from: Timestamp) -> Self {
        let valid = rule.valid;
        let start = from.max(valid.from);
        let kind = match &rule.pattern {
            Pattern::Once { from: opens, until } => {
                let once = Occurrence {
                    opens: *opens,
                    closes: *until,
                };
                Kind::Once(Some(once).filter(|o| o.closes > from))
            }
            _ if start >= valid.until => Kind::Once(None),
            // Nothing but empty occurrences: looking for the first that is not would take long.
            Pattern::Cron { duration, .. }
            | Pattern::Days {
                end: End::After(duration),
                ..
            } if !duration.is_positive() => Kind::Once(None),
            Pattern::Days {
                days,
                start: at,
                end,
            } => Kind::Days(DayWalk::new(zone, days, *at, end, start)),
            Pattern::Cron { expr, duration } => Kind::Cron {
                instants: Box::new(expr.instants(zone, at_second(floor_s(start) - 1))),
                duration: *duration,
            },
        };
        let mut raw = Raw {
            kind,
            valid,
            next: None,
        };
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
                Kind::Once(once) => once.take(),
            };
            match candidate {
                Some(o) if o.opens >= self.valid.until => break None,
                Some(o) if o.opens >= o.closes || o.opens < self.valid.from => {}
                other => break other,
            }
        };
    }
}
