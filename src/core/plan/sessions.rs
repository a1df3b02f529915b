//! The sessions of a span: what was told already stays, the rest is placed occurrence by occurrence.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::lane::Lane;
use super::of_app::concerning;
use super::place::{Row, Source, order, place, quarter};
use super::resources::Taken;
use super::{PlannedSession, PlannedStep, Unplanned, is_bounded, visible, visible_on};
use crate::core::apply::split_id;
use crate::core::calendar::Occurrence;
use crate::core::policy::{Due, MaintenanceJob, Name, Policy};
use crate::core::proof::{Planned, concerned, not_yet, ready_at};
use crate::core::run::{Dues, Outcome, SessionId};
use crate::core::session::{Code, Phase, Reason, Session, Step, StepState};
use crate::core::state::{State, learned};

/// A step, with the places of its job in the lane and of its host in the job.
type Placed = (usize, PlannedStep, usize);
/// The same places of what was put off, and why.
type Waits = (usize, usize, Reason);

/// The sessions whose occurrence opens before `until`, and what was put off.
pub fn sessions(
    policy: &Policy,
    state: &State,
    now: Timestamp,
    until: Timestamp,
) -> (Vec<PlannedSession>, Vec<Unplanned>) {
    let walk = Walk::through(policy, state, None, (now, until));
    let mut unplanned = walk.unplanned;
    let jobs = walk.lanes.into_iter().flat_map(|lane| lane.jobs);
    let mut waiting: Vec<Unplanned> = jobs
        .flat_map(|job| job.put_off)
        .flatten()
        .map(|waits| *waits)
        .collect();
    waiting.sort_by(|a, b| (&a.job, &a.host).cmp(&(&b.job, &b.host)));
    unplanned.append(&mut waiting);
    (in_order(walk.sessions), unplanned)
}

/// Those of one app alone, as they are among all.
pub fn sessions_of(
    policy: &Policy,
    state: &State,
    app: &str,
    now: Timestamp,
    until: Timestamp,
) -> Vec<PlannedSession> {
    in_order(Walk::through(policy, state, Some(app), (now, until)).sessions)
}

fn in_order(mut sessions: Vec<PlannedSession>) -> Vec<PlannedSession> {
    sessions.sort_by_key(|session| (session.opens, session.starts));
    sessions
}

struct Walk<'a> {
    policy: &'a Policy,
    state: &'a State,
    lanes: Vec<Lane<'a>>,
    /// The app whose sessions are kept; none: all of them.
    only: Option<&'a str>,
    taken: Taken,
    sessions: Vec<PlannedSession>,
    unplanned: Vec<Unplanned>,
    /// Jobs that wait for others or are waited for, and when they will have succeeded.
    proving: BTreeSet<&'a Name>,
    succeeded: Planned,
}

impl<'a> Walk<'a> {
    fn through(
        policy: &'a Policy,
        state: &'a State,
        only: Option<&'a str>,
        (now, until): (Timestamp, Timestamp),
    ) -> Self {
        let lanes = Lane::all(policy, state, now);
        let mut walk = Self {
            policy,
            state,
            lanes: match only {
                Some(app) => concerning(lanes, app),
                None => lanes,
            },
            only,
            taken: Taken::default(),
            sessions: Vec::new(),
            unplanned: Vec::new(),
            proving: concerned(policy),
            succeeded: Planned::new(),
        };
        for lane in &mut walk.lanes {
            let names = lane.resources.iter();
            lane.numbers = names.map(|name| walk.taken.number(name)).collect();
        }
        walk.told(now);
        walk.walk(now, until);
        walk
    }

    fn is_kept(&self, app: &str) -> bool {
        self.only.is_none_or(|only| *only == *app)
    }

