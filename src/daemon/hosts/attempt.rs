//! One attempt on a host: a client that is started here, what it says, and how it ended.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::heard::{heard_of, report_of};
use super::super::world::Heard;
use super::asking::{ask_for, end_of, heard};
use super::clients::{Client, Clients, Said};
use super::{Attempt, Hosts, bare, to_std};
use crate::core::effect::LockWait;
use crate::core::event::Event;
use crate::core::run::{End, Report, What};
use crate::process::{self, Launcher, RunEvent, RunSpec};
use crate::ssh::{self, Order, Verdict};

/// Granted to the client beside the grace on the host, to hear its last word, or to know that it does not come.
pub(super) const LAST_WORD: Duration = Duration::from_secs(75);
/// The longest wait for a lock on a host: what holds it there says nothing of when it ends.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// Granted to the client beside the time of the job: for the host to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(45);

pub(super) async fn once(
    hosts: &Hosts,
    launcher: &Launcher,
    attempt: &Attempt,
    tell: &mpsc::Sender<Heard>,
) -> Report {
    let run = attempt.start.run;
    let places = hosts.places(&attempt.host.name);
    let _place = match attempt.start.what {
        What::Periodic { .. } => tokio::select! {
            // It is never closed.
            place = places.acquire() => place.ok(),
            () = attempt.stop.notified() => return bare(End::Stopped { code: None }),
        },
        _ => None,
    };
    let control = tokio::select! {
        reached = hosts.reach(&attempt.host) => match reached {
            Ok(control) => control,
            Err(why) => return bare(End::Unreachable { why }),
        },
        () = attempt.stop.notified() => return bare(End::Stopped { code: None }),
    };
    let verdict = hosts.verdict(run, attempt.start.attempt);
    let clients = hosts.clients.as_ref();
    let spec = match spec(attempt, control, &verdict, clients.map(Clients::path)) {
        Ok(spec) => spec,
        Err(why) => return bare(End::SpawnFailed { why }),
    };
    let looks = attempt.start.what.is_question();
    let mut client = clients.map(|clients| clients.of(&attempt.mark));
    // The host bounds it from a moment later on.
    let (mut since, mut pid) = (Instant::now(), None);
    // How it ended, from the host, since it is asked.
    let mut asked: Option<Pin<Box<dyn Future<Output = End> + Send + '_>>> = None;
    let mut known = None;
    let mut started = launcher.spawn(spec);
    let stopper = started.stopper();
    let mut asked_to_stop = false;
    let result = loop {
        let event = tokio::select! {
            event = started.recv() => event,
            said = said_by(client.as_mut()) => {
                match said {
                    // What only looks has no lock, and is not waited for.
                    Said::Silent(stream) if looks => drop(stream),
                    Said::Silent(stream) => {
                        let asks = ask_for(hosts, attempt, &verdict, since, tell);
                        // The client stays meanwhile, and with it what is locked for the run here.
                        asked = Some(Box::pin(async {
                            let end = asks.await;
                            drop(stream);
                            end
                        }));
                    }
                    Said::Waits { holder } => {
                        let holder = format!("{holder} on {}", attempt.host.name);
                        let _ = tell.send(Event::Waiting { run, holder }.into()).await;
                    }
                    Said::Began => {
                        since = Instant::now();
                        if let Some(pid) = pid {
                            let _ = tell.send(Event::Began { run, pid }.into()).await;
                        }
                    }
                }
                continue;
            }
            end = answer(asked.as_mut()) => {
                (known, asked) = (Some(end), None);
                continue;
            }
            () = attempt.stop.notified(), if !asked_to_stop => {
                asked_to_stop = true;
                stopper.stop();
                continue;
            }
        };
        match event {
            Some(RunEvent::Ended(result)) => break result,
            Some(event) => {
                since = Instant::now();
                if let RunEvent::Began { pid: started } = event {
                    pid = Some(started);
                }
                match heard_of(run, event, &attempt.mark, LAST_WORD).await {
                    // A lock here was held by somebody else.
                    Event::Ended { report, .. } => return report,
                    event => drop(tell.send(event.into()).await),
                }
            }
            None => return bare(End::Lost),
        }
    };
    if result.end == process::End::SupervisorDied {
        // The client follows it; what it heard is in its file.
        let mark = format!("OFFHOURS_RUN={}", attempt.mark);
        let ended = tokio::task::spawn_blocking(move || {
            process::survivors::end_by_cookie(&[&mark], &[], LAST_WORD)
        });
        let _ = ended.await;
    }
    let mut report = report_of(run, result);
    report.end = match (known, asked, heard(&verdict).await) {
        (Some(known), ..) => known,
        // The client did not stay, or no longer.
        (_, Some(asked), Verdict::Unknown { .. }) => asked.await,
        (_, None, Verdict::Unknown { why }) if looks => End::Unreachable { why },
        (_, None, Verdict::Unknown { .. }) => ask_for(hosts, attempt, &verdict, since, tell).await,
        (_, _, heard) => end_of(heard, &report.end),
    };
    report
}

