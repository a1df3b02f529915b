//! `rehearse APP`: one session of the app now.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::args::{HooksWhen, RehearseArgs};
use super::load::Context;
use super::out::Out;
use super::refusal::{by_daemon, is_listening, refused, usage};
use super::run::refusal;
use crate::config::Purpose;
use crate::control::{self, Reply};
use crate::core::event::Event;
use crate::core::policy::{Name, Policy};
use crate::core::session::Override;
use crate::daemon::announce::Form;
use crate::daemon::{Ended, Heard, startup};
use crate::exit::Exit;
use crate::lock::{Kind, LockError};

/// Plays one session now: through the daemon where one runs, else by itself.
///
/// # Errors
/// An app that is not there, a session that is active, a state that cannot be used.
pub fn run(args: &RehearseArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let _logging = super::logging::start(context)?;
    let loaded = context.load_for(Purpose::Run)?;
    context.warn(&loaded);
    let app: Name = args.app.as_str().into();
    if !loaded.policy.apps.contains_key(&app) {
        return Err(usage(unknown(&loaded.policy, &app)));
    }
    if args.reason.trim().is_empty() {
        return Err(usage(
            "--reason says why window and notice are overridden: it may not be empty",
        ));
    }
    if !args.yes && !confirmed(args, &loaded.policy)? {
        return Err(refused("not confirmed: nothing was done"));
    }
    let rehearsal = Override {
        reason: args.reason.clone(),
        hooks: args.hooks == HooksWhen::Real,
        jobs: args.with_jobs,
        emergency: false,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let settings = &loaded.settings;
    let socket = &settings.control.socket;
    // A daemon is asked first: who asks may be nobody who can open the state.
    if is_listening(socket)? {
        let show = |reply: &Reply| show(reply, context.json, out);
        return control::rehearse(socket, &app, &rehearsal, show).map_err(by_daemon);
    }
    let opened = startup::open(&settings.state_dir, &loaded.policy, Kind::Command, false);
    match opened {
        Ok(opened) => {
            if let Some(busy) = control::active_session(&opened.state, &app) {
                return Err(refused(busy));
            }
            if !opened.store.can_write() {
                let path = opened.store.path().display();
                return Err(refused(format!(
                    "{path}: the state can only be read: what is begun could not be recorded"
                )));
            }
            let form = if context.json {
                Form::Json
            } else {
                Form::Words
            };
            let who = control::Peer::own().asker(&settings.control).name;
            let rehearsal = Override {
                reason: format!("{} ({who})", rehearsal.reason),
                ..rehearsal
            };
            let policy = Arc::new(loaded.policy);
            runtime.block_on(alone(policy, settings, opened, form, app, rehearsal))
        }
        Err(startup::StartError::Lock(LockError::Held { holder, .. }))
            if holder.kind == Some(Kind::Daemon) =>
        {
            let show = |reply: &Reply| show(reply, context.json, out);
            control::rehearse(socket, &app, &rehearsal, show).map_err(by_daemon)
        }
        Err(error) => Err(refusal(error)),
    }
}

fn unknown(policy: &Policy, app: &str) -> String {
    let names: Vec<&str> = policy.apps.keys().map(|name| &**name).collect();
    match names
        .iter()
        .max_by(|a, b| strsim::jaro(a, app).total_cmp(&strsim::jaro(b, app)))
    {
        Some(near) if strsim::jaro(near, app) > 0.7 => {
            format!("there is no app {app}; did you mean {near}?")
        }
        _ if names.is_empty() => format!("there is no app {app}: the configuration has none"),
        _ => format!("there is no app {app}; there are: {}", names.join(", ")),
    }
}

/// Asks a person; where there is none, `--yes` has to say it.
fn confirmed(args: &RehearseArgs, policy: &Policy) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(refused(
            "nobody is there to be asked: say --yes to take the app into maintenance now",
        ));
    }
    let app = &args.app;
    let hooks = policy
        .apps
        .get(app.as_str())
        .map_or(0, |app| app.enter.len() + app.leave.len());
    let what = match (args.hooks, args.with_jobs) {
        (HooksWhen::None, false) => "no hooks, no jobs".to_string(),
        (HooksWhen::None, true) => "its jobs without hooks".to_string(),
        (HooksWhen::Real, false) => format!("its {hooks} hooks, no jobs"),
        (HooksWhen::Real, true) => format!("its {hooks} hooks and all its jobs"),
    };
    let mut stderr = std::io::stderr();
    write!(
        stderr,
        "{app} goes into maintenance now, outside its window and unannounced: {what}. Go on? [y/N] "
    )?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn show(reply: &Reply, json: bool, out: &mut Out<'_>) -> anyhow::Result<()> {
    if let Reply::Event { event, words } = reply {
        if json {
            out.json(event)?;
        } else {
            out.line(format_args!("{}", crate::text::clean(words)))?;
        }
        out.flush()?;
    }
    Ok(())
}

/// The daemon's own loop, for this one session.
async fn alone(
    policy: Arc<Policy>,
    settings: &crate::config::Settings,
    opened: startup::Opened,
    form: Form,
    app: Name,
    rehearsal: Override,
) -> anyhow::Result<Exit> {
    let stop_timeout = Duration::try_from(policy.limits.stop_timeout).unwrap_or(Duration::ZERO);
    let mut daemon = startup::assemble(policy, settings, opened, form, true)
        .await
        .map_err(refusal)?;
    let mut events = daemon.turns.world().listeners().subscribe();
    let _ = daemon
        .tell
        .send(
            Event::Rehearse {
                app: app.clone(),
                rehearsal,
            }
            .into(),
        )
        .await;
    let tell = daemon.tell.clone();
    let interrupt = tell.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut ctrl_c = signal(SignalKind::interrupt())?;
    // What was begun is ended, and the app is brought back; what does not come to an end is left to the next start.
    let stopped = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = ctrl_c.recv() => {}
        }
        let _ = interrupt.send(Event::Shutdown.into()).await;
        tokio::time::sleep(stop_timeout).await;
    };
    let watch = tokio::spawn(async move {
        let mut watch = control::Watch::new(&app);
        loop {
            match events.recv().await {
                Ok(line) => {
                    if let Some(well) = watch.see(&line) {
                        // Once everything that is owed about it has been told.
                        let _ = tell.send(Heard::Event(Event::Shutdown)).await;
                        return well;
                    }
                }
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(_) => return false,
            }
        }
    });
    let ended = tokio::select! {
        ended = daemon.turns.run(daemon.first) => ended,
        () = stopped => {
            tracing::error!("stopping took too long; the app is left at the next start");
            return Ok(Exit::Failed);
        }
    };
    drop(daemon.turns);
    match ended {
        Ended::Fault(illegal) => Err(illegal.into()),
        Ended::Asked { clean } => {
            let well = watch.await.unwrap_or(false);
            Ok(if clean && well {
                Exit::Ok
            } else {
                Exit::Failed
            })
        }
    }
}
