//! Wall-clock times that satisfy an expression, none of them in a zone.
//!
//! The time of day and the days of the years ahead are read off the bits of the expression. What is rarer is left to the
//! engine, which takes longer to make than to ask: it is made where it is needed.
use super::cron::Fields;
use super::cron_engine::Engine;
use super::month::{DAY_S, Month};

/// Months in which a day is looked for before the engine is asked: leap days are among them.
const NEAR: usize = 8 * 12 + 1;
/// 2100-12-31, where the engine's years end.
const LAST_DAY: i64 = 47_846;

/// Finds the next match after a wall-clock second (counted as if the wall clock were UTC).
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    fields: Fields,
    never: bool,
    /// The month that was looked at last, and its days that match.
    month: Month,
    days: u32,
    engine: Option<Box<Engine>>,
    /// The last question that the engine was asked and its answer: it answers every question in between too.
    far: Option<(i64, Option<i64>)>,
}

impl Matcher {
    pub(super) fn new(fields: &Fields) -> Matcher {
        let month = Month::of(0);
        Matcher {
            fields: *fields,
            never: fields.never_matches(),
            month,
            days: days_in(fields, month),
            engine: None,
            far: None,
        }
    }

    /// The first match strictly after `wall`, from 1970 on and up to 2100.
    pub(super) fn next(&mut self, wall: i64) -> Option<i64> {
        let second = wall.saturating_add(1).max(0);
        let (day, time) = (second.div_euclid(DAY_S), second.rem_euclid(DAY_S));
        if let Some(time) = self.fields.time_from(time)
            && self.day_from(day)? == day
        {
            return Some(day * DAY_S + time);
        }
        let day = self.day_from(day + 1)?;
        Some(day * DAY_S + self.fields.time_from(0)?)
    }

    /// The first day that matches from one on.
    fn day_from(&mut self, day: i64) -> Option<i64> {
        if day > LAST_DAY || self.never {
            return None;
        }
        if !(self.month.first..self.month.first + i64::from(self.month.length)).contains(&day) {
            self.month = Month::of(day);
            self.days = days_in(&self.fields, self.month);
        }
        let passed = u32::try_from(day - self.month.first).unwrap_or(0);
        let mut month = self.month;
        let mut left = self.days & u32::MAX << passed;
        for _ in 0..NEAR {
            if left != 0 {
                let found = month.first + i64::from(left.trailing_zeros());
                return Some(found).filter(|day| *day <= LAST_DAY);
            }
            month = month.next();
            left = days_in(&self.fields, month);
        }
        // The last one was found, and not looked at.
        self.far(month.first - 1)
    }

    /// The first day after another, years ahead. Only days that all fields must name are so rare.
    fn far(&mut self, after: i64) -> Option<i64> {
        if let Some((asked, answer)) = self.far
            && asked <= after
            && answer.is_none_or(|answer| after < answer)
        {
            return answer;
        }
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => Box::new(Engine::new(&self.fields)?),
        };
        let answer = engine.day_after(after);
        self.engine = Some(engine);
        self.far = Some((after, answer));
        answer
    }
}

/// The days of a month that match, bit 0 being its first.
fn days_in(fields: &Fields, month: Month) -> u32 {
    if !month.is_in(fields.months) {
        return 0;
    }
    let by_date = fields.days >> 1 & month.all();
    if fields.weekdays == 0x7f {
        return if fields.either_day {
            month.all()
        } else {
            by_date
        };
    }
    // Bit 0 is Sunday here.
    let by_weekday = (0..7)
        .filter(|weekday| fields.weekdays & 1 << weekday != 0)
        .fold(0, |days, weekday| days | month.weekdays((weekday + 6) % 7));
    if fields.either_day {
        by_date | by_weekday
    } else {
        by_date & by_weekday
    }
}

impl Fields {
    /// The first time of day that matches from a second of the day on.
    fn time_from(&self, second: i64) -> Option<i64> {
        let part = |value: i64| u32::try_from(value).unwrap_or(0);
        let (hour, minute, second) = (
            part(second / 3600),
            part(second / 60 % 60),
            part(second % 60),
        );
        let hours = u64::from(self.hours);
        let time = |hour: u32, minute: u32, second: u32| {
            Some(i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second))
        };
        let (minutes, seconds) = (self.minutes, self.seconds);
        if hours >> hour & 1 == 1 {
            if minutes >> minute & 1 == 1
                && let Some(second) = from(seconds, second)
            {
                return time(hour, minute, second);
            }
            if let Some(minute) = from(minutes, minute + 1) {
                return time(hour, minute, from(seconds, 0)?);
            }
        }
        time(from(hours, hour + 1)?, from(minutes, 0)?, from(seconds, 0)?)
    }
}

/// The first bit that is set from one on.
fn from(bits: u64, first: u32) -> Option<u32> {
    let left = bits & u64::MAX << first;
    (left != 0).then(|| left.trailing_zeros())
}

#[cfg(test)]
mod tests;
