//! Clients whose host fell silent: they stay, and with them what they hold here, until the host was asked.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// For a client to say which run it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the name of a run.
const LONGEST: u64 = 256;

/// By the value of `OFFHOURS_RUN`, who is told.
type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<UnixStream>>>>;

/// Hears such clients.
pub(super) struct Unheard {
    path: PathBuf,
    waiting: Waiting,
    listening: JoinHandle<()>,
}

impl Drop for Unheard {
    fn drop(&mut self) {
        self.listening.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What becomes of one run; forgotten with this.
pub(super) struct Silence {
    mark: String,
    waiting: Waiting,
    told: oneshot::Receiver<UnixStream>,
}

impl Drop for Silence {
    fn drop(&mut self) {
        lock(&self.waiting).remove(&self.mark);
    }
}

impl Silence {
    /// Returns when its client says that the host fell silent. The client stays as long as the stream does.
    pub async fn falls(&mut self) -> UnixStream {
        match (&mut self.told).await {
            Ok(stream) => stream,
            // Nobody listens any more.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Unheard {
    /// `path`: of a socket in a folder that is ours alone; what a predecessor left there goes.
    pub fn listen(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        let waiting = Waiting::default();
        let known = waiting.clone();
        let listening = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(tokio::spawn(hear(stream, known.clone()))),
                    // No descriptors are left: some will be in a moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        Ok(Self {
            path: path.to_owned(),
            waiting,
            listening,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn of(&self, mark: &str) -> Silence {
        let (tell, told) = oneshot::channel();
        lock(&self.waiting).insert(mark.to_owned(), tell);
        Silence {
            mark: mark.to_owned(),
            waiting: self.waiting.clone(),
            told,
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn hear(stream: UnixStream, waiting: Waiting) {
    let mut reader = BufReader::new(stream.take(LONGEST));
    let mut line = String::new();
    if !matches!(
        timeout(PATIENCE, reader.read_line(&mut line)).await,
        Ok(Ok(_))
    ) {
        return;
    }
    let tell = lock(&waiting).remove(line.trim_end());
    if let Some(tell) = tell {
        let _ = tell.send(reader.into_inner().into_inner());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    async fn says(path: &Path, words: &str) -> UnixStream {
        let mut stream = UnixStream::connect(path).await.expect("a listener");
        stream.write_all(words.as_bytes()).await.expect("open");
        stream
    }

    #[tokio::test]
    async fn a_client_is_heard_by_its_own_run_and_stays_until_that_is_done() {
        let dir = tempfile::tempdir().expect("a folder");
        let left = std::os::unix::net::UnixListener::bind(dir.path().join("unheard"));
        drop(left.expect("a socket of one who was killed"));
        let unheard = Unheard::listen(&dir.path().join("unheard")).expect("a socket");
        let mut one = unheard.of("7.1.x");
        let other = unheard.of("8.1.x");
        // Who is not known, or says too much, is sent away.
        let mut stray = says(unheard.path(), "9.1.x\n").await;
        assert_eq!(stray.read(&mut [0]).await.expect("closed"), 0);
        let long = "x".repeat(10_000);
        let mut long = says(unheard.path(), &long).await;
        assert!(matches!(long.read(&mut [0]).await, Ok(0) | Err(_)));
        let mut client = says(unheard.path(), "7.1.x\n").await;
        let stream = one.falls().await;
        let still = timeout(Duration::from_millis(50), client.read(&mut [0])).await;
        assert!(still.is_err(), "it stays");
        drop(stream);
        assert_eq!(client.read(&mut [0]).await.expect("closed"), 0);
        drop((one, other));
        assert!(lock(&unheard.waiting).is_empty());
    }
}
