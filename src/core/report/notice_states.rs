//! How many notices are how far.
use std::collections::BTreeMap;

use crate::core::notice::{Notice, Progress};
use crate::core::state::State;

/// The words for how far a notice is.
const STATES: [&str; 7] = [
    "waiting",
    "retrying",
    "sending",
    "accepted",
    "refused",
    "overtaken",
    "given_up",
];

/// The notices that are remembered, by how far they are; every word is there. What is settled is forgotten some time
/// after its session was closed.
pub fn notice_states(state: &State) -> BTreeMap<&'static str, usize> {
    let mut states = BTreeMap::from(STATES.map(|word| (word, 0)));
    for notice in state.notices.values() {
        *states.entry(word(notice)).or_default() += 1;
    }
    states
}

fn word(notice: &Notice) -> &'static str {
    match notice.progress {
        Progress::Owed { .. } if notice.attempts > 0 => "retrying",
        Progress::Owed { .. } => "waiting",
        Progress::Sending => "sending",
        Progress::Accepted { .. } => "accepted",
        Progress::Refused { .. } => "refused",
        Progress::Overtaken => "overtaken",
        Progress::GivenUp { .. } => "given_up",
    }
}
