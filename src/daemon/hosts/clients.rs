//! What clients of runs on hosts say before they end: that a lock there is waited for, that the run began, that the host
//! fell silent. Such a client stays, and with it what it holds here, until the host was asked.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::ssh::client::{BEGAN, SILENT, WAITS};

/// For a client to say what it has to say.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a line.
const LONGEST: u64 = 2048;
/// What one client says.
const WORDS: usize = 8;

/// By the value of `OFFHOURS_RUN`, who is told.
type Known = Arc<Mutex<HashMap<String, mpsc::Sender<Said>>>>;

/// Hears clients.
pub(super) struct Clients {
    path: PathBuf,
    known: Known,
    listening: JoinHandle<()>,
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.listening.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What a client says.
#[derive(Debug)]
pub(super) enum Said {
    /// Somebody holds a lock on the host; words from outside.
    Waits {
        holder: String,
    },
    Began,
    /// The host fell silent. The client stays as long as this does.
    Silent(UnixStream),
}

/// That of one run; forgotten with this.
pub(super) struct Client {
    mark: String,
    known: Known,
    said: mpsc::Receiver<Said>,
}

impl Drop for Client {
    fn drop(&mut self) {
        lock(&self.known).remove(&self.mark);
    }
}

impl Client {
    pub async fn says(&mut self) -> Said {
        match self.said.recv().await {
            Some(said) => said,
            // Nobody listens any more.
            None => std::future::pending().await,
        }
    }
}

impl Clients {
    /// `path`: of a socket in a folder that is ours alone; what a predecessor left there goes.
    pub fn listen(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        let known = Known::default();
        let hears = known.clone();
        let listening = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(tokio::spawn(hear(stream, hears.clone()))),
                    // No descriptors are left: some will be in a moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        Ok(Self {
            path: path.to_owned(),
            known,
            listening,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn of(&self, mark: &str) -> Client {
        let (tell, said) = mpsc::channel(WORDS);
        lock(&self.known).insert(mark.to_owned(), tell);
        Client {
            mark: mark.to_owned(),
            known: self.known.clone(),
            said,
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn hear(stream: UnixStream, known: Known) {
    let mut reader = BufReader::new(stream.take(LONGEST));
    let mut line = String::new();
    if !matches!(
        timeout(PATIENCE, reader.read_line(&mut line)).await,
        Ok(Ok(_))
    ) {
        return;
    }
    let mut words = line.trim_end().splitn(3, ' ');
    let (Some(mark), Some(what)) = (words.next(), words.next()) else {
        return;
    };
    let Some(tell) = lock(&known).get(mark).cloned() else {
        return;
    };
    let said = match what {
        WAITS => Said::Waits {
            holder: crate::text::clean(words.next().unwrap_or_default()).into_owned(),
        },
        BEGAN => Said::Began,
        SILENT => Said::Silent(reader.into_inner().into_inner()),
        _ => return,
    };
    // Who says more than a client has to say is not heard.
    let _ = tell.try_send(said);
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
        let left = std::os::unix::net::UnixListener::bind(dir.path().join("clients"));
        drop(left.expect("a socket of one who was killed"));
        let clients = Clients::listen(&dir.path().join("clients")).expect("a socket");
        let mut one = clients.of("7.1.x");
        let other = clients.of("8.1.x");
        // Who is not known, or says too much, is sent away.
        let mut stray = says(clients.path(), "9.1.x silent\n").await;
        assert_eq!(stray.read(&mut [0]).await.expect("closed"), 0);
        let long = "x".repeat(10_000);
        let mut long = says(clients.path(), &long).await;
        assert!(matches!(long.read(&mut [0]).await, Ok(0) | Err(_)));
        let mut waits = says(clients.path(), "7.1.x waits a.lock run 5\u{1b}[2J\n").await;
        assert_eq!(waits.read(&mut [0]).await.expect("closed"), 0);
        let Said::Waits { holder } = one.says().await else {
            panic!("it waits");
        };
        assert!(holder.starts_with("a.lock run 5") && !holder.contains('\u{1b}'));
        let _began = says(clients.path(), "7.1.x began\n").await;
        assert!(matches!(one.says().await, Said::Began));
        let mut client = says(clients.path(), "7.1.x silent\n").await;
        let said = one.says().await;
        let still = timeout(Duration::from_millis(50), client.read(&mut [0])).await;
        assert!(still.is_err(), "it stays");
        drop(said);
        assert_eq!(client.read(&mut [0]).await.expect("closed"), 0);
        drop((one, other));
        assert!(lock(&clients.known).is_empty());
    }
}
