//! Every key there is: for unknown keys, suggestions, and the test that the reference names them all.

pub const TOP: &[&str] = &[
    "name",
    "time_zone",
    "contacts_file",
    "state",
    "control",
    "mail",
    "notice",
    "http",
    "ping",
    "limits",
    "contacts",
    "window",
    "freeze",
    "host",
    "app",
    "maintenance",
    "periodic",
];
pub const STATE: &[&str] = &["dir", "keep", "keep_runs", "keep_failures", "keep_logs"];
pub const CONTROL: &[&str] = &["socket", "group", "roles"];
pub const MAIL: &[&str] = &[
    "transport",
    "host",
    "port",
    "tls",
    "from",
    "username",
    "password_file",
    "ca_file",
    "timeout",
    "dir",
    "program",
    "log_payload",
];
pub const NOTICE: &[&str] = &[
    "lead",
    "margin",
    "accepted",
    "to",
    "operators",
    "alarm",
    "started",
    "finished",
    "failed",
    "digest",
    "digest_after",
    "templates",
];
pub const HTTP: &[&str] = &["listen", "token_file", "calendar_token_file", "hosts"];
pub const PING: &[&str] = &["url", "url_file", "every", "ca_file", "output"];
pub const LIMITS: &[&str] = &["runs", "log_size", "stop_timeout"];
pub const PERSON: &[&str] = &["email", "name", "language", "time_zone"];
pub const RULE: &[&str] = &[
    "days",
    "dates",
    "offset",
    "start",
    "end",
    "duration",
    "cron",
    "from",
    "until",
    "valid_from",
    "valid_until",
];
pub const WINDOW: &[&str] = &[
    "days",
    "dates",
    "offset",
    "start",
    "end",
    "duration",
    "cron",
    "from",
    "until",
    "open",
    "rules",
    "valid_from",
    "valid_until",
    "cutoff",
    "time_zone",
];
pub const FREEZE: &[&str] = &[
    "description",
    "from",
    "until",
    "days",
    "dates",
    "offset",
    "valid_from",
    "valid_until",
    "start",
    "end",
    "duration",
    "cron",
    "open",
    "rules",
    "calendar",
    "hosts",
    "except_labels",
    "apps",
    "windows",
    "time_zone",
];
pub const APP: &[&str] = &[
    "description",
    "notify",
    "contact",
    "window",
    "lead",
    "margin",
    "enter",
    "leave",
    "leave_reserve",
    "drain",
    "digest",
];
pub const HOST: &[&str] = &[
    "ssh",
    "port",
    "identity",
    "jump",
    "known_hosts",
    "ssh_config",
    "connect_timeout",
    "alive_interval",
    "groups",
    "labels",
    "window",
    "become",
    "host_locks",
];
pub const HOOK: &[&str] = &[
    "run", "script", "timeout", "grace", "dir", "user", "group", "umask", "env", "hosts",
];
/// Also of `only_if`.
pub const ALARM: &[&str] = &[
    "run", "script", "timeout", "dir", "user", "group", "umask", "env",
];
pub const HEALTHY: &[&str] = &[
    "run",
    "script",
    "successes",
    "timeout",
    "dir",
    "user",
    "group",
    "umask",
    "env",
];
pub const AFTER: &[&str] = &["job", "succeeded_for"];
pub const RETRY: &[&str] = &["attempts", "backoff"];
pub const MAINTENANCE: &[&str] = &[
    "app",
    "window",
    "description",
    "run",
    "script",
    "every",
    "schedule",
    "time_zone",
    "estimate",
    "timeout",
    "grace",
    "locks",
    "after",
    "priority",
    "labels",
    "only_if",
    "retry",
    "on_failure",
    "on_interrupt",
    "parallel",
    "max_failures",
    "canary",
    "wait",
    "pause",
    "healthy",
    "in_service",
    "at_least",
    "approval",
    "reboot",
    "ping",
    "ping_file",
    "hosts",
    "dir",
    "user",
    "group",
    "umask",
    "env",
];
pub const PERIODIC: &[&str] = &[
    "schedule",
    "time_zone",
    "run",
    "script",
    "timeout",
    "grace",
    "description",
    "overlap",
    "missed",
    "missed_within",
    "window",
    "outside",
    "app",
    "during_maintenance",
    "locks",
    "lock_wait",
    "retry",
    "jitter",
    "ping",
    "ping_file",
    "dir",
    "user",
    "group",
    "umask",
    "env",
    "hosts",
];

/// Tables of settings, each given once, and their keys.
pub const SECTIONS: [(&str, &[&str]); 7] = [
    ("state", STATE),
    ("control", CONTROL),
    ("mail", MAIL),
    ("notice", NOTICE),
    ("http", HTTP),
    ("ping", PING),
    ("limits", LIMITS),
];

/// Tables keyed by name.
pub const TABLES: [&str; 7] = [
    "contacts",
    "window",
    "freeze",
    "host",
    "app",
    "maintenance",
    "periodic",
];

/// The sections whose values environment variables may override.
pub const OVERRIDABLE: [&str; 4] = ["mail", "http", "state", "control"];

/// What is longer was not mistyped.
const LONGEST_COMPARED: usize = 200;

/// The nearest of the known names, if one is near enough to have been meant.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.len() > LONGEST_COMPARED {
        return None;
    }
    let most = (wanted.chars().count() / 3).clamp(1, 4);
    let lower = wanted.to_lowercase();
    known
        .into_iter()
        // Comparing takes room for the product of both lengths, and a name from the file may be very long.
        .filter(|name| name.len() <= LONGEST_COMPARED)
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_lowercase()),
                name,
            )
        })
        .filter(|&(distance, _)| distance <= most)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// Keys that people may know from the plans for offhours, and that this version does not have.
pub const LATER: [&str; 1] = ["calendars"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_and_a_stranger_is_not() {
        assert_eq!(nearest("tiemout", HOOK.iter().copied()), Some("timeout"));
        assert_eq!(nearest("Timeout", HOOK.iter().copied()), Some("timeout"));
        assert_eq!(
            nearest("time-zone", FREEZE.iter().copied()),
            Some("time_zone")
        );
        assert_eq!(nearest("colour", HOOK.iter().copied()), None);
    }
}
