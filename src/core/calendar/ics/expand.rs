//! Rules of recurrence, worked out: local times by the calendar, without any zone.
use std::ops::ControlFlow;

use jiff::Span as Step;
use jiff::civil::{Date, DateTime, Time, Weekday};

use super::recur::{Every, Recurrence};

/// Far from the end of the calendar, so that no step leaves it.
const LAST_YEAR: i16 = 9990;

/// How much may be looked at. Every day that is tried counts, so that a rule that never matches ends too.
#[derive(Debug)]
pub(super) struct Budget(pub(super) u32);

/// More was asked for than will be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Budget {
    fn spend(&mut self, cost: usize) -> Result<(), Exhausted> {
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        self.0 = self.0.checked_sub(cost).ok_or(Exhausted)?;
        Ok(())
    }
}

/// The times of a rule after `start`, in order, until `each` has seen enough. Those before `near` are left out where
/// they need not be counted.
pub(super) fn expand(
    rule: &Recurrence,
    start: DateTime,
    near: Option<Date>,
    budget: &mut Budget,
    mut each: impl FnMut(DateTime) -> ControlFlow<()>,
) -> Result<(), Exhausted> {
    let of_day = [&rule.hours, &rule.minutes, &rule.seconds];
    budget.spend(of_day.iter().map(|list| list.len().max(1)).product())?;
    let times = times(rule, start.time());
    let mut period = near.map_or(0, |near| skipped(rule, start.date(), near));
    let mut found = Vec::new();
    loop {
        budget.spend(1)?;
        let Some((first, last)) = span(rule, start.date(), period) else {
            return Ok(());
        };
        found.clear();
        for day in Days::of(rule, first, last) {
            budget.spend(1)?;
            if matches(rule, day) {
                budget.spend(times.len())?;
                found.extend(times.iter().map(|time| day.to_datetime(*time)));
            }
        }
        let chosen: Vec<DateTime> = match rule.places.as_slice() {
            [] => std::mem::take(&mut found),
            places => placed(&found, places),
        };
        for at in chosen.iter().copied().filter(|at| *at > start) {
            if each(at).is_break() {
                return Ok(());
            }
        }
        period = period.saturating_add(1);
    }
}

/// The times of day at which the rule may begin, in order.
fn times(rule: &Recurrence, start: Time) -> Vec<Time> {
    let or = |list: &[i64], one: i8| match list {
        [] => vec![one],
        list => list.iter().filter_map(|n| i8::try_from(*n).ok()).collect(),
    };
    let (minutes, seconds) = (
        or(&rule.minutes, start.minute()),
        or(&rule.seconds, start.second()),
    );
    let mut all = Vec::new();
    for hour in or(&rule.hours, start.hour()) {
        for minute in &minutes {
            let of = |second: &i8| Time::new(hour, *minute, *second, 0).ok();
            all.extend(seconds.iter().filter_map(of));
        }
    }
    all
}

/// Whether each of its periods has exactly one time, and the first that of the start.
pub(super) fn one_each(rule: &Recurrence, start: Date) -> bool {
    let lists = [
        &rule.months,
        &rule.month_days,
        &rule.year_days,
        &rule.weeks,
        &rule.hours,
        &rule.minutes,
        &rule.seconds,
        &rule.places,
    ];
    let own = match rule.every {
        Every::Day => rule.days.is_empty(),
        Every::Week => rule.days == [(None, start.weekday())],
        Every::Month | Every::Year => false,
    };
    own && lists.iter().all(|list| list.is_empty())
}

/// How many periods lie safely before `near`.
pub(super) fn skipped(rule: &Recurrence, start: Date, near: Date) -> i64 {
    let days = i64::from((near - start).get_days());
    let between = match rule.every {
        Every::Day => days,
        Every::Week => days / 7,
        Every::Month => days / 31,
        Every::Year => days / 366,
    };
    (between / rule.interval - 1).max(0)
}

/// First and last day of a period; `None` beyond the calendar.
fn span(rule: &Recurrence, start: Date, period: i64) -> Option<(Date, Date)> {
    let by = period.checked_mul(rule.interval)?;
    let later = |from: Date, step: Step| {
        from.checked_add(step)
            .ok()
            .filter(|d| d.year() <= LAST_YEAR)
    };
    match rule.every {
        Every::Day => {
            let day = later(start, Step::new().try_days(by).ok()?)?;
            Some((day, day))
        }
        Every::Week => {
            let into = days_since(rule.week_start, start.weekday());
            let first = later(start, Step::new().try_days(by.checked_mul(7)? - into).ok()?)?;
            Some((first, later(first, Step::new().days(6))?))
        }
        Every::Month => {
            let first = later(start.first_of_month(), Step::new().try_months(by).ok()?)?;
            Some((first, first.last_of_month()))
        }
        Every::Year => {
            let first = later(start.first_of_year(), Step::new().try_years(by).ok()?)?;
            Some((first, first.last_of_year()))
        }
    }
}

