//! What clock changes do to windows: nights that are longer or shorter than usual, or do not come at all.
//!
//! What is usual is found by asking a window with the same rules on a clock that never changes.
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil};

use super::day_walk::{DayWalk, later};
use super::month::date_of;
use super::zone::{Change, at_second, civil_of, floor_s};
use super::{End, LONGEST, Occurrence, Pattern, Rule, Validity, Window, Zone};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// No clock change is longer than a day.
const AROUND: SignedDuration = SignedDuration::from_hours(2 * 24);

/// What a clock change does to an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockEffect {
    /// It lasts so much longer than usual; negative: shorter.
    Longer(SignedDuration),
    /// It lasts as long as usual and closes so much later by the clock; negative: earlier.
    ClosesLater(SignedDuration),
}

/// An occurrence that a clock change makes unlike the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusual {
    /// On which it opens.
    pub day: civil::Date,
    /// `None` where the change leaves nothing of it.
    pub occurrence: Option<Occurrence>,
    /// How long it would be without the change.
    pub usual: SignedDuration,
    /// How much later it closes by the clock; negative: earlier.
    pub later: SignedDuration,
}

impl Unusual {
    /// How long it is.
    pub fn length(&self) -> SignedDuration {
        self.occurrence.map_or(SignedDuration::ZERO, |o| o.length())
    }
}

impl Window {
    /// Elapsed minus wall-clock length, in seconds: 0 but for the nights of a clock change.
    pub fn clock_change_s(&self, o: &Occurrence) -> i64 {
        self.zone.offset_s(o.opens) - self.zone.offset_s(o.closes)
    }

    /// What a clock change does to an occurrence, or to the piece of it that a freeze leaves.
    pub fn clock_effect(&self, piece: &Occurrence) -> Option<ClockEffect> {
        if self.offset_before(piece.opens) == self.zone.offset_s(piece.closes) {
            return None;
        }
        let whole = self.open_at(piece.opens)?;
        let inside = self.zone.offset_s(piece.opens) != self.offset_before(piece.closes);
        let unusual = self
            .compared(&whole)
            .filter(|_| inside || *piece == whole)?;
        match whole.length() - unusual.usual {
            SignedDuration::ZERO if piece.closes != whole.closes => None,
            SignedDuration::ZERO => Some(ClockEffect::ClosesLater(unusual.later)),
            longer => Some(ClockEffect::Longer(longer)),
        }
    }

    /// The occurrences that clock changes in `[from, until)` make unlike the others, in order.
    pub fn unusual(&self, from: Timestamp, until: Timestamp) -> Vec<Unusual> {
        let mut found: Vec<Unusual> = Vec::new();
        for change in self.zone.changes(from, until) {
            let at = at_second(change.at);
            let (before, after) = (later(at, -SECOND), later(at, SECOND));
            for o in self.occurrences(before, after) {
                let known = found.last().and_then(|last| last.occurrence) == Some(o);
                if o.opens <= at && o.closes >= at && !known {
                    found.extend(self.compared(&o));
                }
            }
            if self.open_at(at).is_none() {
                let emptied = self.emptied_by(change).into_iter();
                found.extend(emptied.map(|(day, usual)| Unusual {
                    day,
                    occurrence: None,
                    usual,
                    later: SignedDuration::ZERO,
                }));
            }
        }
        found.sort_by_key(|unusual| unusual.day);
        found
    }

    /// The days in a span on which a clock change leaves nothing of an occurrence of one of the rules.
    pub fn emptied(&self, from: Timestamp, until: Timestamp) -> Vec<civil::Date> {
        let changes = self.zone.changes(from, until);
        changes
            .flat_map(|change| self.emptied_by(change).into_keys())
            .collect()
    }

    /// The days on which this change leaves nothing, and how much there would have been.
    fn emptied_by(&self, change: Change) -> BTreeMap<civil::Date, SignedDuration> {
        let at = at_second(change.at);
        let mut emptied = BTreeMap::new();
        // Only a skipped hour can hold both ends.
        for rule in self.rules.iter().filter(|_| change.after > change.before) {
            let Pattern::Days { days, start, end } = &rule.pattern else {
                continue;
            };
            if matches!(end, End::After(_)) || !rule.valid.contains(at) {
                continue;
            }
            let mut walk = DayWalk::new(&self.zone, days, *start, end, later(at, -AROUND));
            while let Some((day, o)) = walk.step().filter(|(_, o)| o.opens <= at) {
                if o.opens >= o.closes {
                    let length = emptied.entry(date_of(day)).or_default();
                    *length = walk.usual().max(*length);
                }
            }
        }
        emptied
    }

    /// An occurrence beside what it would be without clock changes, where that differs.
    fn compared(&self, o: &Occurrence) -> Option<Unusual> {
        if o.length() > LONGEST {
            return None;
        }
        let (from, until) = (self.wall(o.opens), self.wall(o.closes));
        let (mut usual, mut closes) = (SignedDuration::ZERO, None);
        let span = (later(from, -AROUND), later(until, AROUND));
        for still in self.still().occurrences(span.0, span.1) {
            let opens = self.zone.instant(civil_of(still.opens.as_second()));
            if o.contains(opens) {
                usual += still.length();
                closes = closes.max(Some(still.closes));
            }
        }
        // Where the clock changes at the very end, both its readings are right.
        let changed = self.offset_before(o.opens) != self.offset_before(o.closes);
        // Nothing to compare with: it is there twice because the clock shows its time twice.
        let closes = closes?;
        let later = match changed {
            true => until.duration_since(closes),
            false => SignedDuration::ZERO,
        };
        let unlike = usual != o.length() || !later.is_zero();
        unlike.then(|| Unusual {
            day: self.zone.date(o.opens),
            occurrence: Some(*o),
            usual,
            later,
        })
    }

    /// The same rules on a clock that never changes: its instants are what the window's clock shows, read as UTC.
    fn still(&self) -> Window {
        let rule = |rule: &Rule| Rule {
            pattern: match &rule.pattern {
                Pattern::Once { from, until } => Pattern::Once {
                    from: self.wall(*from),
                    until: self.wall(*until),
                },
                pattern => pattern.clone(),
            },
            valid: Validity {
                from: self.wall(rule.valid.from),
                until: self.wall(rule.valid.until),
            },
        };
        Window {
            name: self.name.clone(),
            zone: Zone::utc(),
            rules: self.rules.iter().map(rule).collect(),
            cutoff: self.cutoff,
        }
    }

    fn wall(&self, t: Timestamp) -> Timestamp {
        at_second(floor_s(t).saturating_add(self.zone.offset_s(t)))
    }

    /// The offset a second before, when a change at `t` itself has not come yet.
    fn offset_before(&self, t: Timestamp) -> i64 {
        self.zone.offset_s(later(t, -SECOND))
    }
}

#[cfg(test)]
mod tests;
