//! From rows to the state.

use std::fmt::Display;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::core::fact::Fact;
use crate::core::state::State;

use super::error::StoreError;
use super::row;
use super::schema::SNAPSHOT_FORMAT;

/// No snapshot is longer than this, written or read.
pub(super) const MAX_SNAPSHOT: usize = 64 * 1024 * 1024;

/// The number after everything the snapshot covers; 1 without one.
pub(super) fn snapshot_next(conn: &Connection, path: &Path) -> Result<u64, StoreError> {
    conn.prepare_cached("SELECT next FROM snapshot WHERE id = 1")
        .and_then(|mut s| s.query_row([], |row| row.get(0)).optional())
        .map(|next| next.map_or(1, row::from_sql))
        .map_err(|e| StoreError::sql(path, "read the snapshot", e))
}

/// The number the next fact will have.
pub(super) fn next(conn: &Connection, path: &Path) -> Result<u64, StoreError> {
    let last: Option<i64> = conn
        .prepare_cached("SELECT max(seq) FROM facts")
        .and_then(|mut s| s.query_row([], |row| row.get(0)))
        .map_err(|e| StoreError::sql(path, "read the last fact", e))?;
    let after = last.map_or(1, |seq| row::from_sql(seq).saturating_add(1));
    // All facts may have been pruned.
    Ok(after.max(snapshot_next(conn, path)?))
}

/// The snapshot, where there is one, and the number after what it covers.
pub(super) fn snapshot(conn: &Connection, path: &Path) -> Result<(State, u64), StoreError> {
    let failed = |e| StoreError::sql(path, "read the snapshot", e);
    let mut statement = conn
        .prepare("SELECT format, next, body FROM snapshot WHERE id = 1")
        .map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let Some(found) = rows.next().map_err(failed)? else {
        return Ok((State::default(), 1));
    };
    let format: i64 = found.get(0).map_err(failed)?;
    if format != SNAPSHOT_FORMAT {
        return Err(StoreError::Newer {
            path: path.to_path_buf(),
            found: format,
            known: SNAPSHOT_FORMAT,
        });
    }
    let next = row::from_sql(found.get(1).map_err(failed)?);
    let body = found
        .get_ref(2)
        .map_err(failed)?
        .as_str()
        .map_err(|e| StoreError::damaged(path, e.to_string()))?;
    if body.len() > MAX_SNAPSHOT || next == 0 {
        return Err(StoreError::damaged(path, "its snapshot is none"));
    }
    let state = serde_json::from_str(body)
        .map_err(|e| StoreError::damaged(path, format!("its snapshot cannot be read: {e}")))?;
    Ok((state, next))
}

/// The fold of everything recorded. The caller holds a read transaction.
pub(super) fn load<E: Display>(
    conn: &Connection,
    path: &Path,
    mut fold: impl FnMut(&mut State, Timestamp, &Fact) -> Result<(), E>,
) -> Result<(State, u64), StoreError> {
    let failed = |e| StoreError::sql(path, "read the facts", e);
    let (mut state, mut next) = snapshot(conn, path)?;
    let mut statement = conn
        .prepare("SELECT seq, at, body FROM facts WHERE seq >= ?1 ORDER BY seq")
        .map_err(failed)?;
    let mut rows = statement.query([row::to_sql(next)]).map_err(failed)?;
    while let Some(found) = rows.next().map_err(failed)? {
        let (seq, at, fact) = row::decode(path, found)?;
        if seq != next {
            return Err(StoreError::damaged(path, format!("fact {next} is missing")));
        }
        fold(&mut state, at, &fact).map_err(|e| StoreError::BadFact {
            path: path.to_path_buf(),
            seq,
            why: e.to_string(),
        })?;
        next += 1;
    }
    Ok((state, next))
}