async fn said_by(client: Option<&mut Client>) -> Said {
    match client {
        Some(client) => client.says().await,
        None => std::future::pending().await,
    }
}

async fn answer<F: Future + Unpin>(asked: Option<&mut F>) -> F::Output {
    match asked {
        Some(asked) => asked.await,
        None => std::future::pending().await,
    }
}

/// The client as a run of this machine.
fn spec(
    attempt: &Attempt,
    control: PathBuf,
    verdict: &Path,
    clients: Option<&Path>,
) -> Result<RunSpec, String> {
    let Attempt {
        start, host, mark, ..
    } = attempt;
    let command = &start.command;
    let mut argv = command.argv.clone();
    let script = match command.beside {
        true => Some(PathBuf::from(&argv[0])),
        false => None,
    };
    if let Some(name) = script.as_deref().and_then(Path::file_name) {
        argv[0] = name.to_string_lossy().into_owned();
    }
    let own = |name: &str| format!("{name}.lock");
    let lock = match &start.what {
        What::Step { job, .. } => {
            let mut locks = host.locks.clone();
            locks.push(own(&format!("maintenance.{job}")));
            locks
        }
        What::Periodic { job, .. } => {
            let job = job.split('@').next().unwrap_or_default();
            vec![own(&format!("periodic.{job}"))]
        }
        _ => Vec::new(),
    };
    let lock_wait = match start.lock_wait {
        LockWait::For(wait) => to_std(wait).min(LOCK_WAIT),
        LockWait::UntilStopped => LOCK_WAIT,
    };
    let env = start.env.iter().filter(|(name, _)| name != "OFFHOURS_RUN");
    let order = Order {
        control,
        run: mark.clone(),
        argv,
        script,
        env: env.cloned().collect(),
        dir: command
            .dir_named
            .then(|| command.dir.to_string_lossy().into_owned()),
        r#become: host.way(command.user.as_ref()).r#become,
        lock,
        lock_wait_s: lock_wait.as_secs(),
        timeout_s: to_std(start.timeout).as_secs().max(1),
        grace_s: to_std(start.grace).as_secs(),
        umask: command.umask,
        regardless: matches!(start.what, What::Leave { .. }),
        verdict: verdict.to_owned(),
        tell: clients.map(Path::to_owned),
    };
    let order = order.to_variable().map_err(|error| error.to_string())?;
    let mut env = attempt.spec.env.clone();
    env.retain(|(name, _)| matches!(&**name, "PATH" | "HOME" | "USER" | "LANG"));
    env.push(("OFFHOURS_RUN".into(), mark.clone()));
    env.push((ssh::order::VARIABLE.into(), order));
    Ok(RunSpec {
        argv: vec!["/proc/self/exe".into(), ssh::client::COMMAND.into()],
        env,
        dir: "/".into(),
        user: None,
        umask: None,
        // As long as something of it may be left on the host: the client holds what is locked for it here. It ends by itself
        // where the daemon is gone.
        grace: attempt
            .spec
            .timeout
            .saturating_add(attempt.spec.grace.saturating_mul(2))
            .saturating_add(LAST_WORD),
        // The client bounds it from when it has begun there.
        timeout: attempt
            .spec
            .timeout
            .saturating_add(lock_wait)
            .saturating_add(BEGINS_WITHIN),
        ..attempt.spec.clone()
    })
}
