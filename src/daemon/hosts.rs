//! What runs on hosts, over SSH: started here as a client that holds the lifeline, and believed only as far as the host
//! was heard. What was not heard is asked for until nothing of it can be left there.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;

use super::world::Heard;
use crate::core::effect::Start;
use crate::core::event::Event;
use crate::core::policy::{Host, Name};
use crate::core::run::{End, Found, Report, RunId};
use crate::core::state::State;
use crate::process::{Launcher, RunSpec};
use crate::ssh::{self, Destination, Masters, Verdict};
use clients::Clients;

pub(super) use asking::ask_again;
use attempt::{LAST_WORD, once};

mod asking;
mod attempt;
mod clients;

/// Where a lock is held that is none of this machine.
const ON_THE_HOST: &str = "on the host";
/// Between two looks whether a host is up.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Periodic runs on one host at once: an sshd has room for ten sessions in a connection, and hooks never wait.
const PERIODIC: usize = 6;

/// The connections, and where clients write what they heard.
pub struct Hosts {
    /// Why there are none.
    masters: Result<Masters, String>,
    verdicts: PathBuf,
    /// None where they cannot be heard: clients do not stay, then.
    clients: Option<Clients>,
    /// Where periodic runs of a host wait for each other.
    places: Mutex<HashMap<Name, Arc<Semaphore>>>,
}

/// What an attempt on a host needs of the world.
pub(super) struct Attempt {
    pub start: Start,
    pub host: Arc<Host>,
    /// The value of `OFFHOURS_RUN`.
    pub mark: String,
    /// Of this side: locks, log, who holds them.
    pub spec: RunSpec,
    pub stop: Arc<Notify>,
}

impl Hosts {
    /// `sockets`: a folder for connections alone, whose path is short.
    pub fn new(sockets: &Path, state_dir: &Path) -> Self {
        let verdicts = verdicts(state_dir);
        let made = make(&verdicts).and_then(|()| Masters::new(sockets));
        let clients = made
            .is_ok()
            .then(|| Clients::listen(&sockets.join("clients")));
        let clients = clients.and_then(|clients| {
            let said = clients.as_ref().err().map(ToString::to_string);
            if let Some(error) = said {
                tracing::warn!(error, "locks are not kept for runs whose end is not heard");
            }
            clients.ok()
        });
        Self {
            masters: made.map_err(|error| error.to_string()),
            verdicts,
            clients,
            places: Mutex::default(),
        }
    }

    /// Ends all connections.
    pub async fn close(&self) {
        if let Ok(masters) = &self.masters {
            masters.close().await;
        }
    }

    async fn reach(&self, host: &Host) -> Result<PathBuf, String> {
        let masters = self
            .masters
            .as_ref()
            .map_err(|why| format!("hosts cannot be reached from here: {why}"))?;
        let reached = masters.reach(&Destination::from(host)).await;
        reached.map_err(|unreachable| unreachable.why)
    }

    fn places(&self, host: &Name) -> Arc<Semaphore> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let of = places.entry(host.clone());
        of.or_insert_with(|| Arc::new(Semaphore::new(PERIODIC)))
            .clone()
    }

    fn verdict(&self, run: RunId, attempt: u32) -> PathBuf {
        self.verdicts.join(format!("{run}.{attempt}"))
    }

    /// It is recorded.
    pub fn forget(&self, run: RunId, attempt: u32) {
        let _ = std::fs::remove_file(self.verdict(run, attempt));
    }
}

fn verdicts(state_dir: &Path) -> PathBuf {
    state_dir.join("verdicts")
}

fn make(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(dir)
}

/// What the clients of the last life left behind of attempts on hosts; what belongs to none of them goes.
pub fn found(state_dir: &Path, state: &State) -> Vec<(RunId, Found)> {
    let dir = verdicts(state_dir);
    let running = state.running.iter();
    let there = running.filter(|(_, r)| r.what.host() != crate::core::policy::LOCAL);
    let known: Vec<(String, RunId)> = there
        .map(|(run, r)| (format!("{run}.{}", r.attempt), *run))
        .collect();
    let Ok(entries) = std::fs::read_dir(&dir) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        match known.iter().find(|(known, _)| **known == *name) {
            Some((_, run)) => found.extend(left(&entry.path()).map(|left| (*run, left))),
            None => drop(std::fs::remove_file(entry.path())),
        }
    }
    found
}

