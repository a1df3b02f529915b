//! For everybody who does not write: another process, another thread, with the daemon up or down.
//!
//! With the daemon up, SQLite's shared index of the log is used. With the daemon down there is often nothing beside
//! the file, and SQLite would create what it needs: a file that the daemon's user may not be able to open later, in a
//! folder that the reader may not be able to write. So the file is then read as it stands, and read again where it
//! turns out that it changed meanwhile.

use std::cell::Cell;
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};

use crate::core::fact::Fact;
use crate::core::state::State;

use super::connect::{self, Mode};
use super::error::StoreError;
use super::files::{self, Presence};
use super::history::{self, HistoryFilter, HistoryRow, MAX_ROWS};
use super::{load, row, schema};

/// How often something that changes while it is read is read again.
const TRIES: usize = 20;

/// Reads the state and its history; never writes, never makes the writer wait, never creates a file.
pub struct Reader {
    path: PathBuf,
    /// Taken out while it is used.
    opened: Cell<Option<Opened>>,
}

struct Opened {
    conn: Connection,
    mode: Mode,
    /// What the files looked like, where they must not change.
    seen: Witness,
}

impl Reader {
    /// None where there is no state yet.
    ///
    /// # Errors
    ///
    /// As [`super::Store::open`], but a file is not read as a whole to find damage.
    pub fn open(dir: &Path) -> Result<Option<Self>, StoreError> {
        if files::presence(dir)? == Presence::Nothing {
            return Ok(None);
        }
        let reader = Self {
            path: files::state(dir),
            opened: Cell::new(None),
        };
        reader.read(|_, _| Ok(()))?;
        Ok(Some(reader))
    }

    /// The state as of all facts recorded, and the number the next fact will have.
    pub fn load<E: Display>(
        &self,
        mut fold: impl FnMut(&mut State, Timestamp, &Fact) -> Result<(), E>,
    ) -> Result<(State, u64), StoreError> {
        self.read(|conn, path| load::load(conn, path, &mut fold))
    }

    /// The number the next fact will have.
    pub(super) fn next(&self) -> Result<u64, StoreError> {
        self.read(load::next)
    }

    /// The lines of the history that match, newest first.
    pub fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        self.read(|conn, path| history::history(conn, path, filter))
    }

    /// The number of the oldest line of the history that is not older than `since`: a bound for
    /// [`HistoryFilter::from_seq`]. None where there is no such line.
    pub fn first_since(&self, since: Timestamp) -> Result<Option<u64>, StoreError> {
        self.read(|conn, path| history::first_since(conn, path, since))
    }

    /// All facts of a session that are kept, in order; at most 10,000.
    pub fn facts_of_session(&self, id: &str) -> Result<Vec<(u64, Timestamp, Fact)>, StoreError> {
        let sql = "SELECT seq, at, body FROM facts INDEXED BY facts_by_session \
                   WHERE session = ?1 ORDER BY seq LIMIT ?2";
        self.read(|conn, path| facts(conn, path, sql, (id, row::to_sql(MAX_ROWS as u64))))
    }

    /// The facts after number `seq` that are kept, in order; at most `limit` and 10,000.
    pub fn facts_after(
        &self,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Timestamp, Fact)>, StoreError> {
        let sql = "SELECT seq, at, body FROM facts WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let limit = row::to_sql(limit.min(MAX_ROWS) as u64);
        self.read(|conn, path| facts(conn, path, sql, (row::to_sql(seq), limit)))
    }

    /// Runs `work` on what was true at one moment.
    fn read<T>(
        &self,
        mut work: impl FnMut(&Connection, &Path) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut mode = None;
        for _ in 0..TRIES {
            let current = match self.opened.take() {
                Some(current)
                    if current.mode == Mode::Shared || current.seen == Witness::of(&self.path) =>
                {
                    current
                }
                _ => match self.connect(mode.take()) {
                    Ok(current) => current,
                    Err(Refused::Index) => {
                        mode = Some(Mode::StillWithLog);
                        continue;
                    }
                    Err(Refused::Changed) => continue,
                    Err(Refused::For(error)) => return Err(error),
                },
            };
            let result = schema::check_version(&current.conn, &self.path)
                .and_then(|()| {
                    let failed = |e| StoreError::sql(&self.path, "read", e);
                    current.conn.unchecked_transaction().map_err(failed)
                })
                .and_then(|tx| work(&tx, &self.path));
            let index = |e: &StoreError| {
                matches!(
                    e,
                    StoreError::ReadOnly { .. } | StoreError::Full { .. } | StoreError::Io { .. }
                )
            };
            if current.mode == Mode::Shared && result.as_ref().is_err_and(index) {
                // The index has to be made anew, which this user may not do, or for which there is no room.
                mode = Some(Mode::StillWithLog);
                continue;
            }
            if current.mode == Mode::Shared || current.seen == Witness::of(&self.path) {
                self.opened.set(Some(current));
                return result;
            }
        }
        Err(StoreError::Busy {
            path: self.path.clone(),
            verb: "read",
        })
    }

    fn connect(&self, mode: Option<Mode>) -> Result<Opened, Refused> {
        let seen = Witness::of(&self.path);
        let mode = mode.unwrap_or_else(|| seen.mode());
        let conn = match connect::reader(&self.path, mode) {
            Ok(conn) => conn,
            Err(e) if mode == Mode::Shared && index_unusable(&e) => return Err(Refused::Index),
            Err(_) if mode != Mode::Shared && seen != Witness::of(&self.path) => {
                return Err(Refused::Changed);
            }
            Err(e) => return Err(Refused::For(StoreError::sql(&self.path, "open", e))),
        };
        Ok(Opened { conn, mode, seen })
    }
}

enum Refused {
    /// The file changed while it was opened.
    Changed,
    /// The shared index may not be written by this user, or is of no use.
    Index,
    For(StoreError),
}

fn index_unusable(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
        )
    )
}

fn facts(
    conn: &Connection,
    path: &Path,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<(u64, Timestamp, Fact)>, StoreError> {
    let failed = |e| StoreError::sql(path, "read the facts", e);
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut facts = Vec::new();
    while let Some(found) = rows.next().map_err(failed)? {
        facts.push(row::decode(path, found)?);
    }
    Ok(facts)
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// What shows that the file, its log or its index was touched.
#[derive(Debug, PartialEq, Eq)]
struct Witness {
    state: Option<Looks>,
    log: Option<Looks>,
    /// It begins anew with other salts.
    log_header: Option<[u8; 32]>,
    index: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Looks {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Witness {
    fn of(path: &Path) -> Self {
        let log = files::beside(path, "-wal");
        Self {
            state: Looks::of(path),
            log: Looks::of(&log),
            log_header: header(&log),
            index: files::beside(path, "-shm").symlink_metadata().is_ok(),
        }
    }

    fn mode(&self) -> Mode {
        match (&self.log, self.index) {
            (Some(_), true) => Mode::Shared,
            (Some(log), false) if log.size > 0 => Mode::StillWithLog,
            _ => Mode::Still,
        }
    }
}

impl Looks {
    fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|about| Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
        })
    }
}

fn header(log: &Path) -> Option<[u8; 32]> {
    let mut header = [0; 32];
    let mut file = fs::File::open(log).ok()?;
    std::io::Read::read_exact(&mut file, &mut header).ok()?;
    Some(header)
}
