//! What decides about a maintenance job.

use jiff::{SignedDuration, Timestamp};

use super::coming::Coming;
use super::turn::{turn, under_way};
use super::{
    Explanation, HOSTS, HostExplanation, Link, NOT_ANNOUNCED, NOT_DUE, NextRun, ON_REQUEST,
    OTHER_SESSION, Question, Rule, at, daemon, first_reason, unheard,
};
use crate::core::calendar::Occurrence;
use crate::core::notice::{self, Progress};
use crate::core::plan::{self, PlannedSession, Sight, fits, visible};
use crate::core::policy::{App, Due, DuringMaintenance, MaintenanceJob, Name, Policy};
use crate::core::proof::{Planned, ready_at};
use crate::core::report::span;
use crate::core::run::What;
use crate::core::session::{Code, Phase, Session, Step, StepState};
use crate::core::state::State;

pub(super) fn explain(
    policy: &Policy,
    state: &State,
    job: &MaintenanceJob,
    question: &Question<'_>,
) -> Explanation {
    let only = question.host;
    let now = question.now;
    let wanted = |host: &&Name| only.is_none_or(|only| ***host == *only);
    let all = || job.hosts.iter().filter(wanted);
    let hosts: Vec<&Name> = all().take(HOSTS).collect();
    let coming = Coming::to(policy, state, job, &hosts, now);
    let look = Look {
        policy,
        state,
        job,
        now,
        question,
        coming: &coming,
    };
    Explanation {
        job: job.name.clone(),
        kind: "maintenance",
        now,
        app: Some(job.app.clone()),
        window: Some(job.window.clone()),
        hosts: hosts.iter().map(|host| look.host(host)).collect(),
        more_hosts: all().count() - hosts.len(),
    }
}

struct Look<'a> {
    policy: &'a Policy,
    state: &'a State,
    job: &'a MaintenanceJob,
    now: Timestamp,
    question: &'a Question<'a>,
    coming: &'a Coming,
}

