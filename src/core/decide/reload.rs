//! What a changed configuration means for sessions that are known and not begun.
//!
//! | the change | people are told | the lead |
//! |---|---|---|
//! | its app, all its jobs or its occurrence is gone | cancelled | |
//! | some of its jobs or hosts are gone | changed | goes on |
//! | its window closes earlier | changed | goes on |
//! | its window opens later that day | changed | goes on |
//! | its window opens earlier that day, another job, another host | changed | begins anew |
//!
//! What would have to be told a lead ahead, where that is over, is left for the next occurrence. Where the change is not
//! accepted in time, what was announced before applies. Whoever is to be told since the change is told what others know.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use crate::core::fact::Fact;
use crate::core::notice::{Kind, Notice, Progress};
use crate::core::plan::{self, PlannedSession, anew, in_place_of, quarter, visible, visible_on};
use crate::core::run::{Outcome, SessionId};
use crate::core::session::{Code, Phase, Reason, Restarts, Session, Step, StepState, Steps, Told};
use crate::core::state::AttentionKind;

impl Turn<'_> {
    /// Looks at all that is known and not begun. What has begun is not disturbed.
    pub(in crate::core) fn reconcile(&mut self) {
        self.reconsider_all(|_| true);
        self.agenda.stir();
    }

    /// Work that was put off may join what is announced already, where that can be told a lead ahead.
    pub(super) fn take_up(&mut self) {
        let lanes = std::mem::take(&mut self.put_off);
        if !lanes.is_empty() {
            self.reconsider_all(|s| lanes.contains(&(s.app.clone(), s.window.clone())));
        }
    }

    fn reconsider_all(&mut self, which: impl Fn(&Session) -> bool) {
        let waiting: Vec<Session> = self
            .state
            .sessions
            .values()
            .filter(|s| which(s))
            .filter(|s| {
                matches!(s.phase, Phase::Asking | Phase::Planned | Phase::Announced)
                    && s.overridden.is_none()
            })
            .filter(|s| s.round == 1)
            .cloned()
            .collect();
        let anew = anew(self.policy, self.state, &waiting, self.now);
        for session in waiting {
            self.reconsider(&session, in_place_of(self.policy, &session, &anew));
            self.tell_newcomers(&session.id);
        }
    }

    /// Tells those who are to be told since the file was changed what others know already.
    fn tell_newcomers(&mut self, id: &SessionId) {
        let open = |s: &&Session| matches!(s.phase, Phase::Planned | Phase::Announced);
        let Some(session) = self.state.sessions.get(id).filter(open).cloned() else {
            return;
        };
        let notices = self.notices_for(&session, Kind::Advance, session.sequence);
        let notices = self.numbered(notices, |new| {
            let mut known = self.state.notices.beside(new);
            !known.any(|n| n.kind.is_ahead())
        });
        if !notices.is_empty() {
            self.record(Fact::SessionRevised {
                session: id.clone(),
                told: Box::new(Told::of(&session)),
                sequence: session.sequence,
                restarts: Restarts::No,
                notices,
            });
        }
    }

    fn reconsider(&mut self, session: &Session, wanted: Option<&PlannedSession>) {
        if let Some(why) = self.no_longer_there(session) {
            return self.cancel(session, why);
        }
        let told = Told::of(session);
        let mut base = session.clone();
        if let Some(before) = base.before.take() {
            base.tell(*before);
        }
        let mut off = self.off(&base);
        let left = base.steps.iter().enumerate();
        if left
            .filter(|(_, s)| !s.done())
            .all(|(i, _)| off.iter().any(|o| o.0 == i))
            && !base.steps.is_empty()
        {
            return self.cancel(session, "its work".into());
        }
        drop_steps(&mut base, &off);
        let next = match self.closes_now(&base) {
            Some(closes) => {
                let grown = match session.phase {
                    // Nobody was told yet, and its questions are being asked.
                    Phase::Asking => None,
                    _ => self.grown(&base, wanted),
                };
                grown.or_else(|| {
                    let told = bounded(&base, closes, !off.is_empty());
                    Some((told, Restarts::No))
                })
            }
            None if session.phase == Phase::Asking => None,
            None => self.moved(&base, wanted).map(|(told, restarts, too_many)| {
                off.extend(too_many);
                (told, restarts)
            }),
        };
        let Some((next, restarts)) = next else {
            let why = format!("the occurrence of window {}", session.window);
            return self.cancel(session, why);
        };
        if session.phase == Phase::Asking {
            self.leave_out(session, &off);
            if next.closes < session.closes {
                let (session, closes) = (session.id.clone(), next.closes);
                self.record(Fact::SessionBounded { session, closes });
            }
            return;
        }
        let pending = restarts == Restarts::ElseAsBefore;
        if !told.reads_otherwise(&next) && session.before.is_some() == pending && off.is_empty() {
            return;
        }
        self.revise(session, &told, (next, restarts), &off);
    }

    fn cancel(&mut self, session: &Session, why: String) {
        let why = Reason::new(Code::Removed, why);
        self.close(session, Outcome::Cancelled, Some(why));
    }

    fn no_longer_there(&self, session: &Session) -> Option<String> {
        if !self.policy.apps.contains_key(&session.app) {
            return Some(format!("the app {}", session.app));
        }
        let known = |step: &Step| self.policy.maintenance.contains_key(&step.job);
        (!session.steps.iter().any(known)).then(|| "its jobs".into())
    }

    /// The steps that will not be done: their job or host is gone, or a freeze took their part of the occurrence.
    fn off(&self, session: &Session) -> Vec<Off> {
        let mut off = Vec::new();
        for (index, step) in session.steps.iter().enumerate() {
            if step.state != StepState::Waiting {
                continue;
            }
            match self.policy.maintenance.get(&step.job) {
                Some(job) if job.hosts.contains(&step.host) => {
                    if self.frozen(session, step) {
                        off.push((index, Outcome::Postponed, Code::Frozen));
                    }
                }
                _ => off.push((index, Outcome::Cancelled, Code::Removed)),
            }
        }
        off
    }

    /// Whether a step's own piece of the occurrence is gone, though others still have theirs.
    fn frozen(&self, session: &Session, step: &Step) -> bool {
        let window = self.policy.windows.get(&session.window);
        let job = self.policy.maintenance.get(&step.job);
        let (Some(occurrence), Some(job)) = (window.and_then(|w| w.open_at(step.starts)), job)
        else {
            return false;
        };
        let pieces = visible(self.policy, job, occurrence).into_iter();
        let mut pieces = pieces.flat_map(|piece| visible_on(self.policy, job, &step.host, piece));
        !pieces.any(|piece| piece.contains(step.starts))
    }

    /// When the occurrence of the session's start closes by the new configuration, as its jobs see it.
    fn closes_now(&self, session: &Session) -> Option<Timestamp> {
        let occurrence = self
            .policy
            .windows
            .get(&session.window)?
            .open_at(session.starts)?;
        let jobs = session
            .steps
            .iter()
            .filter_map(|step| self.policy.maintenance.get(&step.job));
        let pieces = jobs.flat_map(|job| visible(self.policy, job, occurrence));
        pieces
            .filter(|piece| piece.contains(session.starts))
            .map(|piece| piece.closes)
            .max()
    }

    /// With more work, or an earlier start, where there is time to announce that.
    fn grown(&self, base: &Session, wanted: Option<&PlannedSession>) -> Option<(Told, Restarts)> {
        let wanted = wanted?;
        let known = Told::of(base);
        let placed = |step: &Step| wanted.steps.iter().any(|planned| same(step, planned));
        let has = base.steps.iter().filter(|step| !step.done()).all(placed);
        let more = wanted.steps.iter().any(|planned| {
            let known = base.steps.iter().any(|s| !s.done() && same(s, planned));
            !known && self.is_new(base, planned)
        });
        let earlier = wanted.starts < base.starts;
        if !has || !more && !earlier {
            return None;
        }
        let in_time = |opens: Timestamp| {
            let by = opens.checked_sub(base.lead).ok();
            by.filter(|by| *by > self.now)
        };
        let told = match (in_time(wanted.opens), in_time(base.opens)) {
            (Some(notice_by), _) if earlier => Told {
                opens: wanted.opens,
                closes: wanted.closes,
                starts: wanted.starts,
                notice_by,
                ..known
            },
            (_, Some(notice_by)) if more => Told { notice_by, ..known },
            _ => return None,
        };
        let steps = steps_of(base, wanted, |planned| self.is_new(base, planned));
        let mut locks = plan::locks(self.policy, wanted.steps.iter().map(|step| &step.job));
        locks.extend(base.locks.iter().cloned());
        locks.sort_unstable();
        locks.dedup();
        let told = Told { locks, ..told };
        Some((filled(base, told, steps), Restarts::ElseAsBefore))
    }

    /// At the time of the same day to which its window was moved; and what finds no room there.
    fn moved(
        &self,
        base: &Session,
        wanted: Option<&PlannedSession>,
    ) -> Option<(Told, Restarts, Vec<Off>)> {
        let wanted = wanted?;
        let notice_by = wanted.opens.checked_sub(base.lead).ok()?;
        let restarts = match wanted.starts > base.starts {
            true => Restarts::No,
            false if notice_by > self.now => Restarts::ElsePostponed,
            false => return None,
        };
        let placed = |step: &Step| wanted.steps.iter().any(|w| same(step, w));
        let steps = base.steps.iter().enumerate();
        let too_many: Vec<Off> = steps
            .filter(|(_, step)| !step.done() && !placed(step))
            .map(|(index, _)| (index, Outcome::Postponed, Code::DoesNotFit))
            .collect();
        let mut base = base.clone();
        drop_steps(&mut base, &too_many);
        let steps = steps_of(&base, wanted, |_| false);
        if steps.iter().all(Step::done) {
            return None;
        }
        let told = Told {
            opens: wanted.opens,
            closes: wanted.closes,
            starts: wanted.starts,
            notice_by,
            ..Told::of(&base)
        };
        Some((filled(&base, told, steps), restarts, too_many))
    }

    /// Whether nobody was told of this work by another session.
    fn is_new(&self, base: &Session, planned: &plan::PlannedStep) -> bool {
        let told = |other: &Session| {
            other.id != base.id
                && other.phase != Phase::Closed
                && other.steps.iter().any(|step| {
                    let meets = step.dues.first <= planned.dues.last
                        && planned.dues.first <= step.dues.last;
                    step.claimed() && same(step, planned) && meets
                })
        };
        !self.state.sessions.values().any(told)
    }

    fn leave_out(&mut self, session: &Session, off: &[Off]) {
        for (index, outcome, code) in off {
            self.step_done(session, *index, *outcome, (*code).into());
        }
    }

    /// Records what applies now, and tells those who know of it.
    fn revise(
        &mut self,
        session: &Session,
        told: &Told,
        (mut next, restarts): (Told, Restarts),
        off: &[Off],
    ) {
        let id = session.id.clone();
        if session.before.is_some() {
            self.record(Fact::SessionReverted {
                session: id.clone(),
                sequence: session.sequence,
                notices: Vec::new(),
            });
        }
        let Some(session) = self.state.sessions.get(&id).cloned() else {
            return;
        };
        self.leave_out(&session, off);
        // What is done is recorded by now, with its reason.
        if let Some(recorded) = self.state.sessions.get(&id) {
            let done: Vec<Step> = recorded
                .steps
                .iter()
                .filter(|s| s.done())
                .cloned()
                .collect();
            let left = next.steps.iter().filter(|step| !step.done()).cloned();
            next.steps = done.into_iter().chain(left).collect();
        }
        // What nobody was told yet is told as it is now.
        let known = told.reads_otherwise(&next) && self.told(&session);
        let sequence = session.sequence.saturating_add(u32::from(known));
        next.gate = if known && restarts != Restarts::No {
            sequence
        } else {
            session.gate
        };
        let notices = match known {
            true => self.changed_notices(&session, sequence),
            false => Vec::new(),
        };
        self.record(Fact::SessionRevised {
            session: id,
            told: Box::new(next),
            sequence,
            restarts: if known { restarts } else { Restarts::No },
            notices,
        });
    }

    /// For everybody who may know of the session and has no mail about it waiting, which would say what applies now.
    fn changed_notices(&self, session: &Session, sequence: u32) -> Vec<Notice> {
        let waits = |n: &Notice| n.is_unsent() && n.kind.is_ahead();
        let notices = self.notices_for(session, Kind::Changed, sequence);
        self.numbered(notices, |notice| {
            self.expects(&session.id, &notice.person.email)
                && !self.state.notices.beside(notice).any(waits)
        })
    }

    /// A change of an announced session is accepted by its deadline, or what was announced before applies again.
    pub(super) fn wait_for_change(&mut self, session: &Session) {
        let notices = self.state.notices.about(&session.id);
        let rule = &self.policy.notice.accepted;
        let id = session.id.clone();
        if crate::core::notice::enough(rule, session, notices, session.notice_by) {
            return self.record(Fact::SessionConfirmed { session: id });
        }
        // An answer that is under way comes soon, and decides who has to be told.
        let asked = |n: &Notice| n.kind.is_ahead() && n.progress == Progress::Sending;
        if self.now < session.notice_by || self.state.notices.about(&session.id).any(asked) {
            return;
        }
        let answer = self.last_answer(session);
        let sequence = session.sequence.saturating_add(1);
        let notices = self.notices_for(session, Kind::Changed, sequence);
        // Those who were told of the change, or may have been.
        let notices = self.numbered(notices, |notice| {
            self.state.notices.beside(notice).any(|n| {
                n.kind == Kind::Changed
                    && n.sequence >= session.gate
                    && n.person.email == notice.person.email
                    && self.may_know(n)
            })
        });
        self.record(Fact::SessionReverted {
            session: id.clone(),
            sequence,
            notices,
        });
        let text = format!(
            "{id} takes place as it was announced before: nobody could be told of its change in time: {answer}"
        );
        let app = session.app.clone();
        self.raise(
            &format!("change:{id}"),
            AttentionKind::Unannounced,
            text,
            Some(&app),
        );
    }
}

