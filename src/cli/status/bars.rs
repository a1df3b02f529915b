//! Progress bars: how much of its time a run has used, how many hosts a job is done with.
use jiff::Timestamp;

use crate::core::report::{Rollout, RunningItem};

/// Columns of a bar between its ends.
const COLUMNS: usize = 20;

/// The time that was used of what the run may take; empty where no bound is known yet.
pub(super) fn of_run(item: &RunningItem, now: Timestamp) -> String {
    let Some(stop_by) = item.stop_by else {
        return String::new();
    };
    let seconds = |to: Timestamp| to.duration_since(item.started).as_millis().max(0);
    bar(seconds(now), seconds(stop_by))
}

/// The hosts that are done with.
pub(super) fn of_rollout(rollout: &Rollout) -> String {
    let number = |count: usize| i128::try_from(count).unwrap_or(i128::MAX);
    bar(number(rollout.done), number(rollout.hosts))
}

/// Never full before the end, never empty after the beginning.
fn bar(done: i128, of: i128) -> String {
    let columns = COLUMNS as i128;
    let filled = match (done.max(0), of.max(1)) {
        (0, _) => 0,
        (done, of) if done >= of => columns,
        (done, of) => (done * columns / of).clamp(1, columns - 1),
    };
    let filled = usize::try_from(filled).unwrap_or(COLUMNS);
    let (full, empty) = ("█".repeat(filled), "░".repeat(COLUMNS - filled));
    format!("{full}{empty}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_at_the_end_alone() {
        let filled = |done, of| bar(done, of).chars().filter(|c| *c == '█').count();
        assert_eq!(filled(0, 500), 0);
        assert_eq!(filled(1, 500), 1);
        assert_eq!(filled(250, 500), 10);
        assert_eq!(filled(499, 500), 19);
        assert_eq!(filled(500, 500), 20);
        assert_eq!(filled(700, 500), 20);
        assert_eq!(filled(-3, 0), 0);
        assert_eq!(bar(3, 7).chars().count(), COLUMNS);
    }
}
