//! `offhours internal-exec`: the launcher, its supervisors and their jobs.
pub(in crate::process) mod cgroup;
mod events;
mod job;
mod launch;
mod locks;
mod output;
mod probe;
mod supervise;
pub(in crate::process) mod tree;

use std::ffi::OsString;
use std::process::ExitCode;

use super::launcher::Setup;
use super::spec::Cgroups;

/// The hidden command, as the first argument.
pub const COMMAND: &str = "internal-exec";
/// Runs handed over in one message, and so the most descriptors in flight. (The kernel takes 253.)
pub const BATCH: usize = 64;

/// The arguments the launcher is started with.
pub(super) fn arguments(setup: &Setup, files: u64) -> [OsString; 4] {
    let cgroups = match &setup.cgroups {
        Cgroups::Auto => "auto".into(),
        Cgroups::Off => "off".into(),
        Cgroups::Below(folder) => folder.clone().into_os_string(),
    };
    [
        COMMAND.into(),
        setup.runs_lock.clone().into_os_string(),
        files.to_string().into(),
        cgroups,
    ]
}

/// Becomes the launcher where the command line says so, and returns when the daemon is gone. Must come before anything
/// that starts a thread or opens a file; `None`: this is an ordinary start of the program.
pub fn enter() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != COMMAND {
        return None;
    }
    Some(launch::run(arguments))
}

fn cgroups(argument: OsString) -> Cgroups {
    match argument.to_str() {
        Some("auto") => Cgroups::Auto,
        Some("off") => Cgroups::Off,
        _ => Cgroups::Below(argument.into()),
    }
}