    /// What people were told, or are being told, is part of the plan as it is.
    fn told(&mut self, now: Timestamp) {
        for session in self
            .state
            .sessions
            .values()
            .filter(|s| s.phase != Phase::Closed)
        {
            let planned = as_planned(self.policy, session, now);
            let app: Name = format!("app {}", session.app).into();
            let names = session.locks.iter().chain(std::iter::once(&app));
            let free = planned
                .ends
                .saturating_add(session.reserve)
                .unwrap_or(planned.ends);
            self.taken.fix(names, planned.starts, free);
            if session.overridden.is_none() {
                self.serve(session);
                planned.steps.iter().for_each(|step| self.succeeds(step));
            }
            if self.is_kept(&session.app) {
                self.sessions.push(planned);
            }
        }
    }

    fn serve(&mut self, session: &Session) {
        let Some(lane) = self
            .lanes
            .iter_mut()
            .find(|l| l.app.name == session.app && l.window == session.window)
        else {
            return;
        };
        for step in session.steps.iter().filter(|step| step.claimed()) {
            let Some(job) = lane.jobs.iter_mut().find(|j| j.job.name == step.job) else {
                continue;
            };
            if let Some(host) = job.job.hosts.iter().position(|h| *h == step.host) {
                job.serve(host, step.dues);
            }
        }
    }

    /// All occurrences in the order in which they open, each with the lanes of its window.
    fn walk(&mut self, now: Timestamp, until: Timestamp) {
        let mut occurrences: Vec<(Timestamp, usize, Occurrence)> = Vec::new();
        let mut per_window: HashMap<&Name, Vec<Occurrence>> = HashMap::new();
        for (index, lane) in self.lanes.iter().enumerate() {
            let Some((name, window)) = self.policy.windows.get_key_value(&lane.window) else {
                continue;
            };
            let open = per_window
                .entry(name)
                .or_insert_with(|| window.occurrences(now, until).collect());
            occurrences.extend(open.iter().map(|o| (o.opens, index, *o)));
        }
        occurrences.sort_unstable_by_key(|(opens, index, _)| (*opens, *index));
        for (_, lane, occurrence) in occurrences {
            let quiet = self.lanes[lane]
                .jobs
                .iter()
                .all(|job| job.quiet_until(occurrence.closes));
            if !quiet {
                self.occurrence(lane, occurrence, now);
            }
            self.lanes[lane].previous = Some(occurrence.opens);
        }
    }

    fn occurrence(&mut self, lane: usize, base: Occurrence, now: Timestamp) {
        let policy = self.policy;
        let frozen = policy
            .freezes
            .iter()
            .any(|f| f.touches(base.opens, base.closes));
        if !frozen {
            self.session(lane, base, base, None, now);
            return;
        }
        // A job with an exempt label sees the occurrence as it was: one session for all of it.
        // Otherwise each piece that is left is an occurrence of its own.
        let mut pieces: Vec<Occurrence> = Vec::new();
        for job in &self.lanes[lane].jobs {
            pieces.extend(visible(policy, job.job, base));
        }
        pieces.sort_unstable();
        pieces.dedup();
        if pieces.contains(&base) {
            self.session(lane, base, base, Some(&pieces), now);
        } else {
            for piece in pieces.clone() {
                self.session(lane, base, piece, Some(&[piece]), now);
            }
        }
    }

    /// Plans one session, if anything is due and finds room. `pieces` are those that freezes leave, where one touches it.
    fn session(
        &mut self,
        index: usize,
        base: Occurrence,
        seen: Occurrence,
        pieces: Option<&[Occurrence]>,
        now: Timestamp,
    ) {
        let lane = &self.lanes[index];
        let app = lane.app;
        let Ok(notice_by) = seen.opens.checked_sub(app.lead) else {
            return;
        };
        if seen.opens <= lane.handled {
            return;
        }
        if notice_by <= now {
            if seen.opens > now {
                self.too_late(index, base, seen);
            }
            return;
        }
        let resources = Arc::clone(&self.lanes[index].numbers);
        let entering = self
            .state
            .entering
            .get(&app.name)
            .and_then(|s| learned(s))
            .unwrap_or(SignedDuration::ZERO);
        let mut starts = self.taken.free_from(&resources, seen.opens);
        // Each round moves the start behind one more fixed span; there are only so many.
        for _ in 0..64 {
            let (steps, put_off) = self.steps(index, base, seen, pieces, (starts, entering));
            let Some(last) = steps.iter().map(|(_, step, _)| step.ends).max() else {
                self.postpone(index, put_off);
                return;
            };
            let starts_at = steps.first().map_or(starts, |first| {
                first
                    .1
                    .starts
                    .checked_sub(entering)
                    .map_or(starts, |at| at.max(starts))
            });
            let ends = last.saturating_add(app.leave_reserve).unwrap_or(last);
            if self.taken.has_fixed()
                && let Some(free) = self.taken.collision(&resources, starts_at, ends)
            {
                starts = free;
                continue;
            }
            self.taken.take(&resources, ends);
            let opens = (seen.opens, notice_by);
            self.commit(index, seen, opens, (starts_at, last), steps);
            self.postpone(index, put_off);
            return;
        }
    }

