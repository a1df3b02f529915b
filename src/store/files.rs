//! The files of the state, and whether they can be trusted.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::connect;
use super::error::StoreError;
use super::{log, schema};

const STATE: &str = "state.db";
/// A new state is made under this name, so that a half-made one is never taken for a damaged one.
const UNFINISHED: &str = "state.db.new";
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER: usize = 100;

/// What is in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Nothing shows that there was a state.
    Nothing,
    Present,
}

pub(super) fn state(dir: &Path) -> PathBuf {
    dir.join(STATE)
}

/// The companion files `-wal` and `-shm`.
pub(super) fn beside(state: &Path, suffix: &str) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Looks before SQLite does: it would take an empty file for a new state.
///
/// # Errors
///
/// [`StoreError::Damaged`] where there was a state and what is left is not one.
pub(super) fn presence(dir: &Path) -> Result<Presence, StoreError> {
    let path = state(dir);
    // Looked at before it is opened: opening a pipe waits for its other end.
    let about = match fs::metadata(&path) {
        Ok(about) => about,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return absent(dir, &path),
        Err(e) => return Err(StoreError::io(&path, "look at", e)),
    };
    if !about.is_file() {
        return Err(StoreError::damaged(&path, "it is not a file"));
    }
    let mut file = File::open(&path).map_err(|e| StoreError::io(&path, "open", e))?;
    let mut header = [0; HEADER];
    match file.read_exact(&mut header) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(StoreError::damaged(
                &path,
                format!("only {} bytes of it are left", about.len()),
            ));
        }
        Err(e) => return Err(StoreError::io(&path, "read", e)),
    }
    if !header.starts_with(MAGIC) {
        return Err(StoreError::damaged(&path, "it is not a state file"));
    }
    let number = |at: usize| -> u32 {
        header[at..at + 4]
            .iter()
            .fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
    };
    if number(68) != schema::APPLICATION_ID {
        return Err(StoreError::damaged(
            &path,
            "it is a database of another program",
        ));
    }
    log::check(&path)?;
    Ok(Presence::Present)
}

/// Device and number of a file: what stays the same while it is the same file.
pub(super) type Identity = (u64, u64);

/// # Errors
///
/// [`StoreError::Gone`] where there is none.
pub(super) fn identity(path: &Path) -> Result<Identity, StoreError> {
    match fs::metadata(path) {
        Ok(about) => Ok((about.dev(), about.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StoreError::Gone {
            path: path.to_path_buf(),
        }),
        Err(e) => Err(StoreError::io(path, "look at", e)),
    }
}

fn absent(dir: &Path, path: &Path) -> Result<Presence, StoreError> {
    let traces = [
        beside(path, "-wal"),
        beside(path, "-shm"),
        super::reserve::path(dir),
    ];
    match traces.iter().find(|trace| trace.symlink_metadata().is_ok()) {
        Some(trace) => {
            let name = trace
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Err(StoreError::damaged(
                path,
                format!("it is gone, but `{name}` shows that there was one"),
            ))
        }
        None => Ok(Presence::Nothing),
    }
}

/// Makes the folder, readable by its owner alone, where it is missing.
pub(super) fn make_folder(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| StoreError::io(dir, "create", e))
}

/// Makes a new state: whole under its name, or not at all.
pub(super) fn create(dir: &Path) -> Result<(), StoreError> {
    let unfinished = dir.join(UNFINISHED);
    for suffix in ["", "-wal", "-shm", "-journal"] {
        remove(&beside(&unfinished, suffix))?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(|e| StoreError::io(&unfinished, "create", e))?;
    let failed = |e| StoreError::sql(&unfinished, "create", e);
    let mut conn = connect::plain(&unfinished)?;
    conn.pragma_update(None, "page_size", connect::PAGE)
        .map_err(failed)?;
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")
        .map_err(failed)?;
    connect::set_up_writer(&conn, &unfinished)?;
    conn.pragma_update(None, "application_id", schema::APPLICATION_ID)
        .map_err(failed)?;
    schema::migrate(&mut conn, &unfinished)?;
    // Closing does the same and keeps its failures to itself; what stays in the log does not come along.
    connect::write_back(&conn).map_err(failed)?;
    close(conn, &unfinished)?;
    sync(&unfinished)?;
    if !whole(&unfinished) {
        let left = io::Error::other("a part of it could not be written");
        return Err(StoreError::io(&unfinished, "create", left));
    }
    let path = state(dir);
    fs::rename(&unfinished, &path).map_err(|e| StoreError::io(&path, "create", e))?;
    sync(dir)
}

/// Whether a new state stands in the one file that is given its name.
fn whole(unfinished: &Path) -> bool {
    let log = beside(unfinished, "-wal");
    fs::metadata(log).map_or(true, |log| log.len() == 0)
}

/// Closing writes the log back into the file.
fn close(conn: Connection, path: &Path) -> Result<(), StoreError> {
    conn.close()
        .map_err(|(_, e)| StoreError::sql(path, "close", e))
}

/// Makes a file, or the names in a folder, durable.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|e| StoreError::io(path, "make durable", e))
}

/// Removes a file; whether there was one.
pub(super) fn remove(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(StoreError::io(path, "remove", e)),
    }
}

/// Moves whatever is there of the state out of the way, so that a new one can begin: the files get the names
/// `state.db.SUFFIX`, `state.db-wal.SUFFIX` and so on; the reserve is removed. Returns the new names.
///
/// Nothing is overwritten: a name that exists is an error, with nothing moved. After a crash in the middle the rest is
/// moved by the next call, with another suffix.
pub fn set_aside(dir: &Path, suffix: &str) -> Result<Vec<PathBuf>, StoreError> {
    let path = state(dir);
    let aside: Vec<(PathBuf, PathBuf)> = ["", "-wal", "-shm"]
        .iter()
        .map(|end| beside(&path, end))
        .filter(|from| from.symlink_metadata().is_ok())
        .map(|from| {
            let to = beside(&from, &format!(".{suffix}"));
            (from, to)
        })
        .collect();
    if let Some((_, taken)) = aside.iter().find(|(_, to)| to.symlink_metadata().is_ok()) {
        return Err(StoreError::io(
            taken,
            "move the state there",
            io::ErrorKind::AlreadyExists.into(),
        ));
    }
    for (from, to) in &aside {
        fs::rename(from, to).map_err(|e| StoreError::io(from, "move aside", e))?;
    }
    remove(&super::reserve::path(dir))?;
    if !aside.is_empty() {
        sync(dir)?;
    }
    Ok(aside.into_iter().map(|(_, to)| to).collect())
}
