//! The one-line form of a rule: `Mon-Fri 22:00-05:00`.
use jiff::civil;

use super::malformed::pieces;
use super::{Days, End, Malformed, Pattern, Rule};

const HINT: &str = "days, then the time from and to: \"Mon-Fri 22:00-05:00\"";

/// Reads days and a span of wall-clock time, `24:00` being the end of the day.
///
/// # Errors
/// The part that is wrong, with its place in the text.
pub fn parse_open(text: &str) -> Result<Rule, Malformed> {
    let Some(colon) = text.find(':') else {
        return Err(Malformed::new(0..text.len(), "no span of time", HINT));
    };
    let at = text[..colon]
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .len();
    let (days, span) = text.split_at(at);
    if days.trim().is_empty() {
        return Err(Malformed::new(
            0..text.len(),
            "no days",
            format!("write {:?}", format!("daily {}", span.trim())),
        ));
    }
    let days = Days::parse(days)?;
    let mut times = pieces(span, |c| c == '-');
    let (Some(start), Some(end), None) = (times.next(), times.next(), times.next()) else {
        return Err(Malformed::new(at..text.len(), "not a span of time", HINT));
    };
    let start = time(start).map_err(|e| e.shifted(at))?;
    let end = match end.1.trim() {
        "24:00" | "24:00:00" => civil::Time::midnight(),
        _ => time(end).map_err(|e| e.shifted(at))?,
    };
    let pattern = Pattern::Days {
        days,
        start,
        end: End::At(end),
    };
    Ok(pattern.into())
}

/// `HH:MM`, seconds if wanted.
pub(super) fn time((at, text): (usize, &str)) -> Result<civil::Time, Malformed> {
    let lead = text.len() - text.trim_start().len();
    let trimmed = text.trim();
    let wrong = || {
        let range = at + lead..at + lead + trimmed.len();
        Malformed::new(
            range,
            format!("{trimmed:?} is not a time of day"),
            "00:00 to 23:59",
        )
    };
    let mut parts = [0i8; 3];
    let mut count = 0;
    for part in trimmed.split(':') {
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let slot = parts.get_mut(count).filter(|_| digits).ok_or_else(wrong)?;
        *slot = part.parse().map_err(|_| wrong())?;
        count += 1;
    }
    if count < 2 {
        return Err(wrong());
    }
    civil::Time::new(parts[0], parts[1], parts[2], 0).map_err(|_| wrong())
}

#[cfg(test)]
mod tests;
