//! The lines of the history and how they are looked up.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::core::fact::Fact;
use crate::core::policy::Name;
use crate::core::run::{Outcome, RunId, SessionId, What};

use super::error::StoreError;
use super::row;

/// No answer has more rows; page on with `before_seq`.
pub(super) const MAX_ROWS: usize = 10_000;

/// What a line of the history is about. The numbers are kept in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// An attempt at a step, or a step that ended without one.
    Step = 1,
    /// An `only_if` question.
    Ask = 2,
    /// An enter or leave hook.
    Hook = 3,
    Periodic = 4,
    Alarm = 5,
    /// Due instants that were not served.
    Skip = 6,
    /// The end of a session.
    Session = 7,
}

impl Line {
    pub const ALL: [Self; 7] = [
        Self::Step,
        Self::Ask,
        Self::Hook,
        Self::Periodic,
        Self::Alarm,
        Self::Skip,
        Self::Session,
    ];

    /// None for facts that are no lines of the history.
    pub fn of(fact: &Fact) -> Option<Self> {
        match fact {
            Fact::AttemptEnded(ended) => Some(match ended.what {
                What::Step { .. } => Self::Step,
                What::Ask { .. } => Self::Ask,
                What::Enter { .. } | What::Leave { .. } => Self::Hook,
                What::Periodic { .. } => Self::Periodic,
                What::Alarm { .. } => Self::Alarm,
            }),
            Fact::StepDone { .. } => Some(Self::Step),
            Fact::Skipped { .. } => Some(Self::Skip),
            Fact::SessionClosed { .. } => Some(Self::Session),
            _ => None,
        }
    }

    pub(super) fn code(self) -> i64 {
        self as i64
    }
}

/// Which lines are wanted: those that match all that is given.
#[derive(Clone, Debug)]
pub struct HistoryFilter {
    pub job: Option<Name>,
    pub session: Option<SessionId>,
    /// Lines of this app's sessions. Periodic jobs have no session: ask for them by name.
    pub app: Option<Name>,
    pub run: Option<RunId>,
    pub outcome: Option<Outcome>,
    /// Empty: all.
    pub lines: Vec<Line>,
    /// At or after this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// At most 10,000.
    pub limit: usize,
    /// Older than this: where the last page ended.
    pub before_seq: Option<u64>,
}

impl Default for HistoryFilter {
    fn default() -> Self {
        Self {
            job: None,
            session: None,
            app: None,
            run: None,
            outcome: None,
            lines: Vec::new(),
            since: None,
            until: None,
            limit: 100,
            before_seq: None,
        }
    }
}

/// One line: an `AttemptEnded`, `StepDone`, `Skipped` or `SessionClosed`.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    pub seq: u64,
    pub at: Timestamp,
    pub fact: Fact,
}

/// The lines, newest first.
pub(super) fn history(
    conn: &Connection,
    path: &Path,
    filter: &HistoryFilter,
) -> Result<Vec<HistoryRow>, StoreError> {
    let (sql, values) = query(filter);
    let failed = |e| StoreError::sql(path, "read the history", e);
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
    let mut lines = Vec::new();
    while let Some(found) = rows.next().map_err(failed)? {
        let (seq, at, fact) = row::decode(path, found)?;
        lines.push(HistoryRow { seq, at, fact });
    }
    Ok(lines)
}

fn query(filter: &HistoryFilter) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let mut terms = vec!["line IS NOT NULL".to_owned()];
    let mut term = |sql: &str, value: Value| {
        values.push(value);
        terms.push(sql.replace('?', &format!("?{}", values.len())));
    };
    if let Some(run) = filter.run {
        term("run = ?", row::to_sql(run).into());
    }
    if let Some(job) = &filter.job {
        term("job = ?", job.to_string().into());
    }
    if let Some(session) = &filter.session {
        term("session = ?", session.to_string().into());
    }
    if let Some(app) = &filter.app {
        // All that begins with `APP/`: `0` is the character after the slash.
        term("session >= ?", format!("{app}/").into());
        term("session < ?", format!("{app}0").into());
    }
    match filter.outcome {
        Some(Outcome::Succeeded) => {
            term("outcome = ?", Outcome::Succeeded.word().to_owned().into())
        }
        // Said in the index's own words, so that it is used.
        Some(other) => term(
            "outcome <> 'succeeded' AND outcome = ?",
            other.word().to_owned().into(),
        ),
        None => {}
    }
    if let Some(since) = filter.since {
        term("at >= ?", instant(since).into());
    }
    if let Some(until) = filter.until {
        term("at < ?", instant(until).into());
    }
    if let Some(before) = filter.before_seq {
        term("seq < ?", row::to_sql(before).into());
    }
    if !filter.lines.is_empty() {
        let codes: Vec<String> = filter
            .lines
            .iter()
            .map(|line| line.code().to_string())
            .collect();
        terms.push(format!("line IN ({})", codes.join(", ")));
    }
    let limit = filter.limit.min(MAX_ROWS);
    let sql = format!(
        "SELECT seq, at, body FROM facts{} WHERE {} ORDER BY seq DESC LIMIT {limit}",
        index(filter),
        terms.join(" AND ")
    );
    (sql, values)
}

/// Chosen here: SQLite would rather walk the whole table backwards than sort.
fn index(filter: &HistoryFilter) -> &'static str {
    if filter.run.is_some() {
        " INDEXED BY facts_by_run"
    } else if filter.session.is_some() {
        " INDEXED BY facts_by_session"
    } else if filter.job.is_some() {
        " INDEXED BY facts_by_job"
    } else if filter
        .outcome
        .is_some_and(|outcome| outcome != Outcome::Succeeded)
    {
        " INDEXED BY facts_by_outcome"
    } else if filter.app.is_some() {
        " INDEXED BY facts_by_session"
    } else {
        " NOT INDEXED"
    }
}

/// Instants that no fact can have stand for the nearest that one can.
fn instant(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(if at < Timestamp::UNIX_EPOCH {
        i64::MIN
    } else {
        i64::MAX
    })
}
