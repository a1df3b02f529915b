//! A command's side of the control socket.

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::wire::{LONGEST, Look, Reading, Reply, Request};
use crate::core::session::Override;
use crate::exit::Exit;

/// A daemon that is alive answers within this.
const PATIENCE: Duration = Duration::from_secs(10);
/// What only adds to an answer is not waited for that long.
const A_MOMENT: Duration = Duration::from_secs(3);
/// The daemon gives up on reading before.
const READS: Duration = Duration::from_secs(130);

/// Why a live daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("cannot reach the daemon at {}: {source}", path.display())]
    Unreachable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the daemon refused: {0}")]
    Refused(String),
    #[error("the daemon does not answer; nothing was asked of it")]
    Silent,
    #[error("the daemon went away; `offhours status` says how far it came")]
    Gone,
    #[error("the daemon's answer is not understood: {0}")]
    Garbled(String),
}

impl ControlError {
    /// What the command ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Silent | Self::Gone => Exit::Unreachable,
            Self::Refused(_) => Exit::Refused,
            Self::Garbled(_) => Exit::Failed,
        }
    }
}

/// Asks the daemon why it can record nothing; none where it can. Blocks, for a moment.
///
/// # Errors
/// A daemon that cannot be reached, or says something else.
pub fn trouble(socket: &Path) -> Result<Option<String>, ControlError> {
    match one_by_one(socket, &Request::Trouble, A_MOMENT)?.next()? {
        Reply::Trouble { why } => Ok(why),
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
    mut show: impl FnMut(&str) -> std::io::Result<()>,
) -> anyhow::Result<(u8, String)> {
    let mut replies = one_by_one(socket, &Request::Read { what, look }, READS)?;
    loop {
        match replies.next()? {
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
    from: std::io::BufReader<std::os::unix::net::UnixStream>,
}

fn one_by_one(
    socket: &Path,
    request: &Request,
    patience: Duration,
) -> Result<Replies, ControlError> {
    let ask = || -> std::io::Result<Replies> {
        let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_vec(request).map_err(std::io::Error::from)?;
        line.push(b'\n');
        hears_anyway(stream.write_all(&line))?;
        Ok(Replies {
            from: std::io::BufReader::new(stream),
        })
    };
    ask().map_err(|source| ControlError::Unreachable {
        path: socket.into(),
        source,
    })
}

/// A daemon that turns a command away has said so before it hears what is asked.
fn hears_anyway(sent: std::io::Result<()>) -> std::io::Result<()> {
    match sent {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        sent => sent,
    }
}

impl Replies {
    fn next(&mut self) -> Result<Reply, ControlError> {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        let mut line = Vec::new();
        let mut limited = Read::take(&mut self.from, LONGEST as u64);
        match limited.read_until(b'\n', &mut line) {
            Ok(0) => return Err(ControlError::Gone),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => {
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
pub async fn rehearse(
    socket: &Path,
    app: &str,
    rehearsal: &Override,
    mut show: impl FnMut(&Reply) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let request = Request::Rehearse {
        app: app.into(),
        reason: rehearsal.reason.clone(),
        hooks: rehearsal.hooks,
        jobs: rehearsal.jobs,
    };
    follow(socket, &request, &mut show).await
}

/// Asks the daemon for something, or what would come of it.
///
/// # Errors
/// A [`ControlError`], or what `show` could not write.
pub async fn ask(
    socket: &Path,
    request: &Request,
    mut show: impl FnMut(&Reply) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    follow(socket, request, &mut show).await
}

async fn follow(
    socket: &Path,
    request: &Request,
    show: &mut impl FnMut(&Reply) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let unreachable = |source| ControlError::Unreachable {
        path: socket.into(),
        source,
    };
    let connected = tokio::time::timeout(PATIENCE, UnixStream::connect(socket)).await;
    let stream = connected
        .map_err(|_| ControlError::Silent)?
        .map_err(unreachable)?;
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    hears_anyway(write.write_all(&line).await).map_err(unreachable)?;
    let mut reader = BufReader::new(read);
    let mut accepted = false;
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reader).take(LONGEST as u64);
        let next = limited.read_until(b'\n', &mut line);
        // Once it was accepted a session takes as long as it takes.
        let got = match accepted {
            true => next.await,
            false => tokio::time::timeout(PATIENCE, next)
                .await
                .map_err(|_| ControlError::Silent)?,
        };
        accepted = true;
        if got.map_err(unreachable)? == 0 {
            return Err(ControlError::Gone.into());
        }
        let reply: Reply = serde_json::from_slice(&line)
            .map_err(|error| ControlError::Garbled(error.to_string()))?;
        match reply {
            Reply::Refused { why } => return Err(ControlError::Refused(why).into()),
            Reply::Done { well } => return Ok(if well { Exit::Ok } else { Exit::Failed }),
            reply => show(&reply)?,
        }
    }
}
