//! Which sessions become known, what is told of them, and to whom.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use super::session::{EMERGENCY, REHEARSAL};
use crate::core::fact::Fact;
use crate::core::notice::{Kind, Notice, Progress};
use crate::core::plan::{self, PlannedSession, quarter};
use crate::core::policy::{App, Audience, Due, MaintenanceJob, Name, Person};
use crate::core::run::{Dues, Outcome, SessionId};
use crate::core::session::{
    Code, HookState, Need, Override, Phase, Reason, Session, SessionResult, Step, StepState,
};
use crate::core::state::AttentionKind;

impl Turn<'_> {
    /// Jobs that are new count from now on; what left the configuration is forgotten.
    pub(in crate::core) fn know_jobs(&mut self) {
        let (policy, state) = (self.policy, &*self.state);
        let maintenance: Vec<(Name, Timestamp)> = policy
            .maintenance
            .values()
            .filter(|job| !state.maintenance.contains_key(&job.name))
            .filter_map(|job| {
                let app = policy.apps.get(&job.app)?;
                Some((job.name.clone(), plan::first_due_after(job, app, self.now)))
            })
            .collect();
        let periodic: Vec<Name> = policy
            .periodic
            .keys()
            .filter(|name| !state.periodic.contains_key(*name))
            .cloned()
            .collect();
        if !maintenance.is_empty() || !periodic.is_empty() {
            self.record(Fact::JobsKnown {
                maintenance,
                periodic,
            });
        }
        let busy = |name: &Name| {
            self.state
                .running
                .values()
                .any(|r| r.what.job() == Some(name))
        };
        let maintenance: Vec<Name> = self
            .state
            .maintenance
            .keys()
            .filter(|name| !policy.maintenance.contains_key(*name) && !busy(name))
            .cloned()
            .collect();
        let periodic: Vec<Name> = self
            .state
            .periodic
            .keys()
            .filter(|name| !policy.periodic.contains_key(*name) && !busy(name))
            .cloned()
            .collect();
        if !maintenance.is_empty() || !periodic.is_empty() {
            self.record(Fact::JobsForgotten {
                maintenance,
                periodic,
            });
        }
        self.agenda.stir();
    }

    /// Opens every session whose announcement is due, and passes over occurrences whose deadline went by unseen.
    pub(super) fn open_sessions(&mut self) {
        if self.held_back() || self.state.live.alone || !self.agenda.sessions_due(self.now) {
            return;
        }
        self.pass_over();
        for late in self.agenda.slipped(self.policy, self.state, self.now) {
            self.open(&late);
            if let Some(session) = self.state.sessions.get(&late.id).cloned() {
                let text = "it was looked at only after it had to be announced";
                self.postpone(&session, Reason::new(Code::Unannounced, text));
            }
        }
        // Looked at again after each opening: the plan of the rest may have moved.
        let due = self.agenda.look(self.policy, self.state, self.now);
        for planned in due {
            self.open(&planned);
        }
    }

    pub(super) fn open(&mut self, planned: &PlannedSession) {
        let Some(app) = self.policy.apps.get(&planned.app) else {
            return;
        };
        let locks = plan::locks(self.policy, planned.steps.iter().map(|step| &step.job));
        let steps = planned.steps.iter().map(Step::from).collect();
        let session = Session {
            starts: planned.starts,
            expected: planned.expected,
            notice_by: planned.notice_by,
            lead: app.lead,
            reserve: app.leave_reserve,
            locks,
            ..blank(
                &planned.id,
                &planned.app,
                &planned.window,
                (planned.opens, planned.closes),
                steps,
            )
        };
        self.record(Fact::SessionOpened {
            session: Box::new(session),
        });
    }

    /// The deadline of an occurrence went by while nobody was there to announce it: that is told, not passed in silence.
    fn pass_over(&mut self) {
        let lanes: Vec<(Name, Name)> = {
            let mut lanes: Vec<(Name, Name)> = self
                .policy
                .maintenance
                .values()
                .map(|job| (job.app.clone(), job.window.clone()))
                .collect();
            lanes.sort();
            lanes.dedup();
            lanes
        };
        for (app, window) in lanes {
            let Some(past) = self.missed_openings(&app, &window) else {
                continue;
            };
            self.open(&past);
            if let Some(session) = self.state.sessions.get(&past.id).cloned() {
                let text = "offhours was not there to announce it in time";
                self.postpone(&session, Reason::new(Code::Unannounced, text));
            }
        }
    }

    /// The last occurrence of an app's window with something due whose deadline passed unseen.
    fn missed_openings(&self, app: &Name, window: &Name) -> Option<PlannedSession> {
        let (name, lane_window) = (app, window);
        let app = self.policy.apps.get(name)?;
        let window = self.policy.windows.get(lane_window)?;
        let key = crate::core::apply::lane(name, lane_window);
        let handled = self.state.handled.get(&key).copied();
        // Only what passed while nobody was there: else it was looked at, and found no room.
        let horizon = self
            .state
            .live
            .awake_since
            .saturating_add(app.lead)
            .unwrap_or(self.now);
        let jobs: Vec<_> = self
            .policy
            .maintenance
            .values()
            .filter(|job| job.app == *name && job.window == *lane_window)
            .filter(|job| !matches!(job.due, Due::Request))
            .collect();
        let oldest = jobs
            .iter()
            .filter_map(|job| self.state.maintenance.get(&job.name))
            .map(|known| known.since)
            .min()?;
        // A year away is as good as new.
        let year = self
            .now
            .saturating_sub(SignedDuration::from_hours(24 * 366))
            .unwrap_or(oldest);
        let from = handled.unwrap_or(oldest).max(year);
        let missed = window
            .occurrences(from, horizon)
            .filter(|o| o.opens > from && o.opens <= horizon)
            .filter(|o| {
                let deadline = o.opens.checked_sub(app.lead);
                deadline.is_ok_and(|deadline| deadline >= self.state.live.asleep_since)
            })
            .last()?;
        let mut steps = Vec::new();
        for job in jobs {
            let pieces = plan::visible(self.policy, job, missed);
            let Some(piece) = pieces.first() else {
                continue;
            };
            let Some(known) = self.state.maintenance.get(&job.name) else {
                continue;
            };
            // What is newer than the deadline could not have been announced.
            let counts_from = match job.due {
                // Dues of windows count from a lead after the job was first seen.
                Due::Window => known.since,
                _ => known.since.saturating_add(app.lead).unwrap_or(known.since),
            };
            if missed.opens <= counts_from {
                continue;
            }
            for host in &job.hosts {
                let accounted = known.accounted(host);
                let first = match &job.due {
                    Due::Window => Some(missed.opens).filter(|opens| *opens > accounted),
                    Due::Schedule(expr, zone) => expr
                        .next_after(zone, accounted)
                        .filter(|due| *due < piece.closes),
                    Due::Request => None,
                };
                let Some(first) = first else { continue };
                let (estimate, source) = plan::estimate_from(job, Some(known));
                steps.push(plan::PlannedStep {
                    job: job.name.clone(),
                    host: host.clone(),
                    starts: piece.opens,
                    ends: piece.opens.saturating_add(estimate).unwrap_or(piece.opens),
                    estimate,
                    source,
                    if_needed: false,
                    dues: Dues::one(first),
                    opens: piece.opens,
                    closes: piece.closes,
                    cutoff: window.cutoff,
                });
            }
        }
        let last = steps.iter().map(|step| step.ends).max()?;
        let date = window.zone.date(missed.opens);
        let (id, _) = plan::next_id(self.state, 0, name, lane_window, date);
        let notice_by = missed
            .opens
            .saturating_sub(app.lead)
            .unwrap_or(missed.opens);
        Some(PlannedSession {
            id,
            app: name.clone(),
            window: lane_window.clone(),
            opens: missed.opens,
            closes: missed.closes,
            starts: missed.opens,
            ends: last,
            announce_at: notice_by,
            notice_by,
            phase: Phase::Asking,
            expected: quarter(last.duration_since(missed.opens)),
            steps,
        })
    }

    /// All questions are answered: what is left is told, or nothing is to be done at all.
    pub(super) fn announce(&mut self, session: &Session) {
        for (index, step) in session.steps.iter().enumerate() {
            if step.need == Some(Need::NothingToDo) {
                self.step_done(session, index, Outcome::Skipped, Code::NothingToDo.into());
            }
        }
        let early = self.told_early(session);
        let asks = |step: &Step| {
            let job = self.policy.maintenance.get(&step.job);
            job.is_some_and(|job| job.only_if.is_some())
        };
        let mut steps: Vec<Step> = session
            .steps
            .iter()
            .filter(|s| s.need != Some(Need::NothingToDo))
            .map(|s| Step {
                if_needed: self.follows(session, s) || early && asks(s),
                ..s.clone()
            })
            .collect();
        // A rehearsal of the hooks alone has none to begin with.
        if steps.is_empty() && session.overridden.is_none() {
            let Some(session) = self.state.sessions.get(&session.id).cloned() else {
                return;
            };
            return self.close(&session, Outcome::Skipped, Some(Code::NothingToDo.into()));
        }
        // Without what need not be done, the rest moves up; what people are told is when it really begins.
        if steps.len() < session.steps.len() {
            let first = session.steps.first();
            let first = first.map_or(session.starts, |step| step.starts);
            self.lay_out(&mut steps, first);
        }
        let ends = steps
            .iter()
            .filter_map(|s| s.starts.checked_add(s.estimate).ok())
            .max()
            .unwrap_or(session.closes);
        let length = quarter(ends.duration_since(session.starts));
        let expected = length.min(session.closes.duration_since(session.starts));
        let notices = self.notices_for(session, Kind::Advance, session.sequence);
        self.record(Fact::SessionPlanned {
            session: session.id.clone(),
            starts: session.starts,
            expected,
            steps,
            notices,
        });
    }

    /// The steps one after another, as their jobs roll over their hosts.
    fn lay_out(&self, steps: &mut [Step], first: Timestamp) {
        let mut hosts: HashMap<Name, usize> = HashMap::new();
        for step in steps.iter() {
            *hosts.entry(step.job.clone()).or_default() += 1;
        }
        let mut row = plan::Row::new(first);
        for step in steps {
            let hosts = hosts.get(&step.job).copied().unwrap_or(1);
            let Some(job) = self.policy.maintenance.get(&step.job) else {
                continue;
            };
            step.starts = row.next(job, hosts);
            let ends = step.starts.saturating_add(step.estimate);
            row.take(ends.unwrap_or(step.starts));
        }
    }

    /// One notice for each person of the app's audience.
    pub(super) fn notices_for(&self, session: &Session, kind: Kind, sequence: u32) -> Vec<Notice> {
        let Some(app) = self.policy.apps.get(&session.app) else {
            return Vec::new();
        };
        // The mail that began the thread, by address.
        let about = self.state.notices.about(&session.id);
        let first = about.filter(|n| n.kind == Kind::Advance);
        let threads: HashMap<&str, &Notice> = first.map(|n| (&*n.person.email, n)).collect();
        let first = self.state.next_notice.max(1);
        let told = recipients(&app.notify);
        (first..)
            .zip(told)
            .map(|(id, (roles, person))| {
                let digest = app
                    .notify
                    .iter()
                    .filter(|audience| roles.contains(&audience.role))
                    .all(|audience| audience.digest.is_some());
                let mut notice = self.notice(id, kind, roles, person);
                notice.session = Some(session.id.clone());
                notice.sequence = sequence;
                notice.thread = threads
                    .get(&*person.email)
                    .filter(|first| first.person == *person)
                    .map(|first| first.within.unwrap_or(first.id));
                if kind == Kind::Advance && session.overridden.is_none() {
                    notice.digest = digest;
                    if !digest {
                        let not_before = app.tell_at(session.opens).max(self.now);
                        notice.progress = Progress::Owed { not_before };
                    }
                }
                notice
            })
            .collect()
    }

    pub(super) fn notice(&self, id: u64, kind: Kind, roles: Vec<Name>, person: &Person) -> Notice {
        Notice::new(id, kind, roles, person.clone(), self.now)
    }

    /// An operator wants to see a session now: recorded, and known to nobody's calendar.
    pub(super) fn rehearse(&mut self, name: &Name, rehearsal: Override) {
        let Some(app) = self.policy.apps.get(name) else {
            return;
        };
        let jobs = self
            .policy
            .maintenance
            .values()
            .filter(|job| job.app == *name && rehearsal.jobs)
            // What needs another's consent is nothing to be tried by one.
            .filter(|job| job.approval.is_none());
        let jobs = jobs.map(|job| (job, &*job.hosts)).collect();
        self.open_now(app, REHEARSAL, jobs, rehearsal);
    }

    /// What an operator asked for cannot wait for a window: its people are told, and it begins.
    pub(super) fn begin_emergency(&mut self, name: &Name) {
        let past = self.state.maintenance.get(name);
        let requested = past.and_then(|past| past.requested.as_deref());
        let Some(requested) = requested.filter(|r| r.emergency && r.approval.is_none()) else {
            return;
        };
        let Some(job) = self.policy.maintenance.get(name) else {
            return;
        };
        let Some(app) = self.policy.apps.get(&job.app) else {
            return;
        };
        let overridden = Override {
            reason: format!("{} ({})", requested.reason, requested.by),
            hooks: true,
            jobs: true,
            emergency: true,
        };
        let hosts = requested.hosts.clone();
        self.open_now(app, EMERGENCY, vec![(job, &hosts)], overridden);
    }

    /// A session that waits for no window and for nobody's answer.
    fn open_now(
        &mut self,
        app: &App,
        window: &str,
        jobs: Vec<(&MaintenanceJob, &[Name])>,
        overridden: Override,
    ) {
        let date = self.policy.zone.date(self.now);
        let (id, _) = plan::next_id(self.state, 0, &app.name, window, date);
        let places: Vec<_> = jobs.iter().map(|(job, _)| (*job, self.now)).collect();
        let mut cursor = self.now;
        let mut longest = app.leave_reserve;
        let mut steps = Vec::new();
        for index in plan::order(&places) {
            let (job, hosts) = jobs[index];
            for host in hosts {
                let bound = job.timeout.saturating_add(job.grace);
                longest = longest.saturating_add(bound);
                let estimate = plan::estimate(job, self.state.maintenance.get(&job.name));
                steps.push(Step {
                    job: job.name.clone(),
                    host: host.clone(),
                    dues: Dues::one(self.now),
                    starts: cursor,
                    estimate,
                    opens: None,
                    closes: Timestamp::MAX,
                    cutoff: SignedDuration::ZERO,
                    if_needed: false,
                    need: Some(Need::Needed),
                    asked: Some(self.now),
                    state: StepState::Waiting,
                });
                cursor = cursor.saturating_add(estimate).unwrap_or(cursor);
            }
        }
        let ends = cursor.saturating_add(app.leave_reserve).unwrap_or(cursor);
        let closes = match overridden.emergency {
            // However long it takes it has no window: past its own bounds something is wrong.
            true => self.now.saturating_add(longest).unwrap_or(ends),
            false => ends,
        };
        let locks = plan::locks(self.policy, jobs.iter().map(|(job, _)| &job.name));
        let session = Session {
            starts: self.now,
            expected: quarter(ends.duration_since(self.now)),
            notice_by: self.now,
            reserve: app.leave_reserve,
            locks,
            overridden: Some(overridden),
            ..blank(&id, &app.name, &window.into(), (self.now, closes), steps)
        };
        self.record(Fact::SessionOpened {
            session: Box::new(session),
        });
        if let Some(session) = self.state.sessions.get(&id).cloned() {
            self.announce(&session);
            // Its people need not be waited for.
            self.record(Fact::SessionAnnounced { session: id });
        }
    }

    /// What needs a person because of something that is no longer configured needs nobody.
    pub(super) fn clear_removed(&mut self) {
        let gone: Vec<Name> = self
            .state
            .attention
            .iter()
            .filter(|(key, attention)| match attention.kind {
                AttentionKind::PeriodicFailing => key
                    .strip_prefix("periodic:")
                    .is_some_and(|job| !self.policy.periodic.contains_key(job)),
                AttentionKind::StuckInMaintenance | AttentionKind::LeaveFailing => false,
                _ => attention
                    .app
                    .as_ref()
                    .is_some_and(|app| !self.policy.apps.contains_key(app)),
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.record(Fact::AttentionCleared { key });
        }
    }
}

