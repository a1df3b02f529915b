//! Spans that come every year on the same dates.
use std::fmt;

use jiff::{Timestamp, civil};

use super::Zone;
use super::spans::Span;

/// A day of any year and a time of that day, on the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct YearDay {
    month: i8,
    day: i8,
    time: civil::Time,
}

impl YearDay {
    /// `None` where no year has that day.
    pub fn new(month: i8, day: i8, time: civil::Time) -> Option<Self> {
        // A leap year has every day there is.
        civil::Date::new(2000, month, day).ok()?;
        Some(Self { month, day, time })
    }

    /// In that year; 29 February is 1 March where the year has none.
    fn of(self, year: i16) -> Option<civil::DateTime> {
        let date = civil::Date::new(year, self.month, self.day)
            .or_else(|_| civil::Date::new(year, 3, 1))
            .ok()?;
        Some(date.to_datetime(self.time))
    }
}

/// As it is written in the configuration: `12-18`, or `12-18T18:00`.
impl fmt::Display for YearDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)?;
        let (hour, minute, second) = (self.time.hour(), self.time.minute(), self.time.second());
        match (hour, minute, second) {
            (0, 0, 0) => Ok(()),
            (_, _, 0) => write!(f, "T{hour:02}:{minute:02}"),
            _ => write!(f, "T{hour:02}:{minute:02}:{second:02}"),
        }
    }
}

/// From one day of the year until another, over the turn of the year where that one comes earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Yearly {
    from: YearDay,
    until: YearDay,
}

impl Yearly {
    /// `None` where both are the same: that would be nothing, or all of the year.
    pub fn new(from: YearDay, until: YearDay) -> Option<Self> {
        (from != until).then_some(Self { from, until })
    }

    pub fn from(&self) -> YearDay {
        self.from
    }

    pub fn until(&self) -> YearDay {
        self.until
    }

    /// The one that begins in that year.
    fn span(&self, zone: &Zone, year: i16) -> Option<Span> {
        let end = year + i16::from(self.until < self.from);
        let from = zone.instant(self.from.of(year)?);
        Some((from, zone.instant(self.until.of(end)?)))
    }

    /// Those that touch `[from, until)`.
    pub(super) fn spans(&self, zone: &Zone, from: Timestamp, until: Timestamp) -> Vec<Span> {
        let first = zone.local(from).year().saturating_sub(2).max(-9998);
        let last = zone.local(until).year().saturating_add(1).min(9997);
        (first..=last)
            .filter_map(|year| self.span(zone, year))
            .filter(|span| span.0 < until && span.1 > from)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(month: i8, day: i8, hour: i8) -> YearDay {
        YearDay::new(month, day, civil::time(hour, 0, 0, 0)).unwrap()
    }

    fn listed(yearly: (YearDay, YearDay), zone: &str, from: &str, until: &str) -> Vec<String> {
        let zone = Zone::named(zone).unwrap();
        let yearly = Yearly::new(yearly.0, yearly.1).unwrap();
        yearly
            .spans(&zone, from.parse().unwrap(), until.parse().unwrap())
            .iter()
            .map(|(a, b)| format!("{} {}", zone.local(*a), zone.local(*b)))
            .collect()
    }

    #[test]
    fn it_wraps_over_the_turn_of_the_year() {
        let christmas = (day(12, 18, 0), day(1, 2, 0));
        let found = listed(
            christmas,
            "Europe/Berlin",
            "2027-01-01T12:00:00Z",
            "2028-12-18T00:00:00Z",
        );
        assert_eq!(
            found,
            [
                "2026-12-18T00:00:00 2027-01-02T00:00:00",
                "2027-12-18T00:00:00 2028-01-02T00:00:00",
                "2028-12-18T00:00:00 2029-01-02T00:00:00",
            ]
        );
        let after = listed(
            christmas,
            "Europe/Berlin",
            "2027-01-01T23:00:00Z",
            "2027-12-17T23:00:00Z",
        );
        assert_eq!(after, Vec::<String>::new());
    }

    #[test]
    fn the_29th_of_february_is_the_1st_of_march_where_there_is_none() {
        let leap = (day(2, 29, 6), day(3, 2, 6));
        let found = listed(leap, "UTC", "2027-01-01T00:00:00Z", "2029-01-01T00:00:00Z");
        assert_eq!(
            found,
            [
                "2027-03-01T06:00:00 2027-03-02T06:00:00",
                "2028-02-29T06:00:00 2028-03-02T06:00:00"
            ]
        );
        assert!(YearDay::new(2, 30, civil::Time::midnight()).is_none());
        assert!(YearDay::new(13, 1, civil::Time::midnight()).is_none());
        assert!(Yearly::new(leap.0, leap.0).is_none());
    }

    #[test]
    fn times_of_day_decide_on_one_day_and_clock_changes_are_followed() {
        let found = listed(
            (day(3, 28, 2), day(3, 28, 5)),
            "Europe/Berlin",
            "2027-03-01T00:00:00Z",
            "2027-04-01T00:00:00Z",
        );
        assert_eq!(found, ["2027-03-28T03:00:00 2027-03-28T05:00:00"]);
        // A day earlier in the year ends in the next year, be it by an hour.
        let nearly_all = (day(6, 1, 5), day(6, 1, 4));
        let found = listed(
            nearly_all,
            "UTC",
            "2027-06-01T04:30:00Z",
            "2027-06-01T06:00:00Z",
        );
        assert_eq!(found, ["2027-06-01T05:00:00 2028-06-01T04:00:00"]);
    }

    #[test]
    fn the_ends_of_time_are_far_away() {
        let all = (day(1, 1, 0), day(12, 31, 0));
        let zone = Zone::named("Pacific/Kiritimati").unwrap();
        let spans = Yearly::new(all.0, all.1).unwrap();
        assert!(spans.spans(&zone, Timestamp::MIN, Timestamp::MAX).len() > 19_000);
    }
}
