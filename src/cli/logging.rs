//! The daemon's own log, on standard error: what the events on standard output do not tell.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging. `OFFHOURS_LOG` chooses what (`info` without it); under systemd the journal adds the time.
pub fn start(colour: bool) {
    let filter = EnvFilter::try_from_env("OFFHOURS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let journal = std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal();
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
