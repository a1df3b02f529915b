//! `run`: the daemon.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::args::RunArgs;
use super::beside;
use super::load::Context;
use super::refusal::{Refusal, refused};
use crate::config::{Env, Loaded, Purpose, Settings, Way};
use crate::core::event::Event;
use crate::daemon::announce::Form;
use crate::daemon::startup::{self, StartError};
use crate::daemon::{Ended, Heard, alive};
use crate::exit::Exit;
use crate::lock;
use crate::ping::Pinger;
use crate::store::StoreError;
use crate::systemd::Notify;

/// How long the end waits for what is still to be told by `[ping]`.
const LAST_PINGS: Duration = Duration::from_secs(2);

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// A refused configuration, a state that somebody else holds or that cannot be used.
pub fn run(args: &RunArgs, context: &Context) -> anyhow::Result<Exit> {
    let form = super::logging::form(context);
    let logging = super::logging::start(context)?;
    let purpose = if args.dry_run {
        Purpose::Read
    } else {
        Purpose::Run
    };
    let loaded = match context.load_for(purpose) {
        Ok(loaded) => loaded,
        Err(refused) => {
            if !args.dry_run {
                super::bring_back::bring_back(context, form);
            }
            return Err(refused);
        }
    };
    if logging.is_structured() {
        log_warnings(&loaded);
    } else {
        context.warn(&loaded);
    }
    super::memory::give_back();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_name("offhours")
        .enable_all()
        .build()?;
    if args.dry_run {
        let played = runtime.block_on(crate::simulate::dry_run(loaded, form));
        return played.map_err(|error| match error.downcast::<StoreError>() {
            Ok(error) => refused(error.to_string()),
            Err(error) => error,
        });
    }
    runtime.block_on(daemon(loaded, args.fresh_state, form))
}

