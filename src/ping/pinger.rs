//! What is to be told, to whom, and in which order: bounded, and never waited for.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::sleep;

use super::client::{Client, SetupError};
use super::run::mark;
use crate::config::{PingConfig, Pinged};
use crate::core::decide::REHEARSAL;
use crate::core::fact::Fact;
use crate::core::report::Counters;
use crate::core::run::Outcome;

/// Requests under way at once.
const AT_ONCE: usize = 4;
/// Of one job: its beginning and its end. What is older says nothing any more.
const WAITING: usize = 2;
/// Jobs that have something to be told at once; what comes beyond is not told.
const JOBS: usize = 1_000;
/// Octets of what a job printed.
const TEXT: usize = 10_000;

/// How long it is tried to tell something.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For all of a request: name, connection, TLS, redirects, answer.
    pub within: Duration,
    /// Pauses before it is tried again.
    pub again: [Duration; 2],
}

impl Default for Times {
    fn default() -> Self {
        Self {
            within: Duration::from_secs(10),
            again: [Duration::from_secs(1), Duration::from_secs(5)],
        }
    }
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Alive,
    Start,
    Success,
    /// With the exit code, where there was one.
    Fail(Option<i32>),
}

impl Word {
    /// In the metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Start => "start",
            Self::Success => "success",
            Self::Fail(_) => "fail",
        }
    }

    /// What is appended to the address.
    fn path(&self) -> Option<String> {
        match self {
            Self::Alive | Self::Success => None,
            Self::Start => Some("start".into()),
            Self::Fail(Some(code @ 1..=255)) => Some(code.to_string()),
            Self::Fail(_) => Some("fail".into()),
        }
    }
}

#[derive(Clone, Debug)]
struct Ping {
    word: Word,
    run: Option<String>,
    text: String,
}

/// The handle; all of them share one queue.
#[derive(Clone, Debug)]
pub struct Pinger(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    now: Mutex<Arc<Now>>,
    /// Whoever has something to be told has a task that tells it.
    waiting: Mutex<HashMap<Pinged, VecDeque<Ping>>>,
    permits: Semaphore,
    idle: Notify,
    counters: Arc<Mutex<Counters>>,
    /// How often the daemon says that it lives; none where nobody is to be told.
    every: watch::Sender<Option<Duration>>,
    ids: AtomicU64,
    times: Times,
}

/// Where it goes, and by which way.
#[derive(Debug)]
struct Now {
    config: PingConfig,
    /// None where nobody is told: the certificates of the system need not be read.
    client: Option<Client>,
}

impl Now {
    fn new(config: PingConfig) -> Result<Arc<Self>, SetupError> {
        let asked = !config.addresses.is_empty();
        let client = asked
            .then(|| Client::new(config.ca_file.as_deref()))
            .transpose()?;
        Ok(Arc::new(Self { config, client }))
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Yes,
    /// Not now.
    NotYet,
    /// Not at this address, or nobody is to be told any more.
    Never,
}

fn every(config: &PingConfig) -> Option<Duration> {
    let asked = config.addresses.contains_key(&Pinged::Daemon);
    asked.then(|| Duration::try_from(config.every).unwrap_or(Duration::MAX))
}

/// What a panic elsewhere left is as good as before: nothing here is changed in two steps.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pinger {
    /// Reads the certificates; tells nobody anything.
    ///
    /// # Errors
    /// Certificates that cannot be used.
    pub fn new(
        config: PingConfig,
        times: Times,
        counters: Arc<Mutex<Counters>>,
    ) -> Result<Self, SetupError> {
        Ok(Self(Arc::new(Shared {
            every: watch::Sender::new(every(&config)),
            now: Mutex::new(Now::new(config)?),
            waiting: Mutex::default(),
            permits: Semaphore::new(AT_ONCE),
            idle: Notify::new(),
            counters,
            ids: AtomicU64::new(1),
            times,
        })))
    }

    /// Tells others from now on. What waits goes where it is to go by then.
    ///
    /// # Errors
    /// Certificates that cannot be used: everything stays as it was.
    pub fn replace(&self, config: PingConfig) -> Result<(), SetupError> {
        let every = every(&config);
        *held(&self.0.now) = Now::new(config)?;
        self.0.every.send_replace(every);
        Ok(())
    }

    /// How often the daemon says that it lives, and when that changes.
    pub fn every(&self) -> watch::Receiver<Option<Duration>> {
        self.0.every.subscribe()
    }

    /// Says that the daemon lives.
    pub fn alive(&self) {
        let ping = Ping {
            word: Word::Alive,
            run: None,
            text: String::new(),
        };
        self.put(Pinged::Daemon, ping);
    }

    /// Tells what was recorded; `nonce` is that of the installation. Needs a tokio runtime, and does not wait.
    pub fn observe(&self, facts: &[Fact], nonce: &str) {
        for fact in facts {
            if let Some((job, ping)) = meant(fact, nonce) {
                self.put(job, ping);
            }
        }
    }

