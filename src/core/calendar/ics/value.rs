//! Values of iCalendar: days, times, durations.
use jiff::{SignedDuration, Timestamp, civil};

use super::super::{Malformed, Zone};
use super::line::Line;
use super::zones::Zones;

/// A day, or a time by the clock of a zone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stamp {
    /// Of a day its midnight.
    pub(super) local: civil::DateTime,
    pub(super) whole_day: bool,
    pub(super) zone: Zone,
}

impl Stamp {
    pub(super) fn instant(&self) -> Timestamp {
        self.zone.instant(self.local)
    }
}

/// An end that is told as a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    /// By the calendar.
    pub(super) days: i64,
    /// Elapsed.
    pub(super) rest: SignedDuration,
}

const DATE: &str =
    "a day looks like 20271224, a time like 20271224T180000, or 20271224T170000Z in UTC";
const DURATION: &str = "a duration looks like P1D, PT2H30M or P2W";
/// Longer than any span that is looked at.
const MOST_DAYS: i64 = 100_000;

/// The date or time of a line that has one.
pub(super) fn stamp(line: &Line<'_>, zones: &Zones<'_>) -> Result<Stamp, Malformed> {
    part(line, line.value(), zones)
}

/// All of a line, separated by commas.
pub(super) fn stamps(
    line: &Line<'_>,
    zones: &Zones<'_>,
) -> impl Iterator<Item = Result<Stamp, Malformed>> {
    line.value().split(',').map(|text| part(line, text, zones))
}

/// One date or time, which is a part of the line's value.
pub(super) fn part(line: &Line<'_>, text: &str, zones: &Zones<'_>) -> Result<Stamp, Malformed> {
    let wrong = |what: &str| line.wrong_part(text, what, DATE);
    let trimmed = text.trim();
    let (day, time) = match trimmed.split_once(['T', 't']) {
        Some((day, time)) => (day, Some(time)),
        None => (trimmed, None),
    };
    let date = date(day).ok_or_else(|| wrong("this is no date"))?;
    let Some(time) = time else {
        return Ok(Stamp {
            local: date.at(0, 0, 0, 0),
            whole_day: true,
            zone: zones.floating().clone(),
        });
    };
    if line
        .parameter("VALUE")
        .is_some_and(|kind| kind.eq_ignore_ascii_case("DATE"))
    {
        return Err(wrong("a time stands where a day is announced"));
    }
    let (digits, utc) = match time.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, true),
        None => (time, false),
    };
    let time = clock(digits).ok_or_else(|| wrong("this is no time"))?;
    let zone = match line.parameter("TZID") {
        _ if utc => Zone::utc(),
        Some(id) => zones
            .named(id)
            .map_err(|(message, hint)| line.wrong(message, hint))?,
        None => zones.floating().clone(),
    };
    Ok(Stamp {
        local: date.to_datetime(time),
        whole_day: false,
        zone,
    })
}

fn number(digits: &str) -> Option<i64> {
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| digits.parse().ok())?
}

fn two(digits: &str) -> Option<i8> {
    number(digits).and_then(|n| i8::try_from(n).ok())
}

/// `YYYYMMDD`.
pub(super) fn date(text: &str) -> Option<civil::Date> {
    if text.len() != 8 || !text.is_ascii() {
        return None;
    }
    let year = i16::try_from(number(&text[..4])?).ok()?;
    civil::Date::new(year, two(&text[4..6])?, two(&text[6..])?).ok()
}

/// `HHMMSS`; the second 60 is the one before.
fn clock(text: &str) -> Option<civil::Time> {
    if text.len() != 6 || !text.is_ascii() {
        return None;
    }
    let second = two(&text[4..])?;
    let second = if second == 60 { 59 } else { second };
    civil::Time::new(two(&text[..2])?, two(&text[2..4])?, second, 0).ok()
}

/// `P1D`, `PT1H30M`, `P2W`.
pub(super) fn length(line: &Line<'_>, text: &str) -> Result<Length, Malformed> {
    let wrong = |what: &str| line.wrong_part(text, what, DURATION);
    let upper = text.trim().to_ascii_uppercase();
    if upper.starts_with('-') {
        return Err(wrong("this lasts less than nothing"));
    }
    let bare = upper.strip_prefix('+').unwrap_or(&upper);
    let Some(mut rest) = bare.strip_prefix('P').filter(|rest| !rest.is_empty()) else {
        return Err(wrong("this is no duration"));
    };
    let (mut days, mut seconds) = (0_i64, 0_i64);
    let mut of_day = false;
    while !rest.is_empty() {
        if let Some(after) = rest
            .strip_prefix('T')
            .filter(|after| !of_day && !after.is_empty())
        {
            (rest, of_day) = (after, true);
            continue;
        }
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let amount = number(&rest[..digits]).ok_or_else(|| wrong("this is no duration"))?;
        let unit = rest[digits..].chars().next();
        let (per_day, per_second) = match (unit, of_day) {
            (Some('W'), false) => (7, 0),
            (Some('D'), false) => (1, 0),
            (Some('H'), true) => (0, 3600),
            (Some('M'), true) => (0, 60),
            (Some('S'), true) => (0, 1),
            _ => return Err(wrong("this is no duration")),
        };
        days = amount.saturating_mul(per_day).saturating_add(days);
        seconds = amount.saturating_mul(per_second).saturating_add(seconds);
        rest = &rest[digits + 1..];
    }
    Ok(Length {
        days: days.min(MOST_DAYS),
        rest: SignedDuration::from_secs(seconds.min(MOST_DAYS * 86_400)),
    })
}
