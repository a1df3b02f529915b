//! What hooks and jobs are told: the `OFFHOURS_` variables, a fixed interface; and the names of locks.

use jiff::Timestamp;

use super::policy::{Command, LOCAL, Name};
use super::run::{RunId, What};
use super::session::Session;

/// Where programs are looked for, whatever the daemon was started with.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The value of `OFFHOURS_RUN`: run, attempt and the installation's nonce, so that a process can be told from
/// another installation's.
pub fn run_mark(run: RunId, attempt: u32, nonce: &str) -> String {
    format!("{run}.{attempt}.{nonce}")
}

/// Whole seconds, as in configuration and mails.
fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The variables of one attempt. PATH, HOME, USER and LANG are added where the command is started.
pub fn variables(
    what: &What,
    command: &Command,
    session: Option<&Session>,
    run: (RunId, u32),
    nonce: &str,
) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = command.env.clone();
    let mut set = |name: &str, value: String| env.push((format!("OFFHOURS_{name}"), value));
    let event = match what {
        What::Enter { .. } => "enter",
        What::Leave { .. } => "leave",
        What::Ask { .. } => "only_if",
        What::Health { .. } | What::Peer { .. } => "healthy",
        What::Alarm { .. } => "alarm",
        What::Step { .. } | What::Periodic { .. } => "run",
    };
    set("EVENT", event.into());
    if let Some(session) = session {
        set("APP", session.app.to_string());
        set("WINDOW", session.window.to_string());
        set("SESSION", session.id.to_string());
        set("OPENS", rfc3339(session.opens));
        set("CLOSES", rfc3339(session.closes));
        match what {
            What::Enter { .. } | What::Leave { .. } => {
                let mut jobs: Vec<&str> = session.steps.iter().map(|step| &*step.job).collect();
                jobs.dedup();
                set("JOBS", jobs.join(" "));
            }
            _ => {}
        }
        if matches!(what, What::Leave { .. }) {
            set("RESULT", session.result.word().into());
        }
    }
    if let Some(job) = what.job() {
        set("JOB", job.to_string());
    }
    set("HOST", what.host().into());
    set("RUN", run_mark(run.0, run.1, nonce));
    env
}

/// The file names of the locks of one attempt, in the order in which they are taken.
pub fn locks(what: &What, named: &[Name]) -> Vec<String> {
    // Names are checked when the file is read; that none leads out of the folder does not depend on it.
    let safe = |name: &str| name.replace(['/', '\0'], "_");
    let own = match what {
        What::Step { job, host, .. } if &**host != LOCAL => {
            format!("maintenance.{}@{}.lock", safe(job), safe(host))
        }
        What::Step { job, .. } => format!("maintenance.{}.lock", safe(job)),
        // One of several hosts is part of the name already.
        What::Periodic { job, host } if &**host != LOCAL && !job.contains('@') => {
            format!("periodic.{}@{}.lock", safe(job), safe(host))
        }
        What::Periodic { job, .. } => format!("periodic.{}.lock", safe(job)),
        _ => return Vec::new(),
    };
    let mut locks: Vec<String> = named
        .iter()
        .map(|name| format!("{}.lock", safe(name)))
        .collect();
    locks.push(own);
    locks.sort_unstable();
    locks.dedup();
    locks
}

/// Shells use these themselves.
const SHELL_OWN: [&str; 7] = [
    "PPID",
    "UID",
    "EUID",
    "OPTIND",
    "SHELLOPTS",
    "BASHOPTS",
    "BASH_VERSINFO",
];

/// Whether a run on a host can have a variable of this name.
pub fn is_variable(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && name.chars().all(plain)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("__offhours_")
        && !SHELL_OWN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(job: &str, host: &str) -> What {
        What::Step {
            session: "shop/night/2026-11-21".into(),
            step: 0,
            job: job.into(),
            host: host.into(),
        }
    }

    #[test]
    fn locks_are_called_what_people_write_behind_flock() {
        let periodic = What::Periodic {
            job: "gc".into(),
            host: "local".into(),
        };
        assert_eq!(
            locks(&step("os-updates", "web1"), &[]),
            ["maintenance.os-updates@web1.lock"]
        );
        assert_eq!(
            locks(&step("backup", LOCAL), &[]),
            ["maintenance.backup.lock"]
        );
        assert_eq!(locks(&periodic, &[]), ["periodic.gc.lock"]);
        // Sorted, so that two that want the same never hold half of it each.
        let named = ["zfs".into(), "apt".into()];
        assert_eq!(
            locks(&periodic, &named),
            ["apt.lock", "periodic.gc.lock", "zfs.lock"]
        );
        assert_eq!(
            locks(&periodic, &["../apt".into()]),
            [".._apt.lock", "periodic.gc.lock"]
        );
    }
}
