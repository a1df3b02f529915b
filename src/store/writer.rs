//! The one writer.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};

use crate::core::fact::Fact;
use crate::core::state::State;

use super::error::StoreError;
use super::files::{self, Identity, Presence};
use super::prune::{self, Keep, Pruned, Sweep};
use super::row::{self, Encoded};
use super::{Facts, connect, load, reserve, schema};

/// The state folder, opened for writing. One at a time: the caller holds the instance lock.
///
/// Memory: half a megabyte of pages, whatever the length of the history.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    path: PathBuf,
    /// Of the file that was opened: it must be the one under `path`.
    identity: Identity,
    /// None after an input/output error, until the file can be opened again.
    conn: Option<Connection>,
    next: u64,
    /// An append failed in a way that leaves open whether it was recorded.
    unsure: bool,
    sweep: Sweep,
}

impl Store {
    /// Opens the state in `dir`. Where nothing shows that there was one, a new state is made: the folder with mode
    /// 0700, `state.db` with mode 0600, and the reserve. A crash meanwhile leaves no state, or a whole one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] and [`StoreError::Damaged`] with the file untouched: it is never replaced by an empty one.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        files::make_folder(dir)?;
        if files::presence(dir)? == Presence::Nothing {
            files::create(dir)?;
        }
        let path = files::state(dir);
        let conn = match open_checked(&path) {
            // A file of an earlier version is brought to this one, which takes room.
            Err(full @ StoreError::Full { .. }) => {
                if !reserve::release(dir)? {
                    return Err(full);
                }
                open_checked(&path)?
            }
            opened => opened?,
        };
        let next = load::next(&conn, &path)?;
        let identity = files::identity(&path)?;
        let store = Self {
            dir: dir.to_path_buf(),
            path,
            identity,
            conn: Some(conn),
            next,
            unsure: false,
            sweep: Sweep::default(),
        };
        // A state without a reserve is better than none; whoever asks for the reserve later is told why there is none.
        let _: Result<bool, StoreError> = reserve::restore(dir);
        Ok(store)
    }

    /// The number the next fact will have.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the reserve's 4 MiB back to the file system, for facts that have to be recorded on a full disk; whether
    /// there were any.
    pub fn release_reserve(&mut self) -> Result<bool, StoreError> {
        reserve::release(&self.dir)
    }

    /// Takes the reserve again where there is room for it twice; whether it is there now.
    pub fn restore_reserve(&mut self) -> Result<bool, StoreError> {
        reserve::restore(&self.dir)
    }

    /// The connection, opened again where the last one cannot be trusted any more.
    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        if files::identity(&self.path)? != self.identity {
            return Err(StoreError::Gone {
                path: self.path.clone(),
            });
        }
        if self.unsure || self.conn.is_none() {
            self.reopen()?;
        }
        self.conn.as_mut().ok_or_else(|| StoreError::Busy {
            path: self.path.clone(),
            verb: "open",
        })
    }

    /// After a failed `fsync` the kernel may have dropped what was to be written and call the pages clean. So nothing
    /// that the old connection holds is believed: the file is read anew, and what its log holds is written a second
    /// time, into the file itself, before anything is built upon it.
    fn reopen(&mut self) -> Result<(), StoreError> {
        self.conn = None;
        files::presence(&self.dir)?;
        let conn = open_unchecked(&self.path)?;
        let failed = |e| StoreError::sql(&self.path, "write the log back", e);
        let (busy, pages, written): (i64, i64, i64) = conn
            .query_row("PRAGMA wal_checkpoint(FULL)", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(failed)?;
        if busy != 0 || pages != written {
            return Err(StoreError::Busy {
                path: self.path.clone(),
                verb: "write the log back",
            });
        }
        files::sync(&self.path)?;
        self.next = load::next(&conn, &self.path)?;
        self.conn = Some(conn);
        self.unsure = false;
        Ok(())
    }

    /// How many of the facts, from number `expected` on, an earlier append recorded although it failed.
    fn recorded_already(
        &mut self,
        expected: u64,
        facts: &[Encoded<'_>],
    ) -> Result<usize, StoreError> {
        if expected == self.next {
            return Ok(0);
        }
        let (path, next) = (self.path.clone(), self.next);
        let conflict = StoreError::Conflict {
            expected,
            found: next,
        };
        let there = next
            .checked_sub(expected)
            .and_then(|n| usize::try_from(n).ok());
        let Some(given) = there.and_then(|count| facts.get(..count)) else {
            return Err(conflict);
        };
        let conn = self.connection()?;
        let failed = |e| StoreError::sql(&path, "read the last facts", e);
        let mut statement = conn
            .prepare_cached("SELECT at, body FROM facts WHERE seq >= ?1 ORDER BY seq")
            .map_err(failed)?;
        let mut rows = statement.query([row::to_sql(expected)]).map_err(failed)?;
        for fact in given {
            let Some(found) = rows.next().map_err(failed)? else {
                return Err(conflict);
            };
            let at: i64 = found.get(0).map_err(failed)?;
            let body: String = found.get(1).map_err(failed)?;
            if at != fact.at || body != fact.body {
                return Err(conflict);
            }
        }
        Ok(given.len())
    }

    /// Runs `write` in one transaction, and distrusts the connection where that failed in a way that leaves things
    /// open. A disk that is full does not: what was not written is known not to be there.
    fn transact<T>(
        &mut self,
        verb: &'static str,
        write: impl FnOnce(&Transaction<'_>, &Path) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        let conn = self.connection()?;
        let mut unsure = false;
        let result = conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|e| StoreError::sql(&path, verb, e))
            .and_then(|tx| {
                let made = write(&tx, &path)?;
                tx.commit().map(|()| made).map_err(|e| {
                    unsure = e.sqlite_error_code() != Some(ErrorCode::DiskFull);
                    StoreError::sql(&path, verb, e)
                })
            });
        self.unsure = unsure || result.as_ref().is_err_and(leaves_open);
        result
    }
}

fn leaves_open(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Io { .. } | StoreError::Sql { .. } | StoreError::Damaged { .. }
    )
}

