//! What changing the configuration would do, as it is read from outside: `plan --against OLD --json`.

use jiff::Timestamp;
use serde::Serialize;

use super::course::Course;
use crate::core::against::Against;
use crate::core::notice::Notice;
use crate::core::plan::PlannedSession;
use crate::core::plan::diff::{self, Aspect, Change};
use crate::core::policy::Name;
use crate::core::session::Phase;

/// Everything that differs.
#[derive(Debug, Serialize)]
pub struct AgainstView<'a> {
    pub from: Timestamp,
    pub until: Timestamp,
    pub same: bool,
    pub sessions: Vec<ChangeView<'a>>,
    pub periodic: PeriodicView,
    /// What would be sent at once; what is announced later is in the plan.
    pub notices: Vec<NoticeView<'a>>,
}

/// One session that differs.
#[derive(Debug, Serialize)]
pub struct ChangeView<'a> {
    /// One or more of the fixed words.
    pub changes: Vec<&'static str>,
    pub app: &'a str,
    pub window: &'a str,
    /// Whether people were told of it.
    pub announced: bool,
    /// Whether its notice has to be accepted a full lead before it starts, again.
    pub restarts_lead: bool,
    pub before: Option<SideView<'a>>,
    pub after: Option<SideView<'a>>,
    pub added: Vec<StepName<'a>>,
    pub removed: Vec<StepName<'a>>,
}

/// A session before or after.
#[derive(Debug, Serialize)]
pub struct SideView<'a> {
    pub id: &'a str,
    #[serde(flatten)]
    pub course: Course,
}

/// A job on a host.
#[derive(Debug, Serialize)]
pub struct StepName<'a> {
    pub job: &'a str,
    pub host: &'a str,
}

/// The periodic jobs that are new, gone, or run at other times.
#[derive(Debug, Serialize)]
pub struct PeriodicView {
    pub added: Vec<Name>,
    pub removed: Vec<Name>,
    pub moved: Vec<Name>,
    /// There are more runs than a plan lists: they were compared until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared_until: Option<Timestamp>,
}

/// One mail.
#[derive(Debug, Serialize)]
pub struct NoticeView<'a> {
    pub kind: &'static str,
    pub session: Option<&'a str>,
    pub recipient: &'a str,
    /// Why, in words.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'a str,
}

impl<'a> AgainstView<'a> {
    pub fn new(against: &'a Against) -> Self {
        let sessions = diff::sessions(&against.before, &against.after);
        let periodic = diff::periodic(&against.before, &against.after);
        Self {
            from: against.after.from,
            until: against.after.until,
            same: sessions.is_empty() && periodic.is_empty() && against.notices.is_empty(),
            sessions: sessions.iter().map(ChangeView::new).collect(),
            periodic: PeriodicView {
                added: periodic.added.into_iter().collect(),
                removed: periodic.removed.into_iter().collect(),
                moved: periodic.moved.into_iter().collect(),
                compared_until: diff::compared_until(&against.before, &against.after),
            },
            notices: against.notices.iter().map(NoticeView::new).collect(),
        }
    }
}

impl<'a> ChangeView<'a> {
    fn new(change: &Change<'a>) -> Self {
        let names = |steps: &[(&'a Name, &'a Name)]| {
            let steps = steps.iter();
            steps.map(|(job, host)| StepName { job, host }).collect()
        };
        let shown = change.after.or(change.before);
        let announced = change
            .before
            .is_some_and(|s| matches!(s.phase, Phase::Planned | Phase::Announced));
        let sooner_or_more = |aspect: &Aspect| matches!(aspect, Aspect::Earlier | Aspect::Grown);
        Self {
            changes: change.aspects.iter().map(|aspect| aspect.word()).collect(),
            app: shown.map_or("", |s| &s.app),
            window: shown.map_or("", |s| &s.window),
            announced,
            restarts_lead: announced && change.aspects.iter().any(sooner_or_more),
            before: change.before.map(SideView::new),
            after: change.after.map(SideView::new),
            added: names(&change.added),
            removed: names(&change.removed),
        }
    }
}

impl<'a> SideView<'a> {
    fn new(session: &'a PlannedSession) -> Self {
        Self {
            id: &session.id,
            course: Course::of(session),
        }
    }
}

impl<'a> NoticeView<'a> {
    fn new(notice: &'a Notice) -> Self {
        Self {
            kind: notice.kind.word(),
            session: notice.session.as_deref(),
            recipient: &notice.person.email,
            reason: notice.text.get(1).map_or("", String::as_str),
        }
    }
}
