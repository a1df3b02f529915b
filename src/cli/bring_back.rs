//! A refused configuration keeps the daemon from starting, and keeps no app in maintenance: what was recorded at
//! entering is enough to bring it back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::load::Context;
use crate::config::{ControlConfig, PingConfig, Settings, TemplateFiles};
use crate::core::apply::apply;
use crate::core::calendar::Zone;
use crate::core::event::Event;
use crate::core::policy::{Accepted, Keep, Limits, NoticeKinds, NoticePolicy, Policy};
use crate::core::state::State;
use crate::daemon::announce::Form;
use crate::daemon::startup;
use crate::daemon::{Ended, Heard};
use crate::lock;
use crate::store::Reader;

/// The longest file that is searched for the state's folder.
const LONGEST: u64 = 16 << 20;

/// Brings back the apps that are recorded as entered, if there are any. What keeps it from doing so is logged: the
/// command fails in any case.
pub fn bring_back(context: &Context, form: Form) {
    let Some(state_dir) = state_dir(context) else {
        return;
    };
    let entered = match Reader::open(&state_dir).map(|reader| reader.map(|r| r.load(apply))) {
        Ok(Some(Ok((state, _)))) => entered(&state),
        _ => return,
    };
    if entered.is_empty() {
        return;
    }
    tracing::error!(
        apps = entered.join(", "),
        "in maintenance, and brought back as it was recorded; nothing else is done"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(alone(state_dir, form)),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = done {
        tracing::error!("not brought back: {error:#}");
    }
}

fn entered(state: &State) -> Vec<String> {
    let entered = state.all_in_maintenance();
    entered.map(|session| session.app.to_string()).collect()
}

/// Where the state is, as far as a file tells that is otherwise not understood.
fn state_dir(context: &Context) -> Option<PathBuf> {
    let file = std::path::absolute(context.path().ok()?).ok()?;
    let folder = file.parent()?;
    if let Some(dir) = context.env.get("OFFHOURS_STATE__DIR") {
        return Some(folder.join(dir));
    }
    if let Some(dir) = written(&file) {
        return Some(folder.join(dir));
    }
    let given = context.env.get("STATE_DIRECTORY");
    Some(given.map_or_else(|| folder.join("state"), PathBuf::from))
}

/// `dir` of `[state]`, found without understanding the rest.
fn written(file: &Path) -> Option<String> {
    let size = std::fs::metadata(file).ok()?;
    if !size.is_file() || size.len() > LONGEST {
        return None;
    }
    let text = std::fs::read_to_string(file).ok()?;
    let mut table = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            table = line;
        } else if table.starts_with("[state]")
            && let Some(value) = line.strip_prefix("dir")
            && let Some(value) = value.trim_start().strip_prefix('=')
        {
            let value = value.trim().strip_prefix('"')?;
            return value.split_once('"').map(|(dir, _)| dir.to_owned());
        }
    }
    None
}

/// Knows nothing, so that nothing but what is recorded can follow.
fn blank() -> Policy {
    Policy {
        name: "offhours".into(),
        zone: Zone::utc(),
        windows: Default::default(),
        freezes: Vec::new(),
        hosts: Default::default(),
        apps: Default::default(),
        maintenance: Default::default(),
        periodic: Default::default(),
        notice: NoticePolicy {
            digest_after: usize::MAX,
            accepted: Accepted::EachRole,
            operators: Vec::new(),
            alarm: None,
            kinds: NoticeKinds {
                started: false,
                finished: false,
                failed: false,
            },
        },
        limits: Limits {
            runs: 1,
            log_bytes: 1 << 20,
            stop_timeout: SignedDuration::from_secs(90),
        },
        keep: Keep {
            sessions: SignedDuration::from_hours(24 * 180),
            runs: 200,
            failures: SignedDuration::from_hours(24 * 30),
            logs: 1 << 30,
        },
    }
}

async fn alone(state_dir: PathBuf, form: Form) -> anyhow::Result<()> {
    let policy = Arc::new(blank());
    let opened = {
        let (dir, policy) = (state_dir.clone(), Arc::clone(&policy));
        let open = move || startup::open(&dir, &policy, lock::Kind::Daemon, false);
        tokio::task::spawn_blocking(open).await??
    };
    until_back(state_dir, policy, opened, form).await?;
    Ok(())
}

/// Brings one app back by the hooks of the configuration, whatever the state says or cannot say; whether it is back.
///
/// # Errors
/// No folder can be made for what is recorded meanwhile, or the launcher cannot be started.
pub fn without_state(policy: Policy, app: &str, form: Form) -> anyhow::Result<bool> {
    let dir = std::env::temp_dir().join(format!("offhours-leave-{}", std::process::id()));
    // Not there yet: what lies there is another's.
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(&dir)
        .with_context(|| format!("cannot make the folder {}", dir.display()))?;
    let policy = Arc::new(policy);
    let opened = startup::open_aside(&dir, &policy, app)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let back = runtime.block_on(until_back(dir.clone(), policy, opened, form))?;
    if back {
        let _ = std::fs::remove_dir_all(&dir);
    } else {
        tracing::error!(logs = %dir.join("logs").display(), "not brought back; what its hooks printed is kept");
    }
    Ok(back)
}

/// For the leave hook that runs when it is told to stop.
const STOPS_WITHIN: std::time::Duration = std::time::Duration::from_secs(30);

/// Runs until no app is in maintenance, or it is told to stop; whether all are back.
async fn until_back(
    state_dir: PathBuf,
    policy: Arc<Policy>,
    opened: startup::Opened,
    form: Form,
) -> anyhow::Result<bool> {
    let settings = Settings {
        file: state_dir.join("no configuration"),
        folder: state_dir.clone(),
        control: ControlConfig {
            socket: state_dir.join("control.sock"),
            ..ControlConfig::default()
        },
        state_dir,
        mail: None,
        templates: TemplateFiles::default(),
        http: None,
        ping: PingConfig::default(),
    };
    let mut daemon = startup::assemble(policy, &settings, opened, form, true).await?;
    let mut events = daemon.turns.world().listeners().subscribe();
    let tell = daemon.tell.clone();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let (give_up, given_up) = tokio::sync::oneshot::channel();
    let watch = tokio::spawn(async move {
        loop {
            ask_whether_done(&tell).await;
            tokio::select! {
                // Missed or not: it is looked again.
                told = events.recv() => if matches!(told, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                    return;
                },
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        let _ = tell.send(Event::Shutdown.into()).await;
        tracing::warn!(
            "it is stopped once the leave hook that runs has ended, or when it is asked again"
        );
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(STOPS_WITHIN) => {}
        }
        let _ = give_up.send(());
    });
    let ended = tokio::select! {
        ended = daemon.turns.run(daemon.first) => ended,
        // Closed without a word: nobody asked for a stop.
        Ok(()) = given_up => {
            tracing::error!("the app is not back: it is left at the next start");
            return Ok(false);
        }
    };
    watch.abort();
    Ok(matches!(ended, Ended::Asked { clean: true }))
}

/// Stops the loop once no app is in maintenance any more.
async fn ask_whether_done(tell: &mpsc::Sender<Heard>) {
    let back = tell.clone();
    let look = move |_: &Policy, state: &State, _: jiff::Timestamp| {
        if entered(state).is_empty() && state.live.stopping.is_none() {
            // Full ears have more to say, after which this is asked again.
            let _ = back.try_send(Event::Shutdown.into());
        }
    };
    let _ = tell.send(Heard::Look(Box::new(look))).await;
}
