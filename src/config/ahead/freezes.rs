//! What freezes leave.

use jiff::{SignedDuration, Timestamp};

use super::super::keys;
use super::super::reading::Reading;
use super::{Year, day};
use crate::core::calendar::{Freeze, Occurrence, Window, subtract};
use crate::core::policy::{Name, Policy};

const MONTH: SignedDuration = SignedDuration::from_hours(24 * 31);
/// "The first Sunday" comes after 28 or 35 days.
const MONTHLY: SignedDuration = SignedDuration::from_hours(24 * 36);

pub fn check(policy: &Policy, year: &Year, reading: &mut Reading<'_>) {
    for freeze in &policy.freezes {
        labels(freeze, policy, year, reading);
        if freeze.until <= year.now {
            let place = reading.document.place("freeze", &freeze.name, "");
            let message = format!(
                "`freeze.{}` has ended on {}",
                freeze.name,
                freeze.zone.date(freeze.until)
            );
            reading
                .problems
                .warning(place, message)
                .hint("remove it, or give it a new date");
            continue;
        }
        for window in policy
            .windows
            .values()
            .filter(|window| meant(freeze, window, policy))
        {
            if let Some((from, until)) = hole(freeze, year.occurrences(&window.name), year) {
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

/// The time without an opening around a freeze, where a window that opens monthly does so no more.
fn hole(freeze: &Freeze, all: &[Occurrence], year: &Year) -> Option<(Timestamp, Timestamp)> {
    let widest = all
        .windows(2)
        .map(|pair| pair[1].opens.duration_since(pair[0].opens))
        .max()?;
    if widest > MONTHLY {
        return None;
    }
    let span = [freeze.span()];
    let mut before = None;
    let mut after = None;
    // Only what touches the freeze is cut, so the first and the last piece around it are found in one pass.
    for piece in all
        .iter()
        .flat_map(|occurrence| subtract(*occurrence, &span))
    {
        if piece.opens < freeze.from {
            before = Some(piece.opens);
        } else {
            after = Some(piece.opens);
            break;
        }
    }
    let from = before.unwrap_or(freeze.from.max(year.now));
    let until = after.unwrap_or(freeze.until.min(year.until));
    let without = until.duration_since(from);
    (without > MONTH && without > widest && freeze.from < year.until).then_some((from, until))
}

/// A label that no job has keeps the freeze shut for what was meant.
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
            .warning(place, format!("no maintenance job has the label `{label}`"))
            .maybe_hint(hint);
    }
}
