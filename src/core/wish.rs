//! What operators ask for beside the calendar, and why it cannot be had.
//!
//! A wish is one fact. What follows from it is decided like everything else, at once or after the next start: it can be
//! recorded while nobody is there to act on it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::policy::{Name, Policy};
use super::run::SessionId;
use super::session::{Phase, Session, Step, StepState};
use super::state::{Requested, State};

/// The longest reason that is recorded, in octets.
/// The farthest that a session is put off.
const FARTHEST: SignedDuration = SignedDuration::from_hours(24 * 92);
pub const LONGEST_REASON: usize = 1_000;

/// Who asked. Behind `sudo` the one who logged in is known, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    pub uid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// The name of the login, else of the user, else the number.
    pub name: String,
    /// Of `[control] roles`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Name>,
}

impl Asker {
    /// The person, as far as it is known: behind `sudo` the one who logged in.
    pub fn person(&self) -> u32 {
        self.login_uid.unwrap_or(self.uid)
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case", deny_unknown_fields)]
pub enum Wish {
    /// Runs a maintenance job in the next occurrence that can be announced; on all its hosts where none is named.
    Request {
        job: Name,
        #[serde(default)]
        hosts: Vec<Name>,
        /// At once, whatever the window: people are told now.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        emergency: bool,
        /// Who has to approve it first: as the configuration says, whatever was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<Name>,
    },
    /// Lets a requested job run that needs another's consent.
    Approve { job: Name },
    /// Takes back a request that no session serves yet.
    Withdraw { job: Name },
    /// Ends a session: before it begins its work is not done, afterwards the app is brought back.
    Cancel { session: SessionId },
    /// Ends a session that has not begun: its work goes to the next occurrence, of those that open at `to` or later.
    Postpone {
        session: SessionId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Timestamp>,
    },
    /// Nothing of the app, or nothing at all, begins until this is taken back or over.
    Pause {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<Name>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    Resume {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<Name>,
    },
    /// Brings an app back that is in maintenance.
    Leave { app: Name },
}

/// A wish with who has it, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    #[serde(flatten)]
    pub wish: Wish,
    pub by: Asker,
    pub reason: String,
}

impl Asked {
    /// Why it cannot be had as things are; none where it can.
    pub fn refusal(&self, policy: &Policy, state: &State, now: Timestamp) -> Option<String> {
        // Of what it means, however it was said.
        let mut wish = self.wish.clone();
        wish.complete(policy);
        let refusal = wish.refusal(policy, state, now);
        let Wish::Approve { job } = &self.wish else {
            return refusal;
        };
        refusal.or_else(|| {
            let held = held(state, job)?;
            let role = held.approval.as_ref()?;
            if !self.by.roles.contains(role) {
                let name = &self.by.name;
                return Some(format!(
                    "{job} is approved by {role}, and {name} is not one"
                ));
            }
            let own = held.person == Some(self.by.person());
            own.then(|| {
                format!(
                    "{job} was asked for by {} too: another has to approve it",
                    held.by
                )
            })
        })
    }

    /// The same with what it is.
    pub fn said(&self) -> String {
        match &*self.reason {
            "" => format!(
                "{} {} ({})",
                self.wish.word(),
                self.wish.object(),
                self.by.name
            ),
            _ => format!(
                "{} {}: {}",
                self.wish.word(),
                self.wish.object(),
                self.words()
            ),
        }
    }

    /// Whose wish it is and why, in words.
    pub fn words(&self) -> String {
        match &*self.reason {
            "" => self.by.name.clone(),
            reason => format!("{reason} ({})", self.by.name),
        }
    }
}

impl Wish {
    /// Says what was left to be understood: which hosts are meant, and whose consent it needs.
    pub fn complete(&mut self, policy: &Policy) {
        if let Self::Request {
            job,
            hosts,
            approval,
            ..
        } = self
            && let Some(job) = policy.maintenance.get(job)
        {
            approval.clone_from(&job.approval);
            // This machine is no host of the file, and has its name alone.
            let means = |word: &Name, host: &Name| match policy.hosts.get(host) {
                Some(host) => host.is_meant(word),
                None => word == host,
            };
            let named = |host: &&Name| hosts.is_empty() || hosts.iter().any(|w| means(w, host));
            // In the order of the job. What means none of them stays, to be refused by its name.
            let unknown = |word: &&Name| !job.hosts.iter().any(|host| means(word, host));
            let meant = job.hosts.iter().filter(named).cloned();
            *hosts = meant.chain(hosts.iter().filter(unknown).cloned()).collect();
        }
    }

    /// The same in one word: the name of its command.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Request { .. } => "request",
            Self::Approve { .. } => "approve",
            Self::Withdraw { .. } | Self::Cancel { .. } => "cancel",
            Self::Postpone { .. } => "postpone",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Leave { .. } => "leave",
        }
    }

