//! The world as it is: processes, mail, clocks.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use super::announce::Announcer;
use super::heard::heard_of;
use super::hosts::{self, Hosts};
use super::letters;
use super::lock_watch::LockWatch;
use super::templates;
use super::world::{Heard, World};
use crate::clock::{self, Compare, Look, Moved, StepWatch};
use crate::core::contract;
use crate::core::effect::{Effect, LockWait, Place, Start};
use crate::core::event::{Answer, Event};
use crate::core::fact::{AttemptEnded, Fact};
use crate::core::letter::Letter;
use crate::core::notice::NoticeId;
use crate::core::policy::{Host, LOCAL, Policy};
use crate::core::report::{self, Counters, Line};
use crate::core::run::{self, RunId};
use crate::core::state::State;
use crate::lock;
use crate::mail::{self, Mailbox, Mailer};
use crate::ping::Pinger;
use crate::process::{self, Account, Launcher, RunSpec, Stopper};
use crate::systemd::{Inhibitor, Notify};

/// Things that wait to be heard; whoever has more to say waits.
pub const EARS: usize = 1_024;
/// Heard together in one turn.
const TOGETHER: usize = 256;

/// Where things are on this machine.
#[derive(Clone, Debug)]
pub struct Places {
    pub state_dir: PathBuf,
    pub lock_dir: PathBuf,
}

/// What the real world is made of.
pub struct Real {
    places: Places,
    launcher: Arc<Launcher>,
    hosts: Arc<Hosts>,
    /// None where no mail is configured.
    mailer: Option<Arc<Mailer>>,
    /// From whom it comes: the feed of the calendar names the same.
    pub sender: Arc<std::sync::Mutex<Option<Mailbox>>>,
    /// Rehearsals bother nobody.
    rehearsal_mail: Option<Arc<Mailer>>,
    /// Whether it was told that these mailers cannot use a template.
    template_told: Arc<AtomicBool>,
    going: HashMap<RunId, Going>,
    tell: mpsc::Sender<Heard>,
    ears: mpsc::Receiver<Heard>,
    steps: Option<StepWatch>,
    compare: Compare,
    announcer: Announcer,
    pub counters: Arc<std::sync::Mutex<Counters>>,
    /// Who is told that jobs begin and end; none where this daemon only brings apps back.
    pinger: Option<Pinger>,
    notify: Notify,
    inhibitor: Inhibitor,
    logs: Logs,
    nonce: String,
    /// Who the daemon itself is: looked up once.
    own: Option<Account>,
}

/// A run that is not over.
struct Going {
    stop: Stop,
    /// Bytes of its output that are kept.
    log_limit: u64,
}

/// How a run is ended.
enum Stop {
    Here(Stopper),
    /// On a host, or on the way there.
    There(Arc<tokio::sync::Notify>),
}

/// Output that is kept, and how much of it.
struct Logs {
    limit: u64,
    /// Room that files took since they were last bounded, about.
    written: u64,
    bounded: Timestamp,
    bounding: Option<tokio::task::JoinHandle<()>>,
}

impl Logs {
    /// Beyond its limit all output together is by no more than this part of it.
    const SLACK: u64 = 16;

    fn new(limit: u64) -> Self {
        Self {
            limit,
            written: 0,
            bounded: Timestamp::MIN,
            bounding: None,
        }
    }

    /// Whether it is time to look at all files: after a good deal of output, else as often as at history.
    fn due(&self, at: Timestamp) -> bool {
        let hour = SignedDuration::from_hours(1);
        let idle = self.bounding.as_ref().is_none_or(|task| task.is_finished());
        let much = self.written >= (self.limit / Self::SLACK).max(1);
        idle && (much || at.duration_since(self.bounded).abs() >= hour)
    }
}

/// What has to be there before the world can be.
pub struct Parts {
    pub places: Places,
    pub launcher: Launcher,
    pub hosts: Arc<Hosts>,
    pub mailer: Option<Mailer>,
    pub rehearsal_mail: Option<Mailer>,
    pub announcer: Announcer,
    pub counters: Arc<std::sync::Mutex<Counters>>,
    pub pinger: Option<Pinger>,
    pub notify: Notify,
    pub log_limit: u64,
}

