//! Commands that only read, where the files cannot be read: the daemon is asked, which lets a group do so.
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::args::{Command, Limit};
use super::load::Context;
use super::out::{Out, said};
use super::refusal::Refusal;
use super::status::follow;
use crate::config;
use crate::control::{self, ControlError, Look, Reading, Rows};
use crate::exit::Exit;

/// Where a service has its socket, for who cannot read in the configuration where it is.
const USUAL: &str = "/run/offhours/control.sock";
/// What the configuration says of it is overridden by this.
const OVERRIDE: &str = "OFFHOURS_CONTROL__SOCKET";

/// What the daemon answers instead; none where it would not help to ask.
///
/// # Errors
/// A daemon that cannot be reached, or refuses; what cannot be printed.
pub fn instead(
    command: &Command,
    context: &Context,
    out: &mut Out<'_>,
) -> anyhow::Result<Option<Exit>> {
    let (Some(reading), Some(socket)) = (reading(command), socket(context)) else {
        return Ok(None);
    };
    if matches!(command, Command::Status(args) if args.follow) {
        return follow::there(&socket, context.json, out).map(Some);
    }
    let look = look(context.json, out);
    let read = control::read(&socket, reading, look, |part| out.bytes(part.as_bytes()));
    let (code, words) = read.map_err(refusal)?;
    out.flush()?;
    for line in words.lines() {
        said(&crate::text::clean(line));
    }
    Ok(Some(Exit::of(code)))
}

/// The command as the daemon is asked for it.
fn reading(command: &Command) -> Option<Reading> {
    let rows = |limit: &Limit| Rows {
        limit: limit.limit,
        all: limit.all,
    };
    Some(match command {
        Command::Status(args) => Reading::Status { bars: args.bars },
        Command::Monitor(args) => Reading::Monitor {
            notices_warning: args.notices_warning.clone(),
            notices_critical: args.notices_critical.clone(),
        },
        // Another file is for who can read it.
        Command::Plan(args) if args.against.is_none() => Reading::Plan {
            from: args.from.clone(),
            days: args.days,
            until: args.until.clone(),
            rows: rows(&args.limit),
        },
        Command::Explain(args) => Reading::Explain {
            job: args.job.clone(),
            host: args.host.clone(),
            at: args.at.clone(),
        },
        Command::History(args) => Reading::History {
            job: args.job().map(str::to_owned),
            session: args.session.clone(),
            host: args.host.clone(),
            since: args.since.clone(),
            failed: args.failed,
            rows: rows(&args.limit),
        },
        Command::Logs(args) if !args.follow => Reading::Logs {
            run: args.run.clone(),
        },
        _ => return None,
    })
}

/// The socket, where this user may not read what the answer is made from.
fn socket(context: &Context) -> Option<PathBuf> {
    let usual = || PathBuf::from(context.env.get(OVERRIDE).unwrap_or(USUAL));
    let Ok(file) = context.path() else {
        // Also a folder that hides its files; a file that was named has to be there.
        let hidden = context.config.is_none() && usual().exists();
        return hidden.then(usual);
    };
    match config::load(&file, &context.env, context.now, config::Purpose::Read) {
        Ok(loaded) => denied(&loaded.settings.state_dir).then_some(loaded.settings.control.socket),
        Err(_) => denied(&file).then(usual),
    }
}

fn denied(path: &Path) -> bool {
    let opened = std::fs::File::open(path);
    opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// What asking the daemon ends with.
pub(super) fn refusal(error: anyhow::Error) -> anyhow::Error {
    let mut refusal: Refusal = match error.downcast::<ControlError>() {
        Ok(error) => error.into(),
        Err(error) => return error,
    };
    if refusal.exit == Exit::Unreachable {
        refusal.text = format!("this user may not read the state, and {}", refusal.text);
    }
    refusal.into()
}

/// For whom it is printed.
pub(super) fn look(json: bool, out: &Out<'_>) -> Look {
    Look {
        json,
        colour: out.colour,
        width: out.width.and_then(|width| u16::try_from(width).ok()),
    }
}
