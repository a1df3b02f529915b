//! Which mails go out, and what the mail server's answer means.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use super::session::words;
use crate::core::calendar::{ClockEffect, Occurrence};
use crate::core::effect::Effect;
use crate::core::event::Answer;
use crate::core::fact::{About, Fact};
use crate::core::letter::{Letter, LetterJob, LetterKind};
use crate::core::notice::{Kind, Notice, NoticeId, Progress, TRIED_FOR, backoff};
use crate::core::run::{Outcome, SessionId};
use crate::core::session::{Phase, Reason, Session, StepState};
use crate::core::state::AttentionKind;

/// Mails under way at once.
const AT_ONCE: usize = 8;

impl Turn<'_> {
    /// Sends what is owed and due, the oldest first.
    pub(super) fn send_notices(&mut self) {
        let sending = self
            .state
            .notices
            .values()
            .filter(|n| n.progress == Progress::Sending)
            .count();
        let mut room = AT_ONCE.saturating_sub(sending);
        let due: Vec<NoticeId> = self
            .state
            .notices
            .values()
            .filter(
                |n| matches!(n.progress, Progress::Owed { not_before } if not_before <= self.now),
            )
            .map(|n| n.id)
            .collect();
        for id in due {
            let Some(notice) = self.state.notices.get(&id).cloned() else {
                continue;
            };
            if self.overtaken(&notice) {
                self.record(Fact::NoticeGivenUp {
                    notice: id,
                    why: "a change took its place".into(),
                    about: About::of(&notice),
                });
            } else if let Some(why) = self.no_longer_of_use(&notice) {
                self.give_up(&notice, why);
            } else if room > 0 && !self.behind_another(&notice) && self.may_tell(&notice) {
                room -= 1;
                let attempt = notice.attempts.saturating_add(1);
                let letter = Box::new(self.letter(&notice));
                self.record(Fact::NoticeSending {
                    notice: id,
                    attempt,
                });
                self.effect(Effect::Send { notice: id, letter });
            }
        }
    }

    /// While nothing can be recorded, or the daemon is being stopped, only the operators are told.
    fn may_tell(&self, notice: &Notice) -> bool {
        let live = &self.state.live;
        let quiet = live.unwritable.is_some() || live.stopping.is_some() && !live.alone;
        !quiet || notice.kind == Kind::Operators
    }

    fn no_longer_of_use(&self, notice: &Notice) -> Option<&'static str> {
        let session = notice
            .session
            .as_ref()
            .and_then(|id| self.state.sessions.get(id));
        match (notice.kind, session) {
            (Kind::Advance | Kind::Changed, Some(session)) if session.phase == Phase::Closed => {
                Some("the session is over")
            }
            (Kind::Advance | Kind::Changed, Some(session))
                if self.now >= session.starts && session.rehearsal.is_none() =>
            {
                Some("the session has begun")
            }
            (Kind::Advance | Kind::Changed, _) => None,
            _ => {
                let until = notice.owed.saturating_add(TRIED_FOR).unwrap_or(notice.owed);
                (self.now >= until).then_some("the mail server did not take it for three days")
            }
        }
    }

    /// A later mail says to the same person what applies by now.
    fn overtaken(&self, notice: &Notice) -> bool {
        let later = |other: &Notice| {
            other.kind == Kind::Changed
                && other.sequence > notice.sequence
                && other.session == notice.session
                && other.person.email == notice.person.email
        };
        let mut after = self.state.notices.range(notice.id + 1..);
        notice.kind.is_ahead() && after.any(|(_, other)| later(other))
    }

    /// What is told later does not overtake what is told first.
    fn behind_another(&self, notice: &Notice) -> bool {
        notice.session.is_some()
            && self.state.notices.range(..notice.id).any(|(_, other)| {
                !other.settled()
                    && other.session == notice.session
                    && other.person.email == notice.person.email
            })
    }

    /// The mail server has answered.
    pub(super) fn answered(&mut self, id: NoticeId, answer: Answer) {
        let Some(notice) = self.state.notices.get(&id).cloned() else {
            return;
        };
        if notice.progress != Progress::Sending {
            return;
        }
        let about = About::of(&notice);
        match answer {
            Answer::Accepted => {
                self.record(Fact::NoticeAccepted { notice: id, about });
                if notice.session.is_none() {
                    self.clear(&format!("notice:{}", notice.person.email));
                }
            }
            Answer::Temporary { why } => self.later(&notice, why, false),
            Answer::Unknown { why } => self.later(&notice, why, true),
            Answer::Permanent { why } => {
                self.record(Fact::NoticeRefused {
                    notice: id,
                    why: why.clone(),
                    about,
                });
                let text = format!(
                    "{} was refused by the mail server: {why}",
                    notice.person.email
                );
                self.report(&notice, text);
            }
        }
    }

    fn later(&mut self, notice: &Notice, why: String, unknown: bool) {
        let retry_at = self
            .now
            .saturating_add(backoff(notice.attempts))
            .unwrap_or(self.now);
        // Once more right before the deadline is better than a round hour after it.
        let deadline = notice
            .session
            .as_ref()
            .and_then(|id| self.state.sessions.get(id))
            .filter(|session| {
                let waits = session.phase == Phase::Planned || session.before.is_some();
                notice.kind.is_ahead() && waits
            })
            .map(|session| session.notice_by);
        let retry_at = match deadline {
            Some(deadline) if retry_at >= deadline && self.now < deadline => {
                let half = deadline.duration_since(self.now) / 2;
                if half > SignedDuration::from_millis(200) {
                    self.now.saturating_add(half).unwrap_or(retry_at)
                } else {
                    retry_at
                }
            }
            _ => retry_at,
        };
        let about = About::of(notice);
        self.record(Fact::NoticeDelayed {
            notice: notice.id,
            why,
            unknown,
            retry_at,
            about,
        });
    }

    fn give_up(&mut self, notice: &Notice, why: &str) {
        let about = About::of(notice);
        self.record(Fact::NoticeGivenUp {
            notice: notice.id,
            why: why.into(),
            about,
        });
        let over = notice.session.as_ref().is_some_and(|id| {
            self.state
                .sessions
                .get(id)
                .is_none_or(|s| s.phase == Phase::Closed)
        });
        if notice.kind.is_ahead() && over {
            return;
        }
        let answer = notice.answer.as_deref().unwrap_or("no answer");
        let text = format!(
            "{} could not be told ({}): {answer}",
            notice.person.email,
            notice.kind.word()
        );
        self.report(notice, text);
    }

    /// One matter for each session; where the operators themselves cannot be told, by the alarm command alone.
    fn report(&mut self, notice: &Notice, text: String) {
        let app = notice
            .session
            .as_ref()
            .and_then(|id| self.state.sessions.get(id))
            .map(|s| s.app.clone());
        match &notice.session {
            Some(session) => {
                let key = format!("notice:{session}");
                let known = self
                    .state
                    .attention
                    .get(key.as_str())
                    .map(|a| a.text.clone());
                let text = match known {
                    // Bounded: what is beyond it is in the history.
                    Some(known) if known.len() < 600 => format!("{known}; {text}"),
                    Some(known) => known,
                    None => text,
                };
                self.raise(&key, AttentionKind::Notice, text, app.as_ref());
            }
            None => {
                let key = format!("notice:{}", notice.person.email);
                self.raise_by(&key, AttentionKind::Notice, text, None, false);
            }
        }
    }

    /// What the server said last about a session that nobody could be told of.
    pub(super) fn last_answer(&self, session: &Session) -> String {
        let answers = self
            .state
            .notices
            .values()
            .filter(|n| n.session.as_ref() == Some(&session.id));
        answers
            .filter_map(|n| {
                n.answer
                    .as_ref()
                    .map(|answer| format!("{}: {answer}", n.person.email))
            })
            .next_back()
            .unwrap_or_else(|| "the mail server gave no answer in time".into())
    }

    /// Whether anybody may know of the session.
    pub(super) fn told(&self, session: &Session) -> bool {
        self.state
            .notices
            .values()
            .any(|n| n.session.as_ref() == Some(&session.id) && may_know(n))
    }

    /// Tells everybody of the session's audience.
    pub(super) fn tell(&mut self, id: &SessionId, kind: Kind) {
        let Some(session) = self.state.sessions.get(id).cloned() else {
            return;
        };
        let notices = self.notices_for(&session, kind, session.sequence);
        self.record(Fact::NoticesOwed { notices });
    }

    /// Tells how it ended: everybody; of what will not happen only those who may expect it.
    pub(super) fn tell_of_end(
        &mut self,
        id: &SessionId,
        kind: Kind,
        outcome: Outcome,
        reason: Option<&Reason>,
        next: Option<Timestamp>,
    ) {
        let Some(session) = self.state.sessions.get(id).cloned() else {
            return;
        };
        let sequence =
            session.sequence + u32::from(matches!(kind, Kind::Postponed | Kind::Cancelled));
        let mut notices = self.notices_for(&session, kind, sequence);
        if matches!(kind, Kind::Postponed | Kind::Cancelled) {
            notices = self.numbered(notices, |notice| self.expects(id, &notice.person.email));
        }
        // Frozen now: the session may be gone when the mail goes out.
        let mut text = vec![
            outcome.word().to_string(),
            reason.map(words).unwrap_or_default(),
        ];
        text.extend(next.map(|at| at.to_string()));
        notices
            .iter_mut()
            .for_each(|notice| notice.text.clone_from(&text));
        self.record(Fact::NoticesOwed { notices });
    }

    /// Whether this person may know of the session.
    pub(super) fn expects(&self, id: &SessionId, email: &str) -> bool {
        let about = |n: &Notice| n.session.as_ref() == Some(id) && n.person.email == email;
        self.state.notices.values().any(|n| about(n) && may_know(n))
    }

    /// Those of the notices that are to be owed, numbered anew.
    pub(super) fn numbered(
        &self,
        mut notices: Vec<Notice>,
        wanted: impl Fn(&Notice) -> bool,
    ) -> Vec<Notice> {
        notices.retain(wanted);
        let first = self.state.next_notice.max(1);
        for (notice, id) in notices.iter_mut().zip(first..) {
            notice.id = id;
        }
        notices
    }

    fn letter(&self, notice: &Notice) -> Letter {
        let session = notice
            .session
            .as_ref()
            .and_then(|id| self.state.sessions.get(id));
        let id = |notice: NoticeId| format!("offhours.{}.{notice}", self.state.nonce);
        let app = session.and_then(|s| self.policy.apps.get(&s.app));
        let text = |index: usize| {
            notice
                .text
                .get(index)
                .filter(|text| !text.is_empty())
                .cloned()
        };
        let ended = matches!(
            notice.kind,
            Kind::Finished | Kind::Failed | Kind::Postponed | Kind::Cancelled
        );
        Letter {
            kind: match notice.kind {
                Kind::Advance => LetterKind::Advance,
                Kind::Changed => LetterKind::Changed,
                Kind::Started => LetterKind::Started,
                Kind::Finished => LetterKind::Finished,
                Kind::Failed => LetterKind::Failed,
                Kind::Postponed => LetterKind::Postponed,
                Kind::Cancelled => LetterKind::Cancelled,
                Kind::Operators => LetterKind::Operators,
            },
            message_id: match notice.kind {
                // It may be sent before it is recorded: a life that does not know of it gives its number again.
                Kind::Operators => format!("{}.{}", id(notice.id), notice.owed.as_millisecond()),
                _ => id(notice.id),
            },
            in_reply_to: notice.thread.map(id),
            date: notice.owed,
            installation: self.policy.name.to_string(),
            app: session.map(|s| s.app.to_string()).unwrap_or_default(),
            app_description: app.and_then(|app| app.description.clone()),
            window: session.map(|s| s.window.to_string()).unwrap_or_default(),
            session: session.map(|s| s.id.to_string()).unwrap_or_default(),
            uid: session
                .map(|s| format!("offhours-{}-{}", self.state.nonce, s.id.replace('/', "-")))
                .unwrap_or_default(),
            sequence: notice.sequence,
            opens: session.map_or(notice.owed, |s| s.opens),
            closes: session.map_or(notice.owed, |s| s.closes),
            longer: session.map_or(SignedDuration::ZERO, |s| self.longer(s)),
            starts: session.map_or(notice.owed, |s| s.starts),
            expected: session.map(|s| s.expected).unwrap_or_default(),
            jobs: session
                .map(|s| self.letter_jobs(s, ended))
                .unwrap_or_default(),
            reason: text(1).filter(|_| ended),
            next: text(2).filter(|_| ended).and_then(|at| at.parse().ok()),
            contact: app.map(|app| app.contact.to_vec()).unwrap_or_default(),
            recipient: notice.person.clone(),
            text: if notice.kind == Kind::Operators {
                notice.text.clone()
            } else {
                Vec::new()
            },
        }
    }

    /// How much longer than usual its window is open, for the clocks change.
    fn longer(&self, session: &Session) -> SignedDuration {
        let piece = Occurrence {
            opens: session.opens,
            closes: session.closes,
        };
        let window = self.policy.windows.get(&session.window);
        match window.and_then(|window| window.clock_effect(&piece)) {
            Some(ClockEffect::Longer(longer)) => longer,
            _ => SignedDuration::ZERO,
        }
    }

    /// The steps of a session by job, in their order.
    fn letter_jobs(&self, session: &Session, ended: bool) -> Vec<LetterJob> {
        let mut jobs: Vec<LetterJob> = Vec::new();
        for step in session.steps.iter().filter(|step| ended || !step.done()) {
            let (outcome, detail) = match &step.state {
                StepState::Done { outcome, reason } if ended => {
                    (Some(outcome.word().to_string()), reason.as_ref().map(words))
                }
                _ => (None, None),
            };
            match jobs.iter_mut().find(|job| job.name == *step.job) {
                Some(job) => {
                    job.hosts.push(step.host.to_string());
                    // The worst of them is what people need to know.
                    if detail.is_some() || job.outcome.is_none() {
                        (job.outcome, job.detail) = (outcome, detail);
                    }
                }
                None => jobs.push(LetterJob {
                    name: step.job.to_string(),
                    description: self
                        .policy
                        .maintenance
                        .get(&step.job)
                        .and_then(|job| job.description.clone()),
                    hosts: vec![step.host.to_string()],
                    if_needed: step.if_needed && !ended,
                    outcome,
                    detail,
                }),
            }
        }
        jobs
    }

    /// These effects were not performed: their facts could not be made durable.
    pub(super) fn not_performed(
        &mut self,
        runs: &[crate::core::run::RunId],
        notices: &[NoticeId],
        why: &str,
    ) {
        let report = crate::core::run::Report {
            end: crate::core::run::End::SpawnFailed {
                why: format!("the state could not be written: {why}"),
            },
            elapsed: SignedDuration::ZERO,
            output_bytes: 0,
            log: false,
            tail: String::new(),
        };
        for run in runs {
            self.not_started(*run, &report);
        }
        for id in notices {
            self.answered(
                *id,
                Answer::Temporary {
                    why: format!("the state could not be written: {why}"),
                },
            );
        }
    }
}

pub(super) fn may_know(notice: &Notice) -> bool {
    match &notice.progress {
        Progress::Accepted { .. } | Progress::Sending => true,
        // Something was tried, and nobody knows how far it came.
        Progress::Owed { .. } | Progress::GivenUp { .. } => notice.uncertain,
        Progress::Refused { .. } => false,
    }
}
