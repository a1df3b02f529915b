//! What runs on hosts, over SSH: started here as a client that holds the lifeline, and believed only as far as the host
//! was heard. What was not heard is asked for until nothing of it can be left there.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;

use super::unheard::Unheard;
use super::world::Heard;
use crate::clock;
use crate::core::effect::{LockWait, Start};
use crate::core::event::Event;
use crate::core::policy::{Host, Name, Way};
use crate::core::run::{End, Found, Report, RunId, What};
use crate::core::state::State;
use crate::process::{self, Launcher, RunEvent, RunSpec};
use crate::ssh::{self, Destination, Fate, Masters, Order, Verdict};

/// Granted to the client beside the grace on the host, to hear its last word.
const LAST_WORD: Duration = Duration::from_secs(30);
/// The longest wait for a lock on a host: what holds it there says nothing of when it ends.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// Granted to the client beside the time of the job: for the host to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(45);
/// Where a lock is held that is none of this machine.
const ON_THE_HOST: &str = "on the host";
/// Between two questions to a host, at first and at last.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const ASK_SELDOM: Duration = Duration::from_secs(30);
/// Periodic runs on one host at once: an sshd has room for ten sessions in a connection, and hooks never wait.
const PERIODIC: usize = 6;
/// Beside time bound and grace: what a host may take where nobody here ends a run.
const LATE: Duration = Duration::from_secs(75);