async fn daemon(loaded: Loaded, fresh: bool, form: Form) -> anyhow::Result<Exit> {
    let settings = Arc::new(loaded.settings);
    let policy = Arc::new(loaded.policy);
    let opened = {
        let (settings, policy) = (Arc::clone(&settings), Arc::clone(&policy));
        let open = move || startup::open(&settings.state_dir, &policy, lock::Kind::Daemon, fresh);
        tokio::task::spawn_blocking(open).await?.map_err(refusal)?
    };
    let stop_timeout = policy.limits.stop_timeout;
    let daemon = startup::assemble(policy, &settings, opened, form, false)
        .await
        .map_err(refusal)?;
    let (mut turns, tell) = (daemon.turns, daemon.tell);
    // Answered after the first turn: by then it is decided what follows from the last life.
    let ready = Box::new(|_: &_, _: &_, _| Notify::from_environment().ready());
    let _ = tell.send(Heard::Look(ready)).await;
    for place in places(&settings) {
        turns.world().say_words(&place);
    }
    let beside = beside::serve(&settings, &mut turns, &tell);
    let (stopped, stop) = tokio::sync::oneshot::channel();
    let alive = daemon
        .pinger
        .clone()
        .map(|pinger| tokio::spawn(alive::tell(tell.clone(), pinger)));
    let signals = tokio::spawn(listen(
        tell,
        Arc::clone(&settings),
        daemon.pinger.clone(),
        stopped,
    ));
    let deadline = async {
        match stop.await {
            Ok(()) => {
                let at_most = Duration::try_from(stop_timeout).unwrap_or(Duration::ZERO);
                Notify::from_environment().stopping_takes(at_most).await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    let exit = tokio::select! {
        ended = turns.run(daemon.first) => match ended {
            Ended::Asked { clean: true } => Exit::Ok,
            Ended::Asked { clean: false } => Exit::Failed,
            Ended::Fault(illegal) => {
                tracing::error!(%illegal, "the record and the decisions contradict each other; stopping");
                Exit::Failed
            }
        },
        // The app stays recorded as entered, and is left at the next start.
        () = deadline => {
            tracing::error!("stopping took too long; what is left is done at the next start");
            Exit::Failed
        }
    };
    signals.abort();
    if let Some(alive) = alive {
        alive.abort();
    }
    // Everything is recorded, and nothing waits for this but the end.
    let told = async {
        if let Some(pinger) = &daemon.pinger {
            pinger.settle(LAST_PINGS).await;
        }
    };
    tokio::join!(told, beside.end());
    drop(turns);
    drop(daemon.instance);
    Ok(exit)
}

/// Where to look: state, mails, page.
fn places(settings: &Settings) -> Vec<String> {
    let mut places = vec![format!("state in {}", settings.state_dir.display())];
    if let Some(Way::File { dir }) = settings.mail.as_ref().map(|mail| &mail.way) {
        places.push(format!("mails go to {}/*.eml", dir.display()));
    }
    if let Some(http) = &settings.http {
        let pages = http
            .listen
            .iter()
            .map(|address| format!("http://{address}/"));
        places.push(format!(
            "status page at {}",
            pages.collect::<Vec<_>>().join(" and ")
        ));
    }
    places
}

/// Signals, as the loop hears them. SIGTERM and SIGINT stop, SIGHUP reads the configuration again.
async fn listen(
    tell: mpsc::Sender<Heard>,
    settings: Arc<Settings>,
    pinger: Option<Pinger>,
    stopped: tokio::sync::oneshot::Sender<()>,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    // Their default would end the daemon without bringing apps back.
    let mut first = signal(SignalKind::user_defined1())?;
    let mut second = signal(SignalKind::user_defined2())?;
    let mut stopped = Some(stopped);
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
            _ = first.recv() => continue,
            _ = second.recv() => continue,
            _ = hangup.recv() => {
                reload(&tell, &settings, pinger.as_ref()).await;
                continue;
            }
        }
        if let Some(stopped) = stopped.take() {
            Notify::from_environment().stopping();
            let _ = tell.send(Event::Shutdown.into()).await;
            let _ = stopped.send(());
        }
    }
}

/// Validates, then swaps; the old configuration stays where the new one is refused.
async fn reload(tell: &mpsc::Sender<Heard>, settings: &Settings, pinger: Option<&Pinger>) {
    let notify = Notify::from_environment();
    notify.reloading();
    let path = settings.file.clone();
    let read = move || {
        let now = crate::clock::now();
        crate::config::load(&path, &Env::of_process(), now, Purpose::Run)
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(loaded)) => {
            log_warnings(&loaded);
            let mailers = (
                startup::mailer(&loaded.settings),
                startup::rehearsal_mailer(&loaded.settings),
            );
            match mailers {
                (Ok(mailer), Ok(rehearsal)) => {
                    for what in fixed(settings, &loaded.settings) {
                        tracing::warn!("{what} has changed: that needs a restart");
                    }
                    let templates = startup::templates_event(&loaded.settings);
                    let ping = loaded.settings.ping;
                    if let Some(Err(error)) = pinger.map(|pinger| pinger.replace(ping)) {
                        tracing::error!(%error, "[ping] stays as it was");
                    }
                    tracing::info!("the configuration was read again");
                    let _ = tell.send(Heard::Mail { mailer, rehearsal }).await;
                    let _ = tell.send(Heard::Policy(Arc::new(loaded.policy))).await;
                    let _ = tell.send(templates.into()).await;
                }
                (Err(error), _) | (_, Err(error)) => {
                    tracing::error!(%error, "the configuration stays as it was");
                }
            }
        }
        Ok(Err(refused)) => {
            let text = crate::config::render(&refused.problems, &refused.sources, false);
            tracing::error!("the configuration stays as it was:\n{text}");
        }
        Err(error) => tracing::error!(%error, "the configuration stays as it was"),
    }
    super::memory::give_back();
    // Answered once the new policy is in force.
    let ready = Box::new(|_: &_, _: &_, _| Notify::from_environment().ready());
    let _ = tell.send(Heard::Look(ready)).await;
}

/// What is odd about a configuration that can be used.
fn log_warnings(loaded: &Loaded) {
    if !loaded.warnings.is_empty() {
        let text = crate::config::render(&loaded.warnings, &loaded.sources, false);
        tracing::warn!("the configuration can be used, but:\n{text}");
    }
}

/// What a new file changes in vain while the daemon runs.
fn fixed(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let http = |settings: &Settings| {
        settings.http.as_ref().map(|http| {
            let secret =
                |token: &Option<SecretString>| token.as_ref().map(|t| t.expose_secret().to_owned());
            let tokens = (secret(&http.token), secret(&http.calendar_token));
            (http.listen.clone(), http.hosts.clone(), tokens)
        })
    };
    let changed = [
        ("[state] dir", old.state_dir != new.state_dir),
        ("[control]", old.control != new.control),
        ("[http]", http(old) != http(new)),
    ];
    let changed = changed.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(what, _)| what).collect()
}

/// What keeps the daemon from starting, with its exit code.
pub(super) fn refusal(error: StartError) -> anyhow::Error {
    let exit = if error.refused_by_state() {
        Exit::Refused
    } else {
        Exit::Failed
    };
    Refusal {
        exit,
        text: error.to_string(),
    }
    .into()
}
