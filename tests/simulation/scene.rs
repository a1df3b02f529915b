//! Policies from their own text, and plays of them.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use jiff::Timestamp;
use offhours::config::{Env, Purpose, load, render};
use offhours::core::policy::Policy;

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Lies beside every policy, for freezes that name it.
const HOLIDAYS: &str = "BEGIN:VCALENDAR
BEGIN:VEVENT
UID:a
DTSTART;VALUE=DATE:20270302
END:VEVENT
BEGIN:VEVENT
UID:b
DTSTART;VALUE=DATE:20270312
DTEND;VALUE=DATE:20270314
RDATE;VALUE=DATE:20271009,20271016
END:VEVENT
BEGIN:VEVENT
UID:c
DTSTART;TZID=Europe/Berlin:20270304T203000
DTEND;TZID=Europe/Berlin:20270304T231500
RRULE:FREQ=WEEKLY;INTERVAL=2
EXDATE;TZID=Europe/Berlin:20271014T203000
END:VEVENT
END:VCALENDAR
";

/// Reads a policy; what is wrong with it is shown.
pub fn policy(text: &str) -> Arc<Policy> {
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(dir.path(), 0o755);
    let file = dir.path().join("windows.toml");
    let calendar = dir.path().join("holidays.ics");
    for (file, text) in [(&file, text), (&calendar, HOLIDAYS)] {
        std::fs::write(file, text).unwrap();
        mode(file, 0o644);
    }
    let env = Env::from_iter([("STATE_DIRECTORY", "/var/lib/offhours")]);
    match load(&file, &env, at("2027-01-01T00:00:00Z"), Purpose::Read) {
        Ok(loaded) => Arc::new(loaded.policy),
        Err(refused) => panic!(
            "{}\n{text}",
            render(&refused.problems, &refused.sources, false)
        ),
    }
}
