//! The one function that changes the state, live and when loading.

mod attempts;
mod clock;
mod notices;
mod observe;
mod revised;
mod wishes;

use jiff::{SignedDuration, Timestamp};

pub use observe::observe;

use attempts::{attempt_ended, attempt_started};
use notices::{
    after_all, bundle, forget_settled, give_up_unsent, is_rehearsed, mail_leaves, mail_stays,
    operators_told, owe, repeated, settle,
};

use super::fact::Fact;
use super::notice::{Notice, NoticeId, Progress};
use super::policy::Name;
use super::run::Outcome;
use super::session::{Closed, Code, HookState, Phase, Session, Step, StepState};
use super::state::{
    AlarmState, Attention, HostState, MaintenanceState, Pending, PeriodicState, Running, State,
    remember,
};

/// A fact that does not follow from what was recorded before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fact} does not follow: {why}")]
pub struct Illegal {
    pub fact: &'static str,
    pub why: String,
}

/// How often the alarm command is tried.
pub const ALARM_ATTEMPTS: u32 = 3;

/// Adds one fact, recorded at `at`, to the state.
///
/// # Errors
/// A fact that cannot follow changes nothing and is an error: the record is damaged, or the decision was wrong.
pub fn apply(state: &mut State, at: Timestamp, fact: &Fact) -> Result<(), Illegal> {
    let outcome = step(state, at, fact).map_err(|why| Illegal {
        fact: fact.kind(),
        why,
    });
    if outcome.is_ok() {
        state.last = at;
    }
    outcome
}

