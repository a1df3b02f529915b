//! Where programs are, and whether they can be executed; each is looked for once.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::trust::{Trust, Untrusted};

/// Where a command's program is looked for when its `env` says nothing else.
pub use crate::core::contract::PATH;

/// What was found of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A file that can be executed: to be started by this path.
    At(PathBuf),
    /// In one of the folders of PATH: to be started by its name.
    InPath,
    /// In none of them.
    NotInPath,
    /// No file at this path.
    Missing(PathBuf),
    /// A file that cannot be executed.
    NotExecutable(PathBuf),
}

/// A message and a hint, where there is something to say against a program.
type Distrust = Option<(String, Option<String>)>;

/// Remembers what was found.
#[derive(Debug, Default)]
pub struct Programs {
    found: HashMap<(String, String), Program>,
    trusted: HashMap<(PathBuf, Option<u32>), Distrust>,
    folders: HashMap<PathBuf, bool>,
    users: HashMap<String, Option<u32>>,
    groups: HashMap<String, bool>,
}

impl Programs {
    /// With a slash: relative to the folder. Without: beside the file first, else in PATH.
    pub fn find(&mut self, program: &str, folder: &Path, path: &str) -> Program {
        if let Some(found) = self.found.get(&(program.to_owned(), path.to_owned())) {
            return found.clone();
        }
        let beside = folder.join(program);
        let found = if program.contains('/') {
            match fs::metadata(&beside) {
                Ok(meta) if executable(&meta) => Program::At(beside),
                Ok(_) => Program::NotExecutable(beside),
                Err(_) => Program::Missing(beside),
            }
        } else if fs::metadata(&beside).is_ok_and(|meta| executable(&meta)) {
            Program::At(beside)
        } else if path.split(':').any(|dir| {
            fs::metadata(Path::new(dir).join(program)).is_ok_and(|meta| executable(&meta))
        }) {
            Program::InPath
        } else {
            Program::NotInPath
        };
        self.found
            .insert((program.to_owned(), path.to_owned()), found.clone());
        found
    }

    /// Why a program is not to be started by root, with a hint.
    pub fn distrusted(&mut self, path: &Path, also: Option<u32>, trust: &mut Trust) -> Distrust {
        let key = (path.to_path_buf(), also);
        let judge = || {
            trust
                .resolve(path, also)
                .err()
                .map(|error: Untrusted| (error.to_string(), error.hint()))
        };
        self.trusted.entry(key).or_insert_with(judge).clone()
    }

    pub fn is_folder(&mut self, path: &Path) -> bool {
        *self
            .folders
            .entry(path.to_path_buf())
            .or_insert_with_key(|path| path.is_dir())
    }

    /// The id of a user; `None` if nobody has that name.
    pub fn user(&mut self, name: &str) -> Option<u32> {
        if let Some(known) = self.users.get(name) {
            return *known;
        }
        let found = nix::unistd::User::from_name(name)
            .ok()
            .flatten()
            .map(|user| user.uid.as_raw());
        let found = found.or_else(|| name.parse().ok());
        self.users.insert(name.to_owned(), found);
        found
    }

    pub fn has_group(&mut self, name: &str) -> bool {
        let look = |name: &String| {
            name.parse::<u32>().is_ok()
                || nix::unistd::Group::from_name(name).is_ok_and(|group| group.is_some())
        };
        *self.groups.entry(name.to_owned()).or_insert_with_key(look)
    }
}

fn executable(meta: &fs::Metadata) -> bool {
    meta.is_file() && meta.permissions().mode() & 0o111 != 0
}
