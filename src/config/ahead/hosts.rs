//! What the windows of hosts leave.

use std::collections::HashMap;

use jiff::SignedDuration;

use super::Year;
use crate::config::duration::format;
use crate::config::reading::Reading;
use crate::core::calendar::Occurrence;
use crate::core::policy::{Name, Policy};

/// Whether jobs find room where their own window and that of a host are open at once.
pub(super) fn check(policy: &Policy, year: &Year, reading: &mut Reading<'_>) {
    // By the two windows: thousands of hosts have the same.
    let mut common: HashMap<(&Name, &Name), SignedDuration> = HashMap::new();
    for job in policy.maintenance.values() {
        let mut told: Vec<&Name> = Vec::new();
        for host in job.hosts.iter().filter_map(|host| policy.hosts.get(host)) {
            let Some(own) = host.window.as_ref().filter(|own| !told.contains(own)) else {
                continue;
            };
            let (one, other) = (year.occurrences(&job.window), year.occurrences(own));
            // What never closes was told, and what never opens again as well.
            if one.is_empty() || other.is_empty() {
                continue;
            }
            let longest = common
                .entry((&job.window, own))
                .or_insert_with(|| longest_common(one, other));
            let needed = job.estimate.unwrap_or(job.timeout);
            if *longest >= needed {
                continue;
            }
            let message = match longest.is_zero() {
                true => format!(
                    "`maintenance.{}` never runs on `{}`: `window.{}` and its own `window.{own}` are never open at once",
                    job.name, host.name, job.window
                ),
                false => format!(
                    "`maintenance.{}` never fits on `{}`: `window.{}` and its own `window.{own}` are open at once for {} at most, the step is planned with {}",
                    job.name,
                    host.name,
                    job.window,
                    format(*longest),
                    format(needed)
                ),
            };
            told.push(own);
            let place = reading.document.place("host", &host.name, "window");
            reading.by_circumstance(place, message);
        }
    }
}

/// The longest time for which both are open. Both are in order and apart.
fn longest_common(one: &[Occurrence], other: &[Occurrence]) -> SignedDuration {
    let (mut a, mut b) = (0, 0);
    let mut longest = SignedDuration::ZERO;
    while let (Some(first), Some(second)) = (one.get(a), other.get(b)) {
        let opens = first.opens.max(second.opens);
        let closes = first.closes.min(second.closes);
        longest = longest.max(closes.duration_since(opens));
        match first.closes <= second.closes {
            true => a += 1,
            false => b += 1,
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_common_time_is_found() {
        let at = |second| jiff::Timestamp::from_second(second).expect("instant");
        let of = |spans: &[(i64, i64)]| -> Vec<Occurrence> {
            let spans = spans.iter();
            spans
                .map(|(opens, closes)| Occurrence {
                    opens: at(*opens),
                    closes: at(*closes),
                })
                .collect()
        };
        let longest = |one: &[(i64, i64)], other: &[(i64, i64)]| {
            longest_common(&of(one), &of(other)).as_secs()
        };
        assert_eq!(longest(&[(0, 10), (20, 30)], &[(10, 20)]), 0);
        assert_eq!(longest(&[(0, 10), (20, 30)], &[(8, 25)]), 5);
        assert_eq!(longest(&[(0, 100)], &[(5, 7), (20, 30), (90, 200)]), 10);
    }
}