/// Everybody once, with the roles they have.
pub(super) fn recipients(audiences: &[Audience]) -> Vec<(Vec<Name>, &Person)> {
    let mut told: Vec<(Vec<Name>, &Person)> = Vec::new();
    for audience in audiences {
        for person in audience.people.iter() {
            match told
                .iter_mut()
                .find(|(_, known)| known.email.eq_ignore_ascii_case(&person.email))
            {
                Some((roles, _)) if !roles.contains(&audience.role) => {
                    roles.push(audience.role.clone())
                }
                Some(_) => {}
                None => told.push((vec![audience.role.clone()], person)),
            }
        }
    }
    told
}

fn blank(
    id: &SessionId,
    app: &Name,
    window: &Name,
    open: (Timestamp, Timestamp),
    steps: Vec<Step>,
) -> Session {
    Session {
        id: id.clone(),
        app: app.clone(),
        window: window.clone(),
        opens: open.0,
        closes: open.1,
        starts: open.0,
        expected: SignedDuration::ZERO,
        notice_by: open.0,
        lead: SignedDuration::ZERO,
        reserve: SignedDuration::ZERO,
        steps: steps.into(),
        locks: Vec::new(),
        phase: Phase::Asking,
        sequence: 0,
        gate: 0,
        before: None,
        overridden: None,
        round: 1,
        entered: None,
        enter_count: 0,
        enter_started: 0,
        hook: HookState::default(),
        seen_well: Default::default(),
        leave: Vec::new(),
        result: SessionResult::Success,
        reason: None,
        closed: None,
        step_ended: None,
        ending: None,
        wished: None,
    }
}