fn step(state: &mut State, at: Timestamp, fact: &Fact) -> Result<(), String> {
    match fact {
        Fact::StateCreated { nonce } => state.nonce.clone_from(nonce),
        Fact::DaemonStarted { boot, version } => {
            state.version.clone_from(version);
            started(state, at, boot);
        }
        Fact::DaemonStopped { .. } => {}
        Fact::Asked(asked) => wishes::asked(state, at, asked)?,
        Fact::PauseEnded { app } => wishes::pause_ended(state, app.as_ref())?,
        Fact::ClockStepped { by } => clock::stepped(state, at, *by),
        Fact::JobsKnown {
            maintenance,
            periodic,
        } => {
            for (name, since) in maintenance {
                let known = MaintenanceState {
                    since: *since,
                    ..MaintenanceState::default()
                };
                state.maintenance.insert(name.clone(), known);
            }
            for name in periodic {
                let known = PeriodicState {
                    accounted: at,
                    ..PeriodicState::default()
                };
                state.periodic.insert(name.clone(), known);
            }
        }
        Fact::JobsForgotten {
            maintenance,
            periodic,
        } => {
            maintenance
                .iter()
                .for_each(|name| drop(state.maintenance.remove(name)));
            periodic
                .iter()
                .for_each(|name| drop(state.periodic.remove(name)));
        }
        Fact::SessionOpened { session } => opened(state, at, session),
        Fact::SessionPlanned {
            session,
            starts,
            expected,
            steps,
            notices,
        } => {
            let next = after_all(notices)?;
            let planned = in_phase(state, session, &[Phase::Asking])?;
            planned.starts = *starts;
            planned.expected = *expected;
            planned.steps = steps.clone().into();
            planned.phase = Phase::Planned;
            owe(state, notices, next);
        }
        Fact::SessionAnnounced { session } => {
            in_phase(state, session, &[Phase::Planned])?.phase = Phase::Announced;
        }
        Fact::SessionStarting { session } => {
            let starting = in_phase(state, session, &[Phase::Announced])?;
            starting.phase = Phase::Starting;
            // A rehearsal does what it was asked to.
            let asked_again = !starting.is_rehearsal();
            for step in starting.steps.iter_mut().filter(|_| asked_again) {
                step.need = None;
            }
        }
        Fact::SessionEntering {
            session,
            enter_count,
            leave,
        } => {
            let entering = in_phase(state, session, &[Phase::Starting])?;
            entering.phase = Phase::Entering;
            entering.leave.clone_from(leave);
            entering.enter_count = *enter_count;
            entering.enter_started = 0;
            entering.entered = Some(at);
            entering.hook = HookState::default();
            if entering.overridden.is_none() {
                let (lane, opens) = (lane(&entering.app, &entering.window), entering.opens);
                let served = state.served.entry(lane).or_insert(opens);
                *served = opens.max(*served);
            }
        }
        Fact::SessionReentered {
            session,
            enter_count,
            leave,
        } => {
            let again = in_phase(state, session, &[Phase::Active])?;
            again.phase = Phase::Entering;
            again.leave.clone_from(leave);
            again.enter_count = *enter_count;
            again.entered = Some(at);
            again.hook = HookState::default();
        }
        Fact::SessionActive { session } => {
            let active = in_phase(state, session, &[Phase::Entering])?;
            active.phase = Phase::Active;
            let (app, took) = (
                active.app.clone(),
                active.entered.map(|entered| at.duration_since(entered)),
            );
            if let Some(took) = took {
                remember(state.entering.entry(app).or_default(), took);
            }
        }
        Fact::SessionEnding {
            session,
            result,
            reason,
        } => {
            let ending = in_phase(state, session, &[Phase::Active])?;
            ending.ending.get_or_insert((*result, reason.clone()));
        }
        Fact::SessionLeaving {
            session,
            result,
            reason,
        } => {
            let leaving = in_phase(state, session, &[Phase::Entering, Phase::Active])?;
            leaving.phase = Phase::Leaving;
            leaving.result = *result;
            leaving.hook = HookState::default();
            leaving.ending = None;
            if reason.is_some() {
                leaving.reason.clone_from(reason);
            }
        }
        Fact::LeaveChanged { session, leave } => {
            let leaving = in_phase(state, session, &[Phase::Leaving])?;
            leaving.leave.clone_from(leave);
            leaving.hook = HookState::default();
        }
        Fact::SessionLeft { session } => {
            in_phase(state, session, &[Phase::Leaving])?.phase = Phase::Left
        }
        Fact::SessionReopened { session, repeat } => {
            let reopened = in_phase(state, session, &[Phase::Left])?;
            for index in repeat {
                step_of(reopened, *index)?;
            }
            let round = reopened.round.checked_add(1);
            reopened.round = round.ok_or("there is no round after the last")?;
            reopened.phase = Phase::Announced;
            reopened.reason = None;
            for index in repeat {
                step_of(reopened, *index)?.state = StepState::Waiting;
            }
        }
        Fact::SessionClosed {
            session,
            outcome,
            reason,
            next,
        } => {
            let closing = find(state, session)?;
            if closing.phase == Phase::Closed || closing.phase.in_maintenance() {
                return Err(format!("session {session} is {}", closing.phase.word()));
            }
            closing.phase = Phase::Closed;
            closing.closed = Some(Closed {
                at,
                outcome: *outcome,
                next: *next,
            });
            if reason.is_some() {
                closing.reason.clone_from(reason);
            }
            give_up_unsent(state, session);
            forget_settled(state, session);
        }
        Fact::SessionBounded { session, closes } => {
            let bounded = find(state, session)?;
            bounded.closes = bounded.closes.min(*closes);
            for step in &mut bounded.steps {
                step.closes = step.closes.min(*closes);
            }
        }
        Fact::SessionRevised {
            session,
            told,
            sequence,
            restarts,
            notices,
        } => revised::revised(state, session, told, *sequence, *restarts, notices)?,
        Fact::SessionConfirmed { session } => revised::confirmed(state, session)?,
        Fact::SessionReverted {
            session,
            sequence,
            notices,
        } => revised::reverted(state, session, *sequence, notices)?,
        Fact::StepNeed {
            session,
            step,
            need,
        } => {
            let step = step_of(find(state, session)?, *step)?;
            step.need = *need;
            step.asked = need.map(|_| at);
        }
        Fact::StepDone {
            session,
            step,
            outcome,
            reason,
            job,
            host,
            due,
        } => {
            let done = StepState::Done {
                outcome: *outcome,
                reason: Some(reason.clone()),
            };
            let of = find(state, session)?;
            let rehearsal = of.is_rehearsal();
            of.step_ended = Some(at);
            step_of(of, *step)?.state = done;
            if *outcome != Outcome::Postponed && !rehearsal {
                account(state, job, host, due.last);
            }
        }
        Fact::AttemptStarted {
            run,
            attempt,
            what,
            due,
            stop_by,
            reboot,
            way,
        } => {
            if state.running.contains_key(run) {
                return Err(format!("run {run} is running"));
            }
            let next = after(*run)?;
            attempt_started(state, *run, *attempt, what, due.map(|d| d.last))?;
            let running = Running {
                attempt: *attempt,
                what: what.clone(),
                due: *due,
                started: at,
                stop_by: *stop_by,
                reboot: *reboot,
                way: way.clone(),
                waiting: None,
                unheard: None,
                pid: None,
            };
            state.running.insert(*run, running);
            state.next_run = state.next_run.max(next);
        }
        Fact::AttemptEnded(ended) => {
            let running = state
                .running
                .get(&ended.run)
                .ok_or_else(|| format!("run {} is not running", ended.run))?;
            if running.attempt != ended.attempt {
                return Err(format!(
                    "run {} is at attempt {}",
                    ended.run, running.attempt
                ));
            }
            attempt_ended(state, at, ended)?;
            state.running.remove(&ended.run);
            state.live.stopped.remove(&ended.run);
        }
        Fact::Proven { job, host } => {
            let past = state.maintenance.get_mut(job);
            if let Some(past) = past.and_then(|past| past.hosts.get_mut(host)) {
                super::proof::remember(&mut past.successes, at);
            }
        }
        Fact::NoticesOwed { notices } => owe(state, notices, after_all(notices)?),
        Fact::NoticesBundled { into, notices } => bundle(state, *into, notices)?,
        Fact::NoticeSending { notice, attempt } => {
            let notice = notice_of(state, *notice)?;
            notice.within = None;
            notice.attempts = *attempt;
            notice.progress = Progress::Sending;
        }
        Fact::NoticeAccepted { notice, .. } => {
            let rehearsed = is_rehearsed(state, *notice);
            settle(state, *notice, Progress::Accepted { at }, None)?;
            if !rehearsed {
                mail_leaves(state, at);
            }
        }
        Fact::NoticeDelayed {
            notice,
            why,
            retry_at,
            unknown,
            ..
        } => {
            let notice = notice_of(state, *notice)?;
            notice.uncertain |= *unknown;
            notice.answer = Some(why.clone());
            notice.progress = Progress::Owed {
                not_before: *retry_at,
            };
            mail_stays(state, at, why);
        }
        Fact::NoticeRefused { notice, why, .. } => {
            settle(
                state,
                *notice,
                Progress::Refused { why: why.clone() },
                Some(why),
            )?;
            // The server is there, and says no to a person.
            state.mail_trouble = None;
        }
        Fact::NoticeOvertaken { notice, .. } => {
            settle(state, *notice, Progress::Overtaken, None)?;
        }
        Fact::NoticeGivenUp { notice, why, .. } => {
            settle(state, *notice, Progress::GivenUp { why: why.clone() }, None)?;
        }
        Fact::Skipped {
            job,
            host,
            due,
            reason,
        } => {
            if let Some(periodic) = state.periodic.get_mut(job) {
                if reason.code == Code::Missed {
                    // One after another they are one span.
                    let first = periodic
                        .passed_over
                        .filter(|(_, last)| *last == periodic.accounted)
                        .map_or(due.first, |(first, _)| first);
                    periodic.passed_over = Some((first, due.last));
                }
                periodic.account(due.last);
                periodic.pending = periodic.pending.filter(|pending| pending.due > due.last);
            } else {
                account(state, job, host, due.last);
            }
        }
        Fact::RunDeferred { job, due, reason } => {
            let periodic = periodic_of(state, job)?;
            periodic.account(*due);
            periodic.pending = Some(Pending {
                due: *due,
                reason: *reason,
            });
        }
        Fact::AttentionRaised {
            key,
            kind,
            text,
            app,
            alarm,
        } => {
            let alarm = if *alarm {
                AlarmState::Owed {
                    not_before: at,
                    last: None,
                }
            } else {
                AlarmState::None
            };
            let raised = Attention {
                kind: *kind,
                text: text.clone(),
                since: at,
                app: app.clone(),
                alarm,
            };
            match state.attention.get_mut(key) {
                Some(known) => known.text.clone_from(text),
                None => drop(state.attention.insert(key.clone(), raised)),
            }
        }
        Fact::AttentionCleared { key } => drop(state.attention.remove(key)),
        Fact::OperatorsTold {
            group,
            kind,
            notices,
        } => operators_told(state, at, group, *kind, notices)?,
        Fact::AttentionRepeated { group, key, text } => repeated(state, group, key, text),
    }
    Ok(())
}

