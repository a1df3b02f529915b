//! What a night needs of this machine.

use std::path::Path;

use jiff::tz::TimeZone;

use super::{Finding, Level};
use crate::cli::load::Context;
use crate::config::{Loaded, Severity};
use crate::core::apply::apply;
use crate::lock;
use crate::store::Reader;
use crate::surroundings::{lock_dir, takes_nothing};

/// Less room than this beside the state is worth a word.
const ROOM: u64 = 256 << 20;
/// Where systems say which rules of time zones they have.
const ZONES: [&str; 2] = [
    "/usr/share/zoneinfo/tzdata.zi",
    "/usr/share/zoneinfo/+VERSION",
];

pub(super) fn all(loaded: &Loaded, context: &Context) -> Vec<Finding> {
    let state_dir = &loaded.settings.state_dir;
    let mut findings = vec![
        configuration(loaded),
        zones(context),
        clock(),
        daemon(loaded),
    ];
    findings.extend(disk(state_dir));
    findings.push(state(state_dir));
    findings.push(locks(state_dir));
    findings
}

/// Hooks, programs and who may write them were looked at when it was loaded.
fn configuration(loaded: &Loaded) -> Finding {
    let warnings = loaded.warnings.iter();
    let warnings = warnings
        .filter(|problem| problem.severity == Severity::Warning)
        .count();
    let file = loaded.settings.file.display().to_string();
    match warnings {
        0 => Finding::new(
            "configuration",
            &file,
            Level::Good,
            "hooks and programs are there, and nobody else can write them",
        ),
        count => {
            let text = format!("{count} warnings: `offhours check` shows them");
            Finding::new("configuration", &file, Level::Warning, text)
        }
    }
}

fn disk(state_dir: &Path) -> Vec<Finding> {
    let name = state_dir.display().to_string();
    let finding = |level, text: String| Finding::new("state", &name, level, text);
    if !state_dir.exists() {
        let text = "not there yet: the daemon makes it when it starts".to_owned();
        return vec![finding(Level::Warning, text)];
    }
    if let Err(error) = lock::refuse_network(state_dir) {
        return vec![finding(Level::Failure, error.to_string())];
    }
    if let Some(why) = takes_nothing(state_dir) {
        return vec![finding(Level::Failure, why.to_owned())];
    }
    let free = rustix::fs::statvfs(state_dir).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
    match free {
        Ok(free) if free < ROOM => {
            let text = format!("{} MiB are free: make room", free >> 20);
            vec![finding(Level::Warning, text)]
        }
        Ok(free) => {
            let text = format!("{} MiB are free on a file system with locks", free >> 20);
            vec![finding(Level::Good, text)]
        }
        Err(error) => vec![finding(Level::Failure, error.to_string())],
    }
}

fn state(state_dir: &Path) -> Finding {
    let name = "what is recorded";
    match Reader::open(state_dir).and_then(|reader| reader.map(|r| r.load(apply)).transpose()) {
        Ok(None) => Finding::new("state", name, Level::Good, "nothing yet"),
        Ok(Some((state, _))) => {
            let waits = state.attention.len();
            match waits {
                0 => Finding::new("state", name, Level::Good, "it can be read"),
                _ => {
                    let text = format!("{waits} matters wait for a person: `offhours status`");
                    Finding::new("state", name, Level::Warning, text)
                }
            }
        }
        Err(error) => Finding::new("state", name, Level::Failure, error.to_string()),
    }
}

fn locks(state_dir: &Path) -> Finding {
    let dir = lock_dir(state_dir);
    if !dir.exists() {
        return Finding::new("locks", "", Level::Good, "none yet");
    }
    match lock::list(&dir) {
        Ok(locks) => {
            let held: Vec<&str> = locks.iter().filter(|l| l.held).map(|l| &*l.name).collect();
            let text = match held.as_slice() {
                [] => "none is held".to_owned(),
                held => format!("held: {}", held.join(", ")),
            };
            Finding::new("locks", "", Level::Good, text)
        }
        Err(error) => Finding::new("locks", "", Level::Failure, error.to_string()),
    }
}

/// Rules that are years old give wrong times for zones that have changed theirs.
fn zones(context: &Context) -> Finding {
    let version = ZONES.iter().find_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        let line = text.lines().next()?.trim();
        let version = line.strip_prefix("# version ").unwrap_or(line);
        Some(version.get(..5).unwrap_or(version).to_owned())
    });
    let Some(version) = version else {
        let text = "which rules of time zones are here is not told";
        return Finding::new("zones", "", Level::Warning, text);
    };
    let this = context.now.to_zoned(TimeZone::UTC).year();
    let year = version.get(..4).and_then(|year| year.parse::<i16>().ok());
    match year {
        Some(year) if year + 1 >= this => {
            Finding::new("zones", "", Level::Good, format!("rules {version}"))
        }
        _ => {
            let text = format!("the rules of time zones are old ({version}): update tzdata");
            Finding::new("zones", "", Level::Warning, text)
        }
    }
}

fn clock() -> Finding {
    match crate::clock::is_synchronised() {
        Some(true) => Finding::new("clock", "", Level::Good, "it is kept by others"),
        Some(false) => Finding::new(
            "clock",
            "",
            Level::Warning,
            "nobody keeps it: run a time service such as systemd-timesyncd or chrony",
        ),
        None => Finding::new(
            "clock",
            "",
            Level::Warning,
            "whether it is kept is not told",
        ),
    }
}

fn daemon(loaded: &Loaded) -> Finding {
    match crate::control::trouble(&loaded.settings.control.socket) {
        Ok((None, _)) => Finding::new("daemon", "", Level::Good, "it runs, and can record"),
        Ok((Some(why), _)) => {
            let text = format!("it cannot record what happens: {why}");
            Finding::new("daemon", "", Level::Failure, text)
        }
        Err(error) => Finding::new("daemon", "", Level::Warning, error.to_string()),
    }
}
