//! What freezes leave.

use jiff::{SignedDuration, Timestamp};

use super::super::keys;
use super::super::reading::Reading;
use super::{Year, day};
use crate::core::calendar::{Freeze, Frozen, Occurrence, Spans, Window};
use crate::core::policy::{Name, Policy};

const MONTH: SignedDuration = SignedDuration::from_hours(24 * 31);
/// "The first Sunday" comes after 28 or 35 days.
const MONTHLY: SignedDuration = SignedDuration::from_hours(24 * 36);
/// A calendar that ends sooner is to be renewed.
const SOON: SignedDuration = SignedDuration::from_hours(24 * 30);

pub fn check(policy: &Policy, year: &Year, reading: &mut Reading<'_>) {
    for (freeze, spans) in policy.freezes.iter().zip(&year.frozen) {
        labels(freeze, policy, year, reading);
        if over(freeze, year.now, reading) || never_ends(freeze, spans, year, reading) {
            continue;
        }
        for window in policy
            .windows
            .values()
            .filter(|window| meant(freeze, window, policy))
        {
            if let Some((from, until)) = hole(spans, year.occurrences(&window.name), year) {
                let message = format!(
                    "`freeze.{}` leaves `window.{}` less than one occurrence a month: none from {} to {}",
                    freeze.name,
                    window.name,
                    day(window, from),
                    day(window, until)
                );
                let place = reading.document.place("freeze", &freeze.name, "");
                let hint = freeze
                    .except_labels
                    .is_empty()
                    .then_some(r#"let urgent work through: except_labels = ["security"]"#);
                reading
                    .problems
                    .warning(place, message)
                    .maybe_hint(hint.map(str::to_owned));
            }
        }
    }
}

/// Tells of a freeze that has ended, never begins or needs to be renewed; whether nothing of it lies ahead.
fn over(freeze: &Freeze, now: Timestamp, reading: &mut Reading<'_>) -> bool {
    let name = &freeze.name;
    let soon = now.saturating_add(SOON).unwrap_or(Timestamp::MAX);
    let day = |ends| freeze.zone.date(ends);
    match (freeze.ends(), freeze.frozen()) {
        (Some(ends), Frozen::Listed(_)) if ends <= soon => {
            let place = reading.document.place("freeze", name, "calendar");
            let message = format!("the calendar of `freeze.{name}` ends on {}", day(ends));
            reading
                .problems
                .warning(place, message)
                .hint("get a new one");
        }
        (Some(ends), _) if ends <= now => {
            let place = reading.document.place("freeze", name, "");
            let message = format!("`freeze.{name}` has ended on {}", day(ends));
            reading
                .problems
                .warning(place, message)
                .hint("remove it, or give it a new date");
        }
        (None, Frozen::Rules(_)) if freeze.coming(now).is_empty() => {
            let place = reading.document.place("freeze", name, "");
            let message = format!(
                "`freeze.{name}` does not begin within twelve years from {}",
                day(now)
            );
            reading.problems.warning(place, message);
        }
        _ => {}
    }
    freeze.coming(now).is_empty()
}

/// Tells of a freeze that comes again before it has ended, always; whether it does.
fn never_ends(freeze: &Freeze, spans: &Spans, year: &Year, reading: &mut Reading<'_>) -> bool {
    let whole = |span: &(Timestamp, Timestamp)| span.0 <= year.now && span.1 >= year.until;
    // What has an end that was written as such may be long.
    let recurs = freeze.ends().is_none() || matches!(freeze.frozen(), Frozen::Listed(_));
    if !recurs || !spans.all().first().is_some_and(whole) {
        return false;
    }
    let name = &freeze.name;
    let message = format!("`freeze.{name}` never ends: it holds at every moment of the year ahead");
    let place = reading.document.place("freeze", name, "");
    let hint = "leave time between its spans; what is to be frozen until further notice has `from` and `until`";
    if matches!(freeze.frozen(), Frozen::Listed(_)) {
        reading.by_circumstance(place, message).hint(hint);
    } else {
        reading.problems.error(place, message).hint(hint);
    }
    true
}

fn meant(freeze: &Freeze, window: &Window, policy: &Policy) -> bool {
    let used = |app: &Name| {
        policy
            .maintenance
            .values()
            .any(|job| job.app == *app && job.window == window.name)
    };
    (freeze.windows.is_empty() || freeze.windows.contains(&window.name))
        && (freeze.apps.is_empty() || freeze.apps.iter().any(used))
}

/// The longest time without an opening that a freeze makes, where a window that opens monthly does so no more.
fn hole(spans: &Spans, all: &[Occurrence], year: &Year) -> Option<(Timestamp, Timestamp)> {
    let between = |pair: &[Timestamp]| pair[1].duration_since(pair[0]);
    let opens: Vec<Timestamp> = all.iter().map(|occurrence| occurrence.opens).collect();
    let widest = opens.windows(2).map(between).max()?;
    if widest > MONTHLY {
        return None;
    }
    let (first, last) = (all.first()?, all.last()?);
    let mut left: Vec<Timestamp> = spans.leave(all).map(|piece| piece.opens).collect();
    // Where the first or last opening is frozen, what freezes it is all that is known.
    if left.first() != Some(&first.opens) {
        let holds = spans.touching(first.opens, first.closes);
        left.insert(0, holds.first()?.0.max(year.now));
    }
    if left.last().is_none_or(|opens| *opens < last.opens) {
        let holds = spans.touching(last.opens, last.closes);
        left.push(holds.last()?.1.min(year.until));
    }
    let longest = left.windows(2).max_by_key(|pair| between(pair))?;
    let without = between(longest);
    (without > MONTH && without > widest).then_some((longest[0], longest[1]))
}

/// A label that nothing has keeps the freeze shut for what was meant.
fn labels(freeze: &Freeze, policy: &Policy, year: &Year, reading: &mut Reading<'_>) {
    if policy.maintenance.is_empty() {
        return;
    }
    for label in &freeze.except_labels {
        if year.labels.contains(label) {
            continue;
        }
        let near = match reading.problems.curious() {
            true => keys::nearest(label, year.labels.iter().map(|label| &**label).take(1_000)),
            false => None,
        };
        let near = near.map(str::to_owned);
        let place = reading
            .document
            .place("freeze", &freeze.name, "except_labels");
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        reading
            .problems
            .warning(
                place,
                format!("no maintenance job, and no host of one, has the label `{label}`"),
            )
            .maybe_hint(hint);
    }
}