    /// What it is about: a job, a session, an app, or all of them.
    pub fn object(&self) -> &str {
        match self {
            Self::Request { job, .. } | Self::Approve { job } | Self::Withdraw { job } => job,
            Self::Cancel { session } | Self::Postpone { session, .. } => session,
            Self::Pause { app, .. } | Self::Resume { app } => app.as_deref().unwrap_or("all"),
            Self::Leave { app } => app,
        }
    }

    /// Why it cannot be had as things are, whoever asks; none where it can.
    fn refusal(&self, policy: &Policy, state: &State, now: Timestamp) -> Option<String> {
        match self {
            Self::Request {
                job,
                hosts,
                emergency,
                ..
            } => request(policy, state, job, hosts).or_else(|| {
                let going = emergency_of(state, job, hosts).filter(|_| *emergency);
                if let Some(session) = going {
                    return Some(format!(
                        "{job} is under way for that reason already: {session}"
                    ));
                }
                if let Some(by) = consented(policy, state, job, hosts).filter(|_| !*emergency) {
                    return Some(format!("{job} is asked for by {by} already, with consent"));
                }
                let app = policy.maintenance.get(job).map(|job| &*job.app);
                let paused = state.pause_of(app).filter(|_| *emergency)?;
                Some(format!("{job} is paused ({}): resume it first", paused.by))
            }),
            Self::Approve { job } => match held(state, job) {
                Some(_) => None,
                None => Some(format!("no request of {job} waits to be approved")),
            },
            Self::Withdraw { job } => withdraw(state, job),
            Self::Cancel { session } => {
                let session = match open(state, session) {
                    Ok(session) => session,
                    Err(why) => return Some(why),
                };
                let over = matches!(session.phase, Phase::Leaving | Phase::Left);
                over.then(|| format!("{} is being brought back already", session.app))
            }
            Self::Postpone { session, to } => {
                let session = match open(state, session) {
                    Ok(session) => session,
                    Err(why) => return Some(why),
                };
                if session.overridden.is_some() {
                    return Some("it was to be now, and cannot be postponed: cancel it".into());
                }
                if session.phase.in_maintenance() || session.phase == Phase::Left {
                    return Some(format!(
                        "{} is in maintenance: it can be cancelled, not postponed",
                        session.app
                    ));
                }
                let far = to.filter(|to| to.duration_since(session.opens) > FARTHEST);
                if let Some(far) = far {
                    return Some(format!(
                        "{far} is more than {} days after {}: nothing would be maintained until then; pause it instead",
                        FARTHEST.as_hours() / 24,
                        session.opens
                    ));
                }
                let early = to.filter(|to| *to <= session.opens)?;
                Some(format!(
                    "{early} is not after {}, when it opens: a session can only be put off",
                    session.opens
                ))
            }
            Self::Pause { app, until } => {
                if let Some(why) = unknown_app(policy, app.as_ref()) {
                    return Some(why);
                }
                let past = until.filter(|until| *until <= now)?;
                Some(format!("{past} is over"))
            }
            Self::Resume { app } => {
                let key = pause_key(app.as_ref());
                let paused = state.paused.contains_key(&key);
                (!paused).then(|| match app {
                    Some(app) => format!("{app} is not paused"),
                    None => "there is no pause of everything".into(),
                })
            }
            Self::Leave { app } => match in_maintenance(state, app) {
                Some(session) if matches!(session.phase, Phase::Leaving | Phase::Left) => {
                    Some(format!("{app} is being brought back already"))
                }
                Some(_) => None,
                None => Some(format!("{app} is not in maintenance")),
            },
        }
    }
}

