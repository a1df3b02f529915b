//! The files themselves: bounded in number and size, and only those nobody else can write.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::problem::{Problem, Problems};
use super::source::{Place, Source};
use super::trust::{Trust, Untrusted};

/// A file larger than this is no configuration.
pub const LARGEST_FILE: u64 = 16 << 20;
/// All drop-ins together.
const MOST_FILES: usize = 1_000;
const LARGEST_TOTAL: u64 = 64 << 20;

/// Reads one file of TOML into `texts`; `false` after telling why it could not.
pub fn read(
    path: &Path,
    trust: &mut Trust,
    problems: &mut Problems,
    texts: &mut Vec<Arc<Source>>,
) -> bool {
    match trust.read(path, LARGEST_FILE) {
        Ok(text) => {
            texts.push(Arc::new(Source::new(path.to_path_buf(), text)));
            true
        }
        Err(error) => {
            problems.add(untrusted(path, &error));
            false
        }
    }
}

fn untrusted(path: &Path, error: &Untrusted) -> Problem {
    Problem::with_file(path, error.to_string(), error.hint())
}

/// Reads `windows.d/*.toml` in the order of their names.
pub fn drop_ins(
    dir: &Path,
    trust: &mut Trust,
    problems: &mut Problems,
    texts: &mut Vec<Arc<Source>>,
) -> bool {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return true;
        }
        Err(error) => {
            problems.add(Problem::with_file(
                dir,
                format!("cannot list this folder: {error}"),
                None,
            ));
            return false;
        }
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if paths.len() <= MOST_FILES => {
                let path = entry.path();
                let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                if !hidden
                    && path
                        .extension()
                        .is_some_and(|extension| extension == "toml")
                {
                    paths.push(path);
                }
            }
            Ok(_) => break,
            Err(error) => {
                problems.add(Problem::with_file(
                    dir,
                    format!("cannot list this folder: {error}"),
                    None,
                ));
                return false;
            }
        }
    }
    if paths.len() > MOST_FILES {
        problems.add(Problem::with_file(
            dir,
            format!("more than {MOST_FILES} files"),
            None,
        ));
        return false;
    }
    paths.sort();
    let mut whole = true;
    for path in paths {
        whole &= read(&path, trust, problems, texts);
        let total: usize = texts.iter().map(|source| source.text().len()).sum();
        if total as u64 > LARGEST_TOTAL {
            problems.add(Problem::with_file(
                dir,
                "these files are larger than 64 MiB together",
                None,
            ));
            return false;
        }
    }
    whole
}

/// Reads the contacts file; what is wrong with it is told where it is named.
pub fn contacts(
    path: &Path,
    place: Place,
    trust: &mut Trust,
    problems: &mut Problems,
) -> Option<Arc<Source>> {
    match trust.read(path, LARGEST_FILE) {
        Ok(text) => Some(Arc::new(Source::new(path.to_path_buf(), text))),
        Err(error) => {
            problems
                .error(place, error.to_string())
                .maybe_hint(error.hint().or_else(|| {
                    let hint = "its keys are roles, each an array of addresses: technical = [\"Ops <ops@example.org>\"]";
                    error.is_missing().then(|| hint.to_owned())
                }));
            None
        }
    }
}
