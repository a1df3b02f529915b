//! The lines of the history and how they are looked up.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::core::fact::Fact;
use crate::core::policy::Name;
use crate::core::run::{Outcome, RunId, SessionId, What};

use super::error::StoreError;
use super::{row, schema};

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
    /// What an operator asked for.
    Act = 8,
}

impl Line {
    pub const ALL: [Self; 8] = [
        Self::Step,
        Self::Ask,
        Self::Hook,
        Self::Periodic,
        Self::Alarm,
        Self::Skip,
        Self::Session,
        Self::Act,
    ];

    /// None for facts that are no lines of the history.
    pub fn of(fact: &Fact) -> Option<Self> {
        match fact {
            Fact::AttemptEnded(ended) => Some(match ended.what {
                What::Step { .. } => Self::Step,
                What::Ask { .. } | What::Health { .. } | What::Peer { .. } => Self::Ask,
                What::Enter { .. } | What::Leave { .. } => Self::Hook,
                What::Periodic { .. } => Self::Periodic,
                What::Alarm { .. } => Self::Alarm,
            }),
            Fact::StepDone { .. } => Some(Self::Step),
            Fact::Skipped { .. } => Some(Self::Skip),
            Fact::SessionClosed { .. } => Some(Self::Session),
            Fact::Asked(_) => Some(Self::Act),
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
    /// Only what somebody should look at ([`Outcome::is_bad`]).
    pub bad: bool,
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
    /// Not older than this: what [`Reader::first_since`](super::Reader::first_since) says. Unlike `since` it keeps older
    /// lines from being looked at.
    pub from_seq: Option<u64>,
}

impl Default for HistoryFilter {
    fn default() -> Self {
        Self {
            job: None,
            session: None,
            app: None,
            run: None,
            outcome: None,
            bad: false,
            lines: Vec::new(),
            since: None,
            until: None,
            limit: 100,
            before_seq: None,
            from_seq: None,
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
    if let Some(from) = filter.from_seq {
        term("seq >= ?", row::to_sql(from).into());
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
    let (index, terms) = (index(filter), terms.join(" AND "));
    let bad = Outcome::ALL.into_iter().filter(|outcome| outcome.is_bad());
    let sql = if filter.bad && index == NO_INDEX {
        // The newest of each kind, then the newest of those: what is bad is seldom, and one after another in the index.
        let newest = bad.map(|outcome| {
            format!(
                "SELECT seq FROM (SELECT seq FROM facts{BY_OUTCOME} WHERE outcome <> 'succeeded' \
                 AND outcome = '{}' AND {terms} ORDER BY seq DESC LIMIT {limit})",
                outcome.word()
            )
        });
        let newest = newest.collect::<Vec<_>>().join(" UNION ALL ");
        format!(
            "SELECT seq, at, body FROM facts WHERE seq IN ({newest}) ORDER BY seq DESC LIMIT {limit}"
        )
    } else {
        let bad = filter.bad.then(|| {
            let words: Vec<String> = bad.map(|o| format!("'{}'", o.word())).collect();
            format!(" AND outcome IN ({})", words.join(", "))
        });
        format!(
            "SELECT seq, at, body FROM facts{index} WHERE {terms}{} ORDER BY seq DESC LIMIT {limit}",
            bad.unwrap_or_default()
        )
    };
    (sql, values)
}

const NO_INDEX: &str = " NOT INDEXED";
const BY_OUTCOME: &str = " INDEXED BY facts_by_outcome";

/// The number of the oldest line that was recorded at or after an instant. The wall clock goes back at times, so that
/// numbers alone do not tell.
pub(super) fn first_since(
    conn: &Connection,
    path: &Path,
    since: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let failed = |e| StoreError::sql(path, "read the history", e);
    // A state that this program only reads may be older than the index.
    if schema::version(conn).map_err(failed)? < schema::WITH_TIMES {
        return Ok(Some(0));
    }
    conn.prepare_cached(
        "SELECT min(seq) FROM facts INDEXED BY facts_by_time WHERE line IS NOT NULL AND at >= ?1",
    )
    .and_then(|mut s| s.query_row([instant(since)], |row| row.get::<_, Option<i64>>(0)))
    .map(|seq| seq.map(row::from_sql))
    .map_err(failed)
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
        BY_OUTCOME
    } else if filter.app.is_some() {
        " INDEXED BY facts_by_session"
    } else {
        NO_INDEX
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
