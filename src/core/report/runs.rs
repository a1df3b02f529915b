//! Counters of runs and attempts, by job as long as these are few.
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::histogram::Histogram;
use crate::core::fact::AttemptEnded;
use crate::core::policy::{Name, Policy};
use crate::core::run::{Dues, Outcome, What};
use crate::core::session::Session;

/// So many jobs are counted by themselves, those of the file first; a histogram of each is 17 lines.
const JOBS: usize = 200;

/// From a tenth of a second to twelve hours.
const DURATIONS: &[i64] = &[
    100, 500, 1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 1_800_000, 3_600_000, 7_200_000,
    14_400_000, 28_800_000, 43_200_000,
];
/// From ten milliseconds to a day.
const LATENESS: &[i64] = &[
    10, 50, 100, 500, 1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000,
    86_400_000,
];
/// From a tenth of a second to four hours.
const WAITS: &[i64] = &[
    100, 500, 1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 1_800_000, 3_600_000, 7_200_000,
    14_400_000,
];

/// What is counted of runs. `job` is empty for what belongs to no job, and for jobs beyond the two hundredth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs {
    jobs: BTreeSet<Name>,
    /// Runs that are over, by job, what they were for, and outcome.
    pub ended: BTreeMap<(Name, &'static str, Outcome), u64>,
    /// How long the processes of attempts were there, by job, what they were for, and result.
    pub durations: BTreeMap<(Name, &'static str, &'static str), Histogram>,
    /// How long after its due instant the first attempt of a periodic job was started.
    pub periodic_lateness: Histogram,
    /// How long after the planned start a session took its app out of service.
    pub session_lateness: Histogram,
    /// How long attempts waited for locks that they then got,
    pub locks_obtained: Histogram,
    /// or did not get.
    pub locks_given_up: Histogram,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            jobs: BTreeSet::new(),
            ended: BTreeMap::new(),
            durations: BTreeMap::new(),
            periodic_lateness: Histogram::new(LATENESS),
            session_lateness: Histogram::new(LATENESS),
            locks_obtained: Histogram::new(WAITS),
            locks_given_up: Histogram::new(WAITS),
        }
    }
}

/// Three words for ten outcomes, where there is a histogram of each.
fn result(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        outcome if outcome.is_bad() => "failed",
        _ => "other",
    }
}

impl Runs {
    fn job(&mut self, job: Option<&Name>) -> Name {
        let Some(job) = job else {
            return "".into();
        };
        if self.jobs.contains(job) {
            return job.clone();
        }
        if self.jobs.len() >= JOBS {
            return "".into();
        }
        self.jobs.insert(job.clone());
        job.clone()
    }

    /// These jobs are there from the beginning: what did not happen yet is zero, and its first time is seen as a rise.
    pub fn know(&mut self, policy: &Policy) {
        let jobs = policy.maintenance.keys().map(|job| (job, "step"));
        let periodic = policy.periodic.keys().map(|job| (job, "periodic"));
        for (job, what) in jobs.chain(periodic) {
            let job = self.job(Some(job));
            for outcome in [Outcome::Succeeded, Outcome::Failed, Outcome::TimedOut] {
                self.ended.entry((job.clone(), what, outcome)).or_default();
            }
        }
    }

    pub(super) fn attempt_ended(&mut self, ended: &AttemptEnded) {
        let job = self.job(ended.what.job());
        let what = ended.what.word();
        let is_run = matches!(ended.what, What::Step { .. } | What::Periodic { .. });
        if is_run && ended.retry.is_none() {
            let key = (job.clone(), what, ended.outcome);
            *self.ended.entry(key).or_default() += 1;
        }
        // Nothing was started: a lock was held, or there was no such program.
        if ended.elapsed.is_zero() {
            return;
        }
        let key = (job, what, result(ended.outcome));
        let histogram = self.durations.entry(key);
        histogram
            .or_insert_with(|| Histogram::new(DURATIONS))
            .observe(ended.elapsed);
    }