    /// What this occurrence could have served, had it been known early enough to be announced.
    fn too_late(&mut self, index: usize, base: Occurrence, seen: Occurrence) {
        let policy = self.policy;
        let lane = &mut self.lanes[index];
        let since = (base, lane.previous);
        let mut late = Vec::new();
        for (j, job) in lane.jobs.iter_mut().enumerate() {
            for host in 0..job.job.hosts.len() {
                // A job that is new is not due yet; whoever reads the plan wonders all the same.
                let new = matches!(job.job.due, Due::Window);
                if new || job.dues(policy, host, since, seen.closes).is_some() {
                    late.push((j, host, Code::Unannounced.into()));
                }
            }
        }
        self.postpone(index, late);
    }

    /// The due steps in order, each where it fits; the rest is put off.
    fn steps(
        &mut self,
        index: usize,
        base: Occurrence,
        seen: Occurrence,
        pieces: Option<&[Occurrence]>,
        (starts, entering): (Timestamp, SignedDuration),
    ) -> (Vec<Placed>, Vec<Waits>) {
        let policy = self.policy;
        let lane = &mut self.lanes[index];
        let mut due: Vec<(usize, usize, Dues)> = Vec::new();
        let since = (base, lane.previous);
        for (j, job) in lane.jobs.iter_mut().enumerate() {
            if job.quiet_until(seen.closes) {
                continue;
            }
            for host in 0..job.job.hosts.len() {
                if let Some(dues) = job.dues(policy, host, since, seen.closes) {
                    due.push((j, host, dues));
                }
            }
        }
        let lane = &self.lanes[index];
        let jobs: Vec<_> = due
            .iter()
            .map(|(j, _, dues)| (lane.jobs[*j].job, dues.first))
            .collect();
        let mut row = Row::new(starts.saturating_add(entering).unwrap_or(starts));
        let mut of_job: HashMap<&Name, usize> = HashMap::new();
        for (job, _) in &jobs {
            *of_job.entry(&job.name).or_default() += 1;
        }
        let (mut steps, mut put_off): (Vec<Placed>, Vec<_>) = (Vec::new(), Vec::new());
        let mut placed: HashSet<&Name> = HashSet::new();
        let cutoff = policy
            .windows
            .get(&lane.window)
            .map_or(SignedDuration::ZERO, |w| w.cutoff);
        for chosen in order(&jobs) {
            let (j, host, dues) = due[chosen];
            let job = lane.jobs[j].job;
            let (length, source) = lane.jobs[j].length;
            let cursor = row.next(job, of_job.get(&job.name).copied().unwrap_or(1));
            let mut own = match pieces {
                None => vec![base],
                Some(pieces) => {
                    let mut left = visible(policy, job, base);
                    left.retain(|piece| pieces.contains(piece));
                    left
                }
            };
            let frozen = own.is_empty();
            let on = &job.hosts[host];
            if is_bounded(policy, on) {
                let seen = |piece| visible_on(policy, job, on, piece);
                own = own.into_iter().flat_map(seen).collect();
            }
            // Entering disturbs people as well.
            let lead_in = if steps.is_empty() {
                entering
            } else {
                SignedDuration::ZERO
            };
            for piece in &mut own {
                piece.opens = piece.opens.saturating_add(lead_in).unwrap_or(piece.opens);
            }
            let sight = (cutoff, lane.app.leave_reserve, job.grace);
            let ready = match self.ready(job, &job.hosts[host]) {
                Ok(ready) => ready,
                Err(why) => {
                    put_off.push((j, host, why));
                    continue;
                }
            };
            let found = place(cursor.max(ready), length, &own, sight)
                // The app does not stand in maintenance while nothing is done.
                .filter(|(at, _)| *at == cursor || steps.is_empty());
            let Some((at, piece)) = found else {
                let why = if frozen {
                    Code::Frozen.into()
                } else if own.is_empty() {
                    untouchable(policy, job, on, base)
                } else if ready > cursor {
                    not_yet(job)
                } else if own.first().is_some_and(|piece| piece.opens > cursor) {
                    let words =
                        format!("{on} may be touched only later: the app does not wait for it");
                    Reason::new(Code::OutsideWindow, words)
                } else {
                    Code::DoesNotFit.into()
                };
                put_off.push((j, host, why));
                continue;
            };
            let ends = at.saturating_add(length).unwrap_or(at);
            // Asked only then; a job that asks nothing is done in any case.
            let if_needed =
                job.only_if.is_some() && job.after.iter().any(|earlier| placed.contains(earlier));
            let step = PlannedStep {
                job: job.name.clone(),
                host: job.hosts[host].clone(),
                starts: at,
                ends,
                estimate: length,
                source,
                if_needed,
                dues,
                opens: piece
                    .opens
                    .saturating_sub(lead_in)
                    .unwrap_or(piece.opens)
                    .max(ready),
                closes: piece.closes,
                cutoff,
            };
            placed.insert(&job.name);
            steps.push((j, step, host));
            row.take(ends);
        }
        (steps, put_off)
    }

