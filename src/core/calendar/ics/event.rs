//! One event: when it begins, how long it lasts, how it recurs.
use std::ops::Range;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Span as Step, Timestamp};

use super::super::Malformed;
use super::components::Draft;
use super::line::Line;
use super::recur::Recurrence;
use super::value::{Length, Stamp, length, part, stamp, stamps};
use super::zones::Zones;

/// An event that counts, or one that takes the place of another event's occurrence.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) place: Range<usize>,
    pub(super) uid: Option<String>,
    pub(super) sequence: i64,
    pub(super) cancelled: bool,
    pub(super) start: Stamp,
    pub(super) lasts: Lasts,
    pub(super) rules: Vec<(Recurrence, Range<usize>)>,
    /// Further beginnings, those of a period with an end of their own.
    pub(super) more: Vec<(Stamp, Option<Lasts>)>,
    pub(super) except: Vec<Stamp>,
    /// Which occurrence it takes the place of.
    pub(super) instead_of: Option<Stamp>,
}

/// How an end follows from a beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lasts {
    /// So many days by the calendar, then so much elapsed time.
    For(Length),
    /// The clock shows so much more at the end; of the event itself the end is known to the instant.
    Wall {
        more: SignedDuration,
        first: Timestamp,
    },
    Nothing,
}

impl Lasts {
    /// The end of what begins at `local`.
    pub(super) fn end(&self, zone: &super::Zone, local: DateTime) -> Timestamp {
        let shifted = |by: Step| local.saturating_add(by);
        match self {
            Self::For(Length { days, rest }) => {
                let by = Step::new().try_days(*days).unwrap_or_default();
                let end = zone.instant(shifted(by));
                end.saturating_add(*rest).unwrap_or(Timestamp::MAX)
            }
            Self::Wall { more, .. } => zone.instant(local.saturating_add(*more)),
            Self::Nothing => zone.instant(local),
        }
    }

    /// No less than the days it lasts.
    pub(super) fn days(&self) -> i64 {
        let of = |time: SignedDuration| time.as_secs() / 86_400 + 1;
        match self {
            Self::For(length) => length.days.saturating_add(of(length.rest)),
            Self::Wall { more, .. } => of(*more),
            Self::Nothing => 0,
        }
    }
}

impl Event {
    pub(super) fn read(draft: &Draft<'_>, zones: &Zones<'_>) -> Result<Event, Malformed> {
        let one = |name: &str| {
            let mut found = draft.lines.iter().filter(|line| line.is(name));
            match (found.next(), found.next()) {
                (_, Some(second)) => Err(second.wrong(format!("{name} is given twice"), "")),
                (first, None) => Ok(first),
            }
        };
        let all = |name: &'static str| draft.lines.iter().filter(move |line| line.is(name));
        let start_line = one("DTSTART")?.ok_or_else(|| {
            let message = "this event says nowhere when it begins";
            draft.begins.wrong(message, "an event needs DTSTART")
        })?;
        if let Some(line) = all("EXRULE").next() {
            return Err(line.wrong("EXRULE is not read", "list what is left out as EXDATE"));
        }
        let start = stamp(start_line, zones)?;
        let lasts = lasts(&start, one("DTEND")?, one("DURATION")?, zones)?;
        let mut rules = Vec::new();
        for line in all("RRULE") {
            let mut rule = Recurrence::read(line, zones, &start.zone)?;
            if start.whole_day {
                // Times of day mean nothing to a whole day, and the standard says to pass over them.
                rule.hours.clear();
                rule.minutes.clear();
                rule.seconds.clear();
            }
            rules.push((rule.completed(start.local), line.range()));
        }
        let mut more = Vec::new();
        for line in all("RDATE") {
            for text in line.value().split(',') {
                more.push(further(line, text, &start, zones)?);
            }
        }
        let mut except = Vec::new();
        for line in all("EXDATE") {
            for stamp in stamps(line, zones) {
                except.push(stamp?);
            }
        }
        let instead_of = match one("RECURRENCE-ID")? {
            Some(line) if line.parameter("RANGE").is_some() => {
                return Err(line.wrong(
                    "RANGE is not read: this event changes all that follow it",
                    "end the series with UNTIL, and write a second one",
                ));
            }
            Some(line) => Some(stamp(line, zones)?),
            None => None,
        };
        let text = |line: Option<&Line<'_>>| line.map(|line| line.value().trim().to_owned());
        let status = text(one("STATUS")?).unwrap_or_default();
        let sequence = text(one("SEQUENCE")?).and_then(|n| n.parse().ok());
        Ok(Event {
            place: start_line.range(),
            uid: text(one("UID")?),
            sequence: sequence.unwrap_or(0),
            cancelled: status.eq_ignore_ascii_case("CANCELLED"),
            start,
            lasts,
            rules,
            more,
            except,
            instead_of,
        })
    }

