//! Instants as people write them: `2026-12-18`, `2026-12-18T22:00`, `"2026-12-18 22:00:30+01:00"`.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use toml::value::Datetime;

use crate::core::calendar::YearDay;

/// What was written: a local time of a zone that is yet to be named, or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Local(DateTime),
    Instant(Timestamp),
}

const SHAPE: &str =
    r#"an instant looks like "2026-12-18", "2026-12-18T22:00" or "2026-12-18T22:00:00+01:00""#;

/// Parses a date, or a date and a time to the second, with or without an offset. A date alone is its 00:00.
pub fn parse(text: &str) -> Result<Written, String> {
    let bad = || SHAPE.to_owned();
    let text = text.trim();
    if !text.is_ascii() || text.len() < 10 {
        return Err(bad());
    }
    let (day, rest) = text.split_at(10);
    let part = |range: std::ops::Range<usize>| -> Option<i16> {
        let digits = day.get(range)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    if day.as_bytes()[4] != b'-' || day.as_bytes()[7] != b'-' {
        return Err(bad());
    }
    let (Some(year), Some(month), Some(dom)) = (part(0..4), part(5..7), part(8..10)) else {
        return Err(bad());
    };
    let date = date(year, month, dom)?;
    if rest.is_empty() {
        return Ok(Written::Local(date.at(0, 0, 0, 0)));
    }
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return Err(bad());
    };
    let clock_length = rest
        .find(|c: char| !c.is_ascii_digit() && c != ':')
        .unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(clock_length);
    if zone.starts_with('.') {
        return Err("an instant is given to the second".to_owned());
    }
    let time = time_of_day(clock).ok_or_else(bad)?;
    let local = date.to_datetime(time);
    match zone.trim_start() {
        "" => Ok(Written::Local(local)),
        "Z" | "z" => absolute(local, 0),
        zone => absolute(local, offset(zone).ok_or_else(bad)?),
    }
}

/// A day of every year, `12-18`, or a time of it, `12-18T18:00`; `None` where the text has another shape.
pub fn year_day(text: &str) -> Option<Result<YearDay, String>> {
    let text = text.trim();
    let (day, rest) = text.split_at_checked(5)?;
    let (month, day) = day.split_once('-')?;
    let (month, day) = (two_digits(month)?, two_digits(day)?);
    if !(rest.is_empty() || rest.starts_with(['T', 't', ' '])) {
        return None;
    }
    let time = match rest.get(1..) {
        None => Some(Time::midnight()),
        Some(clock) => time_of_day(clock),
    };
    let Some(time) = time else {
        return Some(Err(r#"a time of it is written "12-18T18:00""#.to_owned()));
    };
    Some(YearDay::new(month, day, time).ok_or_else(|| "there is no such day".to_owned()))
}

/// An instant from a date-time of TOML itself.
pub fn from_toml(written: &Datetime) -> Result<Written, String> {
    let Some(day) = written.date else {
        return Err("a time alone is no instant: give the date too".to_owned());
    };
    let year = i16::try_from(day.year).map_err(|_| "there is no such year".to_owned())?;
    let date = date(year, day.month.into(), day.day.into())?;
    let Some(time) = written.time else {
        return Ok(Written::Local(date.at(0, 0, 0, 0)));
    };
    if time.nanosecond.unwrap_or(0) != 0 {
        return Err("an instant is given to the second".to_owned());
    }
    let part = |number: u8| i8::try_from(number).unwrap_or(i8::MAX);
    let clock = Time::new(
        part(time.hour),
        part(time.minute),
        part(time.second.unwrap_or(0)),
        0,
    );
    let local = date.to_datetime(clock.map_err(|_| "there is no such time of day".to_owned())?);
    match written.offset {
        None => Ok(Written::Local(local)),
        Some(toml::value::Offset::Z) => absolute(local, 0),
        Some(toml::value::Offset::Custom { minutes }) => absolute(local, i32::from(minutes) * 60),
    }
}

fn date(year: i16, month: i16, day: i16) -> Result<Date, String> {
    let part = |number: i16| i8::try_from(number).unwrap_or(i8::MAX);
    let date =
        Date::new(year, part(month), part(day)).map_err(|_| "there is no such day".to_owned())?;
    within(year).map(|()| date)
}

/// Far from both ends of the time line, so that later arithmetic cannot leave it.
fn within(year: i16) -> Result<(), String> {
    if (1970..=9000).contains(&year) {
        Ok(())
    } else {
        Err("the year must be from 1970 to 9000".to_owned())
    }
}

/// `HH:MM`, with seconds if wanted.
#[must_use]
pub fn time_of_day(text: &str) -> Option<Time> {
    let mut parts = text.split(':').map(two_digits);
    let (hour, minute, second) = (
        parts.next()??,
        parts.next()??,
        parts.next().unwrap_or(Some(0))?,
    );
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, 0).ok()
}

fn two_digits(text: &str) -> Option<i8> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// Seconds east of UTC, from `+01:00` or `+0100`.
fn offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').or_else(|| rest.split_at_checked(2))?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    (hours < 24 && minutes < 60)
        .then(|| sign * (i32::from(hours) * 3_600 + i32::from(minutes) * 60))
}

