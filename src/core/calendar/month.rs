//! Months as sets of days: bit 0 of a mask is the first of the month.
use jiff::civil;

use super::zone::civil_of;

pub(super) const DAY_S: i64 = 86_400;
/// The same weekday in every week, from the first day on.
const WEEKLY: u32 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;
const LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// One month of the proleptic Gregorian calendar. Days are counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Month {
    pub first: i64,
    pub length: u32,
    /// From 0.
    number: usize,
    year: i64,
}

impl Month {
    /// The month in which a day lies.
    pub fn of(day: i64) -> Month {
        let date = date_of(day);
        let number = usize::from(date.month().unsigned_abs() - 1);
        let year = i64::from(date.year());
        Month {
            first: day - i64::from(date.day() - 1),
            length: length(number, year),
            number,
            year,
        }
    }

    pub fn next(self) -> Month {
        let (number, year) = match self.number {
            11 => (0, self.year + 1),
            number => (number + 1, self.year),
        };
        Month {
            first: self.first + i64::from(self.length),
            length: length(number, year),
            number,
            year,
        }
    }

    /// Whether bit `n` of a mask of months, January being bit 1, is set for this one.
    pub fn is_in(self, months: u16) -> bool {
        months & 2 << self.number != 0
    }

    pub fn all(self) -> u32 {
        u32::MAX >> (32 - self.length)
    }

    /// The place of its first day with this weekday, 0 being Monday.
    pub fn first_of(self, weekday: u32) -> u32 {
        let first = u32::try_from((self.first + 3).rem_euclid(7)).unwrap_or(0);
        (weekday + 7 - first) % 7
    }

    /// Its days with this weekday.
    pub fn weekdays(self, weekday: u32) -> u32 {
        (WEEKLY << self.first_of(weekday)) & self.all()
    }

    /// Days counted from the end, bit 0 being the last, as days counted from the beginning.
    pub fn counted_from_end(self, mask: u32) -> u32 {
        mask.reverse_bits() >> (32 - self.length)
    }
}

fn length(number: usize, year: i64) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    LENGTHS[number % 12] + u32::from(leap && number == 1)
}

/// The date of a day counted from 1970-01-01.
pub(super) fn date_of(day: i64) -> civil::Date {
    civil_of(day.saturating_mul(DAY_S)).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let mut month = Month::of(date_day(1896, 2, 12));
        for _ in 0..2_900 {
            let date = date_of(month.first);
            assert_eq!((date.day(), Month::of(month.first)), (1, month));
            assert_eq!(month.length, u32::from(date.days_in_month().unsigned_abs()));
            let last = month.first + i64::from(month.length) - 1;
            assert_eq!(Month::of(last), month);
            for weekday in 0..7u32 {
                let days = (0..month.length).filter(|day| {
                    let date = date_of(month.first + i64::from(*day));
                    u32::from(date.weekday().to_monday_zero_offset().unsigned_abs()) == weekday
                });
                let mask = days.fold(0, |mask, day| mask | 1 << day);
                assert_eq!(month.weekdays(weekday), mask);
            }
            month = month.next();
        }
        assert!(month.year > 2100);
    }

    fn date_day(year: i16, month: i8, day: i8) -> i64 {
        let zone = crate::core::calendar::Zone::utc();
        let midnight = civil::date(year, month, day).at(0, 0, 0, 0);
        zone.instant(midnight).as_second() / DAY_S
    }
}