/// The request of a job that waits for somebody's consent.
fn held<'s>(state: &'s State, job: &str) -> Option<&'s Requested> {
    let requested = state.maintenance.get(job)?.requested.as_deref()?;
    requested.approval.is_some().then_some(requested)
}

/// Under which name a pause is kept; the empty one is that of everything.
pub fn pause_key(app: Option<&Name>) -> Name {
    app.cloned().unwrap_or_else(|| "".into())
}

/// The session for which an app is out of service.
pub fn in_maintenance<'s>(state: &'s State, app: &str) -> Option<&'s Session> {
    let mut sessions = state.sessions.values();
    sessions.find(|s| &*s.app == app && (s.phase.in_maintenance() || s.phase == Phase::Left))
}

fn open<'s>(state: &'s State, id: &str) -> Result<&'s Session, String> {
    match state.sessions.get(id) {
        None => Err(format!("there is no session {id} that is not over")),
        Some(session) if session.phase == Phase::Closed => Err(format!("{id} is over")),
        Some(session) if session.wished.is_some() => Err(format!(
            "{id} is being ended already: somebody asked for it"
        )),
        Some(session) => Ok(session),
    }
}

fn unknown_app(policy: &Policy, app: Option<&Name>) -> Option<String> {
    let app = app.filter(|app| !policy.apps.contains_key(*app))?;
    Some(format!("there is no app {app}"))
}

fn request(policy: &Policy, state: &State, job: &Name, hosts: &[Name]) -> Option<String> {
    let Some(known) = policy.maintenance.get(job) else {
        return Some(match policy.periodic.contains_key(job) {
            true => format!("{job} is a periodic job: it runs by its schedule"),
            false => format!("there is no maintenance job {job}"),
        });
    };
    if let Some(host) = hosts.iter().find(|host| !known.hosts.contains(host)) {
        return Some(format!("{job} does not run on {host}"));
    }
    let known = state.maintenance.contains_key(job);
    (!known).then(|| format!("the daemon does not know {job} yet: its configuration is older"))
}

/// Who asked for the same, which somebody has consented to, and which is still to be done: asked for anew, it would
/// need that again.
fn consented<'a>(policy: &Policy, state: &'a State, job: &Name, hosts: &[Name]) -> Option<&'a str> {
    policy.maintenance.get(job)?.approval.as_ref()?;
    let past = state.maintenance.get(job)?;
    let known = past.requested.as_deref()?;
    let same = hosts.iter().all(|host| known.hosts.contains(host));
    let waits = past.is_requested() && known.approval.is_none();
    (waits && same).then_some(&*known.by)
}

/// The session that does this at once already, on one of these hosts.
fn emergency_of<'a>(state: &'a State, job: &Name, hosts: &[Name]) -> Option<&'a Name> {
    let mut sessions = state.sessions.values().filter(|s| {
        let emergency = s.overridden.as_ref().is_some_and(|o| o.emergency);
        emergency && !matches!(s.phase, Phase::Leaving | Phase::Left | Phase::Closed)
    });
    let serves = |step: &Step| {
        let open = !matches!(step.state, StepState::Done { .. });
        open && step.job == *job && hosts.contains(&step.host)
    };
    let found = sessions.find(|s| s.steps.iter().any(serves));
    found.map(|session| &session.id)
}

fn withdraw(state: &State, job: &Name) -> Option<String> {
    let past = state.maintenance.get(job);
    let asked = past.is_some_and(|past| past.is_requested() || past.is_held());
    if !asked {
        return Some(format!("{job} was not asked for"));
    }
    let mut sessions = state.sessions.values();
    let serves =
        sessions.find(|s| s.phase != Phase::Closed && s.steps.iter().any(|t| t.job == *job));
    serves.map(|session| format!("{job} is part of {0}: cancel or postpone {0}", session.id))
}
