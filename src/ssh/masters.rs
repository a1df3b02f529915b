//! One live connection a host: an `ssh` master, over which all runs on that host go.

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::folder::{self, Folder};
use super::{Destination, Unreachable};

/// Connections that are made at once.
const CONNECTS: usize = 32;
/// How long a master lives after the last run over it; also one whose daemon was killed.
const IDLE: Duration = Duration::from_secs(60);
/// For a connection to show that it lives.
const CHECKED_WITHIN: Duration = Duration::from_secs(2);
/// A connection that has shown it so lately need not cross the network to show it again.
const FRESH: Duration = Duration::from_secs(5);
/// For authentication, beside the time to connect.
const GETTING_IN: Duration = Duration::from_secs(5);
/// `/N/.ssh-connectionXXXXXX/master`, and what `ssh` puts behind it while it makes the socket.
const BELOW: usize = 20 + 30 + 18;
/// Bytes of the address of a socket.
const ADDRESS: usize = 107;

/// The connections to all hosts. Dropping it ends them.
#[derive(Debug)]
pub struct Masters {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    hosts: Mutex<HashMap<Destination, Arc<Host>>>,
    connects: Semaphore,
    folders: AtomicU64,
    closed: AtomicBool,
    /// Connections that did not answer in time. Runs may still go over them: they end by themselves.
    abandoned: Mutex<Vec<Folder>>,
}

#[derive(Debug, Default)]
struct Host {
    /// Attempts that are over.
    attempts: AtomicU64,
    state: tokio::sync::Mutex<Option<Result<Master, Unreachable>>>,
}

#[derive(Debug)]
struct Master {
    folder: Folder,
    control: PathBuf,
    proven: Instant,
}

/// What a look at a master tells.
enum Look {
    Lives,
    Gone,
    Silent,
}

impl Masters {
    /// Whether the path of a folder is short enough for sockets in it.
    pub fn fits(dir: &Path) -> bool {
        dir.is_absolute() && dir.as_os_str().as_bytes().len() + BELOW <= ADDRESS
    }

    /// `dir` is made where it is missing (0700), and belongs to these connections alone: what a predecessor left in it
    /// is removed. One that somebody else made, or could change, is refused: what is in it says what is executed. Its path is short, at most 39 bytes: those of sockets are.
    pub fn new(dir: &Path) -> io::Result<Self> {
        if !dir.is_absolute() || dir.as_os_str().as_bytes().len() + BELOW > ADDRESS {
            let why = format!(
                "{} is no folder for sockets: it must be an absolute path of at most {} bytes",
                dir.display(),
                ADDRESS - BELOW
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(dir)?;
        folder::require_own(dir)?;
        folder::sweep(dir)?;
        Ok(Self {
            shared: Arc::new(Shared {
                dir: dir.to_owned(),
                hosts: Mutex::default(),
                connects: Semaphore::new(CONNECTS),
                folders: AtomicU64::new(0),
                closed: AtomicBool::new(false),
                abandoned: Mutex::default(),
            }),
        })
    }

    /// The control socket of a live connection to a host, which lives for a minute without use. Who asks while somebody
    /// else's attempt is on the way gets the outcome of that. An attempt takes at most `connect_timeout` and 5 s, apart
    /// from the wait for one of 32 places.
    pub async fn reach(&self, destination: &Destination) -> Result<PathBuf, Unreachable> {
        destination.check()?;
        let host = self.shared.host(destination);
        let seen = host.attempts.load(Ordering::Acquire);
        let mut state = host.state.lock().await;
        if let Some(Err(why)) = &*state
            && host.attempts.load(Ordering::Acquire) != seen
        {
            return Err(why.clone());
        }
        // It stays where it is while it is looked at: others work over it, and this may be given up at any moment.
        if let Some(Ok(master)) = &mut *state {
            match master.look().await {
                Look::Lives => return Ok(master.control.clone()),
                Look::Gone => *state = None,
                Look::Silent => {
                    if let Some(Ok(master)) = state.take() {
                        self.shared.abandon(master.folder);
                    }
                }
            }
        }
        let attempt = self.shared.connect(destination).await;
        host.attempts.fetch_add(1, Ordering::Release);
        let outcome = attempt.as_ref().map(|master| master.control.clone());
        let outcome = outcome.map_err(Clone::clone);
        *state = Some(attempt);
        outcome
    }

    /// Ends all connections, and with them what still runs over them. No new ones are made.
    pub async fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        let shared = self.shared.clone();
        // Looking through all processes takes a moment. It fails only where the runtime ends, and then there is the drop.
        let _ = tokio::task::spawn_blocking(move || shared.end()).await;
    }
}

impl Drop for Masters {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.end();
    }
}