/// The days of a period that may match by their months, and by their numbers where those count from the beginning: of
/// most yearly rules that is one day of 365.
struct Days<'r> {
    months: &'r [i64],
    month_days: &'r [i64],
    next: Option<Date>,
    last: Date,
}

impl<'r> Days<'r> {
    fn of(rule: &'r Recurrence, first: Date, last: Date) -> Self {
        // In order: the first is negative if any is.
        let forward = rule.month_days.first().is_some_and(|day| *day > 0);
        Self {
            months: &rule.months,
            month_days: if forward { &rule.month_days } else { &[] },
            next: Some(first),
            last,
        }
    }

    /// The next day from this one on in its month that may match.
    fn in_month(&self, day: Date) -> Option<Date> {
        if !self.months.is_empty() && !self.months.contains(&day.month().into()) {
            return None;
        }
        if self.month_days.is_empty() {
            return Some(day);
        }
        let later = self.month_days.iter().find(|n| **n >= day.day().into())?;
        day.with().day(i8::try_from(*later).ok()?).build().ok()
    }
}

impl Iterator for Days<'_> {
    type Item = Date;

    fn next(&mut self) -> Option<Date> {
        let mut day = self.next.take()?;
        while day <= self.last {
            if let Some(found) = self.in_month(day) {
                self.next = found.tomorrow().ok();
                return Some(found).filter(|found| *found <= self.last);
            }
            day = day.last_of_month().tomorrow().ok()?;
        }
        None
    }
}

/// Whether all parts of the rule that speak of days agree to this one.
fn matches(rule: &Recurrence, day: Date) -> bool {
    let of_month = (i64::from(day.day()), i64::from(day.days_in_month()));
    let of_year = (i64::from(day.day_of_year()), i64::from(day.days_in_year()));
    listed(&rule.month_days, of_month)
        && listed(&rule.year_days, of_year)
        && (rule.weeks.is_empty() || listed(&rule.weeks, week(day, rule.week_start)))
        && (rule.days.is_empty()
            || rule
                .days
                .iter()
                .any(|wanted| is_day(rule, *wanted, day, of_month, of_year)))
}

/// Whether the n-th of so many is listed, from the beginning or from the end.
fn listed(list: &[i64], (nth, of): (i64, i64)) -> bool {
    list.is_empty() || list.iter().any(|&n| n == nth || n == nth - of - 1)
}

fn is_day(
    rule: &Recurrence,
    (place, weekday): (Option<i64>, Weekday),
    day: Date,
    of_month: (i64, i64),
    of_year: (i64, i64),
) -> bool {
    if day.weekday() != weekday {
        return false;
    }
    let Some(place) = place else {
        return true;
    };
    let in_month = rule.every == Every::Month || !rule.months.is_empty();
    let (nth, of) = if in_month { of_month } else { of_year };
    if place > 0 {
        (nth - 1) / 7 + 1 == place
    } else {
        (of - nth) / 7 + 1 == -place
    }
}

/// The number of a day's week in the year it belongs to, and how many that year has.
fn week(day: Date, week_start: Weekday) -> (i64, i64) {
    // A week belongs to the year in which its fourth day lies.
    let into = days_since(week_start, day.weekday());
    let middle = day.checked_add(Step::new().days(3 - into)).unwrap_or(day);
    let number = i64::from((middle.day_of_year() - 1) / 7 + 1);
    let rest = i64::from(middle.days_in_year() - middle.day_of_year());
    (number, number + rest / 7)
}

/// From 0 to 6.
fn days_since(first: Weekday, day: Weekday) -> i64 {
    i64::from(first.until(day))
}

/// The n-th of a period's times, from its beginning or from its end.
fn placed(found: &[DateTime], places: &[i64]) -> Vec<DateTime> {
    let index = |place: i64| {
        let length = i64::try_from(found.len()).unwrap_or(i64::MAX);
        let index = if place > 0 { place - 1 } else { length + place };
        usize::try_from(index).ok()
    };
    let mut chosen: Vec<_> = places
        .iter()
        .filter_map(|place| found.get(index(*place)?).copied())
        .collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

#[cfg(test)]
mod tests;
