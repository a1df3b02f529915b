//! `request`, `cancel`, `postpone`, `pause`, `resume`, `leave`: what operators wish. Through the daemon where one runs;
//! else it is recorded, and followed when one is started.

use super::args::{
    ApproveArgs, Because, CancelArgs, LeaveArgs, PauseArgs, PostponeArgs, RequestArgs, ResumeArgs,
};
use super::load::{self, Context};
use super::out::Out;
use super::refusal::{by_daemon, did_you_mean, is_listening, refused, usage};
use super::run::refusal;
use crate::config::{Loaded, Purpose};
use crate::control::{self, Peer, Reply, Request};
use crate::core::apply::apply;
use crate::core::fact::Fact;
use crate::core::foresee::{Foreseen, foresee};
use crate::core::policy::Name;
use crate::core::session::Phase;
use crate::core::state::{MaintenanceState, State};
use crate::core::wish::{Asked, LONGEST_REASON, Wish};
use crate::daemon::announce::Form;
use crate::daemon::startup;
use crate::exit::Exit;
use crate::lock::{Kind, LockError};
use crate::store::Facts;

/// # Errors
/// A job or host that is not there; refused by the state or the daemon.
pub fn request(args: &RequestArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load_for(Purpose::Read)?;
    known(
        &args.job,
        loaded.policy.maintenance.keys(),
        "maintenance job",
    )?;
    let wish = Wish::Request {
        job: args.job.as_str().into(),
        hosts: args.hosts.iter().map(|host| host.as_str().into()).collect(),
        emergency: args.emergency,
        approval: None,
    };
    ask(wish, &args.because, loaded, context, out)
}

/// # Errors
/// A job that is not there; refused by the state or the daemon: not requested, not this one's to approve.
pub fn approve(args: &ApproveArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load_for(Purpose::Read)?;
    known(
        &args.job,
        loaded.policy.maintenance.keys(),
        "maintenance job",
    )?;
    let because = Because {
        reason: args.reason.clone(),
        dry_run: args.dry_run,
    };
    let job = args.job.as_str().into();
    ask(Wish::Approve { job }, &because, loaded, context, out)
}

/// # Errors
/// A session that is not there; refused by the state or the daemon.
pub fn cancel(args: &CancelArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load_for(Purpose::Read)?;
    let id: Name = args.id.as_str().into();
    let wish = if loaded.policy.maintenance.contains_key(&id) {
        Wish::Withdraw { job: id }
    } else {
        session(&loaded, &id)?;
        Wish::Cancel { session: id }
    };
    ask(wish, &args.because, loaded, context, out)
}

/// # Errors
/// A session that is not there; refused by the state or the daemon.
pub fn postpone(args: &PostponeArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load_for(Purpose::Read)?;
    let id: Name = args.id.as_str().into();
    session(&loaded, &id)?;
    let time = |text: &String| load::time(text, &loaded.policy.zone, context.now);
    let to = args.to.as_ref().map(time).transpose()?;
    let wish = Wish::Postpone { session: id, to };
    ask(wish, &args.because, loaded, context, out)
}

/// # Errors
/// An app that is not there; refused by the daemon.
pub fn pause(args: &PauseArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load_for(Purpose::Read)?;
    if let Some(app) = &args.app {
        known(app, loaded.policy.apps.keys(), "app")?;
    }
    let time = |text: &String| load::time(text, &loaded.policy.zone, context.now);
    let wish = Wish::Pause {
        app: args.app.as_deref().map(Into::into),
        until: args.until.as_ref().map(time).transpose()?,
    };
    ask(wish, &args.because, loaded, context, out)
}

/// # Errors
/// Nothing that is paused; refused by the daemon.
pub fn resume(args: &ResumeArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load_for(Purpose::Read)?;
    let because = Because {
        reason: args.reason.clone(),
        dry_run: args.dry_run,
    };
    let wish = Wish::Resume {
        app: args.app.as_deref().map(Into::into),
    };
    ask(wish, &because, loaded, context, out)
}