impl Shared {
    fn host(&self, destination: &Destination) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(destination) {
            return host.clone();
        }
        // Those that are named no longer: nobody uses them, and they are not connected.
        hosts.retain(|_, host| {
            let connected = host.state.try_lock().map_or(
                true,
                |state| matches!(&*state, Some(Ok(master)) if master.control.exists()),
            );
            connected || Arc::strong_count(host) > 1
        });
        hosts.entry(destination.clone()).or_default().clone()
    }

    async fn connect(&self, destination: &Destination) -> Result<Master, Unreachable> {
        let permit = self.connects.acquire().await;
        let ending = || Unreachable::new("the connections of this program are closed");
        let _permit = permit.map_err(|_| ending())?;
        if self.closed.load(Ordering::Acquire) {
            return Err(ending());
        }
        let failed =
            |error: io::Error| Unreachable::new(&format!("cannot prepare a connection: {error}"));
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let folder = Folder::make(self.dir.join(number.to_string())).map_err(failed)?;
        let config = folder
            .configure(&destination.configuration())
            .map_err(failed)?;

        let whole = |time: Duration| Duration::from_secs(time.as_secs().max(1));
        let connect = whole(destination.connect_timeout);
        let mut builder = SessionBuilder::default();
        builder
            .known_hosts_check(KnownHosts::Strict)
            .control_directory(&folder.path)
            .config_file(config)
            .connect_timeout(connect)
            .server_alive_interval(whole(destination.alive_interval));
        if let Some(seconds) = std::num::NonZeroUsize::new(IDLE.as_secs() as usize) {
            builder.control_persist(ControlPersist::IdleFor(seconds));
        }
        if let Some(port) = destination.port {
            builder.port(port);
        }
        if let Some(identity) = &destination.identity {
            builder.keyfile(identity);
        }
        if let Some(jump) = &destination.jump {
            builder.jump_hosts(jump.split(','));
        }
        let deadline = connect + GETTING_IN;
        let session = match timeout(deadline, builder.connect_mux(&destination.ssh)).await {
            Ok(Ok(session)) => session,
            Ok(Err(openssh::Error::Connect(said))) => {
                return Err(Unreachable::from_ssh(&said.to_string(), destination));
            }
            Ok(Err(error)) => return Err(Unreachable::new(&described(&error))),
            // What was started ends with its folder.
            Err(_) => {
                let seconds = deadline.as_secs();
                return Err(Unreachable::new(&format!("no answer within {seconds} s")));
            }
        };
        // Its own way to end a master waits for the answer without bound.
        let (control, _) = session.detach();
        if self.closed.load(Ordering::Acquire) {
            return Err(ending());
        }
        Ok(Master {
            folder,
            control: control.into_path_buf(),
            proven: Instant::now(),
        })
    }

    fn abandon(&self, folder: Folder) {
        let mut abandoned = self
            .abandoned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        abandoned.retain(Folder::is_served);
        abandoned.push(folder);
    }

    fn end(&self) {
        folder::end_below(&self.dir);
        // What is left is swept at the next start.
        let _ = folder::sweep(&self.dir);
    }
}

impl Master {
    /// A master whose process is gone is seen at once; one whose connection is broken only by asking the host.
    async fn look(&mut self) -> Look {
        let session = Session::resume_mux(self.control.clone().into(), None);
        let fresh = self.proven.elapsed() < FRESH;
        let look = async {
            session.check().await?;
            if fresh {
                return Ok(());
            }
            let mut ask = session.raw_command("exit 0");
            ask.stdin(openssh::Stdio::null())
                .stdout(openssh::Stdio::null())
                .stderr(openssh::Stdio::null());
            ask.status().await.map(drop)
        };
        match timeout(CHECKED_WITHIN, look).await {
            Ok(Ok(())) => {
                if !fresh {
                    self.proven = Instant::now();
                }
                Look::Lives
            }
            // It may have been the last moment of the process, or a host that opens no more sessions.
            Ok(Err(_)) if !self.folder.is_served() => Look::Gone,
            Ok(Err(_)) | Err(_) => Look::Silent,
        }
    }
}

/// An error with what is behind it, which the crate does not say by itself.
pub(super) fn described(error: &openssh::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
