use jiff::Timestamp;
use offhours::core::report::{Daemon, Lock, Shell};

/// What the daemon knows of itself, with what only those may learn who have the token.
pub fn shell(since: Timestamp) -> Shell {
    Shell {
        daemon: Daemon {
            running: true,
            pid: Some(4711),
            since: Some(since),
            version: None,
        },
        lock_dir: Some("/secret-folder/locks".into()),
        state_dir: Some("/secret-folder".into()),
        locks: vec![Lock {
            name: "apt@secret-host".into(),
            held: true,
            run: Some("42".into()),
            pid: Some(4711),
            age: None,
            holder: Some("secret-holder".into()),
        }],
    }
}
