//! Instants and spans in words.
use jiff::{SignedDuration, Timestamp};

use crate::core::calendar::Zone;

/// Wall clock with weekday and offset: `Sat 2026-11-21 22:00 +01:00`, seconds only where there are any.
pub fn when(zone: &Zone, t: Timestamp) -> String {
    let local = zone.zoned(t);
    let clock = if local.second() == 0 {
        "%H:%M"
    } else {
        "%H:%M:%S"
    };
    local
        .strftime(&format!("%a %Y-%m-%d {clock} %:z"))
        .to_string()
}

/// The two largest units, as one reads a clock: `3 h 20 min`, `2 d 4 h`, `45 s`. Signs are dropped.
pub fn span(d: SignedDuration) -> String {
    let s = d.unsigned_abs().as_secs();
    let (minutes, hours, days) = (s / 60, s / 3600, s / 86400);
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match s {
        0..60 => format!("{s} s"),
        60..3600 => two(minutes, "min", s % 60, "s"),
        3600..86400 => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// The instant against `now`: `in 3 h 20 min`, `5 min ago`, `now`.
pub fn relative(t: Timestamp, now: Timestamp) -> String {
    let d = t.duration_since(now);
    if d.unsigned_abs().as_secs() == 0 {
        "now".to_owned()
    } else if d.is_negative() {
        format!("{} ago", span(d))
    } else {
        format!("in {}", span(d))
    }
}
