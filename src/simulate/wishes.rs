//! What made-up operators ask for: of sessions that are known by then.

use jiff::{SignedDuration, Timestamp};

use crate::core::fact::Fact;
use crate::core::policy::Name;
use crate::core::run::SessionId;
use crate::core::wish::{Asked, Asker, Wish};

/// A wish, before it is known what there will be to wish for.
#[derive(Clone, Debug)]
pub enum Longing {
    Request {
        job: Name,
        emergency: bool,
    },
    /// By another, or by whoever asked.
    Approve {
        job: Name,
        own: bool,
    },
    Withdraw {
        job: Name,
    },
    /// The n-th of the sessions that are open then.
    Cancel {
        nth: usize,
    },
    Postpone {
        nth: usize,
        by: Option<SignedDuration>,
    },
    Pause {
        app: Option<Name>,
        for_: Option<SignedDuration>,
    },
    Resume {
        app: Option<Name>,
    },
    Leave {
        app: Name,
    },
}

/// The sessions that are not over.
#[derive(Debug, Default)]
pub struct Open(Vec<SessionId>);

impl Open {
    pub fn see(&mut self, fact: &Fact) {
        match fact {
            Fact::SessionOpened { session } => self.0.push(session.id.clone()),
            Fact::SessionClosed { session, .. } => self.0.retain(|open| open != session),
            _ => {}
        }
    }

    /// None where there is no session to ask it of.
    pub fn wish(&self, longing: Longing, now: Timestamp) -> Option<Asked> {
        let later = |by: SignedDuration| now.saturating_add(by).unwrap_or(now);
        let nth = |nth: usize| self.0.get(nth % self.0.len().max(1)).cloned();
        let mut uid = 0;
        let wish = match longing {
            Longing::Request { job, emergency } => Wish::Request {
                job,
                hosts: Vec::new(),
                emergency,
                approval: None,
            },
            Longing::Approve { job, own } => {
                uid = u32::from(!own);
                Wish::Approve { job }
            }
            Longing::Withdraw { job } => Wish::Withdraw { job },
            Longing::Cancel { nth: n } => Wish::Cancel { session: nth(n)? },
            Longing::Postpone { nth: n, by } => Wish::Postpone {
                session: nth(n)?,
                to: by.map(later),
            },
            Longing::Pause { app, for_ } => Wish::Pause {
                app,
                until: for_.map(later),
            },
            Longing::Resume { app } => Wish::Resume { app },
            Longing::Leave { app } => Wish::Leave { app },
        };
        Some(Asked {
            wish,
            by: Asker {
                uid,
                login_uid: None,
                name: "somebody".into(),
                roles: vec!["leads".into()],
            },
            reason: "made up".into(),
        })
    }
}
