//! Which mails go out, and what the mail server's answer means.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use super::letters::{digest, letter};
use super::session::words;
use crate::core::effect::Effect;
use crate::core::event::Answer;
use crate::core::fact::{About, Fact};
use crate::core::letter::Letter;
use crate::core::notice::{Kind, Notice, NoticeId, Progress, TRIED_FOR, backoff};
use crate::core::run::{Outcome, SessionId};
use crate::core::session::{Phase, Reason, Session};
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
        let mut from = 0;
        while room > 0 {
            // Each of them is looked at once, and thousands that wait for room are not.
            let mut left = self.state.notices.range(from..).map(|(_, notice)| notice);
            let Some(notice) = left.find(|n| n.is_due(self.now)).cloned() else {
                return;
            };
            let id = notice.id;
            from = id + 1;
            // Its mail is another's.
            if self.leader(&notice).is_some() {
                continue;
            }
            if self.overtaken(&notice) {
                self.record(Fact::NoticeOvertaken {
                    notice: id,
                    about: About::of(&notice),
                });
            } else if let Some(why) = self.no_longer_of_use(&notice) {
                self.give_up(&notice, why);
            } else if !self.behind_another(&notice)
                && self.may_tell(&notice)
                && !self.waits_for_others(&notice)
            {
                room -= 1;
                self.bundle(&notice);
                let attempt = notice.attempts.saturating_add(1);
                let letter = Box::new(self.mail_of(&notice));
                self.record(Fact::NoticeSending {
                    notice: id,
                    attempt,
                });
                self.effect(Effect::Send { notice: id, letter });
            }
        }
    }

    /// The mail of a notice: what is told with it is in it.
    fn mail_of(&self, notice: &Notice) -> Letter {
        let with = self.told_with(notice.id);
        if with.is_empty() {
            return letter(self.policy, self.state, notice);
        }
        let all: Vec<&Notice> = std::iter::once(notice).chain(&with).collect();
        digest(self.policy, self.state, &all)
            .unwrap_or_else(|| letter(self.policy, self.state, notice))
    }

    /// While nothing can be recorded, or the daemon is being stopped, only the operators are told.
    fn may_tell(&self, notice: &Notice) -> bool {
        let live = &self.state.live;
        let ending = live.stopping.is_some() && !live.alone || live.draining.is_some();
        let quiet = live.unwritable.is_some() || ending;
        !quiet || notice.kind == Kind::Operators
    }

    fn no_longer_of_use(&self, notice: &Notice) -> Option<&'static str> {
        let session = notice
            .session
            .as_ref()
            .and_then(|id| self.state.sessions.get(id));
        match (notice.kind.is_ahead(), session) {
            (true, Some(session)) if session.phase == Phase::Closed => Some("the session is over"),
            (true, Some(session)) if self.now >= session.starts && session.overridden.is_none() => {
                Some("the session has begun")
            }
            (true, _) => None,
            (false, _) => {
                let until = notice.owed.saturating_add(TRIED_FOR).unwrap_or(notice.owed);
                (self.now >= until).then_some("the mail server did not take it for three days")
            }
        }
    }

    /// A later mail says to the same person what applies by now.
    fn overtaken(&self, notice: &Notice) -> bool {
        let later = |other: &Notice| {
            other.id > notice.id && other.kind == Kind::Changed && other.sequence > notice.sequence
        };
        notice.kind.is_ahead() && self.state.notices.beside(notice).any(later)
    }

    /// What is told later does not overtake what is told first.
    fn behind_another(&self, notice: &Notice) -> bool {
        let mut beside = self.state.notices.beside(notice);
        notice.session.is_some() && beside.any(|other| other.id < notice.id && !other.settled())
    }

    /// What the server says to a mail it says to all that is told in it, the notice whose mail it is last.
    fn told_in(&self, notice: &Notice) -> Vec<(NoticeId, About)> {
        let with = self.told_with(notice.id);
        let all = with.iter().chain(std::iter::once(notice));
        all.map(|notice| (notice.id, About::of(notice))).collect()
    }

    /// The mail server has answered.
    pub(super) fn answered(&mut self, id: NoticeId, answer: Answer) {
        let Some(notice) = self.state.notices.get(&id).cloned() else {
            return;
        };
        if notice.progress != Progress::Sending {
            return;
        }
        match answer {
            Answer::Accepted => {
                for (notice, about) in self.told_in(&notice) {
                    self.record(Fact::NoticeAccepted { notice, about });
                }
                if notice.session.is_none() {
                    self.clear(&format!("notice:{}", notice.person.email));
                }
            }
            Answer::Temporary { why } => self.later(&notice, why, false),
            Answer::Unknown { why } => self.later(&notice, why, true),
            Answer::Permanent { why } => {
                for (notice, about) in self.told_in(&notice) {
                    let why = why.clone();
                    self.record(Fact::NoticeRefused { notice, why, about });
                }
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
        let about = || self.state.notices.about(&session.id);
        if about().all(|n| n.owed >= session.notice_by) {
            return "the questions of `only_if` took until the deadline: a longer `margin` helps"
                .into();
        }
        about()
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
        let mut about = self.state.notices.about(&session.id);
        about.any(|n| self.may_know(n))
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
        let mut about = self.state.notices.about(id);
        about.any(|n| n.person.email == email && self.may_know(n))
    }

    /// Whether this mail may have reached its recipient.
    pub(super) fn may_know(&self, notice: &Notice) -> bool {
        let mail = self.leader(notice).unwrap_or(notice);
        match &mail.progress {
            Progress::Accepted { .. } | Progress::Sending => true,
            // Something was tried, and nobody knows how far it came.
            Progress::Owed { .. } | Progress::GivenUp { .. } | Progress::Overtaken => {
                mail.uncertain
            }
            Progress::Refused { .. } => false,
        }
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
