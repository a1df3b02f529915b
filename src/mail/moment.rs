//! Instants and lengths in words, in the reader's zone and language.

use jiff::{
    SignedDuration, Timestamp, Zoned,
    tz::{Offset, TimeZone},
};

use super::Language;

const DAYS_EN: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const DAYS_DE: [&str; 7] = [
    "Montag",
    "Dienstag",
    "Mittwoch",
    "Donnerstag",
    "Freitag",
    "Samstag",
    "Sonntag",
];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const MONTHS_DE: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// `Tuesday, 17 November 2026, 22:00 (UTC+01:00, 21:00 UTC)`; the offset is that of this very instant.
pub(super) fn long(at: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = at.to_zoned(zone.clone());
    let (day, month) = names(&local, language);
    let (date, time, year) = (local.day(), clock(&local), local.year());
    let offset = match local.offset().seconds() / 60 {
        0 => "UTC".into(),
        _ => format!(
            "{}, {} UTC",
            offset(local.offset()),
            beside(&local, language)
        ),
    };
    match language {
        Language::En => format!("{day}, {date} {month} {year}, {time} ({offset})"),
        Language::De => format!("{day}, {date}. {month} {year}, {time} Uhr ({offset})"),
    }
}

/// `Tue 17 Nov 2026, 22:00`, for subjects.
pub(super) fn short(at: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = at.to_zoned(zone.clone());
    let (day, month) = names(&local, language);
    let (date, time, year) = (local.day(), clock(&local), local.year());
    let short: String = day
        .chars()
        .take(if language == Language::De { 2 } else { 3 })
        .collect();
    match language {
        Language::En => {
            let month: String = month.chars().take(3).collect();
            format!("{short} {date} {month} {year}, {time}")
        }
        Language::De => format!("{short}, {date}. {month} {year}, {time} Uhr"),
    }
}

fn names(local: &Zoned, language: Language) -> (&'static str, &'static str) {
    // Both offsets are in range by jiff's own bounds; the modulo spares a panic path.
    let day = local.weekday().to_monday_zero_offset().unsigned_abs() as usize % 7;
    let month = (local.month().unsigned_abs() as usize + 11) % 12;
    match language {
        Language::En => (DAYS_EN[day], MONTHS_EN[month]),
        Language::De => (DAYS_DE[day], MONTHS_DE[month]),
    }
}

fn clock(local: &Zoned) -> String {
    let (hour, minute, second) = (local.hour(), local.minute(), local.second());
    if second == 0 {
        format!("{hour:02}:{minute:02}")
    } else {
        format!("{hour:02}:{minute:02}:{second:02}")
    }
}

/// The time in UTC, with its date where that is another one.
fn beside(local: &Zoned, language: Language) -> String {
    let utc = local.with_time_zone(TimeZone::UTC);
    let time = clock(&utc);
    if utc.date() == local.date() {
        return time;
    }
    let (_, month) = names(&utc, language);
    match language {
        Language::En => format!("{} {month} {time}", utc.day()),
        Language::De => format!("{}. {month} {time}", utc.day()),
    }
}

fn offset(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `1 hour 30 minutes`; rounded up to whole minutes, nothing negative.
pub(super) fn length(length: SignedDuration, language: Language) -> String {
    let minutes = length.as_secs().max(0).saturating_add(59) / 60;
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let hour_word = match (language, hours) {
        (Language::En, 1) => "hour",
        (Language::En, _) => "hours",
        (Language::De, 1) => "Stunde",
        (Language::De, _) => "Stunden",
    };
    let minute_word = match (language, minutes) {
        (Language::En, 1) => "minute",
        (Language::En, _) => "minutes",
        (Language::De, 1) => "Minute",
        (Language::De, _) => "Minuten",
    };
    match (hours, minutes) {
        (0, _) => format!("{minutes} {minute_word}"),
        (_, 0) => format!("{hours} {hour_word}"),
        _ => format!("{hours} {hour_word} {minutes} {minute_word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    #[test]
    fn both_languages_and_both_offsets_of_the_autumn_night() {
        let first: Timestamp = "2026-10-25T00:30:00Z".parse().unwrap();
        let second: Timestamp = "2026-10-25T01:30:00Z".parse().unwrap();
        assert_eq!(
            long(first, &berlin(), Language::En),
            "Sunday, 25 October 2026, 02:30 (UTC+02:00, 00:30 UTC)"
        );
        assert_eq!(
            long(second, &berlin(), Language::De),
            "Sonntag, 25. Oktober 2026, 02:30 Uhr (UTC+01:00, 01:30 UTC)"
        );
        assert_eq!(
            short(second, &berlin(), Language::De),
            "So, 25. Oktober 2026, 02:30 Uhr"
        );
        assert_eq!(
            short(second, &TimeZone::UTC, Language::En),
            "Sun 25 Oct 2026, 01:30"
        );
        assert_eq!(
            long(second, &TimeZone::UTC, Language::En),
            "Sunday, 25 October 2026, 01:30 (UTC)"
        );
    }

    #[test]
    fn every_weekday_and_month_has_its_own_name() {
        let start: Timestamp = "2026-01-05T12:00:00Z".parse().unwrap();
        for (n, day) in DAYS_DE.iter().enumerate() {
            let at = start + SignedDuration::from_hours(24 * n as i64);
            assert!(long(at, &TimeZone::UTC, Language::De).starts_with(day));
        }
        for (n, month) in MONTHS_EN.iter().enumerate() {
            let at: Timestamp = format!("2026-{:02}-01T00:00:00Z", n + 1).parse().unwrap();
            assert!(long(at, &TimeZone::UTC, Language::En).contains(month));
        }
    }

    #[test]
    fn west_of_greenwich_and_half_hours() {
        let at: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
        let zone = TimeZone::get("America/St_Johns").unwrap();
        assert_eq!(
            long(at, &zone, Language::En),
            "Wednesday, 31 December 2025, 20:30:30 (UTC-03:30, 1 January 00:00:30 UTC)"
        );
    }

    #[test]
    fn lengths() {
        assert_eq!(
            length(SignedDuration::from_mins(45), Language::En),
            "45 minutes"
        );
        assert_eq!(
            length(SignedDuration::from_mins(60), Language::De),
            "1 Stunde"
        );
        assert_eq!(
            length(SignedDuration::from_mins(121), Language::En),
            "2 hours 1 minute"
        );
        assert_eq!(
            length(SignedDuration::from_secs(61), Language::De),
            "2 Minuten"
        );
        assert_eq!(length(SignedDuration::MIN, Language::En), "0 minutes");
        length(SignedDuration::MAX, Language::De);
    }
}
