//! Files of output: where they are, how they are found, and how they are bounded.
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use crate::core::run::{RunId, What};

/// Longer names are cut; the file's own name tells runs apart.
const LONGEST_NAME: usize = 200;

/// `STATE/logs/FOLDER/RUN.ATTEMPT.log`.
pub fn log_path(state_dir: &Path, what: &What, run: RunId, attempt: u32) -> PathBuf {
    folder(state_dir, &folder_name(what)).join(format!("{run}.{attempt}.log"))
}

/// The folder of a job's logs.
pub fn job_folder(state_dir: &Path, job: &str) -> PathBuf {
    folder(state_dir, &safe(job))
}

fn folder(state_dir: &Path, name: &str) -> PathBuf {
    state_dir.join("logs").join(name)
}

/// A job's own name, or what it is for and whose: `enter@shop`, `only_if@os-updates`, `alarm`.
fn folder_name(what: &What) -> String {
    match what {
        What::Step { job, .. } | What::Periodic { job, .. } => safe(job),
        What::Ask { job, .. } | What::Health { job, .. } | What::Peer { job, .. } => {
            format!("{}@{}", what.word(), safe(job))
        }
        What::Enter { session, .. } | What::Leave { session, .. } => {
            let app = session.split('/').next().unwrap_or_default();
            format!("{}@{}", what.word(), safe(app))
        }
        What::Alarm { .. } => "alarm".to_owned(),
    }
}

/// A name as one part of a path, whatever it is.
fn safe(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0);
        if safe.len() >= LONGEST_NAME {
            break;
        }
        if plain {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    if safe.is_empty() {
        safe.push('%');
    }
    safe
}

/// One file of output.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFile {
    pub run: RunId,
    pub attempt: u32,
    pub path: PathBuf,
}

/// The files of a run of which it is known what it was for, by attempt: one folder is looked through.
///
/// # Errors
/// When the folder cannot be read; one that is not there has no files.
pub fn of_run(state_dir: &Path, what: &What, run: RunId) -> io::Result<Vec<LogFile>> {
    let mut found = Vec::new();
    each_log(&folder(state_dir, &folder_name(what)), |file| {
        if file.run == run {
            found.push(file);
        }
    })?;
    found.sort_unstable();
    Ok(found)
}

/// The files of a run, by attempt, wherever they are.
///
/// # Errors
/// When a folder cannot be read; a folder that is not there has no files.
pub fn find(state_dir: &Path, run: RunId) -> io::Result<Vec<LogFile>> {
    let mut found = Vec::new();
    for folder in folders(state_dir)? {
        each_log(&folder, |file| {
            if file.run == run {
                found.push(file);
            }
        })?;
        if !found.is_empty() {
            break;
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The latest file of a job.
///
/// # Errors
/// When its folder cannot be read; a folder that is not there has no files.
pub fn latest(state_dir: &Path, job: &str) -> io::Result<Option<LogFile>> {
    let mut latest: Option<LogFile> = None;
    each_log(&job_folder(state_dir, job), |file| {
        if latest
            .as_ref()
            .is_none_or(|l| (l.run, l.attempt) < (file.run, file.attempt))
        {
            latest = Some(file);
        }
    })?;
    Ok(latest)
}

/// What a file of so many bytes takes at least.
const BLOCK: u64 = 4096;

/// What a file of this length takes on most file systems: a thousand lines of their own take more room than they have
/// letters.
pub fn room(length: u64) -> u64 {
    length.div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// What pruning left and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The room that the files take together.
    pub bytes: u64,
    pub deleted: usize,
    /// More files have to go than one call deletes.
    pub more: bool,
}

/// Deletes the oldest files until all together take no more than `limit` bytes of room, however many there are: in
/// rounds, so that memory is bounded.
///
/// # Errors
/// When a folder cannot be read or a file cannot be deleted. Files that vanish meanwhile are no error.
pub fn bound(state_dir: &Path, limit: u64) -> io::Result<Pruned> {
    let mut all = 0;
    loop {
        let pruned = prune(state_dir, limit, AT_ONCE)?;
        all += pruned.deleted;
        if !pruned.more {
            return Ok(Pruned {
                deleted: all,
                ..pruned
            });
        }
    }
}

/// Files deleted in one round.
const AT_ONCE: usize = 10_000;

/// Deletes the oldest files until all together take no more than `limit` bytes, at most `max_delete` of them. Memory is
/// bounded by `max_delete`.
fn prune(state_dir: &Path, limit: u64, max_delete: usize) -> io::Result<Pruned> {
    let mut total: u64 = 0;
    // The newest of the oldest is on top, to be pushed out by an older one.
    let mut oldest: BinaryHeap<(SystemTime, u64, PathBuf)> = BinaryHeap::new();
    for folder in folders(state_dir)? {
        each_log(&folder, |file| {
            let Ok(meta) = fs::symlink_metadata(&file.path) else {
                return;
            };
            let room = room(meta.len());
            total = total.saturating_add(room);
            let age = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            oldest.push((age, room, file.path));
            if oldest.len() > max_delete {
                oldest.pop();
            }
        })?;
    }
    let mut pruned = Pruned {
        bytes: total,
        deleted: 0,
        more: false,
    };
    let all_looked_at = oldest.len() < max_delete;
    let mut by_age: Vec<_> = oldest.into_iter().map(Reverse).collect();
    by_age.sort_unstable_by(|a, b| b.cmp(a));
    for Reverse((_, room, path)) in by_age {
        if pruned.bytes <= limit {
            break;
        }
        match fs::remove_file(&path) {
            Ok(()) => pruned.deleted += 1,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        pruned.bytes = pruned.bytes.saturating_sub(room);
    }
    // Where nothing could be deleted another round would not, either.
    pruned.more = pruned.bytes > limit && !all_looked_at && pruned.deleted > 0;
    Ok(pruned)
}

fn folders(state_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(state_dir.join("logs")) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

fn each_log(folder: &Path, mut see: impl FnMut(LogFile)) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let numbers = name
            .to_str()
            .and_then(|n| n.strip_suffix(".log"))
            .and_then(|n| n.split_once('.'))
            .and_then(|(run, attempt)| Some((run.parse().ok()?, attempt.parse().ok()?)));
        if let Some((run, attempt)) = numbers
            && entry.file_type().is_ok_and(|t| t.is_file())
        {
            see(LogFile {
                run,
                attempt,
                path: entry.path(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
