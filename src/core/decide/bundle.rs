//! Several announcements to one person in one mail: a digest of what comes, or a night with many sessions.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::Turn;
use crate::core::apply::split_id;
use crate::core::fact::Fact;
use crate::core::notice::{Kind, Notice, NoticeId};
use crate::core::session::Phase;

/// Sessions that one mail announces.
const MOST: usize = 50;
/// How long before its deadline an announcement waits for no other any more.
const HASTE: SignedDuration = SignedDuration::from_mins(15);

impl Turn<'_> {
    /// Whether an announcement waits for questions to be answered, after which others may be told with it.
    pub(super) fn waits_for_others(&self, notice: &Notice) -> bool {
        if !self.may_be_bundled(notice) {
            return false;
        }
        let Some(session) = notice
            .session
            .as_ref()
            .and_then(|id| self.state.sessions.get(id))
        else {
            return false;
        };
        let late = session.notice_by.saturating_sub(HASTE);
        if session.overridden.is_some() || late.is_ok_and(|late| late <= self.now) {
            return false;
        }
        let tonight = night(&session.id);
        self.state.sessions.values().any(|other| {
            let told = self.policy.apps.get(&other.app).is_some_and(|app| {
                let mut people = app
                    .notify
                    .iter()
                    .flat_map(|audience| audience.people.iter());
                people.any(|person| person.email == notice.person.email)
            });
            other.phase == Phase::Asking
                && other.id != session.id
                && told
                && (notice.digest || night(&other.id) == tonight)
        })
    }

    /// Puts what this person is told of besides into the mail of this notice, where that is wanted.
    pub(super) fn bundle(&mut self, notice: &Notice) {
        if !self.may_be_bundled(notice) {
            return;
        }
        let about =
            |n: &&Notice| n.person == notice.person && self.may_be_bundled(n) && n.is_due(self.now);
        let to = self.state.notices.to(&notice.person.email);
        let mut all: Vec<&Notice> = to.filter(about).collect();
        all.sort_unstable_by_key(|notice| notice.id);
        let digest = all.iter().filter(|n| n.digest).count();
        let mut nights: BTreeMap<&str, usize> = BTreeMap::new();
        for one in &all {
            *nights
                .entry(night(one.session.as_deref().unwrap_or("")))
                .or_default() += 1;
        }
        let many = |n: &Notice| {
            let of = night(n.session.as_deref().unwrap_or(""));
            nights
                .get(of)
                .is_some_and(|count| *count > self.policy.notice.digest_after)
        };
        let joins = |n: &Notice| n.digest && digest > 1 || many(n);
        if !joins(notice) {
            return;
        }
        let others = all.iter().filter(|n| n.id != notice.id && joins(n));
        let others: Vec<NoticeId> = others.take(MOST - 1).map(|n| n.id).collect();
        if !others.is_empty() {
            self.record(Fact::NoticesBundled {
                into: notice.id,
                notices: others,
            });
        }
    }

    /// The others that are told in the mail of this notice, and still are to be told.
    pub(super) fn told_with(&self, leader: NoticeId) -> Vec<Notice> {
        let notices = self.state.notices.values();
        let with = notices.filter(|n| n.within == Some(leader) && !n.settled());
        with.cloned().collect()
    }

    /// The notice in whose mail it is told, as long as that is under way.
    pub(super) fn leader(&self, notice: &Notice) -> Option<&Notice> {
        let leader = self.state.notices.get(&notice.within?)?;
        (!leader.settled()).then_some(leader)
    }

    /// Nothing that was tried already: it has its mail.
    fn may_be_bundled(&self, notice: &Notice) -> bool {
        let fresh = notice.attempts == 0 && self.leader(notice).is_none();
        fresh && notice.kind == Kind::Advance && !notice.settled()
    }
}

/// The day on which the occurrence of a session opens, from its id.
fn night(session: &str) -> &str {
    split_id(session).0.rsplit('/').next().unwrap_or("")
}