impl Real {
    /// The world, and the mouth through which others are heard in it.
    pub fn new(parts: Parts) -> (Self, mpsc::Sender<Heard>) {
        let (tell, ears) = mpsc::channel(EARS);
        let steps = StepWatch::new()
            .inspect_err(
                |error| tracing::warn!(%error, "clock steps are seen at the next wakeup only"),
            )
            .ok();
        let real = Self {
            places: parts.places,
            launcher: Arc::new(parts.launcher),
            hosts: parts.hosts,
            sender: Arc::new(std::sync::Mutex::new(sender(parts.mailer.as_ref()))),
            mailer: parts.mailer.map(Arc::new),
            rehearsal_mail: parts.rehearsal_mail.map(Arc::new),
            template_told: Arc::default(),
            going: HashMap::new(),
            tell: tell.clone(),
            ears,
            steps,
            compare: Compare::new(Look::now()),
            announcer: parts.announcer,
            counters: parts.counters,
            pinger: parts.pinger,
            notify: parts.notify,
            inhibitor: Inhibitor::of_this_machine(),
            logs: Logs::new(parts.log_limit),
            nonce: String::new(),
            own: process::lookup_user(&own_id(), None).ok(),
        };
        (real, tell)
    }

    /// Words that belong to no event; nothing where events are JSON.
    pub fn say_words(&self, text: &str) {
        self.announcer.words(text);
    }

    /// The events as they are told.
    pub fn listeners(&self) -> tokio::sync::broadcast::Sender<Line> {
        self.announcer.listeners()
    }

    /// What the clocks did since the last look, as events.
    fn clocks(&mut self) -> Vec<Heard> {
        let moved = self.compare.look(Look::now());
        moved
            .into_iter()
            .map(|moved| match moved {
                Moved::Stepped(by) => Event::ClockStepped { by }.into(),
                Moved::Slept(after) => {
                    self.announcer.tell(Line::suspended(clock::now(), after));
                    Event::Resumed { after }.into()
                }
            })
            .collect()
    }

    fn start(&mut self, start: Start) {
        let run = start.run;
        let spec = match self.spec(&start) {
            Ok(spec) => spec,
            Err(why) => return self.refuse(run, why),
        };
        if let Place::Host(host) = &start.place {
            let host = host.clone();
            return self.start_there(start, host, spec);
        }
        let mut started = self.launcher.spawn(spec);
        let going = Going {
            stop: Stop::Here(started.stopper()),
            log_limit: start.log_limit,
        };
        self.going.insert(run, going);
        let tell = self.tell.clone();
        let mark = format!(
            "OFFHOURS_RUN={}",
            contract::run_mark(run, start.attempt, &self.nonce)
        );
        let grace = to_std(start.grace);
        let mut watch = LockWatch::new(&self.counters);
        tokio::spawn(async move {
            while let Some(event) = started.recv().await {
                watch.see(&event);
                let event = heard_of(run, event, &mark, grace).await;
                if tell.send(event.into()).await.is_err() {
                    return;
                }
            }
        });
    }

    fn start_there(&mut self, start: Start, host: Option<Arc<Host>>, spec: RunSpec) {
        let run = start.run;
        let Some(host) = host else {
            let why = format!(
                "there is no host {} in the configuration",
                start.what.host()
            );
            return self.refuse(run, why);
        };
        let stop = Arc::new(tokio::sync::Notify::new());
        let going = Going {
            stop: Stop::There(stop.clone()),
            log_limit: start.log_limit,
        };
        self.going.insert(run, going);
        let attempt = hosts::Attempt {
            mark: contract::run_mark(run, start.attempt, &self.nonce),
            start,
            host,
            spec,
            stop,
        };
        let (hosts, launcher) = (self.hosts.clone(), self.launcher.clone());
        tokio::spawn(hosts::run(hosts, launcher, attempt, self.tell.clone()));
    }

    fn refuse(&self, run: RunId, why: String) {
        let report = run::Report {
            end: run::End::SpawnFailed { why },
            elapsed: SignedDuration::ZERO,
            output_bytes: 0,
            log: false,
            tail: String::new(),
        };
        self.say(Event::Ended { run, report });
    }

    /// Heard later, also when the ears are full now.
    fn say(&self, event: Event) {
        if let Err(mpsc::error::TrySendError::Full(heard)) = self.tell.try_send(event.into()) {
            let tell = self.tell.clone();
            tokio::spawn(async move { tell.send(heard).await });
        }
    }

    /// Those of these locks that nobody else holds.
    fn hold(&self, names: &[String]) -> Vec<lock::Held> {
        let hold = |name: &String| {
            let path = self.places.lock_dir.join(name);
            let held = lock::Candidate::open(&path).and_then(lock::Candidate::try_hold);
            match held {
                Ok(Ok(mut held)) => {
                    let _ = held.describe("a run on a host that is asked how it ended");
                    Some(held)
                }
                Ok(Err(_)) => None,
                Err(error) => {
                    tracing::warn!(%error, "a lock is not kept while a host is asked");
                    None
                }
            }
        };
        names.iter().filter_map(hold).collect()
    }