    /// Only of the first attempt: the next ones are not due.
    pub(super) fn attempt_started(
        &mut self,
        at: Timestamp,
        what: &What,
        attempt: u32,
        due: Option<Dues>,
    ) {
        if let (What::Periodic { .. }, 1, Some(due)) = (what, attempt, due) {
            self.periodic_lateness.observe(at.duration_since(due.last));
        }
    }

    /// Nobody waits for a rehearsal or a second round.
    pub(super) fn session_entering(&mut self, at: Timestamp, session: &Session) {
        if session.overridden.is_none() && session.round <= 1 {
            self.session_lateness
                .observe(at.duration_since(session.starts));
        }
    }

    /// An attempt that had to wait for a lock does so no more.
    pub fn lock_waited(&mut self, waited: SignedDuration, obtained: bool) {
        match obtained {
            true => self.locks_obtained.observe(waited),
            false => self.locks_given_up.observe(waited),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fact::RetryAt;

    fn ended(job: &str, outcome: Outcome, ms: i64) -> AttemptEnded {
        AttemptEnded {
            run: 1,
            attempt: 1,
            what: What::Periodic {
                job: job.into(),
                host: "local".into(),
            },
            due: None,
            started: Timestamp::UNIX_EPOCH,
            elapsed: SignedDuration::from_millis(ms),
            outcome,
            exit_code: None,
            reason: None,
            output_bytes: 0,
            log: false,
            tail: String::new(),
            carried: false,
            retry: None,
        }
    }

    #[test]
    fn any_number_of_jobs_takes_bounded_room() {
        let mut runs = Runs::default();
        for n in 0..JOBS + 50 {
            runs.attempt_ended(&ended(&format!("job{n}"), Outcome::Succeeded, 5));
        }
        runs.attempt_ended(&ended("job7", Outcome::Succeeded, 5));
        assert_eq!(runs.ended.len(), JOBS + 1);
        assert_eq!(runs.durations.len(), JOBS + 1);
        let of = |job: &str| runs.durations[&(job.into(), "periodic", "succeeded")].count();
        assert_eq!((of("job7"), of("")), (2, 50));
    }

    #[test]
    fn a_run_is_over_once_and_what_never_began_took_no_time() {
        let mut runs = Runs::default();
        let again = AttemptEnded {
            retry: Some(RetryAt {
                at: Timestamp::UNIX_EPOCH,
                failures: 1,
            }),
            ..ended("gc", Outcome::Failed, 5)
        };
        runs.attempt_ended(&again);
        runs.attempt_ended(&ended("gc", Outcome::TimedOut, 70_000));
        runs.attempt_ended(&ended("gc", Outcome::Skipped, 0));
        let of = |outcome| runs.ended.get(&("gc".into(), "periodic", outcome)).copied();
        assert_eq!(of(Outcome::Failed), None);
        assert_eq!(of(Outcome::TimedOut), Some(1));
        assert_eq!(of(Outcome::Skipped), Some(1));
        let all: Vec<_> = runs.durations.values().map(Histogram::count).collect();
        assert_eq!(all, [2]);
    }

    #[test]
    fn lateness_is_that_of_the_first_attempt() {
        let mut runs = Runs::default();
        let due = Timestamp::UNIX_EPOCH;
        let at = due + SignedDuration::from_secs(3);
        let what = What::Periodic {
            job: "gc".into(),
            host: "local".into(),
        };
        runs.attempt_started(at, &what, 1, Some(Dues::one(due)));
        runs.attempt_started(at, &what, 2, Some(Dues::one(due)));
        // The clock was set back in between.
        runs.attempt_started(due, &what, 1, Some(Dues::one(at)));
        assert_eq!(runs.periodic_lateness.count(), 2);
        assert_eq!(runs.periodic_lateness.sum(), SignedDuration::from_secs(3));
    }
}
