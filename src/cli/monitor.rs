//! `monitor`: one line and an exit code, as Nagios and all that follow it want them.

use jiff::SignedDuration;

use super::args::MonitorArgs;
use super::load::Context;
use super::out::Out;
use super::refusal::{Refusal, usage};
use super::status;
use crate::config::duration;
use crate::core::report::{AppState, Status, span};
use crate::exit::Exit;
use crate::text::clean;

/// Octets of what is said; of that line more is cut off by some of those who read it.
const LONGEST: usize = 1_000;

/// The worst of what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Ok,
    Warning,
    Critical,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

/// Prints it.
///
/// # Errors
/// What cannot be looked at, for [`unknown`] to say.
pub fn run(args: &MonitorArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let (level, line) = look(args, context)?;
    out.line(format_args!("{line}"))?;
    Ok(match level {
        Level::Ok => Exit::Ok,
        Level::Warning => Exit::Failed,
        // The convention's 2 and 3 have other names here.
        Level::Critical => Exit::Usage,
    })
}

/// What cannot be looked at is unknown (3), never good.
///
/// # Errors
/// Only where nothing can be printed.
pub fn unknown(error: &anyhow::Error, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let text = match error.downcast_ref::<Refusal>() {
        Some(refusal) => refusal.text.clone(),
        None => format!("{error:#}"),
    };
    let first = text.lines().find(|line| !line.trim().is_empty());
    let first = first.unwrap_or("it cannot be looked at").replace('|', "/");
    out.line(format_args!("OFFHOURS UNKNOWN - {}", clean(&first)))?;
    Ok(Exit::Config)
}

fn look(args: &MonitorArgs, context: &Context) -> anyhow::Result<(Level, String)> {
    let limit = |text: &str| {
        duration::parse(text).map_err(|error| usage(format!("{text:?}: {}", error.message)))
    };
    let limits = (
        limit(&args.notices_warning)?,
        limit(&args.notices_critical)?,
    );
    let loaded = context.load()?;
    let status = status::of(&loaded, context.now)?;
    Ok(judge(&status, limits))
}

fn judge(
    status: &Status,
    (warning, critical): (SignedDuration, SignedDuration),
) -> (Level, String) {
    let mut found: Vec<(Level, String)> = Vec::new();
    if !status.state.ok {
        found.push((Level::Critical, status.state.text.clone()));
    }
    for matter in status.matters() {
        let age = span(status.now.duration_since(matter.since));
        // What an app is out of service for, or what did not happen at all, cannot wait for the morning.
        let level = match matter.critical {
            true => Level::Critical,
            false => Level::Warning,
        };
        found.push((level, format!("{} (for {age})", matter.text)));
    }
    for app in &status.apps {
        let late = app.closes.filter(|closes| *closes < status.now);
        if let Some(closes) = late.filter(|_| app.state != AppState::InService) {
            let by = span(status.now.duration_since(closes));
            let text = format!("{} is out of service {by} past its window", app.app);
            found.push((Level::Critical, text));
        }
    }
    let oldest = status.mail.oldest.map_or(SignedDuration::ZERO, |oldest| {
        status.now.duration_since(oldest)
    });
    if oldest >= warning {
        let level = match oldest >= critical {
            true => Level::Critical,
            false => Level::Warning,
        };
        let text = format!("{} notices wait, for {}", status.mail.owed, span(oldest));
        found.push((level, text));
    }
    for pause in &status.paused {
        let what = pause.app.as_deref().unwrap_or("everything");
        let age = span(status.now.duration_since(pause.since));
        found.push((Level::Warning, format!("{what} is paused (for {age})")));
    }
    // The worst first; within that in the order of the status.
    found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    let level = found.first().map_or(Level::Ok, |(level, _)| *level);
    let mut text = found
        .iter()
        .map(|(_, text)| clean(text).replace('|', "/"))
        .collect::<Vec<_>>()
        .join("; ");
    if text.is_empty() {
        text = "all is well".into();
    }
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    let line = format!(
        "OFFHOURS {} - {text} | attention={};0 in_maintenance={} running={} notices_waiting={} notices_oldest={}s;{};{} periodic_failing={};0 paused={}",
        level.word(),
        status.counts.attention,
        status.counts.in_maintenance,
        status.counts.running,
        status.mail.owed,
        oldest.as_secs().max(0),
        warning.as_secs(),
        critical.as_secs(),
        status.periodic.failed,
        status.paused.len(),
    );
    (level, line)
}

#[cfg(test)]
mod tests;