    fn spec(&self, start: &Start) -> Result<RunSpec, String> {
        let command = &start.command;
        let own = own_id();
        // On a host it is for the host to know who that is; here it is the client that runs.
        let here = start.place == Place::Here;
        let wanted = command.user.as_deref().filter(|_| here);
        let account = match (wanted, command.group.as_deref().filter(|_| here)) {
            (None, None) => Ok(self.own.clone()),
            (user, group) => {
                let name = user.unwrap_or(&own);
                process::lookup_user(name, group).map(Some)
            }
        };
        let account = account.map_err(|error| error.to_string())?;
        // A user without an entry is allowed to be itself.
        let (user, name, home) = match account {
            Some(account) => (Some(account.credentials), account.name, account.home),
            None => (None, own, PathBuf::from("/")),
        };
        let lang = std::env::var("LANG").unwrap_or_else(|_| "C.UTF-8".into());
        let mut env: Vec<(String, String)> = vec![
            ("PATH".into(), contract::PATH.into()),
            ("HOME".into(), home.display().to_string()),
            ("USER".into(), name),
            ("LANG".into(), lang),
        ];
        for (key, value) in &start.env {
            match env.iter_mut().find(|(known, _)| known == key) {
                Some((_, known)) => known.clone_from(value),
                None => env.push((key.clone(), value.clone())),
            }
        }
        let what = match start.what.job() {
            Some(job) => job.to_string(),
            None => start.what.word().into(),
        };
        let since = clock::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        Ok(RunSpec {
            id: format!("{}.{}", start.run, start.attempt),
            argv: command.argv.iter().map(Into::into).collect(),
            env,
            dir: command.dir.as_ref().clone(),
            user,
            umask: command.umask,
            locks: start
                .locks
                .iter()
                .map(|name| self.places.lock_dir.join(name))
                .collect(),
            lock_wait: match start.lock_wait {
                LockWait::For(wait) if wait.is_zero() => process::LockWait::No,
                LockWait::For(wait) => process::LockWait::For(to_std(wait)),
                LockWait::UntilStopped => process::LockWait::UntilStopped,
            },
            timeout: to_std(start.timeout),
            grace: to_std(start.grace),
            log: Some(crate::logs::log_path(
                &self.places.state_dir,
                &start.what,
                start.run,
                start.attempt,
            )),
            log_limit: start.log_limit,
            holder: format!("run {} of {what}, since {since}", start.run),
        })
    }

    fn send(&self, notice: NoticeId, letter: Letter) {
        let rehearsal = letter.window == crate::core::decide::REHEARSAL;
        let mailer = if rehearsal {
            self.rehearsal_mail.clone()
        } else {
            self.mailer.clone()
        };
        let Some(mailer) = mailer else {
            let why = "no mail is configured ([mail])".into();
            return self.say(Event::Answered {
                notice,
                answer: Answer::Permanent { why },
            });
        };
        let tell = self.tell.clone();
        let told = self.template_told.clone();
        tokio::spawn(async move {
            let (answer, broken) = deliver(&mailer, letter).await;
            // Once: the next mail has the same template.
            if let Some(broken) = broken
                && !told.swap(true, Ordering::Relaxed)
            {
                tracing::error!("{broken}");
                let event = Event::Templates {
                    broken: Some(broken),
                };
                let _ = tell.send(event.into()).await;
            }
            let _ = tell.send(Event::Answered { notice, answer }.into()).await;
        });
    }

    /// Old logs go when they are too many, in a thread of its own.
    fn bound_logs(&mut self, at: Timestamp) {
        if !self.logs.due(at) {
            return;
        }
        (self.logs.bounded, self.logs.written) = (at, 0);
        let (dir, limit) = (self.places.state_dir.clone(), self.logs.limit);
        self.logs.bounding = Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = crate::logs::bound(&dir, limit) {
                tracing::warn!(%error, "cannot remove old logs");
            }
        }));
    }

    /// An attempt is over, for good or until the next.
    fn over(&mut self, ended: &AttemptEnded) {
        let going = self.going.remove(&ended.run);
        if ended.what.host() != LOCAL {
            self.hosts.forget(ended.run, ended.attempt);
        }
        if ended.log {
            let kept = going.map_or(u64::MAX, |going| going.log_limit);
            let room = crate::logs::room(ended.output_bytes.min(kept));
            self.logs.written = self.logs.written.saturating_add(room);
        }
    }
}

fn sender(mailer: Option<&Mailer>) -> Option<Mailbox> {
    mailer.map(|mailer| mailer.from().clone())
}

fn own_id() -> String {
    rustix::process::geteuid().as_raw().to_string()
}