fn absolute(local: DateTime, seconds: i32) -> Result<Written, String> {
    Offset::from_seconds(seconds)
        .and_then(|offset| offset.to_timestamp(local))
        .map_err(|_| "this instant is out of range".to_owned())
        // An offset may move it into another year.
        .and_then(|at| within(Offset::UTC.to_datetime(at).year()).map(|()| Written::Instant(at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::datetime;
    use proptest::prelude::*;

    fn local(text: &str) -> DateTime {
        match parse(text) {
            Ok(Written::Local(local)) => local,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn without_an_offset_it_is_local() {
        assert_eq!(local("2026-12-18"), datetime(2026, 12, 18, 0, 0, 0, 0));
        assert_eq!(
            local("2026-12-18T22:00"),
            datetime(2026, 12, 18, 22, 0, 0, 0)
        );
        assert_eq!(
            local("2026-12-18 22:00:30"),
            datetime(2026, 12, 18, 22, 0, 30, 0)
        );
    }

    #[test]
    fn with_an_offset_it_is_an_instant() {
        let wanted = Written::Instant("2026-12-18T21:00:00Z".parse().unwrap());
        for text in [
            "2026-12-18T22:00+01:00",
            "2026-12-18 22:00:00 +0100",
            "2026-12-18T21:00:00Z",
            "2026-12-18T16:00-05:00",
        ] {
            assert_eq!(parse(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2026-13-01",
            "2026-02-30",
            "2026-12-18T",
            "2026-12-18T25:00",
            "2026-12-18T22",
            "2026-12-18T22:00:60",
            "2026-12-18T22:00:00.5",
            "2026-12-18T22:00[Europe/Berlin]",
            "2026-12-18T22:00+1",
            "2026-1-1",
            "0000-01-01",
            "9999-12-31",
            "2026-12-18T22:00:00:00",
            "+026-12-18",
            "18.12.2026",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_of_the_year_has_none() {
        let read = |text: &str| year_day(text).map(|day| day.map(|day| day.to_string()));
        for (text, day) in [
            ("12-18", "12-18"),
            (" 02-29 ", "02-29"),
            ("12-18T18:00", "12-18T18:00"),
            ("12-18 18:00:30", "12-18T18:00:30"),
            ("01-01T00:00", "01-01"),
        ] {
            assert_eq!(read(text), Some(Ok(day.to_owned())), "{text}");
        }
        for wrong in [
            "02-30",
            "13-01",
            "00-10",
            "12-18T25:00",
            "12-18T18:00Z",
            "12-18T",
        ] {
            assert!(matches!(read(wrong), Some(Err(_))), "{wrong}");
        }
        for other in [
            "2026-12-18",
            "2026-12-18T22:00",
            "",
            "12-1",
            "12:30",
            "12-18x",
            "1a-18",
            "ä12-18",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn both_ways_to_write_it_agree() {
        for text in [
            "2026-12-18",
            "2026-12-18T22:00:00",
            "2026-12-18T22:00:00+01:00",
            "2026-12-18T22:00:00Z",
        ] {
            let toml: Datetime = text.parse().unwrap();
            assert_eq!(from_toml(&toml), parse(text), "{text}");
        }
        assert!(from_toml(&"22:00:00".parse().unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
