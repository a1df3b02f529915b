//! `internal-names`: what shells offer while a command is being written. Where nothing is known it is silent.

use super::args::{NamesArgs, NamesOf};
use super::load::{self, Context};
use super::out::Out;
use crate::config::Loaded;
use crate::core::session::Phase;
use crate::exit::Exit;

/// A shell is not given more to choose from.
const MOST: usize = 10_000;

/// # Errors
/// Output that cannot be written.
pub fn run(args: &NamesArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let Ok(loaded) = context.load() else {
        return Ok(Exit::Ok);
    };
    for name in names(args.of, &loaded).iter().take(MOST) {
        out.line(format_args!("{}", crate::text::clean(name)))?;
    }
    Ok(Exit::Ok)
}

fn names(of: NamesOf, loaded: &Loaded) -> Vec<String> {
    let policy = &loaded.policy;
    let maintenance = || policy.maintenance.keys().map(ToString::to_string);
    let jobs = || maintenance().chain(policy.periodic.keys().map(ToString::to_string));
    let state = || load::state(loaded).unwrap_or_default();
    match of {
        NamesOf::Jobs => jobs().collect(),
        NamesOf::Maintenance => maintenance().collect(),
        NamesOf::Apps => policy.apps.keys().map(ToString::to_string).collect(),
        NamesOf::Windows => policy.windows.keys().map(ToString::to_string).collect(),
        NamesOf::Hosts => policy.hosts.keys().map(ToString::to_string).collect(),
        NamesOf::Sessions => {
            let open = |s: &&crate::core::session::Session| s.phase != Phase::Closed;
            let state = state();
            let sessions = state.sessions.values().filter(open);
            sessions.map(|session| session.id.to_string()).collect()
        }
        NamesOf::Runs => {
            let running: Vec<String> = state().running.keys().map(ToString::to_string).collect();
            running.into_iter().chain(jobs()).collect()
        }
    }
}