/// The answer, and what kept a template of the operator's from being used.
async fn deliver(mailer: &Mailer, letter: Letter) -> (Answer, Option<String>) {
    let composed = match letters::compose(mailer.templates(), mailer.from(), letter) {
        Ok(composed) => composed,
        Err(error) => {
            let why = error.to_string();
            return (Answer::Permanent { why }, None);
        }
    };
    let problem = composed.problem.as_ref();
    let broken = problem.map(|problem| templates::instead(&problem.to_string()));
    let answer = match mailer.send(&composed).await {
        mail::Answer::Accepted { .. } => Answer::Accepted,
        mail::Answer::Temporary { why } => Answer::Temporary { why },
        mail::Answer::Permanent { why } => Answer::Permanent { why },
        mail::Answer::Unknown { why } => Answer::Unknown { why },
    };
    (answer, broken)
}

/// A negative bound is none at all.
fn to_std(span: SignedDuration) -> Duration {
    Duration::try_from(span).unwrap_or(Duration::ZERO)
}

impl World for Real {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    async fn hear(&mut self, until: Option<Timestamp>) -> Vec<Heard> {
        let mut heard = Vec::new();
        let sleep = async {
            match until {
                // Elapsed time: a step of the wall clock is seen by the watch below.
                Some(at) => tokio::time::sleep(to_std(at.duration_since(clock::now()))).await,
                None => std::future::pending().await,
            }
        };
        let stepped = async {
            match &self.steps {
                Some(steps) => steps.stepped().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The mouth that this world keeps for itself never closes the channel.
            _ = self.ears.recv_many(&mut heard, TOGETHER) => {}
            () = stepped => {}
            () = sleep => {}
            () = self.notify.watchdog() => {}
        }
        self.notify.alive();
        let mut first = self.clocks();
        first.append(&mut heard);
        first
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Start(start) => self.start(*start),
            Effect::Stop { run } => {
                if let Some(going) = self.going.get(&run) {
                    match &going.stop {
                        Stop::Here(stopper) => stopper.stop(),
                        Stop::There(stop) => stop.notify_one(),
                    }
                }
            }
            Effect::Ask {
                run,
                attempt,
                host,
                way,
                locks,
                until,
            } => {
                // Before anything else begins: nobody holds them but who waited for the last life to end.
                let held = self.hold(&locks);
                let mark = contract::run_mark(run, attempt, &self.nonce);
                let (hosts, tell) = (self.hosts.clone(), self.tell.clone());
                let asking = hosts::ask_again(hosts, (host, way), (run, mark), until, tell);
                let asking = async move {
                    asking.await;
                    drop(held);
                };
                tokio::spawn(asking);
            }
            Effect::Send { notice, letter } => self.send(notice, *letter),
            Effect::Exit { .. } => {}
        }
    }

    fn recorded(&mut self, at: Timestamp, facts: &[Fact], state: &State, durable: bool) {
        if self.nonce != state.nonce {
            self.nonce.clone_from(&state.nonce);
        }
        for fact in facts {
            if let Fact::AttemptEnded(ended) = fact {
                self.over(ended);
            }
            if let Ok(mut counters) = self.counters.lock() {
                counters.count(at, fact, state);
            }
            for line in report::event(at, fact) {
                // Whoever asked for something hears of it once it is recorded.
                match fact {
                    Fact::Asked(_) if !durable => self.announcer.write(&line),
                    _ => self.announcer.tell(line),
                }
            }
        }
        if let Some(pinger) = self.pinger.as_ref().filter(|_| durable) {
            pinger.observe(facts, &self.nonce);
        }
        if !durable {
            tracing::error!(
                facts = facts.len(),
                "not recorded: the state cannot be written"
            );
        }
        self.notify.status(state);
        self.inhibitor.follow(state);
        self.bound_logs(at);
    }

    fn policy(&mut self, policy: &Policy) {
        self.logs.limit = policy.keep.logs;
        if let Ok(mut counters) = self.counters.lock() {
            counters.runs.know(policy);
        }
    }

    fn mail(&mut self, mailer: Option<Mailer>, rehearsal: Option<Mailer>) {
        self.template_told = Arc::default();
        if let Ok(mut known) = self.sender.lock() {
            *known = sender(mailer.as_ref());
        }
        self.mailer = mailer.map(Arc::new);
        self.rehearsal_mail = rehearsal.map(Arc::new);
    }

    fn replanned(&mut self, lines: Vec<Line>) {
        lines.into_iter().for_each(|line| self.announcer.tell(line));
    }

    fn trouble(&mut self, what: Option<&str>) {
        match what {
            Some(what) => {
                tracing::error!("{what}");
                self.announcer
                    .words(&format!("STATE NOT WRITABLE: {}", crate::text::clean(what)));
            }
            None => {
                tracing::info!("the state can be written again");
                self.announcer.words("the state can be written again");
            }
        }
    }
}
