//! Durations as people write them: `"12h"`, `"1h 30m"`, `"2d"`.
//!
//! A `d` is 24 elapsed hours and a `w` seven of them: a duration never depends on a calendar.

use jiff::SignedDuration;

/// Nothing in a configuration lasts longer; it keeps every sum of durations far from overflow.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 3660);

const UNITS: [(&str, i64); 5] = [
    ("w", 604_800),
    ("d", 86_400),
    ("h", 3_600),
    ("m", 60),
    ("s", 1),
];

/// Why a text is no duration, and how it could be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DurationError {
    pub message: String,
    pub hint: Option<String>,
}

fn refuse(message: impl Into<String>, hint: impl Into<Option<String>>) -> DurationError {
    DurationError {
        message: message.into(),
        hint: hint.into(),
    }
}

/// Parses whole numbers with units `w`, `d`, `h`, `m`, `s`, each at most once, the larger first.
pub fn parse(text: &str) -> Result<SignedDuration, DurationError> {
    let example = || Some(r#"a duration looks like "45s", "1h 30m", "2d" or "1w""#.to_owned());
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(refuse("an empty duration", example()));
    }
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if rest.starts_with(['-', '−']) {
        return Err(refuse("a duration cannot be negative", example()));
    }
    let mut seconds: i64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(refuse("this is not a duration", example()));
        }
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() {
            return Err(no_unit(text, number, after));
        }
        let Some(&(_, factor)) = units.clone().find(|(name, _)| *name == unit) else {
            return Err(wrong_unit(number, unit));
        };
        units.find(|(name, _)| *name == unit);
        let more = number
            .parse::<i64>()
            .ok()
            .and_then(|number| number.checked_mul(factor));
        seconds = more
            .and_then(|more| seconds.checked_add(more))
            .filter(|&sum| sum <= LONGEST.as_secs())
            .ok_or_else(|| refuse("a duration is at most ten years", None))?;
        rest = after.trim_start();
    }
    Ok(SignedDuration::from_secs(seconds))
}

fn no_unit(text: &str, number: &str, after: &str) -> DurationError {
    if after.starts_with(['.', ',']) {
        return refuse(
            "a duration is made of whole numbers",
            Some(r#"write "1h 30m" for "1.5h""#.to_owned()),
        );
    }
    let hint = match text.trim() == number {
        true => format!(r#"write "{number}s" for seconds or "{number}m" for minutes"#),
        false => format!(r#"say what {number} counts: "{number}s", "{number}m", "{number}h""#),
    };
    refuse("a duration needs a unit", Some(hint))
}

fn wrong_unit(number: &str, unit: &str) -> DurationError {
    if UNITS.iter().any(|(name, _)| *name == unit) {
        let hint = r#"each unit once, the larger first: "1h 30m""#;
        return refuse(
            format!("`{unit}` comes too late or twice"),
            Some(hint.to_owned()),
        );
    }
    let meant = match unit.to_lowercase().as_str() {
        "sec" | "secs" | "second" | "seconds" | "s" => "s",
        "min" | "mins" | "minute" | "minutes" | "m" => "m",
        "hr" | "hrs" | "hour" | "hours" | "h" => "h",
        "day" | "days" | "d" => "d",
        "week" | "weeks" | "w" => "w",
        _ => "",
    };
    let hint = match meant {
        "" => "the units are w, d, h, m and s".to_owned(),
        meant => format!(r#"write "{number}{meant}""#),
    };
    refuse(format!("there is no unit `{unit}`"), Some(hint))
}

/// The shortest text that [`parse`] reads as the same whole seconds, in days and below.
#[must_use]
pub fn format(duration: SignedDuration) -> String {
    let mut rest = duration.as_secs();
    let mut parts = Vec::new();
    for (unit, factor) in &UNITS[1..] {
        let count = rest / factor;
        rest %= factor;
        if count != 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(text: &str) -> i64 {
        parse(text).unwrap().as_secs()
    }

    #[test]
    fn units_add_up() {
        assert_eq!(seconds("45s"), 45);
        assert_eq!(seconds("12h"), 43_200);
        assert_eq!(seconds("1h 30m"), 5_400);
        assert_eq!(seconds("1h30m"), 5_400);
        assert_eq!(seconds(" 2d "), 172_800);
        assert_eq!(seconds("1w 1d 1h 1m 1s"), 694_861);
        assert_eq!(seconds("90m"), 5_400);
        assert_eq!(seconds("0"), 0);
        assert_eq!(seconds("0s"), 0);
    }

    fn hint(text: &str) -> String {
        let error = parse(text).unwrap_err();
        format!("{}; {}", error.message, error.hint.unwrap_or_default())
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_hint() {
        assert_eq!(
            hint("5"),
            r#"a duration needs a unit; write "5s" for seconds or "5m" for minutes"#
        );
        assert!(hint("-5m").starts_with("a duration cannot be negative"));
        assert!(hint("1.5h").contains(r#""1h 30m""#));
        assert_eq!(
            hint("5 minutes"),
            r#"there is no unit `minutes`; write "5m""#
        );
        assert_eq!(hint("5M"), r#"there is no unit `M`; write "5m""#);
        assert!(hint("5m 1h").contains("the larger first"));
        assert!(hint("5m 5m").contains("twice"));
        assert!(hint("").contains("empty"));
        assert!(hint("soon").contains("not a duration"));
        assert!(hint("99999999999999999999w").contains("ten years"));
        assert!(hint("1000w").contains("ten years"));
    }

    proptest! {
        #[test]
        fn formatted_durations_are_read_back(seconds in 0..LONGEST.as_secs()) {
            let duration = SignedDuration::from_secs(seconds);
            prop_assert_eq!(parse(&format(duration)).unwrap(), duration);
        }

        #[test]
        fn any_text_is_answered(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
