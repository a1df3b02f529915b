//! The transport that pipes the message into a sendmail-compatible program.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{ChildStderr, Command},
    time::timeout,
};

use super::{Answer, Composed};

/// What the program may say before we stop listening.
const MAX_SAID: u64 = 4096;
/// How long a grandchild may hold the program's standard error open.
const DRAIN: Duration = Duration::from_millis(200);

/// A program that reads a message on its standard input.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    limit: Duration,
}

impl Program {
    pub(super) fn new(path: PathBuf, limit: Duration) -> Self {
        Self { path, limit }
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Why it could not be started, as far as the file shows it.
    pub(super) fn missing(&self) -> Option<String> {
        use std::os::unix::fs::PermissionsExt;
        match std::fs::metadata(&self.path) {
            Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => None,
            Ok(_) => Some("it cannot be executed".into()),
            Err(error) => Some(error.to_string()),
        }
    }

    pub(super) async fn send(&self, message: &Composed) -> Answer {
        let name = self.path.display();
        let mut command = Command::new(&self.path);
        command
            // -oi: a line with a single dot does not end the message.
            .args(["-oi", "-f"])
            .arg(&message.envelope_from)
            .arg("--")
            .arg(&message.envelope_to)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Answer::temporary(&format!("cannot start {name}: {error}")),
        };
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let mut whole = false;
        let run = async {
            if let Some(mut stdin) = stdin {
                // A program that exits early breaks the pipe; its exit code says more than that.
                if stdin.write_all(&message.bytes).await.is_ok() {
                    whole = stdin.shutdown().await.is_ok();
                }
            }
            child.wait().await
        };
        let mut said = String::new();
        let listen = listen(stderr, &mut said);
        let status = {
            tokio::pin!(listen);
            let both = async {
                tokio::pin!(run);
                tokio::select! {
                    status = &mut run => {
                        // Bounded, and worth nothing but words.
                        let _ = timeout(DRAIN, &mut listen).await;
                        status
                    }
                    () = &mut listen => run.await,
                }
            };
            timeout(self.limit, both).await
        };
        let status = match status {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Answer::unknown(&format!("cannot wait for {name}: {error}")),
            Err(_) => {
                let why = format!("{name} did not end within {} s", self.limit.as_secs_f32());
                return if whole {
                    Answer::unknown(&why)
                } else {
                    Answer::temporary(&why)
                };
            }
        };
        let why = format!("{name}: {status}: {said}");
        match status.code() {
            Some(0) => Answer::accepted(&format!("taken by {name}")),
            // sysexits: bad data, no such user, no such host.
            Some(65 | 67 | 68) => Answer::permanent(&why),
            Some(_) => Answer::temporary(&why),
            None if whole => Answer::unknown(&why),
            None => Answer::temporary(&why),
        }
    }
}

async fn listen(stderr: Option<ChildStderr>, said: &mut String) {
    if let Some(stderr) = stderr {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = stderr.take(MAX_SAID).read_to_end(&mut bytes).await;
        *said = String::from_utf8_lossy(&bytes).into_owned();
    }
}