impl Facts for Store {
    fn make_room(&mut self) -> bool {
        self.release_reserve().unwrap_or(false)
    }

    fn keep_room(&mut self) {
        // Tried again with the next chance; a state without a reserve is better than none.
        let _: Result<bool, StoreError> = self.restore_reserve();
    }

    fn load<E: Display>(
        &self,
        fold: impl FnMut(&mut State, Timestamp, &Fact) -> Result<(), E>,
    ) -> Result<(State, u64), StoreError> {
        let opened;
        let conn = match &self.conn {
            Some(conn) => conn,
            None => {
                opened = open_unchecked(&self.path)?;
                &opened
            }
        };
        let tx = conn
            .unchecked_transaction()
            .map_err(|e| StoreError::sql(&self.path, "read", e))?;
        load::load(&tx, &self.path, fold)
    }

    fn append(&mut self, expected: u64, facts: &[(Timestamp, Fact)]) -> Result<u64, StoreError> {
        let rows = facts
            .iter()
            .map(|(at, fact)| row::encode(*at, fact))
            .collect::<Result<Vec<_>, _>>()?;
        self.connection()?;
        let there = self.recorded_already(expected, &rows)?;
        let (first, rows) = (self.next, &rows[there..]);
        if !rows.is_empty() {
            self.transact("record", |tx, path| insert(tx, path, first, rows))?;
            self.next = first + rows.len() as u64;
        }
        Ok(self.next)
    }

