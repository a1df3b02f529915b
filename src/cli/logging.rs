//! The daemon's own log, on standard error: what the events on standard output do not tell.

use tracing_subscriber::EnvFilter;

use crate::systemd;

/// How the state's tables come to be is nobody's business.
const USUAL: &str = "info,rusqlite_migration=warn";

/// Starts logging. `OFFHOURS_LOG` chooses what (what matters to an operator without it); under systemd the journal adds the time.
pub fn start(colour: bool) {
    let filter = EnvFilter::try_from_env("OFFHOURS_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let journal = systemd::is_journal(std::io::stderr());
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    // A second start in one process finds the first one's in place.
    let _ = if journal {
        base.without_time().with_target(false).try_init()
    } else {
        base.with_target(false).try_init()
    };
}
