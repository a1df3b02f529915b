//! What follows from what an operator asked for.

use super::Turn;
use crate::core::agenda::Agenda;
use crate::core::fact::Fact;
use crate::core::policy::Name;
use crate::core::run::{Outcome, RunId};
use crate::core::session::{Phase, Session, SessionResult, Wished};
use crate::core::wish::{Asked, Wish};

impl Turn<'_> {
    /// Records it, where it can be had.
    pub(super) fn asked(&mut self, mut asked: Asked) {
        if self.held_back() {
            return;
        }
        if asked.refusal(self.policy, self.state, self.now).is_some() {
            // Whoever asked was told before; since then something else happened.
            return;
        }
        asked.wish.complete(self.policy);
        let job = match &asked.wish {
            Wish::Request { job, .. } | Wish::Approve { job } | Wish::Withdraw { job } => {
                self.policy.maintenance.get(job)
            }
            _ => None,
        };
        if let Some(job) = job {
            // It may join what is announced already.
            self.put_off.insert((job.app.clone(), job.window.clone()));
        }
        let wanted = match &asked.wish {
            Wish::Request { job, .. } | Wish::Approve { job } => Some(job.clone()),
            _ => None,
        };
        self.record(Fact::Asked(Box::new(asked)));
        if let Some(job) = wanted {
            self.begin_emergency(&job);
        }
        *self.agenda = Agenda::build(self.policy, self.state);
        self.agenda.stir();
    }

    /// Pauses that were to last until now.
    pub(super) fn end_pauses(&mut self) {
        let paused = self.state.paused.iter();
        let over = paused.filter(|(_, pause)| pause.until.is_some_and(|until| until <= self.now));
        let over: Vec<Name> = over.map(|(key, _)| key.clone()).collect();
        for key in over {
            let app = Some(key).filter(|key| !key.is_empty());
            self.record(Fact::PauseEnded { app });
        }
    }

    /// Ends a session as it was wished; whether there was such a wish.
    pub(super) fn end_as_wished(&mut self, session: &Session) -> bool {
        let Some(wished) = &session.wished else {
            return false;
        };
        let why = wished.why().clone();
        match session.phase {
            // On its way back already.
            Phase::Leaving | Phase::Left | Phase::Closed => return false,
            Phase::Entering | Phase::Active => {
                if !self.stop_of(session) {
                    self.begin_leaving(session, SessionResult::Failure, why);
                }
            }
            Phase::Asking | Phase::Planned | Phase::Announced | Phase::Starting => {
                if self.stop_of(session) {
                    return true;
                }
                match wished {
                    Wished::Postponed { .. } => self.postpone(session, why),
                    Wished::Cancelled(_) => self.close(session, Outcome::Cancelled, Some(why)),
                }
            }
        }
        true
    }

    /// Asks for the end of what runs for a session; whether anything does.
    fn stop_of(&mut self, session: &Session) -> bool {
        let of = |what: &crate::core::run::What| what.session() == Some(&session.id);
        let running = self.state.running.iter().filter(|(_, r)| of(&r.what));
        let running: Vec<RunId> = running.map(|(run, _)| *run).collect();
        running.iter().for_each(|run| self.stop(*run));
        !running.is_empty()
    }

    /// What is left of a cancelled session will not be done.
    pub(super) fn is_cancelled(session: &Session) -> bool {
        matches!(session.wished, Some(Wished::Cancelled(_)))
    }
}
