//! The tables and their versions.

use std::path::Path;

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use super::error::StoreError;

/// "offh": tells a state of offhours from any other SQLite file.
pub(super) const APPLICATION_ID: u32 = 0x6f66_6668;

/// Version 1. `line` is set for the lines of the history and says what they are; the indexes are partial, because
/// every entry is paid for by every append. `start` is the attempt that begins, and forbids that it begins twice.
const V1: &str = "
CREATE TABLE facts (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    line INTEGER,
    job TEXT,
    session TEXT,
    run INTEGER,
    start INTEGER,
    outcome TEXT,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX facts_by_job ON facts (job, seq, line, run) WHERE job IS NOT NULL AND line IS NOT NULL;
CREATE INDEX facts_by_session ON facts (session, seq) WHERE session IS NOT NULL;
CREATE UNIQUE INDEX facts_start ON facts (run, start) WHERE start IS NOT NULL;
CREATE INDEX facts_by_run ON facts (run, seq) WHERE run IS NOT NULL AND line IS NOT NULL;
CREATE INDEX facts_by_outcome ON facts (outcome, seq) WHERE outcome IS NOT NULL AND outcome <> 'succeeded';
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    format INTEGER NOT NULL,
    next INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
";

/// Version 2: what happened since an instant is found without a walk over all that happened before.
const V2: &str = "CREATE INDEX facts_by_time ON facts (at) WHERE line IS NOT NULL;";

static STEPS: [M<'static>; 2] = [M::up(V1), M::up(V2)];

/// The version that this program writes.
pub(super) const KNOWN: i64 = 2;

/// The first version with `facts_by_time`.
pub(super) const WITH_TIMES: i64 = 2;

/// The version of the snapshot's form.
pub(super) const SNAPSHOT_FORMAT: i64 = 1;

/// The version of the file.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Refuses a file that a newer program wrote, and one that has no version.
pub(super) fn check_version(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let found = version(conn).map_err(|e| StoreError::sql(path, "read the version", e))?;
    match found {
        ..1 => Err(StoreError::damaged(path, "it has no version")),
        _ if found > KNOWN => Err(StoreError::Newer {
            path: path.to_path_buf(),
            found,
            known: KNOWN,
        }),
        _ => Ok(()),
    }
}

/// Brings the file to the version that this program writes. After a crash it has one version or the other.
pub(super) fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    use rusqlite_migration::Error;
    Migrations::from_slice(&STEPS)
        .to_latest(conn)
        .map_err(|error| match error {
            Error::RusqliteError { err, .. } => {
                StoreError::sql(path, "bring the state to this version", err)
            }
            other => StoreError::damaged(path, other.to_string()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_number_of_steps() {
        assert_eq!(KNOWN, STEPS.len() as i64);
        assert!(Migrations::from_slice(&STEPS).validate().is_ok());
    }
}
