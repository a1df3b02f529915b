//! `restart --when-idle`: what a package upgrade says, which must not break the session that performs it.

use super::args::RestartArgs;
use super::load::Context;
use super::out::Out;
use super::refusal::{by_daemon, usage};
use crate::config::Purpose;
use crate::control::{self, Reply, Request};
use crate::exit::Exit;

/// # Errors
/// No daemon, one that nothing would start again, or one that refuses.
pub fn restart(args: &RestartArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let _logging = super::logging::start(context)?;
    if !args.when_idle {
        return Err(usage(
            "`restart` waits until nothing is under way: say --when-idle; to end what runs, `systemctl restart offhours`",
        ));
    }
    let loaded = context.load_for(Purpose::Read)?;
    let socket = &loaded.settings.control.socket;
    let done = control::ask(socket, &Request::Restart, |reply| {
        if let Reply::Event { event, words } = reply {
            match context.json {
                true => out.json(event)?,
                false => out.line(format_args!("{}", crate::text::clean(words)))?,
            }
        }
        Ok(())
    });
    done.map_err(by_daemon)
}
