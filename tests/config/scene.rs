use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use offhours::config::{Env, Loaded, Purpose, Refused, load, render};

/// The instant at which every scenario plays: a Friday in November.
pub fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// A folder of its own, writable by nobody else.
pub struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    pub fn new(text: &str) -> Self {
        let scene = Self::empty();
        scene.write("windows.toml", text);
        scene
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join("windows.toml")
    }

    /// Writes a file and the folders it needs.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        let mut folder = self.dir.path().to_path_buf();
        for part in Path::new(name).parent().unwrap().components() {
            folder.push(part);
            if !folder.exists() {
                fs::create_dir(&folder).unwrap();
            }
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(&path, text).unwrap();
        self.mode(name, 0o644);
        path
    }

    pub fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn load(&self, env: &Env, purpose: Purpose) -> Result<Loaded, Refused> {
        load(&self.file(), env, now(), purpose)
    }

    pub fn check(&self) -> Result<Loaded, Refused> {
        self.load(&Env::default(), Purpose::Check)
    }

    /// What `check` prints, with the folder's name taken out.
    pub fn rendered(&self, env: &Env, purpose: Purpose) -> String {
        let text = match self.load(env, purpose) {
            Ok(loaded) => render(&loaded.warnings, &loaded.sources, false),
            Err(refused) => render(&refused.problems, &refused.sources, false),
        };
        text.replace(&format!("{}/", self.path().display()), "")
            .replace(&self.path().display().to_string(), ".")
    }
}

/// The messages of a refusal, or of warnings.
pub fn messages(result: &Result<Loaded, Refused>) -> Vec<String> {
    let problems = match result {
        Ok(loaded) => &loaded.warnings,
        Err(refused) => &refused.problems,
    };
    problems
        .iter()
        .map(|problem| problem.message.clone())
        .collect()
}
