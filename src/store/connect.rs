//! How the file is opened.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::load::MAX_SNAPSHOT;

pub(super) const PAGE: i64 = 4096;
/// The log is written back after this many pages, and keeps the room it took: writing where a file has been written
/// before is what makes a transition cheap.
const LOG_PAGES: i64 = 1000;
const LOG_BYTES: i64 = (LOG_PAGES + 100) * (PAGE + 24);

/// A connection that has not read the file yet.
pub(super) fn plain(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn =
        Connection::open_with_flags(path, flags).map_err(|e| StoreError::sql(path, "open", e))?;
    set_up(&conn).map_err(|e| StoreError::sql(path, "open", e))?;
    Ok(conn)
}

fn set_up(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::from_secs(2))?;
    // A damaged length must not become an allocation.
    let longest = i32::try_from(MAX_SNAPSHOT + 4096).unwrap_or(i32::MAX);
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest)?;
    conn.set_prepared_statement_cache_capacity(32);
    conn.pragma_update(None, "cache_size", -512)?;
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)
}

pub(super) fn set_up_writer(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |e| StoreError::sql(path, "open", e);
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(failed)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(StoreError::damaged(
            path,
            format!("it keeps its log as `{mode}`, not beside it"),
        ));
    }
    conn.pragma_update(None, "synchronous", "FULL")
        .map_err(failed)?;
    conn.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)
        .map_err(failed)?;
    conn.pragma_update(None, "journal_size_limit", LOG_BYTES)
        .map_err(failed)
}

/// How a file is read that somebody else may be writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Through the index that all processes share.
    Shared,
    /// There is no log: the file is all there is. It must not change meanwhile.
    Still,
    /// There is a log, and no index that can be used. Neither must change meanwhile.
    StillWithLog,
}

/// A connection that reads, and creates no file.
pub(super) fn reader(path: &Path, mode: Mode) -> rusqlite::Result<Connection> {
    let query = match mode {
        Mode::Shared => "mode=ro",
        Mode::Still => "mode=ro&immutable=1",
        Mode::StillWithLog => "mode=ro&vfs=unix-none",
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(uri(path, query), flags)?;
    if mode == Mode::StillWithLog {
        // Said before the file is looked at: the index of the log is then kept in memory.
        conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    }
    set_up(&conn)?;
    Ok(conn)
}

fn uri(path: &Path, query: &str) -> PathBuf {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push('?');
    uri.push_str(query);
    PathBuf::from(uri)
}

/// Writes the whole log back into the file.
///
/// # Errors
/// Where a part of it is left: the disk failed, or another reads.
pub(super) fn write_back(conn: &Connection) -> rusqlite::Result<()> {
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 {
        return Ok(());
    }
    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(rusqlite::Error::SqliteFailure(busy, None))
}