    fn commit(
        &mut self,
        index: usize,
        seen: Occurrence,
        (opens, notice_by): (Timestamp, Timestamp),
        (starts, ends): (Timestamp, Timestamp),
        steps: Vec<Placed>,
    ) {
        for (job, step, host) in &steps {
            self.succeeds(step);
            self.lanes[index].jobs[*job].serve(*host, step.dues);
            if let Some(mut waited) = self.lanes[index].jobs[*job].put_off[*host].take() {
                waited.next_chance = Some(step.starts);
                self.unplanned.push(*waited);
            }
        }
        if !self.is_kept(&self.lanes[index].app.name) {
            return;
        }
        let id = self.id(index, opens);
        let lane = &self.lanes[index];
        let length = quarter(ends.duration_since(starts)).min(seen.closes.duration_since(starts));
        self.sessions.push(PlannedSession {
            id,
            app: lane.app.name.clone(),
            window: lane.window.clone(),
            opens,
            closes: seen.closes,
            starts,
            ends,
            announce_at: lane.app.announce_at(opens),
            notice_by,
            phase: Phase::Asking,
            expected: length,
            steps: steps.into_iter().map(|(_, step, _)| step).collect(),
        });
    }

    /// `APP/WINDOW/DATE`, numbered from the second one that day.
    fn id(&mut self, index: usize, opens: Timestamp) -> SessionId {
        let lane = &mut self.lanes[index];
        let zone = self
            .policy
            .windows
            .get(&lane.window)
            .map_or(&self.policy.zone, |w| &w.zone);
        let date = zone.date(opens);
        // Occurrences come in order, so those of one day come one after another.
        let before = lane.last.filter(|(last, _)| *last == date);
        let before = before.map_or(0, |(_, number)| number);
        let (id, number) = next_id(self.state, before, &lane.app.name, &lane.window, date);
        lane.last = Some((date, number));
        id
    }

    fn postpone(&mut self, index: usize, put_off: Vec<Waits>) {
        for (job, host, reason) in put_off {
            let of = &mut self.lanes[index].jobs[job];
            let waits = || {
                Box::new(Unplanned {
                    job: of.job.name.clone(),
                    host: of.job.hosts[host].clone(),
                    reason,
                    next_chance: None,
                })
            };
            of.put_off[host].get_or_insert_with(waits);
        }
    }

