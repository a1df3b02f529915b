//! Whether a file can be believed: nobody but root and the person who runs this may be able to change it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many as the kernel follows.
const MOST_LINKS: usize = 40;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    #[error("cannot look at {}: {error}", path.display())]
    Missing { path: PathBuf, error: io::Error },
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{} can be written by others (mode {mode:04o})", path.display())]
    Writable { path: PathBuf, mode: u32 },
    #[error("{} belongs to the user {uid}, who could change it", path.display())]
    Owner { path: PathBuf, uid: u32 },
    #[error("{} can be read by others (mode {mode:04o})", path.display())]
    Readable { path: PathBuf, mode: u32 },
    #[error("{} is not {wanted}", path.display())]
    Kind { path: PathBuf, wanted: &'static str },
    #[error("{} is larger than {limit} bytes", path.display())]
    Large { path: PathBuf, limit: u64 },
    #[error("{} is not UTF-8 (line {line}, byte {at})", path.display())]
    Encoding {
        path: PathBuf,
        at: usize,
        line: usize,
    },
    #[error("too many symbolic links at {}", path.display())]
    Links { path: PathBuf },
}

impl Untrusted {
    /// What the operator may do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Writable { path, .. } => Some(format!("chmod go-w {}", path.display())),
            Self::Readable { path, .. } => Some(format!("chmod o-rwx {}", path.display())),
            Self::Owner { path, .. } => Some(format!(
                "it must belong to root or to you: chown root {}",
                path.display()
            )),
            Self::Encoding { .. } => {
                Some("save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8".to_owned())
            }
            _ => None,
        }
    }

    /// Whether there is nothing at that path.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Checks paths; folders once each.
#[derive(Debug)]
pub struct Trust {
    uid: u32,
    folders: HashSet<PathBuf>,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            folders: HashSet::new(),
        }
    }
}

impl Trust {
    /// Follows a path to what it names and checks that, every folder on the way and every link.
    ///
    /// `also` is one more owner who is accepted.
    pub fn resolve(
        &mut self,
        path: &Path,
        also: Option<u32>,
    ) -> Result<(PathBuf, Metadata), Untrusted> {
        let missing = |path: &Path, error| Untrusted::Missing {
            path: path.to_path_buf(),
            error,
        };
        let path = std::path::absolute(path).map_err(|error| missing(path, error))?;
        let mut at = PathBuf::from("/");
        let mut ahead: Vec<OsString> = names(&path);
        let mut links = 0;
        let mut meta = fs::symlink_metadata(&at).map_err(|error| missing(&at, error))?;
        while let Some(name) = ahead.pop() {
            self.folder(&at, &meta, also)?;
            if name == ".." {
                at.pop();
                meta = fs::symlink_metadata(&at).map_err(|error| missing(&at, error))?;
                continue;
            }
            let next = at.join(&name);
            meta = fs::symlink_metadata(&next).map_err(|error| missing(&next, error))?;
            if !meta.is_symlink() {
                at = next;
                continue;
            }
            self.owner(&next, &meta, also)?;
            links += 1;
            if links > MOST_LINKS {
                return Err(Untrusted::Links { path });
            }
            let target = fs::read_link(&next).map_err(|error| missing(&next, error))?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            ahead.extend(names(&target));
            meta = fs::symlink_metadata(&at).map_err(|error| missing(&at, error))?;
        }
        if meta.is_dir() {
            self.folder(&at, &meta, also)?;
        } else {
            self.owner(&at, &meta, also)?;
            if meta.mode() & 0o022 != 0 {
                return Err(Untrusted::Writable {
                    path: at,
                    mode: meta.mode() & 0o7777,
                });
            }
        }
        Ok((at, meta))
    }

    /// Reads a text of bounded size after all checks.
    pub fn read(&mut self, path: &Path, limit: u64) -> Result<String, Untrusted> {
        let (path, _) = self.regular(path)?;
        bounded(path, limit)
    }

    /// The same for what nobody else may even read.
    pub fn read_secret(&mut self, path: &Path, limit: u64) -> Result<String, Untrusted> {
        let (path, meta) = self.regular(path)?;
        // A group may read it, so that a service with its own user and group can.
        if meta.mode() & 0o007 != 0 {
            return Err(Untrusted::Readable {
                path,
                mode: meta.mode() & 0o7777,
            });
        }
        bounded(path, limit)
    }

    fn regular(&mut self, path: &Path) -> Result<(PathBuf, Metadata), Untrusted> {
        let (path, meta) = self.resolve(path, None)?;
        // Before it is opened: opening a pipe would wait for its other end.
        if meta.is_file() {
            Ok((path, meta))
        } else {
            Err(Untrusted::Kind {
                path,
                wanted: "a regular file",
            })
        }
    }

    fn folder(&mut self, path: &Path, meta: &Metadata, also: Option<u32>) -> Result<(), Untrusted> {
        if self.folders.contains(path) {
            return Ok(());
        }
        if !meta.is_dir() {
            return Err(Untrusted::Kind {
                path: path.to_path_buf(),
                wanted: "a folder",
            });
        }
        self.owner(path, meta, also)?;
        let mode = meta.mode();
        if mode & 0o022 != 0 && mode & 0o1000 == 0 {
            return Err(Untrusted::Writable {
                path: path.to_path_buf(),
                mode: mode & 0o7777,
            });
        }
        // What only `also` makes acceptable is not acceptable to the next who asks.
        if meta.uid() == 0 || meta.uid() == self.uid {
            self.folders.insert(path.to_path_buf());
        }
        Ok(())
    }

    fn owner(&self, path: &Path, meta: &Metadata, also: Option<u32>) -> Result<(), Untrusted> {
        let uid = meta.uid();
        if uid == 0 || uid == self.uid || Some(uid) == also {
            return Ok(());
        }
        Err(Untrusted::Owner {
            path: path.to_path_buf(),
            uid,
        })
    }
}

/// The steps of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let step = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(step).collect()
}

fn bounded(path: PathBuf, limit: u64) -> Result<String, Untrusted> {
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Err(Untrusted::Unreadable { path, error });
    }
    if bytes.len() as u64 > limit {
        return Err(Untrusted::Large { path, limit });
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let lines = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n');
        Untrusted::Encoding {
            path,
            at,
            line: lines.count() + 1,
        }
    })
}

#[cfg(test)]
mod tests;
