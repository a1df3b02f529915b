//! A folder, a policy and an instant to read things against.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use offhours::config::{self, Env, Purpose};
use offhours::core::policy::Policy;
use offhours::mail::{Letter, LetterJob, LetterKind, Recipient};
use tempfile::TempDir;

/// A Friday in November.
pub fn now() -> Timestamp {
    Timestamp::constant(1_795_176_000, 0)
}

/// Seven days after [`now`].
pub fn week() -> Timestamp {
    now() + SignedDuration::from_hours(7 * 24)
}

/// A folder that nobody else can write, in memory where that is possible.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let dir = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let dir = dir.expect("a folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
    dir
}

/// Writes a file that nobody else can write.
pub fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("its mode");
}

const FILE: &str = r#"
name = "shop"
time_zone = "Europe/Berlin"
[contacts]
technical = ["secret-address@example.org"]
[mail]
transport = "file"
from = "ops@example.org"
[notice]
to = ["technical"]
operators = ["technical"]
alarm = { script = "true" }
[window.night]
open = "daily 22:00-05:00"
[app.shop]
window = "night"
enter = [{ script = "true" }]
leave = [{ script = "true" }, { script = "true" }]
[maintenance.os-updates]
app = "shop"
script = "true"
every = "window"
only_if = { script = "true" }
[maintenance.database]
app = "shop"
script = "true"
schedule = "0 0 * * 6"
after = ["os-updates"]
retry = { attempts = 2 }
on_interrupt = "repeat"
[periodic.gc]
schedule = "*/15 * * * *"
script = "true"
timeout = "5m"
app = "shop"
retry = { attempts = 2 }
[periodic.report]
schedule = "0 6 * * *"
script = "true"
timeout = "5m"
window = "night"
overlap = "queue"
"#;

/// An app with a window, two maintenance jobs and two periodic ones.
pub fn policy() -> Policy {
    let dir = folder();
    let file = dir.path().join("windows.toml");
    write(&file, FILE.as_bytes());
    let loaded = config::load(&file, &Env::default(), now(), Purpose::Check);
    loaded.expect("a good file").policy
}

/// An announcement.
pub fn letter(recipient: Recipient) -> Letter {
    Letter {
        kind: LetterKind::Advance,
        longer: SignedDuration::ZERO,
        message_id: "first@example.org".into(),
        in_reply_to: None,
        date: now(),
        installation: "shop".into(),
        app: "shop".into(),
        app_description: None,
        window: "night".into(),
        session: "shop/night/2026-11-20".into(),
        uid: "shop.night@example.org".into(),
        sequence: 0,
        opens: now(),
        closes: week(),
        starts: now(),
        expected: week().duration_since(now()),
        jobs: vec![LetterJob::default()],
        reason: None,
        next: None,
        early: false,
        contact: vec!["ops@example.org".into()],
        recipient,
        text: Vec::new(),
        parts: Vec::new(),
    }
}