impl Look<'_> {
    fn host(&self, host: &Name) -> HostExplanation {
        let running = self.state.running.values().any(|running| {
            matches!(&running.what, What::Step { job, host: on, .. } if *job == self.job.name && on == host)
        });
        let coming = self.coming.on(host);
        let chain = match (running, under_way(self.state, &self.job.name, host)) {
            (true, _) if self.question.is_served => Vec::new(),
            (true, _) => vec![unheard(self.policy, self.state)],
            (false, Some(step)) => self.in_session(host, step),
            (false, None) => self.to_come(host, coming.map(|(session, _)| session)),
        };
        let running = running && self.question.is_served;
        let past = self.state.maintenance.get(&self.job.name);
        HostExplanation {
            host: host.clone(),
            running,
            reason: first_reason(&chain),
            next: coming.map(|(session, starts)| NextRun {
                // What is late is done as soon as it can be.
                at: starts.max(self.now),
                session: Some(session.id.clone()),
                announce_at: Some(session.announce_at),
                notice_by: Some(session.notice_by),
            }),
            chain,
            last_success: past
                .and_then(|past| past.hosts.get(host))
                .and_then(|past| past.last_success),
            last: None,
        }
    }

    fn daemon(&self) -> Link {
        daemon(self.policy, self.state, Some(&self.job.app), self.question)
    }

    /// Of a session that is under way, or does not wait.
    fn in_session(&self, host: &Name, (session, step): (&Session, &Step)) -> Vec<Link> {
        let mut chain = vec![self.daemon()];
        if let StepState::Done { outcome, .. } = &step.state {
            let text = format!("{} is done with it: {}", session.id, outcome.word());
            chain.push(Link::prevents(Rule::Due, NOT_DUE, text, None));
            return chain;
        }
        let due = match session.emergency() {
            Some(_) => "was asked for, and waits for no window and no notice",
            None => "is under way",
        };
        chain.push(Link::holds(Rule::Due, format!("{} {due}", session.id)));
        if session.overridden.is_none() {
            self.window_and_room(host, &mut chain);
            let app = self.policy.apps.get(&self.job.app);
            chain.extend(app.map(|app| self.told(app, session)));
        }
        if !session.phase.in_maintenance() {
            chain.extend(self.other_session());
            chain.extend(self.draining());
        }
        chain.push(turn(self.policy, (session, step), self.now));
        chain
    }

    fn to_come(&self, host: &Name, coming: Option<&PlannedSession>) -> Vec<Link> {
        let mut chain = vec![self.daemon(), self.due(host)];
        self.window_and_room(host, &mut chain);
        chain.push(self.notice(coming));
        chain.extend(self.other_session());
        chain.extend(self.draining());
        chain
    }

    fn window_and_room(&self, host: &Name, chain: &mut Vec<Link>) {
        let open = self.window(chain);
        let open = open.and_then(|open| self.host_times(host, open, chain));
        chain.push(self.room(open));
        chain.extend(self.proven(host));
    }

    fn due(&self, host: &Name) -> Link {
        let past = self.state.maintenance.get(&self.job.name);
        let accounted = past.map(|past| past.accounted(host));
        let none = |text: String, until| Link::prevents(Rule::Due, NOT_DUE, text, until);
        match &self.job.due {
            Due::Request if past.is_some_and(|past| past.request_for(host).is_some()) => {
                Link::holds(Rule::Due, "an operator asked for it")
            }
            Due::Request => Link::prevents(
                Rule::Due,
                ON_REQUEST,
                "it runs when an operator asks for it",
                None,
            ),
            Due::Window => match accounted.filter(|served| *served > self.now) {
                Some(served) => none(
                    format!("it counts from {} on", at(self.policy, served)),
                    Some(served),
                ),
                None => Link::holds(Rule::Due, "it is due at every occurrence of its window"),
            },
            Due::Schedule(schedule, zone) => {
                let next = schedule.next_after(zone, accounted.unwrap_or(self.now));
                match next {
                    None => none(format!("{} never comes again", schedule.text()), None),
                    Some(due) if due > self.now => none(
                        format!(
                            "its schedule {} makes it due on {}",
                            schedule.text(),
                            at(self.policy, due)
                        ),
                        Some(due),
                    ),
                    Some(due) => {
                        Link::holds(Rule::Due, format!("due since {}", at(self.policy, due)))
                    }
                }
            }
        }
    }

    /// The occurrence that is open to this job now.
    fn window(&self, chain: &mut Vec<Link>) -> Option<Occurrence> {
        let name = &self.job.window;
        let window = self.policy.windows.get(name)?;
        let Some(base) = window.open_at(self.now) else {
            let next = plan::next_chance(
                self.policy,
                self.job,
                &self.job.hosts,
                SignedDuration::ZERO,
                self.now,
            );
            let text = match next {
                Some(next) => format!("window {name} opens on {}", at(self.policy, next)),
                None => format!("window {name} does not open any more"),
            };
            chain.push(Link::prevents(
                Rule::Window,
                Code::OutsideWindow.word(),
                text,
                next,
            ));
            return None;
        };
        let pieces = visible(self.policy, self.job, base);
        let Some(piece) = pieces.iter().find(|piece| piece.contains(self.now)) else {
            let next = pieces
                .iter()
                .map(|piece| piece.opens)
                .find(|t| *t > self.now);
            let next = next.or_else(|| {
                plan::next_chance(
                    self.policy,
                    self.job,
                    &self.job.hosts,
                    SignedDuration::ZERO,
                    base.closes,
                )
            });
            let frozen = plan::frozen_by(self.policy, self.job, self.now);
            let names: Vec<&str> = frozen.iter().map(|name| &***name).collect();
            let text = match next {
                Some(next) => format!(
                    "window {name} is frozen by {} until {}",
                    names.join(", "),
                    at(self.policy, next)
                ),
                None => format!("window {name} is frozen by {}", names.join(", ")),
            };
            chain.push(Link::prevents(
                Rule::Window,
                Code::Frozen.word(),
                text,
                next,
            ));
            return None;
        };
        let closes = at(self.policy, piece.closes);
        let text = format!("window {name} is open until {closes}");
        chain.push(Link::holds(Rule::Window, text));
        Some(*piece)
    }

    /// The part of it in which the host may be touched.
    fn host_times(
        &self,
        host: &Name,
        open: Occurrence,
        chain: &mut Vec<Link>,
    ) -> Option<Occurrence> {
        let pieces = plan::visible_on(self.policy, self.job, host, open);
        let here = pieces.iter().find(|piece| piece.contains(self.now));
        // Nothing but the job's own window bounds it.
        if here == Some(&open) {
            return Some(open);
        }
        chain.push(match here {
            Some(here) => {
                let closes = at(self.policy, here.closes);
                Link::holds(
                    Rule::Window,
                    format!("{host} may be touched until {closes}"),
                )
            }
            None => {
                let mut opens = pieces.iter().map(|piece| piece.opens);
                let next = opens.find(|opens| *opens > self.now);
                let until = next.map(|next| format!(" until {}", at(self.policy, next)));
                let text = format!(
                    "the window of {host}, or a freeze of hosts, does not let it be touched{}",
                    until.unwrap_or_default()
                );
                Link::prevents(Rule::Window, Code::OutsideWindow.word(), text, next)
            }
        });
        here.copied()
    }

    fn room(&self, open: Option<Occurrence>) -> Link {
        let past = self.state.maintenance.get(&self.job.name);
        let (estimate, source) = plan::estimate_from(self.job, past);
        let length = format!("{} ({})", span(estimate), source.word());
        let app = self.policy.apps.get(&self.job.app);
        let reserve = app.map_or(SignedDuration::ZERO, |app| app.leave_reserve);
        let Some(open) = open else {
            let text = format!(
                "it takes {length}, and {} are kept for leaving",
                span(reserve)
            );
            return Link::holds(Rule::Room, text);
        };
        let window = self.policy.windows.get(&self.job.window);
        let sight = Sight {
            closes: open.closes,
            cutoff: window.map_or(SignedDuration::ZERO, |window| window.cutoff),
            reserve,
            grace: self.job.grace,
        };
        let left = span(open.closes.duration_since(self.now));
        if fits(self.now, estimate, sight) {
            return Link::holds(Rule::Room, format!("it takes {length}, {left} are left"));
        }
        let text = format!(
            "it takes {length}; of the {left} that are left {} are kept for leaving, and nothing is started in the last {}",
            span(reserve),
            span(sight.cutoff)
        );
        let next = plan::next_chance(
            self.policy,
            self.job,
            &self.job.hosts,
            SignedDuration::ZERO,
            open.closes,
        );
        Link::prevents(Rule::Room, Code::DoesNotFit.word(), text, next)
    }

    fn proven(&self, host: &Name) -> Option<Link> {
        if self.job.proven_by.is_empty() {
            return None;
        }
        let why = Code::NotProven.word();
        Some(
            match ready_at(self.policy, self.state, &Planned::new(), self.job, host) {
                Ok(ready) if ready <= self.now => {
                    Link::holds(Rule::Proven, "what it waits for has proven itself")
                }
                Ok(ready) => Link::prevents(
                    Rule::Proven,
                    why,
                    format!(
                        "what it waits for has succeeded for long enough on {}",
                        at(self.policy, ready)
                    ),
                    Some(ready),
                ),
                Err(reason) => Link::prevents(Rule::Proven, why, reason.text, None),
            },
        )
    }

    fn notice(&self, coming: Option<&PlannedSession>) -> Link {
        let Some(app) = self.policy.apps.get(&self.job.app) else {
            return Link::holds(Rule::Notice, "nobody is to be told");
        };
        let known = coming.and_then(|session| self.state.sessions.get(&session.id));
        if let Some(other) = self.announced_without() {
            return other;
        }
        match (known, coming) {
            (Some(session), _) => self.told(app, session),
            (None, Some(session)) => Link::prevents(
                Rule::Notice,
                NOT_ANNOUNCED,
                format!(
                    "{} is announced on {}, at the latest on {}",
                    session.id,
                    at(self.policy, session.announce_at),
                    at(self.policy, session.notice_by)
                ),
                Some(session.starts),
            ),
            (None, None) => Link::prevents(
                Rule::Notice,
                NOT_ANNOUNCED,
                format!("people are told {} before it", span(app.lead)),
                None,
            ),
        }
    }

    /// This occurrence was announced, and this job was not part of it.
    fn announced_without(&self) -> Option<Link> {
        let session = self.state.sessions.values().find(|s| {
            let open = s.opens <= self.now && self.now < s.closes && s.phase != Phase::Closed;
            open && s.app == self.job.app && s.window == self.job.window
        })?;
        let own = |step: &Step| step.job == self.job.name;
        if session.steps.iter().any(own) {
            return None;
        }
        let text = format!("{} was announced without it", session.id);
        let until = Some(session.closes);
        Some(Link::prevents(Rule::Notice, NOT_ANNOUNCED, text, until))
    }

    fn told(&self, app: &App, session: &Session) -> Link {
        let notices = self.state.notices.about(&session.id);
        let notices = notices.filter(|n| n.kind.is_ahead());
        let (mut accepted, mut all) = (0, 0);
        for notice in notices {
            all += 1;
            accepted += usize::from(matches!(notice.progress, Progress::Accepted { .. }));
        }
        let far = format!("{}: {accepted} of {all} notices accepted", session.id);
        let lead_ago = self.now.saturating_sub(app.lead).unwrap_or(self.now);
        let early = notice::enough(
            &self.policy.notice.accepted,
            session,
            self.state.notices.about(&session.id),
            lead_ago,
        );
        let told = matches!(session.phase, Phase::Asking | Phase::Planned);
        if session.phase.in_maintenance() || session.overridden.is_some() {
            return Link::holds(Rule::Notice, far);
        }
        if told {
            let by = at(self.policy, session.notice_by);
            let text = format!("{far}; they have to be by {by}");
            return Link::prevents(Rule::Notice, NOT_ANNOUNCED, text, Some(session.starts));
        }
        if self.now < session.starts || !early {
            let text = format!("{far}; announced for {}", at(self.policy, session.starts));
            return Link::prevents(Rule::Notice, NOT_ANNOUNCED, text, Some(session.starts));
        }
        Link::holds(Rule::Notice, far)
    }

    fn other_session(&self) -> Option<Link> {
        let other = self.state.sessions.values().find(|other| {
            let busy = other.phase.in_maintenance() || other.phase == Phase::Starting;
            let shares = other.locks.iter().any(|lock| self.job.locks.contains(lock));
            let own = other.steps.iter().any(|step| step.job == self.job.name);
            busy && !own && (other.app == self.job.app || shares)
        })?;
        let text = format!("{} has the app or one of its locks", other.id);
        Some(Link::prevents(
            Rule::Session,
            OTHER_SESSION,
            text,
            Some(other.closes),
        ))
    }

    /// A periodic job of the app that maintenance waits for.
    fn draining(&self) -> Option<Link> {
        let job = self.state.running.values().find_map(|running| {
            let What::Periodic { job, .. } = &running.what else {
                return None;
            };
            let (app, during) = self.policy.periodic.get(job)?.app.as_ref()?;
            (*app == self.job.app && *during == DuringMaintenance::Hold).then_some(job)
        })?;
        let text = format!("the periodic job {job} of the app is running");
        Some(Link::prevents(Rule::App, Code::Drain.word(), text, None))
    }
}
