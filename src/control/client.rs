//! A command's side of the control socket.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::wire::{LONGEST, Reply, Request};
use crate::core::session::Rehearsal;
use crate::exit::Exit;

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
    #[error("the daemon went away; `offhours status` says how far it came")]
    Gone,
    #[error("the daemon's answer is not understood: {0}")]
    Garbled(String),
}

impl ControlError {
    /// What the command ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Gone => Exit::Unreachable,
            Self::Refused(_) => Exit::Refused,
            Self::Garbled(_) => Exit::Failed,
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
    rehearsal: &Rehearsal,
    mut show: impl FnMut(&Reply) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let request = Request::Rehearse {
        app: app.into(),
        reason: rehearsal.reason.clone(),
        hooks: rehearsal.hooks,
        jobs: rehearsal.jobs,
    };
    let unreachable = |source| ControlError::Unreachable {
        path: socket.into(),
        source,
    };
    let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    write.write_all(&line).await.map_err(unreachable)?;
    let mut reader = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let got = (&mut reader)
            .take(LONGEST as u64)
            .read_until(b'\n', &mut line)
            .await;
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
