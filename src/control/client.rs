//! A command's side of the control socket.

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::wire::{LONGEST, Reply, Request};
use crate::core::session::Override;
use crate::exit::Exit;

/// A daemon that is alive answers within this.
const PATIENCE: Duration = Duration::from_secs(10);
/// What only adds to an answer is not waited for that long.
const A_MOMENT: Duration = Duration::from_secs(3);

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
    let unreachable = |source| ControlError::Unreachable {
        path: socket.into(),
        source,
    };
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(A_MOMENT))?;
        stream.set_write_timeout(Some(A_MOMENT))?;
        let mut line = serde_json::to_vec(&Request::Trouble).map_err(std::io::Error::from)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut reply = Vec::new();
        std::io::BufReader::new(stream.take(LONGEST as u64)).read_until(b'\n', &mut reply)?;
        Ok(reply)
    };
    let reply = ask().map_err(unreachable)?;
    match serde_json::from_slice(&reply) {
        Ok(Reply::Trouble { why }) => Ok(why),
        Ok(Reply::Refused { why }) => Err(ControlError::Refused(why)),
        Ok(_) => Err(ControlError::Garbled("an answer to something else".into())),
        Err(error) => Err(ControlError::Garbled(error.to_string())),
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
    write.write_all(&line).await.map_err(unreachable)?;
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