/// A step, by its place, that will not be done, and why.
type Off = (usize, Outcome, Code);

fn drop_steps(session: &mut Session, off: &[Off]) {
    for (index, outcome, code) in off {
        if let Some(step) = session.steps.get_mut(*index) {
            step.state = StepState::Done {
                outcome: *outcome,
                reason: Some((*code).into()),
            };
        }
    }
}

/// What is over stays on record; the rest in the order of the new plan, with what is added where that is wanted.
fn steps_of(
    base: &Session,
    wanted: &PlannedSession,
    added: impl Fn(&plan::PlannedStep) -> bool,
) -> Steps {
    let done = base.steps.iter().filter(|step| step.done()).cloned();
    let ahead = wanted.steps.iter().filter_map(|planned| {
        match base.steps.iter().find(|s| !s.done() && same(s, planned)) {
            Some(step) => Some(Step {
                opens: Some(planned.opens),
                closes: planned.closes,
                ..step.clone()
            }),
            None => added(planned).then(|| Step::from(planned)),
        }
    });
    done.chain(ahead).collect()
}

fn same(step: &Step, planned: &plan::PlannedStep) -> bool {
    step.job == planned.job && step.host == planned.host
}

/// It ends no later than its window does now.
fn bounded(base: &Session, closes: Timestamp, dropped: bool) -> Told {
    let told = Told::of(base);
    if closes >= told.closes && !dropped {
        return told;
    }
    let closes = closes.min(told.closes);
    let mut steps = told.steps.clone();
    for step in &mut steps {
        step.closes = step.closes.min(closes);
    }
    filled(base, Told { closes, ..told }, steps)
}

/// With these steps, one after another from the start, and the length that follows from them.
fn filled(base: &Session, told: Told, mut steps: Steps) -> Told {
    // Entering comes first, and takes as long as it did.
    let first = base.steps.first().map(|step| step.starts);
    let entering = first.map_or(SignedDuration::ZERO, |at| at.duration_since(base.starts));
    let mut cursor = told.starts.saturating_add(entering).unwrap_or(told.starts);
    for step in steps.iter_mut().filter(|step| !step.done()) {
        step.starts = cursor;
        cursor = cursor.saturating_add(step.estimate).unwrap_or(cursor);
    }
    let room = told.closes.duration_since(told.starts);
    Told {
        expected: quarter(cursor.duration_since(told.starts)).min(room),
        steps,
        ..told
    }
}
