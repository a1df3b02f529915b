//! A time of day on some days: `Mon 09:00`.
use jiff::Timestamp;
use jiff::civil;

use super::open::time;
use super::{Days, Malformed, Zone};

const HINT: &str = "days, then a time: \"Mon 09:00\"";
/// A day that is named comes up within this many.
const LONGEST: i32 = 70;

/// A wall-clock time on every day of a set, in a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct DayTime {
    days: Days,
    time: civil::Time,
    zone: Zone,
}

impl DayTime {
    /// Reads days and a time.
    ///
    /// # Errors
    /// The part that is wrong, with its place in the text.
    pub fn parse(text: &str, zone: &Zone) -> Result<Self, Malformed> {
        let whole = || Malformed::new(0..text.len(), "no time of day", HINT);
        let at = text.trim_end().rfind(' ').ok_or_else(whole)?;
        let (days, clock) = text.split_at(at);
        Ok(Self {
            days: Days::parse(days)?,
            time: time((at, clock))?,
            zone: zone.clone(),
        })
    }

    /// The last one that is not after `t`; none where the days hardly ever come.
    pub fn latest(&self, t: Timestamp) -> Option<Timestamp> {
        let mut date = self.zone.date(t);
        for _ in 0..LONGEST {
            if self.days.contains(date) {
                let at = self.zone.instant(date.to_datetime(self.time));
                if at <= t {
                    return Some(at);
                }
            }
            date = date.yesterday().ok()?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latest(text: &str, zone: &str, t: &str) -> String {
        let zone = Zone::named(zone).unwrap();
        let at = DayTime::parse(text, &zone).unwrap();
        at.latest(t.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn the_last_one_counts() {
        let monday = "2027-01-04T09:00:00Z";
        assert_eq!(latest("Mon 09:00", "UTC", "2027-01-08T12:00:00Z"), monday);
        assert_eq!(latest("Mon 09:00", "UTC", monday), monday);
        assert_eq!(
            latest("Mon 09:00", "UTC", "2027-01-04T08:59:59Z"),
            "2026-12-28T09:00:00Z"
        );
        assert_eq!(
            latest("daily 08:00", "UTC", "2027-01-08T07:59:00Z"),
            "2027-01-07T08:00:00Z"
        );
        assert_eq!(
            latest("1st Mon 09:00", "UTC", "2027-02-27T00:00:00Z"),
            "2027-02-01T09:00:00Z"
        );
    }

    #[test]
    fn a_time_that_a_clock_change_skips_or_repeats_is_the_first_there_is() {
        let berlin = "Europe/Berlin";
        assert_eq!(
            latest("Sun 02:30", berlin, "2027-03-28T12:00:00Z"),
            "2027-03-28T01:00:00Z"
        );
        assert_eq!(
            latest("Sun 02:30", berlin, "2027-10-31T12:00:00Z"),
            "2027-10-31T00:30:00Z"
        );
    }

    #[test]
    fn what_is_no_day_and_time_is_refused() {
        for text in [
            "",
            "Mon",
            "09:00",
            "Mon 9",
            "Mon 24:00",
            "Foo 09:00",
            "Mon  ",
        ] {
            assert!(DayTime::parse(text, &Zone::utc()).is_err(), "{text:?}");
        }
    }
}
