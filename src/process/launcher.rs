//! The daemon's end of the launcher: starts it, feeds it, replaces it when it dies.
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, send, sendmsg, socketpair,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::child::{self, BATCH};
use super::run::{Run, spawn_failed};
use super::spec::{Cgroups, RunSpec};
use super::{user, wire};

/// How the launcher is started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// This program; `/proc/self/exe` also after it was replaced by an upgrade.
    pub exe: PathBuf,
    /// Held shared by the launcher and every supervisor: see [`survivors::wait_gone`](super::survivors::wait_gone).
    pub runs_lock: PathBuf,
    pub cgroups: Cgroups,
}

/// How long the launcher may take to say that it is ready, or to fork a batch. One that stands still is replaced.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// Why the launcher could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot raise the limit of open files: {0}")]
    Limit(#[source] io::Error),
    #[error("cannot make a socket for the launcher: {0}")]
    Socket(#[source] io::Error),
    #[error("cannot start the launcher {exe}: {source}")]
    Start { exe: PathBuf, source: io::Error },
    #[error("the launcher {exe} does not answer: {source}")]
    Answer { exe: PathBuf, source: io::Error },
    #[error("the launcher refused to work: {0}")]
    Refused(String),
}

/// Starts runs. It is replaced when it dies, which disturbs no run. Dropping it ends the launcher, and no run.
#[derive(Debug)]
pub struct Launcher {
    launch: mpsc::Sender<OwnedFd>,
    runtime: tokio::runtime::Handle,
}

impl Launcher {
    /// Starts the launcher, and returns when it is ready. The limit of open files of this process is raised to its
    /// maximum, as every run takes one; jobs get the limit that was found.
    pub async fn start(setup: Setup) -> Result<Self, Error> {
        let files = raise_file_limit()?;
        let process = Process::start(&setup, files).await?;
        let (launch, runs) = mpsc::channel(BATCH);
        tokio::spawn(dispatch(setup, files, process, runs));
        Ok(Self {
            launch,
            runtime: tokio::runtime::Handle::current(),
        })
    }

    /// Starts a run; what comes of it, also a failure to start it, is told by [`Run::recv`]. May be called from any
    /// thread, and never waits.
    pub fn spawn(&self, mut spec: RunSpec) -> Run {
        spec.user = spec.user.take().filter(|user| !user::is_own(user));
        let request = match wire::encode_request(&spec) {
            Ok(request) => request,
            Err(malformed) => return Run::failed(malformed.to_string()),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = match socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        {
            Ok(pair) => pair,
            Err(error) => return Run::failed(format!("cannot make a socket for the run: {error}")),
        };
        let (run, following) = Run::new(
            &spec,
            request,
            StdStream::from(ours),
            theirs,
            self.launch.clone(),
        );
        self.runtime.spawn(following);
        run
    }
}

/// Hands runs to the launcher, many at a time: one message carries up to [`BATCH`] of them.
async fn dispatch(setup: Setup, files: u64, process: Process, mut runs: mpsc::Receiver<OwnedFd>) {
    let mut process = Some(process);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let died = async {
            match &mut process {
                Some(process) => process.child.wait().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            count = runs.recv_many(&mut batch, BATCH) => if count == 0 {
                return;
            },
            status = died => {
                tracing::warn!(status = ?status.map(|status| status.to_string()), "the launcher died");
                process = None;
                continue;
            }
        }
        if let Err(error) = hand_over(&setup, files, &mut process, &batch).await {
            tracing::error!(%error, runs = batch.len(), "cannot start runs");
            let event = wire::encode_event(&spawn_failed(error.to_string()));
            for run in &batch {
                let _ = send(run, &event, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
            }
        }
        batch.clear();
    }
}

/// Sends a batch, to a new launcher if the old one is gone. An error means that none of the runs was begun. A launcher
/// that dies with a batch in its hands leaves runs whose sockets close: they are told as [`End::SupervisorDied`].
///
/// [`End::SupervisorDied`]: super::spec::End::SupervisorDied
async fn hand_over(
    setup: &Setup,
    files: u64,
    process: &mut Option<Process>,
    batch: &[OwnedFd],
) -> Result<(), Error> {
    if let Some(old) = process {
        if old.send(batch).await.is_ok() {
            match old.answer().await {
                Ok(remark) => pass_on(&remark),
                Err(error) => {
                    tracing::warn!(%error, "the launcher died, or stands still, while it starts runs");
                    *process = None;
                }
            }
            return Ok(());
        }
        *process = None;
    }
    let new = Process::start(setup, files).await?;
    new.send(batch).await.map_err(|source| Error::Answer {
        exe: setup.exe.clone(),
        source,
    })?;
    if let Ok(remark) = new.answer().await {
        pass_on(&remark);
        *process = Some(new);
    }
    Ok(())
}

/// What is amiss, but keeps nothing from running: a launcher says it with its first batch.
fn pass_on(remark: &str) {
    if !remark.is_empty() {
        tracing::warn!("{remark}");
    }
}

/// The launcher as a process.
struct Process {
    child: Child,
    /// Of packets, not a stream, whatever the type says: messages keep their bounds.
    socket: UnixStream,
}

impl Process {
    async fn start(setup: &Setup, files: u64) -> Result<Self, Error> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(|error| Error::Socket(error.into()))?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(|error| Error::Socket(error.into()))?;
        let mut command = Command::new(&setup.exe);
        // Nothing of the daemon's environment: it may hold secrets, and names that belong to runs.
        command
            .env_clear()
            .args(child::arguments(setup, files))
            .current_dir("/");
        command
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let failed = |source| Error::Start {
            exe: setup.exe.clone(),
            source,
        };
        let child = command.spawn().map_err(failed)?;
        drop(command);
        let process = Self {
            child,
            socket: UnixStream::from_std(ours.into()).map_err(Error::Socket)?,
        };
        match process.answer().await {
            Ok(refusal) if refusal.is_empty() => Ok(process),
            Ok(refusal) => Err(Error::Refused(refusal)),
            Err(source) => Err(Error::Answer {
                exe: setup.exe.clone(),
                source,
            }),
        }
    }

    async fn send(&self, batch: &[OwnedFd]) -> io::Result<()> {
        let fds: Vec<BorrowedFd<'_>> = batch.iter().map(AsFd::as_fd).collect();
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
            let mut rights = SendAncillaryBuffer::new(&mut space);
            rights.push(SendAncillaryMessage::ScmRights(&fds));
            Ok(sendmsg(
                &self.socket,
                &[IoSlice::new(b"R")],
                &mut rights,
                SendFlags::NOSIGNAL,
            )?)
        };
        self.socket
            .async_io(Interest::WRITABLE, send)
            .await
            .map(|_| ())
    }

    /// Waits for the launcher's word: empty when all is well, else what is wrong.
    async fn answer(&self) -> io::Result<String> {
        let receive = || {
            let mut buffer = [0; 1024];
            let (length, _) = rustix::net::recv(&self.socket, &mut buffer, RecvFlags::empty())?;
            match buffer.get(1..length) {
                Some(word) => Ok(String::from_utf8_lossy(word).into_owned()),
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        let answer = self.socket.async_io(Interest::READABLE, receive);
        tokio::time::timeout(ANSWERS_WITHIN, answer)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Raises the soft limit to the hard one, and returns the soft one that was found.
fn raise_file_limit() -> Result<u64, Error> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let found = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: found.maximum,
            maximum: found.maximum,
        },
    )
    .map_err(|error| Error::Limit(error.into()))?;
    Ok(found.current.unwrap_or(u64::MAX))
}
