//! Rules of recurrence (`RRULE`), read.
use jiff::civil::{self, Weekday};

use super::super::{Malformed, Zone};
use super::line::Line;
use super::value::{Stamp, part as stamp};
use super::zones::Zones;

/// One rule. An empty list means that this part was not given.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recurrence {
    pub(super) every: Every,
    pub(super) interval: i64,
    pub(super) ends: Ends,
    pub(super) months: Vec<i64>,
    pub(super) weeks: Vec<i64>,
    pub(super) year_days: Vec<i64>,
    /// In order.
    pub(super) month_days: Vec<i64>,
    /// With the place in the month or year, counted from its end where that is negative.
    pub(super) days: Vec<(Option<i64>, Weekday)>,
    pub(super) hours: Vec<i64>,
    pub(super) minutes: Vec<i64>,
    pub(super) seconds: Vec<i64>,
    pub(super) places: Vec<i64>,
    pub(super) week_start: Weekday,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Every {
    Day,
    Week,
    Month,
    Year,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ends {
    Never,
    /// After so many, the first being the event itself.
    After(u64),
    /// Inclusive.
    By(Stamp),
}

const HINT: &str = "a rule looks like FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24";
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
    ("SU", Weekday::Sunday),
];

impl Recurrence {
    /// The rule of an event in `zone`.
    pub(super) fn read(line: &Line<'_>, zones: &Zones<'_>, zone: &Zone) -> Result<Self, Malformed> {
        let mut every = None;
        let mut seen = Vec::new();
        let mut rule = Self {
            every: Every::Day,
            interval: 1,
            ends: Ends::Never,
            months: Vec::new(),
            weeks: Vec::new(),
            year_days: Vec::new(),
            month_days: Vec::new(),
            days: Vec::new(),
            hours: Vec::new(),
            minutes: Vec::new(),
            seconds: Vec::new(),
            places: Vec::new(),
            week_start: Weekday::Monday,
        };
        for piece in line
            .value()
            .split(';')
            .filter(|piece| !piece.trim().is_empty())
        {
            let wrong = |what: &str| line.wrong_part(piece, what, HINT);
            let (key, value) = piece
                .split_once('=')
                .ok_or_else(|| wrong("this is no part of a rule"))?;
            let key = key.trim().to_ascii_uppercase();
            if seen.contains(&key) {
                return Err(wrong("this part is given twice"));
            }
            let upper = value.trim().to_ascii_uppercase();
            let list = |least: i64, most: i64, signed: bool| {
                numbers(&upper, least, most, signed)
                    .ok_or_else(|| wrong("a number here is none, or not possible"))
            };
            match key.as_str() {
                "FREQ" => every = Some(frequency(&upper).ok_or_else(|| wrong("this frequency is not read: a freeze recurs daily, weekly, monthly or yearly"))?),
                "INTERVAL" => {
                    let positive = count(&upper).filter(|n| *n > 0);
                    let interval = positive.ok_or_else(|| wrong("an interval is 1 or more"))?;
                    rule.interval = i64::try_from(interval).unwrap_or(i64::MAX);
                }
                "COUNT" => {
                    let positive = count(&upper).filter(|n| *n > 0);
                    rule.ends = Ends::After(positive.ok_or_else(|| wrong("a count is 1 or more"))?);
                }
                "UNTIL" => {
                    let mut last = stamp(line, value, zones)?;
                    if !upper.ends_with('Z') {
                        last.zone = zone.clone();
                    }
                    rule.ends = Ends::By(last);
                }
                "WKST" => rule.week_start = weekday(&upper).ok_or_else(|| wrong("this is no weekday"))?,
                "BYDAY" => rule.days = days(&upper).ok_or_else(|| wrong("a day here is none: MO, 1SU or -1FR"))?,
                "BYMONTH" => rule.months = list(1, 12, false)?,
                "BYWEEKNO" => rule.weeks = list(1, 53, true)?,
                "BYYEARDAY" => rule.year_days = list(1, 366, true)?,
                "BYMONTHDAY" => rule.month_days = list(1, 31, true)?,
                "BYHOUR" => rule.hours = list(0, 23, false)?,
                "BYMINUTE" => rule.minutes = list(0, 59, false)?,
                "BYSECOND" => rule.seconds = list(0, 59, false)?,
                "BYSETPOS" => rule.places = list(1, 366, true)?,
                _ => return Err(wrong("this part of a rule is not known")),
            }
            seen.push(key);
        }
        let has = |key: &str| seen.iter().any(|k| k == key);
        if has("COUNT") && has("UNTIL") {
            return Err(line.wrong("COUNT and UNTIL exclude each other", HINT));
        }
        rule.every = every.ok_or_else(|| line.wrong("a rule needs FREQ", HINT))?;
        rule.possible().map_err(|what| line.wrong(what, HINT))?;
        Ok(rule)
    }