    /// From when on a job may run on a host, as far as other jobs decide.
    fn ready(&self, job: &MaintenanceJob, host: &Name) -> Result<Timestamp, Reason> {
        if job.proven_by.is_empty() {
            return Ok(Timestamp::MIN);
        }
        ready_at(self.policy, self.state, &self.succeeded, job, host)
    }

    /// Others may wait for what this step does.
    fn succeeds(&mut self, step: &PlannedStep) {
        if self.proving.contains(&step.job) {
            let key = (step.job.clone(), step.host.clone());
            self.succeeded.entry(key).or_default().push(step.ends);
        }
    }
}

/// The next free id for an app, a window (or what stands in its place) and a day, with its number on that day; `planned`
/// is the highest number that was given without being recorded.
pub fn next_id(
    state: &State,
    planned: u32,
    app: &str,
    window: &str,
    date: jiff::civil::Date,
) -> (SessionId, u32) {
    let base = format!("{app}/{window}/{date}");
    let told = state
        .numbers
        .get(base.as_str())
        .map_or(0, |(number, _)| *number);
    let number = planned.max(told).saturating_add(1);
    let id: SessionId = if number == 1 {
        base.as_str().into()
    } else {
        format!("{base}.{number}").into()
    };
    debug_assert_eq!(split_id(&id), (base.as_str(), number));
    (id, number)
}

fn as_planned(policy: &Policy, session: &Session, now: Timestamp) -> PlannedSession {
    let ends_of = |at: Timestamp, length: SignedDuration| at.saturating_add(length).unwrap_or(at);
    let dropped = |step: &Step| {
        let StepState::Done { outcome, .. } = step.state else {
            return false;
        };
        matches!(
            outcome,
            Outcome::Cancelled | Outcome::Postponed | Outcome::Skipped
        )
    };
    let steps: Vec<PlannedStep> = session
        .steps
        .iter()
        .filter(|step| !dropped(step))
        .map(|step| PlannedStep {
            job: step.job.clone(),
            host: step.host.clone(),
            starts: step.starts,
            ends: ends_of(step.starts, step.estimate),
            estimate: step.estimate,
            source: Source::Announced,
            if_needed: step.if_needed,
            dues: step.dues,
            opens: step.opens.unwrap_or(session.opens),
            closes: step.closes,
            cutoff: step.cutoff,
        })
        .collect();
    let last = steps.iter().map(|step| step.ends).max();
    let last = last.unwrap_or(session.starts);
    let app = policy.apps.get(&session.app);
    let announce_at = app.map_or(session.notice_by, |app| app.announce_at(session.opens));
    // Past its expected end, it still has what it has.
    let ends = if session.phase.in_maintenance() {
        last.max(now)
    } else {
        last
    };
    PlannedSession {
        id: session.id.clone(),
        app: session.app.clone(),
        window: session.window.clone(),
        opens: session.opens,
        closes: session.closes,
        starts: session.starts,
        ends,
        announce_at,
        notice_by: session.notice_by,
        phase: session.phase,
        expected: session.expected,
        steps,
    }
}

/// Why nothing may be done on a host in an occurrence.
fn untouchable(policy: &Policy, job: &MaintenanceJob, on: &Name, base: Occurrence) -> Reason {
    let own = policy
        .hosts
        .get(on)
        .is_some_and(|host| host.window.is_some());
    let mut freezes = policy.freezes.iter();
    let freeze =
        freezes.find(|f| f.applies_on(on, &job.work()) && f.touches(base.opens, base.closes));
    match freeze {
        Some(freeze) if !own => {
            Reason::new(Code::Frozen, format!("{on} is frozen by {}", freeze.name))
        }
        _ => {
            let words = format!("{on} may not be touched then: its window or a freeze");
            Reason::new(Code::OutsideWindow, words)
        }
    }
}
