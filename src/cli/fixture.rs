//! A configuration and a state to show, for the tests of commands.
use jiff::Timestamp;

use super::out::Out;
use crate::config::{self, Env, Loaded, Purpose};

const FILE: &str = r#"
name = "production"
time_zone = "Europe/Berlin"
[contacts]
technical = ["ops@example.org"]
support = ["support@example.org"]
[mail]
transport = "file"
from = "ops@example.org"
[notice]
to = ["technical", "support"]
operators = ["technical"]
[window.night]
open = "Mon-Fri 22:00-05:00"
[window.weekly]
open = "Sun 01:00-06:00"
[freeze.inventory]
from = "2026-11-25T00:00"
until = "2026-11-25T02:00"
[app.shop]
window = "night"
enter = [{ script = "true" }]
leave = [{ script = "true" }, { script = "false" }]
[app.wiki]
window = "weekly"
[maintenance.os-updates]
app = "shop"
script = "true"
every = "window"
estimate = "20m"
[maintenance.reindex]
app = "shop"
script = "true"
every = "window"
estimate = "1h"
after = ["os-updates"]
[maintenance.wiki-update]
app = "wiki"
script = "true"
every = "window"
estimate = "10m"
[periodic.gc]
schedule = "*/15 * * * *"
script = "true"
timeout = "5m"
[periodic.backup]
schedule = "30 3 * * *"
script = "true"
timeout = "5m"
"#;

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("instant")
}

pub fn loaded() -> Loaded {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("windows.toml");
    std::fs::write(&file, FILE).expect("file");
    let now = at("2026-11-23T12:00:00Z");
    config::load(&file, &Env::of_process(), now, Purpose::Read).expect("good")
}

/// What is printed to a pipe, or to a terminal of that width.
pub fn printed(width: Option<usize>, print: impl FnOnce(&mut Out<'_>)) -> String {
    let mut written = Vec::new();
    print(&mut Out::plain(&mut written, width));
    String::from_utf8(written).expect("text")
}
