//! A play as a user sees it: the daemon's own event lines, and what befell the machine.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::trace::{Happened, Moment, Next, Onlooker};
use crate::core::fact::Fact;
use crate::core::report::{self, Happening as Word, Line};
use crate::core::run::{RunId, SessionId};

/// How long attempts that run when everything else is at rest are waited for.
const LAST_RUNS: SignedDuration = SignedDuration::from_hours(1);
/// Faults are over and sessions still open: after this they will stay so.
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Hands on every event as a line, and ends the play when faults are over and no session is open.
pub struct Events<F> {
    tell: F,
    /// Facts that were told before they were recorded.
    told: usize,
    /// From the moment that an app is about to be touched until its session is closed.
    open: BTreeSet<SessionId>,
    running: BTreeSet<(RunId, u32)>,
    /// Since when, by elapsed time, nothing goes wrong any more.
    calm: Option<SignedDuration>,
    /// Since when no session is open, in the calm.
    rest: Option<SignedDuration>,
    stopping: bool,
    failed: bool,
}

impl<F: FnMut(Line) -> bool> Events<F> {
    /// `tell` is false where nobody wants to hear more.
    pub fn new(tell: F) -> Self {
        Self {
            tell,
            told: 0,
            open: BTreeSet::new(),
            running: BTreeSet::new(),
            calm: None,
            rest: None,
            stopping: false,
            failed: false,
        }
    }

    /// Sessions that never came to an end.
    pub fn open(&self) -> impl Iterator<Item = &SessionId> {
        self.open.iter()
    }

    fn say(&mut self, line: Line) {
        self.failed |= !(self.tell)(line);
    }

    fn fact(&mut self, at: jiff::Timestamp, fact: &Fact) {
        match fact {
            Fact::SessionStarting { session } => {
                self.open.insert(session.clone());
            }
            Fact::SessionEntering { session, .. } => {
                self.open.insert(session.clone());
            }
            Fact::SessionClosed { session, .. } => {
                self.open.remove(session);
            }
            Fact::AttemptStarted { run, attempt, .. } => {
                self.running.insert((*run, *attempt));
            }
            Fact::AttemptEnded(ended) => {
                self.running.remove(&(ended.run, ended.attempt));
            }
            // The machine says it, also to a daemon that is down.
            Fact::ClockStepped { .. } => return,
            _ => {}
        }
        for line in report::event(at, fact) {
            self.say(line);
        }
    }

    fn next(&mut self, moment: &Moment) -> Next {
        if self.failed {
            return Next::End;
        }
        let Some(calm) = self.calm else {
            return Next::On;
        };
        if moment.elapsed - calm > GIVEN_UP {
            return Next::End;
        }
        if !self.open.is_empty() {
            self.rest = None;
            return Next::On;
        }
        let rest = *self.rest.get_or_insert(moment.elapsed);
        if self.running.is_empty() {
            return Next::End;
        }
        if self.stopping || moment.elapsed - rest < LAST_RUNS {
            return Next::On;
        }
        self.stopping = true;
        Next::Stop
    }
}

impl<F: FnMut(Line) -> bool> Onlooker for Events<F> {
    fn see(&mut self, moment: &Moment) -> Next {
        match &moment.what {
            Happened::Unrecorded { decided, fact } => {
                self.told += 1;
                self.fact(*decided, fact);
            }
            // What could not be recorded is recorded first, in its order.
            Happened::Recorded { .. } if self.told > 0 => self.told -= 1,
            Happened::Recorded { decided, fact } => self.fact(*decided, fact),
            Happened::DaemonKilled => {
                self.told = 0;
                self.say(Line::new(moment.at, Word::DaemonKilled));
            }
            Happened::ClockStepped { by } => self.say(Line {
                step: Some(*by),
                ..Line::new(moment.at, Word::ClockStepped)
            }),
            Happened::Suspended { for_ } => self.say(Line::suspended(moment.at, *for_)),
            Happened::DaemonStopped { .. } => self.told = 0,
            Happened::Calm => self.calm = Some(moment.elapsed),
            Happened::Asked(_)
            | Happened::Began { .. }
            | Happened::StopAsked { .. }
            | Happened::Gone { .. }
            | Happened::Delivered { .. }
            | Happened::DaemonStarted
            | Happened::Rebooted
            | Happened::PolicyChanged { .. }
            | Happened::DiskFull
            | Happened::DiskWell => {}
        }
        self.next(moment)
    }
}
