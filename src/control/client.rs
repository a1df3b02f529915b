//! A command's side of the control socket.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::wire::{LONGEST, Look, Reading, Reply, Request, SeenRuns};
use crate::core::session::Override;
use crate::exit::Exit;

/// A daemon that is alive answers within this.
const PATIENCE: Duration = Duration::from_secs(10);
/// What was taken is done, or refused, within this.
const DONE_WITHIN: Duration = Duration::from_secs(30);
/// What only adds to an answer is not waited for that long.
const A_MOMENT: Duration = Duration::from_secs(3);
/// The daemon gives up on reading before.
const READS: Duration = Duration::from_secs(130);

/// Why a live daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("cannot reach the daemon at {}: {source}", path.display())]
    Unreachable { path: PathBuf, source: io::Error },
    #[error("the daemon refused: {0}")]
    Refused(String),
    #[error("the daemon does not answer; nothing was asked of it")]
    Silent,
    #[error("the daemon took it and says no more; `offhours status` says whether it was done")]
    Stuck,
    #[error("the daemon went away; `offhours status` says how far it came")]
    Gone,
    #[error("the daemon's answer is not understood: {0}")]
    Garbled(String),
}

impl ControlError {
    /// What the command ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Silent | Self::Stuck | Self::Gone => Exit::Unreachable,
            Self::Refused(_) => Exit::Refused,
            Self::Garbled(_) => Exit::Failed,
        }
    }
}

/// Asks the daemon why it can record nothing, none where it can, and what it sees of runs. Blocks, for a moment.
///
/// # Errors
/// A daemon that cannot be reached, or says something else.
pub fn trouble(socket: &Path) -> Result<(Option<String>, SeenRuns), ControlError> {
    match one_by_one(socket, &Request::Trouble, A_MOMENT)?.next()? {
        Reply::Trouble { why, runs } => Ok((why, runs)),
        _ => Err(ControlError::Garbled("an answer to something else".into())),
    }
}

/// Has the daemon run a command that only reads; `show` is given what it prints, part by part. Its exit code, and what
/// it said on standard error.
///
/// # Errors
/// A [`ControlError`], or what `show` could not write.
pub fn read(
    socket: &Path,
    what: Reading,
    look: Look,
    mut show: impl FnMut(&str) -> io::Result<()>,
) -> anyhow::Result<(u8, String)> {
    let mut replies = one_by_one(socket, &Request::Read { what, look }, PATIENCE)?;
    loop {
        match replies.next()? {
            Reply::Accepted => replies.wait(Some(READS))?,
            Reply::Output { text } => show(&text)?,
            Reply::Ended { code, said } => return Ok((code, said)),
            _ => return Err(ControlError::Garbled("an answer to something else".into()).into()),
        }
    }
}

/// Waits until something happens, or a moment has passed.
///
/// # Errors
/// A daemon that cannot be reached, or says something else.
pub fn wait(socket: &Path) -> Result<(), ControlError> {
    one_by_one(socket, &Request::Next, PATIENCE)?.next()?;
    Ok(())
}

/// What a daemon says to one request. Blocks.
struct Replies {
    from: BufReader<UnixStream>,
}

fn one_by_one(
    socket: &Path,
    request: &Request,
    patience: Duration,
) -> Result<Replies, ControlError> {
    let ask = || -> io::Result<Replies> {
        let mut stream = connect(socket)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
        line.push(b'\n');
        hears_anyway(stream.write_all(&line))?;
        Ok(Replies {
            from: BufReader::new(stream),
        })
    };
    ask().map_err(|source| ControlError::Unreachable {
        path: socket.into(),
        source,
    })
}

/// A socket that nobody takes from any more is not waited for.
///
/// # Errors
/// Where there is none, or none that takes more.
pub fn connect(socket: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let own = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&own, &SocketAddrUnix::new(socket)?)?;
    let stream = UnixStream::from(own);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// A daemon that turns a command away has said so before it hears what is asked.
fn hears_anyway(sent: io::Result<()>) -> io::Result<()> {
    match sent {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        sent => sent,
    }
}

impl Replies {
    fn wait(&self, patience: Option<Duration>) -> Result<(), ControlError> {
        let set = self.from.get_ref().set_read_timeout(patience);
        set.map_err(|_| ControlError::Gone)
    }

    fn next(&mut self) -> Result<Reply, ControlError> {
        let mut line = Vec::new();
        let mut limited = Read::take(&mut self.from, LONGEST as u64);
        match limited.read_until(b'\n', &mut line) {
            Ok(0) => return Err(ControlError::Gone),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
                return Err(ControlError::Silent);
            }
            Err(_) => return Err(ControlError::Gone),
        }
        match serde_json::from_slice(&line) {
            Ok(Reply::Refused { why }) => Err(ControlError::Refused(why)),
            Ok(reply) => Ok(reply),
            Err(error) => Err(ControlError::Garbled(error.to_string())),
        }
    }
}

/// Asks the daemon for a rehearsal and follows it to its end.
///
/// # Errors
/// A [`ControlError`], or what `show` could not write.
pub fn rehearse(
    socket: &Path,
    app: &str,
    rehearsal: &Override,
    show: impl FnMut(&Reply) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let request = Request::Rehearse {
        app: app.into(),
        reason: rehearsal.reason.clone(),
        hooks: rehearsal.hooks,
        jobs: rehearsal.jobs,
    };
    ask(socket, &request, show)
}

/// Asks the daemon for something, or what would come of it, and follows that to its end. Blocks.
///
/// # Errors
/// A [`ControlError`], or what `show` could not write.
pub fn ask(
    socket: &Path,
    request: &Request,
    mut show: impl FnMut(&Reply) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let mut replies = one_by_one(socket, request, PATIENCE)?;
    let mut taken = false;
    loop {
        let reply = replies.next().map_err(|error| match error {
            ControlError::Silent if taken => ControlError::Stuck,
            error => error,
        });
        match reply? {
            Reply::Done { well } => return Ok(if well { Exit::Ok } else { Exit::Failed }),
            reply => show(&reply)?,
        }
        match request {
            // Once it was accepted a session takes as long as it takes.
            Request::Rehearse { .. } => replies.wait(None)?,
            _ => replies.wait(Some(DONE_WITHIN))?,
        }
        taken = true;
    }
}
