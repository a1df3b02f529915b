//! From events to spans: recurrences worked out, exceptions left out, moved occurrences in their new places.
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use jiff::civil::{Date, DateTime};
use jiff::{Span as Step, Timestamp};

use super::super::spans::Span;
use super::super::{Malformed, Zone};
use super::event::{Event, Lasts};
use super::expand::{Budget, expand, one_each, skipped};
use super::recur::{Ends, Recurrence};
use super::value::Stamp;
use super::{MOST_DAYS, MOST_SPANS};

/// The spans of all events that touch `[from, until)`.
pub(super) fn spans(
    events: &[Event],
    zone: &Zone,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Span>, Malformed> {
    let newest = newest(events);
    let is_newest = |event: &&Event| {
        let newest = key(event).and_then(|key| newest.get(&key));
        newest.is_none_or(|newest| event.sequence == *newest)
    };
    let mut series: HashMap<&str, Series> = HashMap::new();
    for event in events.iter().filter(is_newest) {
        let Some(uid) = event.uid.as_deref() else {
            continue;
        };
        let series = series.entry(uid).or_default();
        match &event.instead_of {
            Some(stamp) => series.moved.add(stamp, zone),
            None => event
                .except
                .iter()
                .for_each(|stamp| series.gone.add(stamp, zone)),
        }
    }
    let mut found = Found {
        from,
        until,
        spans: Vec::new(),
        budget: Budget(MOST_DAYS),
    };
    for event in events
        .iter()
        .filter(|event| !event.cancelled)
        .filter(is_newest)
    {
        let series = event.uid.as_deref().and_then(|uid| series.get(uid));
        if let (Some(stamp), Some(series)) = (&event.instead_of, series)
            && series
                .gone
                .has(stamp.local.date(), stamp.instant(), stamp.whole_day)
        {
            // It was moved first, and then taken out.
            continue;
        }
        let mut own = Set::default();
        for stamp in &event.except {
            own.add(stamp, zone);
        }
        let except = Except {
            own,
            moved: series
                .filter(|_| event.instead_of.is_none())
                .map(|series| &series.moved),
            whole_day: event.start.whole_day,
        };
        found.event(event, &except)?;
    }
    Ok(found.spans)
}

/// What tells revisions of an event from other events: its name, and the occurrence it takes the place of.
fn key(event: &Event) -> Option<(&str, Option<Timestamp>)> {
    let instead_of = event.instead_of.as_ref().map(Stamp::instant);
    Some((event.uid.as_deref()?, instead_of))
}

/// The highest revision of each event. Events of the same revision are all meant: not every program makes names unique.
fn newest(events: &[Event]) -> HashMap<(&str, Option<Timestamp>), i64> {
    let mut newest = HashMap::new();
    for event in events {
        if let Some(key) = key(event) {
            let known = newest.entry(key).or_insert(event.sequence);
            *known = event.sequence.max(*known);
        }
    }
    newest
}

/// Beginnings, as they are told.
#[derive(Default)]
struct Set {
    instants: HashSet<Timestamp>,
    /// The days of these instants, for events that are whole days.
    of_instants: HashSet<Date>,
    days: HashSet<Date>,
}

impl Set {
    fn add(&mut self, stamp: &Stamp, zone: &Zone) {
        if stamp.whole_day {
            self.days.insert(stamp.local.date());
        } else {
            self.of_instants.insert(zone.date(stamp.instant()));
            self.instants.insert(stamp.instant());
        }
    }

    fn has(&self, date: Date, instant: Timestamp, whole_day: bool) -> bool {
        self.days.contains(&date)
            || if whole_day {
                self.of_instants.contains(&date)
            } else {
                self.instants.contains(&instant)
            }
    }
}

/// What is said about the occurrences of all events of one name.
#[derive(Default)]
struct Series {
    moved: Set,
    gone: Set,
}

/// Occurrences of an event that are left out, or that another event takes the place of.
struct Except<'e> {
    own: Set,
    moved: Option<&'e Set>,
    whole_day: bool,
}

impl Except<'_> {
    fn has(&self, local: DateTime, instant: Timestamp) -> bool {
        let has = |set: &Set| set.has(local.date(), instant, self.whole_day);
        has(&self.own) || self.moved.is_some_and(has)
    }
}

