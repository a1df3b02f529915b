//! Policies from their own text, and plays of them.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use jiff::Timestamp;
use offhours::config::{Env, Purpose, load, render};
use offhours::core::policy::Policy;

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Reads a policy; what is wrong with it is shown.
pub fn policy(text: &str) -> Arc<Policy> {
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(dir.path(), 0o755);
    let file = dir.path().join("windows.toml");
    std::fs::write(&file, text).unwrap();
    mode(&file, 0o644);
    let env = Env::from_iter([("STATE_DIRECTORY", "/var/lib/offhours")]);
    match load(&file, &env, at("2027-01-01T00:00:00Z"), Purpose::Read) {
        Ok(loaded) => Arc::new(loaded.policy),
        Err(refused) => panic!(
            "{}\n{text}",
            render(&refused.problems, &refused.sources, false)
        ),
    }
}