fn find<'a>(state: &'a mut State, id: &Name) -> Result<&'a mut Session, String> {
    state
        .sessions
        .get_mut(id)
        .ok_or_else(|| format!("there is no session {id}"))
}

fn in_phase<'a>(
    state: &'a mut State,
    id: &Name,
    phases: &[Phase],
) -> Result<&'a mut Session, String> {
    let session = find(state, id)?;
    if phases.contains(&session.phase) {
        Ok(session)
    } else {
        Err(format!("session {id} is {:?}", session.phase))
    }
}

fn step_of(session: &mut Session, index: usize) -> Result<&mut Step, String> {
    let id = session.id.clone();
    session
        .steps
        .get_mut(index)
        .ok_or_else(|| format!("session {id} has no step {index}"))
}

fn notice_of(state: &mut State, id: NoticeId) -> Result<&mut Notice, String> {
    state
        .notices
        .get_mut(id)
        .ok_or_else(|| format!("there is no notice {id}"))
}

fn periodic_of<'a>(state: &'a mut State, job: &Name) -> Result<&'a mut PeriodicState, String> {
    state
        .periodic
        .get_mut(job)
        .ok_or_else(|| format!("there is no periodic job {job}"))
}

fn account(state: &mut State, job: &Name, host: &Name, until: Timestamp) {
    // A job that left the configuration meanwhile has no past to keep.
    if let Some(known) = state.maintenance.get_mut(job) {
        let since = known.since;
        let entry = known
            .hosts
            .entry(host.clone())
            .or_insert_with(|| HostState {
                accounted: since,
                ..HostState::default()
            });
        entry.accounted = entry.accounted.max(until);
    }
}

