//! How long one attempt waits for its locks; no fact stands for it.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use jiff::SignedDuration;

use crate::core::report::Counters;
use crate::process::RunEvent;

/// Counts the wait of one attempt, if there is one.
pub(super) struct LockWatch {
    counters: Arc<Mutex<Counters>>,
    since: Option<Instant>,
}

impl LockWatch {
    pub(super) fn new(counters: &Arc<Mutex<Counters>>) -> Self {
        Self {
            counters: Arc::clone(counters),
            since: None,
        }
    }

    /// From the first lock that somebody else holds until the job begins, or will not.
    pub(super) fn see(&mut self, event: &RunEvent) {
        let obtained = match event {
            RunEvent::Waiting { .. } => {
                self.since.get_or_insert_with(Instant::now);
                return;
            }
            RunEvent::Began { .. } => true,
            RunEvent::Busy { .. } | RunEvent::Ended(_) => false,
        };
        let Some(since) = self.since.take() else {
            return;
        };
        let waited = SignedDuration::try_from(since.elapsed()).unwrap_or(SignedDuration::MAX);
        if let Ok(mut counters) = self.counters.lock() {
            counters.runs.lock_waited(waited, obtained);
        }
    }
}