    fn snapshot(&mut self, state: &State, next: u64) -> Result<(), StoreError> {
        let refuse = |why: String| StoreError::BadSnapshot { next, why };
        let body = serde_json::to_string(state).map_err(|e| refuse(e.to_string()))?;
        if body.len() > load::MAX_SNAPSHOT {
            return Err(refuse(format!("{} bytes are too many", body.len())));
        }
        self.connection()?;
        let last = self.next;
        self.transact("keep a snapshot", |tx, path| {
            let before = load::snapshot_next(tx, path)?;
            if !(before..=last).contains(&next) {
                return Err(refuse(format!(
                    "the last one is at {before}, the facts end at {last}"
                )));
            }
            tx.prepare_cached(
                "INSERT OR REPLACE INTO snapshot (id, format, next, body) VALUES (1, ?1, ?2, ?3)",
            )
            .and_then(|mut s| s.execute(params![schema::SNAPSHOT_FORMAT, row::to_sql(next), body]))
            .map(drop)
            .map_err(|e| StoreError::sql(path, "keep a snapshot", e))
        })
    }

    fn prune(&mut self, keep: &Keep, now: Timestamp) -> Result<Pruned, StoreError> {
        let mut sweep = std::mem::take(&mut self.sweep);
        let pruned = self.transact("prune", |tx, path| {
            prune::sweep(tx, path, &mut sweep, keep, now)
        })?;
        self.sweep = sweep;
        let path = self.path.clone();
        let shrunk = prune::shrink(self.connection()?, &path);
        self.unsure |= shrunk.as_ref().is_err_and(leaves_open);
        shrunk.map(|()| pruned)
    }
}

fn insert(
    tx: &Transaction<'_>,
    path: &Path,
    first: u64,
    facts: &[Encoded<'_>],
) -> Result<(), StoreError> {
    let mut statement = tx
        .prepare_cached(
            "INSERT INTO facts (seq, at, kind, line, job, session, run, start, outcome, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .map_err(|e| StoreError::sql(path, "record", e))?;
    for (seq, fact) in (first..).zip(facts) {
        statement
            .execute(params![
                row::to_sql(seq),
                fact.at,
                fact.kind,
                fact.line,
                fact.job,
                fact.session,
                fact.run,
                fact.start,
                fact.outcome,
                fact.body
            ])
            .map_err(|e| refused(tx, path, seq, fact, e))?;
    }
    Ok(())
}

/// Why the table did not take a fact.
fn refused(
    tx: &Transaction<'_>,
    path: &Path,
    seq: u64,
    fact: &Encoded<'_>,
    e: rusqlite::Error,
) -> StoreError {
    if e.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
        return StoreError::sql(path, "record", e);
    }
    match (fact.run, fact.start) {
        (Some(run), Some(attempt))
            if e.sqlite_error()
                .is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) =>
        {
            StoreError::StartedBefore {
                run: row::from_sql(run),
                attempt: u32::try_from(attempt).unwrap_or(0),
            }
        }
        _ => match load::next(tx, path) {
            Ok(found) => StoreError::Conflict {
                expected: seq,
                found,
            },
            Err(other) => other,
        },
    }
}

fn open_checked(path: &Path) -> Result<Connection, StoreError> {
    let conn = connect::plain(path)?;
    // Closing would write the log into a file that is refused, and take the log away.
    let leave_log = |leave| {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave)
            .map_err(|e| StoreError::sql(path, "open", e))
    };
    leave_log(true)?;
    schema::check_version(&conn, path)?;
    let found: String = conn
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|e| StoreError::sql(path, "check", e))?;
    if found != "ok" {
        return Err(StoreError::damaged(path, found));
    }
    leave_log(false)?;
    prepare(conn, path)
}

/// Without reading the whole file: it was checked when the program started.
fn open_unchecked(path: &Path) -> Result<Connection, StoreError> {
    let conn = connect::plain(path)?;
    schema::check_version(&conn, path)?;
    prepare(conn, path)
}

fn prepare(mut conn: Connection, path: &Path) -> Result<Connection, StoreError> {
    // SQLite opens a file that it may not write for reading.
    if conn
        .is_readonly("main")
        .map_err(|e| StoreError::sql(path, "open", e))?
    {
        return Err(StoreError::ReadOnly {
            path: path.to_path_buf(),
            verb: "open it for writing",
        });
    }
    connect::set_up_writer(&conn, path)?;
    schema::migrate(&mut conn, path)?;
    Ok(conn)
}

#[cfg(test)]
mod tests;
