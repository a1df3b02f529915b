//! How often things happened in one daemon's life: the counters of the metrics.
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::runs::Runs;
use crate::core::fact::Fact;
use crate::core::run::Outcome;
use crate::core::state::State;

/// Counted from the facts as they are recorded. The keys are fixed words, and a bounded number of jobs: so is the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Attempts, by what they were for (`step`, `periodic`, `enter`, …) and how they ended.
    pub attempts: BTreeMap<(&'static str, Outcome), u64>,
    /// Runs, how long they took, and how late they were.
    pub runs: Runs,
    pub sessions: BTreeMap<Outcome, u64>,
    /// By kind and result: `accepted`, `delayed`, `refused`, `given_up`.
    pub notices: BTreeMap<(&'static str, &'static str), u64>,
    /// Due instants without a run, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Matters that needed a person, by kind.
    pub raised: BTreeMap<&'static str, u64>,
    pub clock_steps: u64,
    /// What was told to those who watch, by kind (`start`, `success`, `fail`, `alive`) and result (`delivered`, `failed`,
    /// `skipped`). No fact stands for it.
    pub pings: BTreeMap<(&'static str, &'static str), u64>,
}

impl Counters {
    /// Counts one fact, recorded at `at`; `state` is what followed. To be called once for each that is recorded, not for
    /// those that are loaded.
    pub fn count(&mut self, at: Timestamp, fact: &Fact, state: &State) {
        match fact {
            Fact::AttemptStarted {
                what, attempt, due, ..
            } => self.runs.attempt_started(at, what, *attempt, *due),
            Fact::SessionEntering { session, .. } => {
                if let Some(session) = state.sessions.get(session) {
                    self.runs.session_entering(at, session);
                }
            }
            Fact::AttemptEnded(ended) => {
                self.runs.attempt_ended(ended);
                *self
                    .attempts
                    .entry((ended.what.word(), ended.outcome))
                    .or_default() += 1;
            }
            Fact::SessionClosed { outcome, .. } => {
                *self.sessions.entry(*outcome).or_default() += 1;
            }
            Fact::NoticeAccepted { about, .. } => self.notice(about.kind.word(), "accepted"),
            Fact::NoticeDelayed { about, .. } => self.notice(about.kind.word(), "delayed"),
            Fact::NoticeRefused { about, .. } => self.notice(about.kind.word(), "refused"),
            Fact::NoticeOvertaken { about, .. } => self.notice(about.kind.word(), "overtaken"),
            Fact::NoticeGivenUp { about, .. } => self.notice(about.kind.word(), "given_up"),
            Fact::Skipped { due, reason, .. } | Fact::StepDone { due, reason, .. } => {
                let count = self.skipped.entry(reason.code.word()).or_default();
                *count = count.saturating_add(due.count);
            }
            Fact::AttentionRaised { kind, .. } => {
                *self.raised.entry(kind.word()).or_default() += 1;
            }
            Fact::ClockStepped { .. } => self.clock_steps += 1,
            _ => {}
        }
    }

    fn notice(&mut self, kind: &'static str, result: &'static str) {
        *self.notices.entry((kind, result)).or_default() += 1;
    }
}