fn started(state: &mut State, at: Timestamp, boot: &str) {
    boot.clone_into(&mut state.boot);
    state.live = super::state::Live {
        awake_since: at,
        asleep_since: state.last.min(at),
        ..super::state::Live::default()
    };
    for notice in state.notices.values_mut() {
        if notice.progress == Progress::Sending {
            notice.uncertain = true;
            notice.progress = Progress::Owed { not_before: at };
        }
    }
}

/// `APP/WINDOW/DATE` and the number of a session's id.
pub fn split_id(id: &str) -> (&str, u32) {
    let tail = id.rfind('/').map_or(0, |slash| slash + 1);
    match id[tail..].find('.') {
        Some(dot) => {
            let number = id[tail + dot + 1..].parse().unwrap_or(1);
            (&id[..tail + dot], number)
        }
        None => (id, 1),
    }
}

/// The key of an app's past with a window.
pub fn lane(app: &str, window: &str) -> Name {
    format!("{app}/{window}").into()
}

fn opened(state: &mut State, at: Timestamp, session: &Session) {
    if session.overridden.is_none() {
        let handled = state
            .handled
            .entry(lane(&session.app, &session.window))
            .or_insert(session.opens);
        *handled = session.opens.max(*handled);
    }
    if session.emergency().is_some() {
        // It serves what was asked for, however it ends.
        for step in &session.steps {
            if let Some(past) = state.maintenance.get_mut(&step.job) {
                past.requested = None;
            }
        }
    }
    let (base, number) = split_id(&session.id);
    // A date that is over comes up again only while clocks are being set. Others may be told much earlier than this.
    let old = at
        .min(session.opens)
        .saturating_sub(SignedDuration::from_hours(24 * 40))
        .unwrap_or(session.opens);
    state.numbers.retain(|_, (_, opens)| *opens > old);
    state.numbers.insert(base.into(), (number, session.opens));
    state.sessions.insert(session.id.clone(), session.clone());
}

/// The number of what follows. Nothing that is counted here gets near the end; a damaged record may say so.
fn after(number: u64) -> Result<u64, String> {
    let next = number.checked_add(1);
    next.ok_or_else(|| format!("nothing follows number {number}"))
}

#[cfg(test)]
mod tests;