/// # Errors
/// An app that is not in maintenance; refused by the daemon.
pub fn leave(args: &LeaveArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    if args.without_state {
        return leave_without_state(args, context, out);
    }
    let loaded = context.load_for(Purpose::Read)?;
    let because = Because {
        reason: args.reason.clone(),
        dry_run: args.dry_run,
    };
    let wish = Wish::Leave {
        app: args.app.as_str().into(),
    };
    ask(wish, &because, loaded, context, out)
}

/// For when the state cannot be used: the leave hooks of the file are run, and nothing else is looked at.
fn leave_without_state(
    args: &LeaveArgs,
    context: &Context,
    out: &mut Out<'_>,
) -> anyhow::Result<Exit> {
    let _logging = super::logging::start(context)?;
    let loaded = context.load_for(Purpose::Run)?;
    known(&args.app, loaded.policy.apps.keys(), "app")?;
    let settings = &loaded.settings;
    let hooks = &loaded.policy.apps[args.app.as_str()].leave;
    if hooks.is_empty() {
        return Err(refused(format!("{} has no leave hooks", args.app)));
    }
    if args.dry_run {
        lines(
            &hooks
                .iter()
                .rev()
                .map(|hook| format!("leave hook {:?} of {}", hook.command.argv, args.app))
                .collect::<Vec<_>>()
                .join("\n"),
            true,
            out,
        )?;
        return Ok(Exit::Ok);
    }
    // A daemon that runs would know, and do it itself.
    let lock = crate::surroundings::instance_lock(&settings.state_dir);
    let held = match crate::lock::acquire(&lock, Kind::Command, std::time::Duration::ZERO) {
        Err(LockError::Held { holder, .. }) if holder.kind == Some(Kind::Daemon) => {
            let app = &args.app;
            return Err(refused(
                match crate::control::trouble(&settings.control.socket) {
                    Ok(_) => format!("a daemon runs: `offhours leave {app}` asks it"),
                    // It may go on at any moment, and the work with it.
                    Err(error) => format!(
                        "a daemon runs and cannot be asked ({error}): end it, and try again{}",
                        holder
                            .pid
                            .map(|pid| format!(" (kill -KILL {pid}; what it runs ends with it)"))
                            .unwrap_or_default()
                    ),
                },
            ));
        }
        // Where not even that can be done, the app comes back all the same.
        held => held.ok(),
    };
    let form = if context.json {
        Form::Json
    } else {
        Form::Words
    };
    let back = super::bring_back::without_state(loaded.policy, &args.app, form)?;
    drop(held);
    Ok(if back { Exit::Ok } else { Exit::Failed })
}

fn known<'a>(
    name: &str,
    names: impl Iterator<Item = &'a Name> + Clone,
    what: &str,
) -> anyhow::Result<()> {
    if names.clone().any(|known| **known == *name) {
        return Ok(());
    }
    let hint = did_you_mean(name, names.map(|name| &**name));
    Err(usage(format!("there is no {what} {name:?}{hint}")))
}

fn session(loaded: &Loaded, id: &str) -> anyhow::Result<()> {
    // Who may not read the state asks the daemon, which says the same.
    let Ok(state) = load::state(loaded) else {
        return Ok(());
    };
    let open = state.sessions.values().filter(|s| s.phase != Phase::Closed);
    let ids: Vec<&str> = open.map(|session| &*session.id).collect();
    if ids.contains(&id) {
        return Ok(());
    }
    let hint = did_you_mean(id, ids.iter().copied());
    let there = match ids.as_slice() {
        [] => "; there is none at the moment: one is there once it is announced".to_owned(),
        _ if !hint.is_empty() => hint,
        ids => format!(
            "; there are: {}",
            ids.iter().take(8).copied().collect::<Vec<_>>().join(", ")
        ),
    };
    Err(usage(format!("there is no session {id:?}{there}")))
}