    /// What the format does not give a meaning to is not guessed at.
    fn possible(&self) -> Result<(), &'static str> {
        let placed = self.days.iter().any(|(place, _)| place.is_some());
        match self.every {
            Every::Day | Every::Week if placed => {
                Err("a numbered day (1SU) needs FREQ=MONTHLY or FREQ=YEARLY")
            }
            _ if placed && !self.weeks.is_empty() => {
                Err("a numbered day (1SU) does not go with BYWEEKNO")
            }
            Every::Day | Every::Week | Every::Month if !self.weeks.is_empty() => {
                Err("BYWEEKNO needs FREQ=YEARLY")
            }
            Every::Day | Every::Week | Every::Month if !self.year_days.is_empty() => {
                Err("BYYEARDAY needs FREQ=YEARLY")
            }
            Every::Week if !self.month_days.is_empty() => {
                Err("BYMONTHDAY does not go with FREQ=WEEKLY")
            }
            _ => Ok(()),
        }
    }

    /// What the event itself says where the rule says nothing, so that only parts of the rule decide.
    pub(super) fn completed(mut self, start: civil::DateTime) -> Self {
        let by_day = !self.days.is_empty();
        let by_date = !self.month_days.is_empty() || !self.year_days.is_empty();
        match self.every {
            Every::Year if by_date || by_day => {}
            Every::Year if !self.weeks.is_empty() => self.days.push((None, start.weekday())),
            Every::Year => {
                if self.months.is_empty() {
                    self.months.push(start.month().into());
                }
                self.month_days.push(start.day().into());
            }
            Every::Month if !by_date && !by_day => self.month_days.push(start.day().into()),
            Every::Week if !by_day => self.days.push((None, start.weekday())),
            Every::Day | Every::Week | Every::Month => {}
        }
        self
    }
}

fn frequency(text: &str) -> Option<Every> {
    match text {
        "DAILY" => Some(Every::Day),
        "WEEKLY" => Some(Every::Week),
        "MONTHLY" => Some(Every::Month),
        "YEARLY" => Some(Every::Year),
        _ => None,
    }
}

/// More than can be counted is as much as can be.
fn count(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn numbers(text: &str, least: i64, most: i64, signed: bool) -> Option<Vec<i64>> {
    let mut all = Vec::new();
    for piece in text.split(',') {
        let piece = piece.trim();
        let bare = piece.strip_prefix('+').unwrap_or(piece);
        let number: i64 = bare.parse().ok()?;
        let size = if signed {
            number.checked_abs()?
        } else {
            number
        };
        if !(least..=most).contains(&size) {
            return None;
        }
        all.push(number);
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

fn weekday(text: &str) -> Option<Weekday> {
    let found = WEEKDAYS.iter().find(|(name, _)| *name == text.trim());
    found.map(|(_, day)| *day)
}

fn days(text: &str) -> Option<Vec<(Option<i64>, Weekday)>> {
    let mut all = Vec::new();
    for piece in text.split(',').map(str::trim) {
        let (place, name) = piece.split_at_checked(piece.len().checked_sub(2)?)?;
        let place = match place {
            "" => None,
            place => Some(numbers(place, 1, 53, true)?.first().copied()?),
        };
        let day = (place, weekday(name)?);
        if !all.contains(&day) {
            all.push(day);
        }
    }
    Some(all)
}
