//! Many wall-clock times of one zone, resolved cheaply.
use super::zone::{Zone, at_second, civil_of};

/// No zone ever turned its clock back by more than a day.
const AFTERMATH_S: i64 = 2 * 86_400;

/// Remembers the stretch of constant offset it stands in, so that neighbouring times cost an addition each.
/// Wall-clock seconds are counted as if the wall clock were UTC.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    zone: &'a Zone,
    start: i64,
    end: i64,
    offset: i64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(zone: &'a Zone) -> Self {
        Walk {
            zone,
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// Stands in the stretch of instant `t`; returns its offset and the first second after it.
    pub(super) fn seat(&mut self, t: i64) -> (i64, i64) {
        if !(self.start..self.end).contains(&t) {
            let at = at_second(t);
            (self.start, self.end) = self.zone.stretch(at);
            self.offset = self.zone.offset_s(at);
        }
        (self.offset, self.end)
    }

    /// The first instant at which the clock has reached `wall`, see [`Zone::instant`].
    pub(super) fn instant(&mut self, wall: i64) -> i64 {
        if let Some(t) = self.plain(wall) {
            return t;
        }
        self.seat(wall.saturating_sub(self.offset));
        if let Some(t) = self.plain(wall) {
            return t;
        }
        self.zone.instant(civil_of(wall)).as_second()
    }

    /// Right after a transition the clock may already have shown the same time: that is left to the slow way.
    fn plain(&self, wall: i64) -> Option<i64> {
        let t = wall.saturating_sub(self.offset);
        (t >= self.start.saturating_add(AFTERMATH_S) && t < self.end).then_some(t)
    }
}

#[cfg(test)]
mod tests;
