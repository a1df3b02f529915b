//! Following one rehearsal among all events.

use crate::core::decide::REHEARSAL;
use crate::core::report::{Happening, Line};
use crate::core::run::{Outcome, SessionId};
use crate::core::session::Phase;
use crate::core::state::State;

/// Why the app cannot be rehearsed now, if it cannot.
pub fn active_session(state: &State, app: &str) -> Option<String> {
    let near = |phase| {
        !matches!(
            phase,
            Phase::Asking | Phase::Planned | Phase::Announced | Phase::Closed
        )
    };
    let busy = state.sessions.values().find(|s| {
        &*s.app == app && (near(s.phase) || s.overridden.is_some() && s.phase != Phase::Closed)
    })?;
    Some(format!(
        "{app} is busy: session {} is {}",
        busy.id,
        busy.phase.word()
    ))
}

/// The first rehearsal of an app that is opened after this was made.
#[derive(Debug)]
pub struct Watch {
    app: String,
    session: Option<SessionId>,
}

impl Watch {
    pub fn new(app: &str) -> Self {
        Self {
            app: app.into(),
            session: None,
        }
    }

    /// Whether the line is of the rehearsal.
    pub fn concerns(&self, line: &Line) -> bool {
        self.session.is_some() && line.session == self.session
    }

    /// Takes a line in; when the rehearsal is over, whether it went well.
    pub fn see(&mut self, line: &Line) -> Option<bool> {
        let opened = line.event == Happening::SessionOpened
            && line.app.as_deref() == Some(&*self.app)
            && line.window.as_deref() == Some(REHEARSAL);
        if self.session.is_none() && opened {
            self.session.clone_from(&line.session);
        }
        let over = matches!(
            line.event,
            Happening::SessionClosed | Happening::SessionPostponed
        );
        (over && self.concerns(line)).then_some(line.outcome == Some(Outcome::Succeeded))
    }
}