/// None where nothing was begun there.
fn left(path: &Path) -> Option<Found> {
    match Verdict::read(path) {
        Ok(Verdict::Exited { code }) => Some(Found::Ended(End::Exited { code })),
        // Ours, most likely: the lifeline was cut together with the daemon.
        Ok(Verdict::Signalled { .. }) => Some(Found::Ended(End::Stopped { code: None })),
        Ok(Verdict::TimedOut) => Some(Found::Ended(End::TimedOut { code: None })),
        Ok(Verdict::Busy { .. } | Verdict::Unreachable { .. } | Verdict::NotStarted { .. }) => None,
        // What cannot be read claims nothing.
        Ok(Verdict::Unknown { .. }) | Err(_) => {
            let written = std::fs::metadata(path).and_then(|file| file.modified());
            let ordered = written.ok().and_then(|at| Timestamp::try_from(at).ok());
            Some(Found::Unheard { ordered })
        }
    }
}

/// From the first try to reach the host until it is known how the attempt ended; tells it.
pub(super) async fn run(
    hosts: Arc<Hosts>,
    launcher: Arc<Launcher>,
    attempt: Attempt,
    tell: mpsc::Sender<Heard>,
) {
    let (run, began) = (attempt.start.run, Instant::now());
    let report = match attempt.start.reboot {
        true => restart(&hosts, &launcher, &attempt, &tell).await,
        false => once(&hosts, &launcher, &attempt, &tell).await,
    };
    let mut report = report;
    if let End::Busy { lock, holder } = &mut report.end
        && lock == ON_THE_HOST
    {
        *lock = format!("on {}", attempt.host.name);
        if !holder.is_empty() {
            holder.push_str(&format!(" {lock}"));
        }
    }
    if report.elapsed.is_zero() {
        report.elapsed = SignedDuration::try_from(began.elapsed()).unwrap_or_default();
    }
    let _ = tell.send(Event::Ended { run, report }.into()).await;
}

fn bare(end: End) -> Report {
    Report {
        end,
        elapsed: SignedDuration::ZERO,
        output_bytes: 0,
        log: false,
        tail: String::new(),
    }
}

/// Restarts the host and waits until it has come up anew: in another boot.
async fn restart(
    hosts: &Hosts,
    launcher: &Launcher,
    attempt: &Attempt,
    tell: &mpsc::Sender<Heard>,
) -> Report {
    let until = Instant::now() + to_std(attempt.start.timeout);
    let before = match boot_of(hosts, &attempt.host).await {
        Ok(before) => before,
        Err(why) => return bare(End::Unreachable { why }),
    };
    let mut report = {
        let mut once = std::pin::pin!(once(hosts, launcher, attempt, tell));
        tokio::select! {
            report = &mut once => report,
            () = tokio::time::sleep_until(until) => {
                // What hangs would restart the host some time later.
                attempt.stop.notify_one();
                let late = to_std(attempt.start.grace) + LAST_WORD;
                let ended = tokio::time::timeout(late, once).await;
                let timed_out = bare(End::TimedOut { code: None });
                ended.map_or(timed_out.clone(), |report| Report { end: timed_out.end, ..report })
            }
        }
    };
    // The connection may break before the command has said that it worked.
    let goes_down = matches!(
        report.end,
        End::Exited { code: 0 } | End::Unheard { .. } | End::Signalled { .. }
    );
    if !goes_down {
        return report;
    }
    loop {
        let up = boot_of(hosts, &attempt.host).await;
        if up.is_ok_and(|boot| boot != before) {
            report.end = End::Exited { code: 0 };
            return report;
        }
        if Instant::now() >= until {
            report.end = End::TimedOut { code: None };
            return report;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = attempt.stop.notified() => {
                report.end = End::Stopped { code: None };
                return report;
            }
        }
    }
}

async fn boot_of(hosts: &Hosts, host: &Host) -> Result<String, String> {
    let control = hosts.reach(host).await?;
    let found = ssh::probe(&control, &[]).await.map_err(|error| error.why)?;
    match found.boot_id.is_empty() {
        true => Err("it does not say in which boot it is".into()),
        false => Ok(found.boot_id),
    }
}

fn to_std(span: SignedDuration) -> Duration {
    Duration::try_from(span).unwrap_or(Duration::ZERO)
}