struct Found {
    from: Timestamp,
    until: Timestamp,
    spans: Vec<Span>,
    budget: Budget,
}

impl Found {
    fn event(&mut self, event: &Event, except: &Except<'_>) -> Result<(), Malformed> {
        let start = &event.start;
        let too_many = || {
            Malformed::new(
                event.place.clone(),
                format!("more than {MOST_SPANS} spans until here"),
                HINT,
            )
        };
        if !except.has(start.local, start.instant()) {
            let end = match event.lasts {
                Lasts::Wall { first, .. } => first,
                lasts => lasts.end(&start.zone, start.local),
            };
            self.add((start.instant(), end)).ok_or_else(too_many)?;
        }
        for (stamp, own) in &event.more {
            if except.has(stamp.local, stamp.instant()) {
                continue;
            }
            let end = match own {
                Some(Lasts::Wall { first, .. }) => *first,
                Some(lasts) => lasts.end(&stamp.zone, stamp.local),
                None => event.lasts.end(&stamp.zone, stamp.local),
            };
            self.add((stamp.instant(), end)).ok_or_else(too_many)?;
        }
        for (rule, place) in &event.rules {
            self.recurrences(event, rule, except).map_err(|trouble| {
                let message = match trouble {
                    Trouble::Spans => format!("more than {MOST_SPANS} spans until here"),
                    Trouble::Days => "these rules take too long to work out".to_owned(),
                };
                Malformed::new(place.clone(), message, HINT)
            })?;
        }
        Ok(())
    }

    fn recurrences(
        &mut self,
        event: &Event,
        rule: &Recurrence,
        except: &Except<'_>,
    ) -> Result<(), Trouble> {
        let Event { start, lasts, .. } = event;
        let zone = &start.zone;
        let mut left = match rule.ends {
            // The event itself is the first.
            Ends::After(count) => count - 1,
            _ => u64::MAX,
        };
        // What is counted must be counted from its beginning, where it cannot be computed.
        let days = Step::new().try_days(lasts.days().saturating_add(2));
        let from = zone.date(self.from);
        let of_use = days.map_or(Date::MIN, |days| from.saturating_sub(days));
        let counted = matches!(rule.ends, Ends::After(_));
        let near = (!counted || one_each(rule, start.local.date())).then_some(of_use);
        if let Some(near) = near.filter(|_| counted) {
            // The event itself is that of the first period.
            let before = skipped(rule, start.local.date(), near).saturating_sub(1);
            left = left.saturating_sub(u64::try_from(before).unwrap_or(0));
        }
        let mut budget = std::mem::replace(&mut self.budget, Budget(0));
        let mut full = false;
        let done = expand(rule, start.local, near, &mut budget, |local| {
            // Long before the time that is looked at it is counted, and no more.
            if left > 0 && local.date() < of_use {
                left -= 1;
                return ControlFlow::Continue(());
            }
            let instant = zone.instant(local);
            if left == 0 || instant >= self.until || past(&rule.ends, start, local, instant) {
                return ControlFlow::Break(());
            }
            left -= 1;
            if !except.has(local, instant) {
                full = self.add((instant, lasts.end(zone, local))).is_none();
            }
            if full {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        self.budget = budget;
        done.map_err(|_| Trouble::Days)?;
        if full { Err(Trouble::Spans) } else { Ok(()) }
    }

    /// `None` where there are too many.
    fn add(&mut self, span: Span) -> Option<()> {
        if span.0 < span.1 && span.0 < self.until && span.1 > self.from {
            if self.spans.len() >= MOST_SPANS {
                return None;
            }
            self.spans.push(span);
        }
        Some(())
    }
}

const HINT: &str = "a calendar of holidays is needed, not one of appointments";

enum Trouble {
    Spans,
    Days,
}

/// Whether an occurrence comes after the end of its rule.
fn past(ends: &Ends, start: &Stamp, local: DateTime, instant: Timestamp) -> bool {
    let Ends::By(last) = ends else {
        return false;
    };
    if start.whole_day || last.whole_day {
        // A time where a day is meant: the day that is written there.
        local.date() > last.local.date()
    } else {
        instant > last.instant()
    }
}

#[cfg(test)]
mod tests;
