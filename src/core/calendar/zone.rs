//! Time zones: from wall clock to instant and back.
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, Zoned, civil};

const LONGEST_NAME: usize = 64;
/// Files of the database that are no places: they differ from machine to machine, or count leap seconds.
const NO_ZONES: [&str; 5] = ["", "localtime", "posixrules", "factory", "leapseconds"];

/// One clock change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The first second after it.
    pub at: i64,
    /// Seconds east of UTC.
    pub before: i64,
    pub after: i64,
}

/// An IANA time zone, by value: its rules are loaded once, a clone shares them.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    tz: TimeZone,
}

impl Zone {
    pub fn utc() -> Zone {
        Zone { tz: TimeZone::UTC }
    }

    /// Looks a name up in the system's database, in any case.
    ///
    /// # Errors
    /// A sentence for the operator, when the database does not know the name.
    pub fn named(name: &str) -> Result<Zone, String> {
        if name.len() > LONGEST_NAME {
            return Err(format!(
                "a time zone's name has at most {LONGEST_NAME} bytes"
            ));
        }
        let unknown = || format!("no time zone {name:?} in this system's database");
        let lower = name.to_ascii_lowercase();
        if NO_ZONES.contains(&lower.as_str())
            || lower.starts_with("right/")
            || lower.starts_with("posix/")
        {
            return Err(unknown());
        }
        let tz = TimeZone::get(name).map_err(|_| unknown())?;
        if tz.is_unknown() || tz.iana_name().is_none() {
            return Err(unknown());
        }
        Ok(Zone { tz })
    }

    /// The IANA name in its usual spelling.
    pub fn name(&self) -> &str {
        self.tz.iana_name().unwrap_or("UTC")
    }

    /// The first instant at which the clock has reached `wall`: after a gap its end, of a repeated hour the earlier.
    /// Beyond the range of instants, the nearest one.
    pub fn instant(&self, wall: civil::DateTime) -> Timestamp {
        let resolved = match self.tz.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(wall),
            AmbiguousOffset::Gap { after, .. } => after
                .to_timestamp(wall)
                .map(|early| self.gap_end(early, wall)),
        };
        resolved.unwrap_or(if wall.year() > 0 {
            Timestamp::MAX
        } else {
            Timestamp::MIN
        })
    }

    /// `early` lies before the gap that swallows `wall`: the transition that carries the clock past `wall`.
    fn gap_end(&self, early: Timestamp, wall: civil::DateTime) -> Timestamp {
        self.tz
            .following(early)
            .take(8)
            .map(|transition| transition.timestamp())
            .find(|&t| self.local(t) >= wall)
            .unwrap_or(early)
    }

    pub fn local(&self, t: Timestamp) -> civil::DateTime {
        self.tz.to_datetime(t)
    }

    pub fn zoned(&self, t: Timestamp) -> Zoned {
        t.to_zoned(self.tz.clone())
    }

    pub fn date(&self, t: Timestamp) -> civil::Date {
        self.local(t).date()
    }

    /// Seconds east of UTC.
    pub fn offset_s(&self, t: Timestamp) -> i64 {
        i64::from(self.tz.to_offset(t).seconds())
    }

    /// The clock changes in `[from, until)`, in order.
    pub(super) fn changes(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = Change> + '_ {
        let second = jiff::SignedDuration::from_secs(1);
        let before = from.saturating_sub(second).unwrap_or(Timestamp::MIN);
        self.tz
            .following(before)
            .map(|transition| transition.timestamp())
            .skip_while(move |at| *at < from)
            .take_while(move |at| *at < until)
            .map(move |at| Change {
                at: at.as_second(),
                before: self.offset_s(at.saturating_sub(second).unwrap_or(at)),
                after: self.offset_s(at),
            })
            // A new name for the same offset is none.
            .filter(|change| change.before != change.after)
    }

    /// The stretch around `t` in which the offset is constant: its first second and the first one after it.
    pub(super) fn stretch(&self, t: Timestamp) -> (i64, i64) {
        let inclusive = t
            .saturating_add(jiff::SignedDuration::from_secs(1))
            .unwrap_or(t);
        let start = self
            .tz
            .preceding(inclusive)
            .next()
            .map_or(i64::MIN, |x| x.timestamp().as_second());
        let end = self
            .tz
            .following(t)
            .next()
            .map_or(i64::MAX, |x| x.timestamp().as_second());
        (start, end)
    }
}

/// The last whole second not after `t`.
pub(super) fn floor_s(t: Timestamp) -> i64 {
    t.as_second() - i64::from(t.subsec_nanosecond() < 0)
}

/// The instant of a second of the time line, the nearest where there is none.
pub(super) fn at_second(second: i64) -> Timestamp {
    let clamped = second.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(clamped).unwrap_or(Timestamp::MAX)
}

/// Reads a wall-clock second (counted as if the wall clock were UTC) as date and time.
pub(super) fn civil_of(wall: i64) -> civil::DateTime {
    Offset::UTC.to_datetime(at_second(wall))
}

#[cfg(test)]
mod tests;
