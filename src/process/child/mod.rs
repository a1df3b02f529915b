//! `offhours internal-exec`: the launcher, its supervisors and their jobs.
use std::ffi::OsString;

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