    /// Whether it has a beginning only.
    pub(super) fn is_momentary(&self) -> bool {
        let own = |(_, lasts): &(Stamp, Option<Lasts>)| lasts.is_some_and(|l| l != Lasts::Nothing);
        !self.cancelled && self.lasts == Lasts::Nothing && !self.more.iter().any(own)
    }
}

fn lasts(
    start: &Stamp,
    end: Option<&Line<'_>>,
    duration: Option<&Line<'_>>,
    zones: &Zones<'_>,
) -> Result<Lasts, Malformed> {
    let lasts = match (end, duration) {
        (Some(_), Some(line)) => {
            return Err(line.wrong("DTEND and DURATION exclude each other", ""));
        }
        (Some(line), None) => until(line, start, &stamp(line, zones)?)?,
        (None, Some(line)) => during(line, line.value(), start)?,
        (None, None) if start.whole_day => days(1),
        (None, None) => Lasts::Nothing,
    };
    Ok(lasts)
}

fn days(days: i64) -> Lasts {
    Lasts::For(Length {
        days,
        rest: SignedDuration::ZERO,
    })
}

fn until(line: &Line<'_>, start: &Stamp, end: &Stamp) -> Result<Lasts, Malformed> {
    if start.whole_day != end.whole_day {
        let message = "one end of this event is a day, the other a time";
        return Err(line.wrong(message, "write both in the same way"));
    }
    let backwards = || line.wrong("this event ends before it begins", "DTEND is exclusive");
    if start.whole_day {
        let between = end.local.date() - start.local.date();
        return match i64::from(between.get_days()) {
            ..0 => Err(backwards()),
            // The end is exclusive; not every program knows.
            between => Ok(days(between.max(1))),
        };
    }
    let (first, begins) = (end.instant(), start.instant());
    if first < begins {
        return Err(backwards());
    }
    if first == begins {
        return Ok(Lasts::Nothing);
    }
    let end = if start.zone == end.zone {
        end.local
    } else {
        start.zone.local(first)
    };
    let more = end.duration_since(start.local);
    Ok(Lasts::Wall { more, first })
}

fn during(line: &Line<'_>, text: &str, start: &Stamp) -> Result<Lasts, Malformed> {
    let length = length(line, text)?;
    if start.whole_day && !length.rest.is_zero() {
        let message = "a whole day does not last hours";
        return Err(line.wrong(message, "write DTSTART with a time, or DURATION in days"));
    }
    if length.days == 0 && length.rest.is_zero() {
        return Ok(if start.whole_day {
            days(1)
        } else {
            Lasts::Nothing
        });
    }
    Ok(Lasts::For(length))
}

/// One value of `RDATE`: a beginning, or a period.
fn further(
    line: &Line<'_>,
    text: &str,
    start: &Stamp,
    zones: &Zones<'_>,
) -> Result<(Stamp, Option<Lasts>), Malformed> {
    let (begins, ends) = match text.split_once('/') {
        Some((begins, ends)) => (begins, Some(ends)),
        None => (text, None),
    };
    let begins = part(line, begins, zones)?;
    if begins.whole_day != start.whole_day {
        let message = "one beginning of this event is a day, another a time";
        return Err(line.wrong_part(text, message, "write RDATE like DTSTART"));
    }
    let lasts = match ends.map(|ends| (ends, ends.trim().starts_with(['P', 'p', '+', '-']))) {
        None => None,
        Some((ends, true)) => Some(during(line, ends, &begins)?),
        Some((ends, false)) => Some(until(line, &begins, &part(line, ends, zones)?)?),
    };
    Ok((begins, lasts))
}
