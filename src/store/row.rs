//! How a fact is a row of the table.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::Row;

use crate::core::fact::Fact;
use crate::core::run::Outcome;

use super::error::StoreError;
use super::history::Line;

/// No fact is longer than this, written or read.
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;

/// A fact in the form in which it is kept.
pub(super) struct Encoded<'a> {
    pub at: i64,
    pub kind: &'static str,
    pub line: Option<i64>,
    pub job: Option<&'a str>,
    pub session: Option<&'a str>,
    pub run: Option<i64>,
    pub start: Option<i64>,
    pub outcome: Option<&'static str>,
    pub body: String,
}

/// # Errors
///
/// [`StoreError::Unrecordable`] where the instant is out of the years 1678 to 2261 or the fact is too long.
pub(super) fn encode(at: Timestamp, fact: &Fact) -> Result<Encoded<'_>, StoreError> {
    let kind = fact.kind();
    let refuse = |why: String| StoreError::Unrecordable { kind, why };
    let body = serde_json::to_string(fact).map_err(|e| refuse(e.to_string()))?;
    if body.len() > MAX_BODY {
        return Err(refuse(format!("{} bytes are too many", body.len())));
    }
    Ok(Encoded {
        at: i64::try_from(at.as_nanosecond())
            .map_err(|_| refuse(format!("{at} is out of range")))?,
        kind,
        line: Line::of(fact).map(Line::code),
        job: fact.job().map(|name| &**name),
        session: fact.session().map(|id| &**id),
        run: fact.run().map(to_sql),
        start: match fact {
            Fact::AttemptStarted { attempt, .. } => Some(i64::from(*attempt)),
            _ => None,
        },
        outcome: outcome(fact).map(Outcome::word),
        body,
    })
}

/// How the thing ended that a line of the history is about.
pub(super) fn outcome(fact: &Fact) -> Option<Outcome> {
    match fact {
        Fact::AttemptEnded(ended) => Some(ended.outcome),
        Fact::StepDone { outcome, .. } | Fact::SessionClosed { outcome, .. } => Some(*outcome),
        Fact::Skipped { .. } => Some(Outcome::Skipped),
        _ => None,
    }
}

/// Reads `seq, at, body`, in this order, from the start of a row.
///
/// # Errors
///
/// [`StoreError::BadFact`] where the row does not hold a fact.
pub(super) fn decode(path: &Path, row: &Row<'_>) -> Result<(u64, Timestamp, Fact), StoreError> {
    let read = |e| StoreError::sql(path, "read a fact", e);
    let seq = from_sql(row.get(0).map_err(read)?);
    let bad = |why: String| StoreError::BadFact {
        path: path.to_path_buf(),
        seq,
        why,
    };
    let at: i64 = row.get(1).map_err(|e| bad(e.to_string()))?;
    let at = Timestamp::from_nanosecond(i128::from(at)).map_err(|e| bad(e.to_string()))?;
    let body = row
        .get_ref(2)
        .map_err(read)?
        .as_str()
        .map_err(|e| bad(e.to_string()))?;
    if body.len() > MAX_BODY {
        return Err(bad(format!("it has {} bytes", body.len())));
    }
    let fact = serde_json::from_str(body).map_err(|e| bad(e.to_string()))?;
    Ok((seq, at, fact))
}

/// SQLite's numbers have a sign. Nothing that is counted here gets near the bound.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A negative number, which nobody writes, becomes 0, which no fact has.
pub(super) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