    fn put(&self, job: Pinged, mut ping: Ping) {
        let now = held(&self.0.now).clone();
        if !now.config.addresses.contains_key(&job) {
            return;
        }
        if !now.config.output {
            ping.text.clear();
        }
        let mut waiting = held(&self.0.waiting);
        if let Some(pings) = waiting.get_mut(&job) {
            pings.push_back(ping);
            while pings.len() > WAITING {
                if let Some(old) = pings.pop_front() {
                    self.0.count(&old.word, "skipped");
                }
            }
        } else if waiting.len() < JOBS {
            waiting.insert(job.clone(), VecDeque::from([ping]));
            tokio::spawn(tell_all(self.0.clone(), job));
        } else {
            self.0.count(&ping.word, "skipped");
        }
    }

    /// Waits until everything was told, or was tried to be, or for so long.
    pub async fn settle(&self, within: Duration) {
        let settled = async {
            loop {
                let idle = self.0.idle.notified();
                if held(&self.0.waiting).is_empty() {
                    return;
                }
                idle.await;
            }
        };
        let _ = tokio::time::timeout(within, settled).await;
    }
}

/// What a fact is told as. An attempt that another follows says nothing yet, and what was put off is not a failure: it is
/// late until it is done.
fn meant(fact: &Fact, nonce: &str) -> Option<(Pinged, Ping)> {
    let (what, run, attempt, word, text) = match fact {
        Fact::AttemptStarted {
            run, attempt, what, ..
        } => (what, *run, *attempt, Word::Start, ""),
        Fact::AttemptEnded(ended) if ended.retry.is_none() => {
            let word = match ended.outcome {
                Outcome::Succeeded => Word::Success,
                bad if bad.is_bad() => Word::Fail(ended.exit_code),
                _ => return None,
            };
            (&ended.what, ended.run, ended.attempt, word, &*ended.tail)
        }
        _ => return None,
    };
    // A rehearsal bothers nobody.
    let of = what.session().and_then(|session| session.split('/').nth(1));
    if of == Some(REHEARSAL) {
        return None;
    }
    let ping = Ping {
        word,
        run: Some(mark(nonce, run, attempt)),
        text: text[text.ceil_char_boundary(text.len().saturating_sub(TEXT))..].to_owned(),
    };
    Some((Pinged::by(what)?, ping))
}

/// Tells all that waits of one job, in order, until there is no more.
async fn tell_all(shared: Arc<Shared>, job: Pinged) {
    loop {
        let next = {
            let mut waiting = held(&shared.waiting);
            let next = waiting.get_mut(&job).and_then(VecDeque::pop_front);
            if next.is_none() {
                waiting.remove(&job);
            }
            next
        };
        let Some(ping) = next else {
            shared.idle.notify_waiters();
            return;
        };
        shared.tell(&job, &ping).await;
    }
}

impl Shared {
    async fn tell(&self, job: &Pinged, ping: &Ping) {
        let pauses = self.times.again.into_iter().map(Some).chain([None]);
        for pause in pauses {
            match (self.once(job, ping).await, pause) {
                (Told::Yes, _) => return self.count(&ping.word, "delivered"),
                (Told::Never, _) | (_, None) => return self.count(&ping.word, "failed"),
                (_, Some(_)) if self.is_overtaken(job, &ping.word) => {
                    return self.count(&ping.word, "skipped");
                }
                (_, Some(pause)) => sleep(pause).await,
            }
        }
    }

    /// Whether what is told next makes this needless. An end is not made needless by the next beginning.
    fn is_overtaken(&self, job: &Pinged, word: &Word) -> bool {
        let waiting = held(&self.waiting);
        let mut later = waiting.get(job).into_iter().flatten();
        match word {
            Word::Start | Word::Alive => later.next().is_some(),
            Word::Success | Word::Fail(_) => later.any(|later| later.word != Word::Start),
        }
    }

    /// One request.
    async fn once(&self, job: &Pinged, ping: &Ping) -> Told {
        // Nobody closes the semaphore.
        let _permit = self.permits.acquire().await.ok();
        // It may have been taken out of the file meanwhile.
        let now = held(&self.now).clone();
        let (address, client) = match (now.config.addresses.get(job), &now.client) {
            (Some(address), Some(client)) => (address, client),
            _ => return Told::Never,
        };
        let word = ping.word.path();
        let Some(url) = address.with(word.as_deref(), ping.run.as_deref()) else {
            return Told::Never;
        };
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let (what, run) = (ping.word.name(), ping.run.as_deref().unwrap_or("-"));
        tracing::debug!(id, what, run, %address, "ping begins");
        let begun = Instant::now();
        let told = client.tell(url, &ping.text, self.times.within).await;
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        match told {
            Ok(code) => {
                tracing::debug!(id, what, run, %address, ms, code, "ping ends");
                Told::Yes
            }
            Err(failure) => {
                let (code, why) = (failure.code.unwrap_or(0), crate::text::clean(&failure.why));
                tracing::warn!(id, what, run, %address, ms, code, "ping failed: {why}");
                match failure.again {
                    true => Told::NotYet,
                    false => Told::Never,
                }
            }
        }
    }

    fn count(&self, word: &Word, result: &'static str) {
        let mut counters = held(&self.counters);
        *counters.pings.entry((word.name(), result)).or_default() += 1;
    }
}