fn ask(
    wish: Wish,
    because: &Because,
    loaded: Loaded,
    context: &Context,
    out: &mut Out<'_>,
) -> anyhow::Result<Exit> {
    let _logging = super::logging::start(context)?;
    let needed = !matches!(
        wish,
        Wish::Resume { .. } | Wish::Leave { .. } | Wish::Approve { .. }
    );
    if needed && because.reason.trim().is_empty() {
        return Err(usage("--reason says why: it may not be empty"));
    }
    if because.reason.len() > LONGEST_REASON {
        return Err(usage(format!(
            "--reason is longer than {LONGEST_REASON} octets"
        )));
    }
    let settings = &loaded.settings;
    let socket = &settings.control.socket;
    // A daemon is asked first: who asks may be nobody who can open the state.
    if is_listening(socket)? {
        return through_daemon(socket, wish, because, context, out);
    }
    let opened = startup::open(&settings.state_dir, &loaded.policy, Kind::Command, false);
    let opened = match opened {
        Err(startup::StartError::Lock(LockError::Held { holder, .. }))
            if holder.kind == Some(Kind::Daemon) =>
        {
            return through_daemon(socket, wish, because, context, out);
        }
        opened => opened.map_err(refusal)?,
    };
    let asked = Asked {
        wish,
        by: Peer::own().asker(&settings.control),
        reason: crate::text::clean(&because.reason).into_owned(),
    };
    alone(opened, asked, &loaded, because, context, out)
}

fn through_daemon(
    socket: &std::path::Path,
    wish: Wish,
    because: &Because,
    context: &Context,
    out: &mut Out<'_>,
) -> anyhow::Result<Exit> {
    let request = Request::Ask {
        wish,
        reason: because.reason.clone(),
        dry_run: because.dry_run,
    };
    let done = control::ask(socket, &request, |reply| {
        if let Reply::Event { event, words } = reply {
            match context.json {
                true => out.json(event)?,
                false => lines(words, because.dry_run, out)?,
            }
        }
        Ok(())
    });
    done.map_err(by_daemon)
}

/// No daemon runs: the wish is recorded, and followed by the next one.
fn alone(
    mut opened: startup::Opened,
    mut asked: Asked,
    loaded: &Loaded,
    because: &Because,
    context: &Context,
    out: &mut Out<'_>,
) -> anyhow::Result<Exit> {
    let policy = &loaded.policy;
    let emergency = |past: &MaintenanceState| past.requested.as_ref().is_some_and(|r| r.emergency);
    let past = |job| opened.state.maintenance.get(job);
    let now = match &asked.wish {
        Wish::Request { emergency, .. } => *emergency,
        Wish::Approve { job } => past(job).is_some_and(emergency),
        _ => false,
    };
    // Whoever starts the daemon hours later would not expect that it begins at once.
    if now && !because.dry_run {
        return Err(refused(
            "an emergency needs the daemon, and none runs: `offhours run` first",
        ));
    }
    let foreseen = foreseen(&opened.state, &asked, loaded, context)?;
    if !because.dry_run {
        if !opened.store.can_write() {
            let path = opened.store.path().display();
            return Err(refused(format!("{path}: the state can only be read")));
        }
        asked.wish.complete(policy);
        let fact = Fact::Asked(Box::new(asked));
        apply(&mut opened.state, context.now, &fact)?;
        let facts = [(context.now, fact)];
        opened
            .store
            .append(opened.next, &facts)
            .map_err(|error| refused(error.to_string()))?;
    }
    if context.json {
        out.json(&foreseen)?;
    } else {
        lines(&foreseen.words(), because.dry_run, out)?;
        if !because.dry_run {
            out.line(format_args!(
                "recorded; no daemon runs: the next one that is started follows it"
            ))?;
        }
    }
    Ok(Exit::Ok)
}

fn foreseen(
    state: &State,
    asked: &Asked,
    loaded: &Loaded,
    context: &Context,
) -> anyhow::Result<Foreseen> {
    foresee(&loaded.policy, state, asked.clone(), context.now).map_err(refused)
}

fn lines(words: &str, dry_run: bool, out: &mut Out<'_>) -> anyhow::Result<()> {
    if dry_run {
        out.line(format_args!("nothing was done; this would follow:"))?;
    }
    for line in words.lines() {
        out.line(format_args!("{}", crate::text::clean(line)))?;
    }
    Ok(())
}