/// The connections, and where clients write what they heard.
pub struct Hosts {
    /// Why there are none.
    masters: Result<Masters, String>,
    verdicts: PathBuf,
    /// None where it cannot be had: clients do not stay, then.
    unheard: Option<Unheard>,
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
        let unheard = made
            .is_ok()
            .then(|| Unheard::listen(&sockets.join("unheard")));
        let unheard = unheard.and_then(|unheard| {
            let said = unheard.as_ref().err().map(ToString::to_string);
            if let Some(error) = said {
                tracing::warn!(error, "locks are not kept for runs whose end is not heard");
            }
            unheard.ok()
        });
        Self {
            masters: made.map_err(|error| error.to_string()),
            verdicts,
            unheard,
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
        Ok(Verdict::Unknown { .. }) | Err(_) => Some(Found::Unheard),
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

async fn once(
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
    let unheard = hosts.unheard.as_ref();
    let spec = match spec(attempt, control, &verdict, unheard.map(Unheard::path)) {
        Ok(spec) => spec,
        Err(why) => return bare(End::SpawnFailed { why }),
    };
    let mut silence = unheard.map(|unheard| unheard.of(&attempt.mark));
    let falls = async {
        match &mut silence {
            Some(silence) => silence.falls().await,
            None => std::future::pending().await,
        }
    };
    // The client stays while the host is asked, and with it what is locked for the run here.
    // The host bounds it from a moment later on.
    let begun = Mutex::new(Instant::now());
    let asks = AtomicBool::new(false);
    let asked = async {
        let client = falls.await;
        asks.store(true, Ordering::Relaxed);
        let since = *begun.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ask_for(hosts, attempt, (&verdict, since), tell).await;
        drop(client);
        end
    };
    let mut asked = std::pin::pin!(asked);
    let mut known = None;
    let mut started = launcher.spawn(spec);
    let stopper = started.stopper();
    let mut asked_to_stop = false;
    let result = loop {
        let event = tokio::select! {
            event = started.recv() => event,
            end = &mut asked, if known.is_none() => {
                known = Some(end);
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
                *begun.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                let event = super::heard::heard_of(run, event, &attempt.mark, LAST_WORD).await;
                if matches!(event, Event::Ended { .. }) {
                    // A lock here was held by somebody else.
                    if let Event::Ended { report, .. } = event {
                        return report;
                    }
                }
                let _ = tell.send(event.into()).await;
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
    let mut report = super::heard::report_of(run, result);
    report.end = match (known, heard(&verdict).await) {
        (Some(known), _) => known,
        // It did not stay, or no longer.
        (None, Verdict::Unknown { .. }) if asks.load(Ordering::Relaxed) => asked.await,
        (None, Verdict::Unknown { .. }) => {
            let since = *begun.lock().unwrap_or_else(PoisonError::into_inner);
            ask_for(hosts, attempt, (&verdict, since), tell).await
        }
        (None, heard) => end_of(heard, &report.end),
    };
    report
}

/// What the client heard.
async fn heard(verdict: &Path) -> Verdict {
    let path = verdict.to_owned();
    match tokio::task::spawn_blocking(move || Verdict::read(&path)).await {
        Ok(Ok(heard)) => heard,
        Ok(Err(error)) => Verdict::Unknown {
            why: format!("what the client heard cannot be read: {error}"),
        },
        Err(_) => Verdict::Unknown {
            why: "what the client heard was not read".into(),
        },
    }
}

/// Asks the host how an attempt ended whose client did not hear it.
async fn ask_for(
    hosts: &Hosts,
    attempt: &Attempt,
    (verdict, since): (&Path, Instant),
    tell: &mpsc::Sender<Heard>,
) -> End {
    let start = &attempt.start;
    let grace = to_std(start.grace).saturating_mul(2);
    let left = to_std(start.timeout)
        .saturating_add(grace)
        .saturating_add(LATE);
    let until = since + left;
    let why = match heard(verdict).await {
        Verdict::Unknown { why } => why,
        heard => return end_of(heard, &End::Exited { code: 0 }),
    };
    let way = attempt.host.way(start.command.user.as_ref());
    say_unheard(tell, start.run, &attempt.host, &why).await;
    let known = ask(hosts, &attempt.host, &way, &attempt.mark, until).await;
    known.unwrap_or(End::Unheard { why })
}

/// What was heard, unless this side ended it: then how it ended is ours to say.
fn end_of(heard: Verdict, here: &End) -> End {
    let code = match &heard {
        Verdict::Exited { code } => Some(*code),
        _ => None,
    };
    match (heard, here) {
        (Verdict::Busy { holder }, _) => End::Busy {
            lock: ON_THE_HOST.into(),
            holder,
        },
        (Verdict::NotStarted { .. } | Verdict::Unreachable { .. }, End::Stopped { .. }) => {
            End::Stopped { code: None }
        }
        (Verdict::Unreachable { why }, _) => End::Unreachable { why },
        (Verdict::NotStarted { why }, _) => End::SpawnFailed { why },
        (_, End::TimedOut { .. }) => End::TimedOut { code },
        (_, End::Stopped { .. }) => End::Stopped { code },
        (Verdict::Exited { code }, _) => End::Exited { code },
        (Verdict::Signalled { signal }, _) => End::Signalled { signal },
        (Verdict::TimedOut, _) => End::TimedOut { code: None },
        (Verdict::Unknown { why }, _) => End::Unheard { why },
    }
}

async fn say_unheard(tell: &mpsc::Sender<Heard>, run: RunId, host: &Host, why: &str) {
    tracing::warn!(run, host = %host.name, why, "how it ended on the host is not known; the host is asked");
    let holder = format!("{} (how it ended is not known: {why})", host.name);
    let event = Event::Waiting { run, holder };
    let _ = tell.send(event.into()).await;
}

/// Asks a host until it tells, or until nothing of the run can be left there. None: it could not be asked.
async fn ask(hosts: &Hosts, host: &Host, way: &Way, mark: &str, until: Instant) -> Option<End> {
    let mut pause = ASK_AGAIN;
    loop {
        let fate = match hosts.reach(host).await {
            Ok(control) => ssh::ask(&control, &way.r#become, mark).await.ok(),
            Err(_) => None,
        };
        match fate {
            Some(Fate::Ended { verdict }) => {
                return Some(end_of(verdict, &End::Exited { code: 0 }));
            }
            Some(Fate::NeverBegan) => {
                let why = "it was not begun there".into();
                return Some(End::Unreachable { why });
            }
            Some(Fate::Gone) => {
                let why =
                    "what was to tell it is gone: the host was restarted, or its runner killed";
                return Some(End::Unheard { why: why.into() });
            }
            Some(Fate::Running { .. }) | None => {}
        }
        if Instant::now() >= until {
            return None;
        }
        tokio::time::sleep(pause.min(until - Instant::now())).await;
        pause = (pause * 2).min(ASK_SELDOM);
    }
}

/// An attempt of the last life whose end nobody heard: the host is asked.
pub(super) async fn ask_again(
    hosts: Arc<Hosts>,
    (host, way): (Option<Arc<Host>>, Option<Box<Way>>),
    (run, mark): (RunId, String),
    until: Timestamp,
    tell: mpsc::Sender<Heard>,
) {
    let unheard = |why: &str| End::Unheard { why: why.into() };
    let end = match (host, way) {
        (None, _) => unheard("the host is not in the configuration any more"),
        // Somebody else would say that it never began.
        (Some(host), Some(way)) if host.way(None).to != way.to => {
            unheard("it ran where the configuration does not lead any more")
        }
        (Some(host), way) => {
            let way = way.map_or_else(|| host.way(None), |way| *way);
            say_unheard(&tell, run, &host, "the daemon was killed meanwhile").await;
            let left = until.duration_since(clock::now());
            let until = Instant::now() + to_std(left);
            let why = "the host could not be asked while anything of it could be left there";
            let known = ask(&hosts, &host, &way, &mark, until).await;
            known.unwrap_or_else(|| unheard(why))
        }
    };
    let report = bare(end);
    let _ = tell.send(Event::Ended { run, report }.into()).await;
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
    let mut report = tokio::select! {
        report = once(hosts, launcher, attempt, tell) => report,
        () = tokio::time::sleep_until(until) => bare(End::TimedOut { code: None }),
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
            () = tokio::time::sleep(ASK_AGAIN) => {}
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

/// The client as a run of this machine.
fn spec(
    attempt: &Attempt,
    control: PathBuf,
    verdict: &Path,
    unheard: Option<&Path>,
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
        unheard: unheard.map(Path::to_owned),
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
        grace: attempt.spec.grace.saturating_add(LAST_WORD),
        // The client bounds it from when it has begun there.
        timeout: attempt
            .spec
            .timeout
            .saturating_add(lock_wait)
            .saturating_add(BEGINS_WITHIN),
        ..attempt.spec.clone()
    })
}

fn to_std(span: SignedDuration) -> Duration {
    Duration::try_from(span).unwrap_or(Duration::ZERO)
}
