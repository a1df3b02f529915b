//! The periodic jobs: every due instant is served once, or recorded with the reason why not.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use super::start::Attempt;
use crate::core::calendar::COUNT_CAP;
use crate::core::effect::LockWait;
use crate::core::fact::{Fact, RetryAt};
use crate::core::policy::{DuringMaintenance, LOCAL, Missed, Name, Outside, Overlap, PeriodicJob};
use crate::core::run::{Dues, Outcome, RunId, What};
use crate::core::session::{Code, Reason};
use crate::core::state::AttentionKind;

/// Jobs looked at in one turn: the first of many start while the next are decided.
const BATCH: usize = 128;

/// What to do about a due instant now.
enum Answer {
    Run,
    Skip(Code),
    /// Later, when something other than its own time has come.
    Hold(Code),
}

impl Turn<'_> {
    /// Starts what is due, as far as the bound on runs allows.
    pub(super) fn start_periodic(&mut self) {
        if self.held_back() || self.state.live.alone || self.state.is_rebooting() {
            return;
        }
        let mut room = self
            .policy
            .limits
            .runs
            .saturating_sub(self.state.periodic_running());
        self.release_held(&mut room);
        for _ in 0..BATCH {
            let Some(index) = self.agenda.due(self.now) else {
                return;
            };
            if room == 0 || self.decision.fault.is_some() {
                return;
            }
            let before = self.decision.effects.len();
            let next = self.look_at(index);
            if !self.agenda.held.contains(&index) {
                self.agenda.refresh(self.policy, self.state, index, next);
            }
            room -= usize::from(self.decision.effects.len() > before);
        }
        self.decision.more = self.agenda.due(self.now).is_some() && room > 0;
    }

    /// Serves a job whose time has come; gives its next due instant, where it was found on the way.
    fn look_at(&mut self, index: usize) -> Option<Timestamp> {
        let policy = self.policy;
        let (name, job) = policy.periodic.get_index(index)?;
        let past = self.state.periodic.get(name)?;
        if let Some(active) = past.active.clone() {
            if active.retry_at.is_some_and(|at| at <= self.now) {
                if self.must_wait(job) {
                    self.agenda.hold(index);
                    return None;
                }
                self.run_periodic(name, job, active.due, Some((active.run, active.attempt)));
            }
            return None;
        }
        let accounted = past.accounted;
        let due = past.next_due(job)?;
        let offset = crate::core::plan::jitter_offset(&policy.name, job);
        let now = self.now.saturating_sub(offset).unwrap_or(self.now);
        if due > now {
            return Some(due);
        }
        let reached = past.open_until(now);
        if due > reached {
            // What was served under a clock that was ahead lies between.
            self.serve(name, job, due, None);
            return None;
        }
        let next = job.schedule.next_after(&job.zone, due);
        if next.is_none_or(|next| next > reached) {
            let known = past.served_ahead.is_none();
            self.serve(name, job, due, next);
            return next.filter(|_| known);
        }
        self.serve_several(name, job, accounted, reached);
        None
    }

    /// Several instants went by: the latest counts, the others are one record.
    fn serve_several(
        &mut self,
        name: &Name,
        job: &PeriodicJob,
        accounted: Timestamp,
        reached: Timestamp,
    ) {
        let Some((latest, earlier)) = latest_and_earlier(job, accounted, reached) else {
            return;
        };
        if let Some(dues) = earlier {
            let code = if dues.last <= self.state.live.awake_since {
                Code::Missed
            } else {
                Code::Superseded
            };
            self.skip(name, dues, code.into());
        }
        self.serve(name, job, latest, None);
    }

    /// Serves one instant: now, later, or not at all.
    fn serve(&mut self, name: &Name, job: &PeriodicJob, due: Timestamp, next: Option<Timestamp>) {
        // It passed while nobody was there.
        if due <= self.state.live.awake_since {
            let late = match job.missed {
                Missed::Skip => true,
                Missed::Once { within } => {
                    let period = || {
                        let next = next.or_else(|| job.schedule.next_after(&job.zone, due));
                        next.map(|next| next.duration_since(due))
                    };
                    within
                        .or_else(period)
                        .is_some_and(|within| self.now.duration_since(due) > within)
                }
            };
            if late {
                return self.skip(name, Dues::one(due), Code::Missed.into());
            }
        }
        match self.may_run(job) {
            Answer::Run => self.run_periodic(name, job, due, None),
            Answer::Skip(code) => self.skip(name, Dues::one(due), code.into()),
            Answer::Hold(reason) => self.record(Fact::RunDeferred {
                job: name.clone(),
                due,
                reason,
            }),
        }
    }

    fn may_run(&self, job: &PeriodicJob) -> Answer {
        if self
            .state
            .pause_of(job.app.as_ref().map(|(app, _)| &**app))
            .is_some()
        {
            return Answer::Hold(Code::Paused);
        }
        if let Some((window, outside)) = &job.window {
            let open = self
                .policy
                .windows
                .get(window)
                .is_some_and(|w| w.open_at(self.now).is_some());
            match outside {
                _ if open => {}
                Outside::Skip => return Answer::Skip(Code::OutsideWindow),
                Outside::Defer => return Answer::Hold(Code::OutsideWindow),
            }
        }
        match &job.app {
            Some((app, DuringMaintenance::Hold)) if self.closed_to_periodic(app) => {
                Answer::Hold(Code::InMaintenance)
            }
            _ => Answer::Run,
        }
    }

    /// Whether the next attempt of a run has to wait. What began inside its window may be tried again outside of it.
    fn must_wait(&self, job: &PeriodicJob) -> bool {
        let app = job.app.as_ref();
        let held = app.is_some_and(|(app, during)| {
            *during == DuringMaintenance::Hold && self.closed_to_periodic(app)
        });
        held || matches!(self.may_run(job), Answer::Hold(_))
    }

    /// In maintenance, or about to be: a session waits for what runs, so nothing more is started.
    fn closed_to_periodic(&self, app: &str) -> bool {
        use crate::core::session::Phase;
        self.state.sessions.values().any(|s| {
            &*s.app == app
                && (s.phase.in_maintenance()
                    || s.phase == Phase::Starting
                    || s.phase == Phase::Announced && s.starts <= self.now)
        })
    }

    fn run_periodic(
        &mut self,
        name: &Name,
        job: &PeriodicJob,
        due: Timestamp,
        run: Option<(RunId, u32)>,
    ) {
        let attempt = Attempt {
            what: What::Periodic {
                job: name.clone(),
                host: job.host.clone(),
            },
            run,
            due: Some(Dues::one(due)),
            locks: job.locks.clone(),
            lock_wait: LockWait::For(job.lock_wait),
            timeout: job.timeout,
            grace: job.grace,
            stop_by: None,
            reboot: false,
        };
        self.start(attempt, &job.command);
    }

    fn skip(&mut self, job: &Name, due: Dues, reason: Reason) {
        self.record(Fact::Skipped {
            job: job.clone(),
            host: LOCAL.into(),
            due,
            reason,
        });
    }

    /// What waited for a window or an app goes on when it may; a newer due instant takes the place of an older one.
    fn release_held(&mut self, room: &mut usize) {
        let held: Vec<usize> = self.agenda.held.iter().copied().collect();
        // Thousands may wait for the same few windows.
        let mut open: HashMap<&Name, bool> = HashMap::new();
        for index in held {
            let policy = self.policy;
            let Some((name, job)) = policy.periodic.get_index(index) else {
                continue;
            };
            if let Some((window, Outside::Defer)) = &job.window {
                let open = open.entry(window).or_insert_with(|| {
                    let window = policy.windows.get(window);
                    window.is_some_and(|w| w.open_at(self.now).is_some())
                });
                if !*open {
                    continue;
                }
            }
            let Some(past) = self.state.periodic.get(name) else {
                continue;
            };
            if let Some(active) = past.active.clone() {
                if *room > 0 && !self.must_wait(job) {
                    self.run_periodic(name, job, active.due, Some((active.run, active.attempt)));
                    *room -= 1;
                    self.agenda.refresh(self.policy, self.state, index, None);
                }
                continue;
            }
            let Some(pending) = past.pending else {
                continue;
            };
            let accounted = past.accounted;
            match self.may_run(job) {
                Answer::Hold(_) => {}
                Answer::Run if *room == 0 => {}
                answer => {
                    let reached = past.open_until(self.now);
                    let mut due = pending.due;
                    if let Some((newest, between)) = latest_and_earlier(job, accounted, reached) {
                        // After a step of the clock what was served under the later one lies between.
                        let next = job.schedule.next_after(&job.zone, pending.due);
                        let joins = |between: &Dues| next == Some(between.first);
                        let older =
                            between
                                .filter(joins)
                                .map_or(Dues::one(pending.due), |between| Dues {
                                    first: pending.due,
                                    count: between.count.saturating_add(1),
                                    ..between
                                });
                        self.skip(name, older, Code::Superseded.into());
                        if let Some(between) = between.filter(|between| !joins(between)) {
                            self.skip(name, between, Code::Superseded.into());
                        }
                        due = newest;
                    }
                    match answer {
                        Answer::Skip(code) => self.skip(name, Dues::one(due), code.into()),
                        _ => {
                            self.run_periodic(name, job, due, None);
                            *room -= 1;
                        }
                    }
                    self.agenda.refresh(self.policy, self.state, index, None);
                }
            }
        }
    }

    /// A periodic attempt is over: what came due meanwhile is settled, and its failures are kept in sight.
    pub(super) fn after_periodic(
        &mut self,
        name: &Name,
        outcome: Outcome,
        reason: Option<&Reason>,
        retry: Option<RetryAt>,
    ) {
        let key = format!("periodic:{name}");
        match outcome {
            Outcome::Succeeded => self.clear(&key),
            outcome if outcome.is_bad() && retry.is_none() => {
                let why = reason.map(|r| r.text.clone()).filter(|t| !t.is_empty());
                let text = match why {
                    Some(why) => format!("{name} {}: {why}", outcome.word()),
                    None => format!("{name} {}", outcome.word()),
                };
                let kind = AttentionKind::PeriodicFailing;
                // One that goes on failing is counted.
                if self.state.attention.contains_key(key.as_str()) && self.may_be_mailed() {
                    self.tell_operators(&key, kind, text.clone());
                }
                self.raise(&key, kind, text, None);
            }
            _ => {}
        }
        let policy = self.policy;
        let Some((index, _, job)) = policy.periodic.get_full(name) else {
            return;
        };
        if retry.is_none() {
            self.settle_overlap(name, job);
        }
        self.agenda.refresh(policy, self.state, index, None);
    }

    /// Instants that came due while the run was going: skipped as one record, or one of them is served now.
    fn settle_overlap(&mut self, name: &Name, job: &PeriodicJob) {
        let policy = self.policy;
        let Some(past) = self.state.periodic.get(name) else {
            return;
        };
        let accounted = past.accounted;
        let offset = crate::core::plan::jitter_offset(&policy.name, job);
        let now = self.now.saturating_sub(offset).unwrap_or(self.now);
        let now = past.open_until(now);
        let Some(first) = past.next_due(job).filter(|due| *due <= now) else {
            return;
        };
        // What passed while nobody was there was missed: another rule decides about it.
        if first <= self.state.live.awake_since {
            return;
        }
        let passed = match job.overlap {
            Overlap::Skip => dues(job, accounted, now),
            // The latest is left for the agenda: it is served like any other.
            Overlap::Queue => {
                latest_and_earlier(job, accounted, now).and_then(|(_, earlier)| earlier)
            }
        };
        if let Some(passed) = passed {
            let passed = Dues { first, ..passed };
            self.skip(name, passed, Code::Overlap.into());
        }
    }
}

/// What came due after an instant, up to and with another, as one record.
fn dues(job: &PeriodicJob, after: Timestamp, reached: Timestamp) -> Option<Dues> {
    let (schedule, zone) = (&job.schedule, &job.zone);
    let last = schedule.latest_at_or_before(zone, reached, after)?;
    let first = schedule.next_after(zone, after)?;
    let count = schedule.count_between(zone, after, last);
    let count = count.clamp(1, COUNT_CAP);
    Some(Dues { first, last, count })
}

/// The latest of what came due, and everything before it as one record.
fn latest_and_earlier(
    job: &PeriodicJob,
    after: Timestamp,
    reached: Timestamp,
) -> Option<(Timestamp, Option<Dues>)> {
    let latest = job
        .schedule
        .latest_at_or_before(&job.zone, reached, after)?;
    let before = latest
        .saturating_sub(SignedDuration::from_nanos(1))
        .unwrap_or(latest);
    Some((latest, dues(job, after, before)))
}
