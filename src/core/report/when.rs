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

/// Since when, as people say it: the time of day where that was today, else [`when`].
pub fn since(zone: &Zone, t: Timestamp, now: Timestamp) -> String {
    if zone.date(t) == zone.date(now) {
        zone.zoned(t).strftime("%H:%M").to_string()
    } else {
        when(zone, t)
    }
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

/// A number with its noun: `1 run`, `2 runs`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min 59 s"),
            (3600, "1 h"),
            (12_000, "3 h 20 min"),
            (86_400, "1 d"),
            (-187_200, "2 d 4 h"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn instants_have_their_offset() {
        let zone = Zone::named("Europe/Berlin").expect("zone");
        let t: Timestamp = "2026-07-01T20:00:00Z".parse().expect("instant");
        assert_eq!(when(&zone, t), "Wed 2026-07-01 22:00 +02:00");
        let later = t
            .checked_add(SignedDuration::from_secs(90))
            .expect("instant");
        assert_eq!(when(&zone, later), "Wed 2026-07-01 22:01:30 +02:00");
        assert_eq!(
            (relative(later, t), relative(t, later)),
            ("in 1 min 30 s".into(), "1 min 30 s ago".into())
        );
    }
}
