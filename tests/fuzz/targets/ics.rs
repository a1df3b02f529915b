//! A calendar of holidays, to the spans of its events. The first byte chooses the zone.

use jiff::SignedDuration;
use offhours::core::calendar::{Holidays, LARGEST_CALENDAR, Zone};

use super::fixture::now;
use super::safe;

const ZONES: [&str; 4] = [
    "UTC",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
];
const YEARS: i64 = 12;

pub fn run(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if text.len() as u64 > LARGEST_CALENDAR {
        return;
    }
    let zone = Zone::named(ZONES[usize::from(*choice) % ZONES.len()]).expect("a zone");
    let until = now() + SignedDuration::from_hours(24 * 366 * YEARS);
    let holidays = match Holidays::read(text, &zone, now(), until) {
        Ok(holidays) => holidays,
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for wrong in &mistakes {
                assert!(text.get(wrong.range.clone()).is_some(), "{wrong:?}");
                assert!(!wrong.message.is_empty());
                safe::line(&wrong.message, 300);
                safe::line(&wrong.hint, 300);
            }
            return;
        }
    };
    let mut last = None;
    for (from, to) in holidays.spans.all() {
        assert!(from < to, "{from} {to}");
        assert!(*to > now() && *from < until, "{from} {to}");
        assert!(last.is_none_or(|last| last < *from), "{from} {to}");
        last = Some(*to);
    }
    if let Some((count, place)) = &holidays.momentary {
        assert!(*count > 0 && text.get(place.clone()).is_some());
    }
    // Less of it is asked for: the same, as far as it goes.
    let near = now() + SignedDuration::from_hours(24 * 400);
    let less = Holidays::read(text, &zone, now(), near).expect("less than what was read");
    let cut = |span: &&(jiff::Timestamp, jiff::Timestamp)| span.0 < near;
    let wanted = holidays
        .spans
        .all()
        .iter()
        .filter(cut)
        .map(|(from, _)| from);
    let found = less.spans.all().iter().map(|(from, _)| from);
    assert!(wanted.eq(found), "{:?}", less.spans.all());
}
