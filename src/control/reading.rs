//! Commands that only read, for who may ask the daemon but not read its files: the same program, run by the daemon.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::server::say;
use super::wire::{Look, Reading, Reply};

/// Children at once: they take processor time from a night.
const AT_ONCE: usize = 2;
/// For a turn, and for the whole answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is sent at once, in bytes; in JSON it is at most six times as long.
const PART: usize = 8 * 1024;
/// Of standard error.
const SAID: u64 = 16 * 1024;
/// What the child knows of the environment: what decides where files are, and what time it is.
const KEPT: [&str; 7] = [
    "PATH",
    "TZ",
    "TZDIR",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "LOGS_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
];

/// Runs such commands.
#[derive(Clone, Debug)]
pub struct Readings {
    program: PathBuf,
    config: PathBuf,
    turns: Arc<Semaphore>,
    /// One user's commands wait for each other, so that they leave a turn to others.
    users: Arc<Mutex<HashMap<u32, Arc<Semaphore>>>>,
}

impl Readings {
    /// `program` reads the file `config`.
    pub fn new(program: PathBuf, config: PathBuf) -> Self {
        Self {
            program,
            config,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            users: Arc::default(),
        }
    }

    fn of(&self, uid: u32) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let of = users.entry(uid);
        of.or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    }

    pub(super) async fn answer(
        &self,
        write: &mut (impl AsyncWriteExt + Unpin),
        uid: u32,
        (what, look): (&Reading, Look),
    ) -> std::io::Result<()> {
        // That somebody is there is said at once.
        say(write, &Reply::Accepted).await?;
        let turn = async {
            let own = self.of(uid).acquire_owned().await.ok()?;
            let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
            Some((own, turn))
        };
        let Ok(Some(_turn)) = tokio::time::timeout(PATIENCE, turn).await else {
            let why = "too much is being read at once; try again".into();
            return say(write, &Reply::Refused { why }).await;
        };
        let told = tokio::time::timeout(PATIENCE, self.tell(write, what, look)).await;
        match told {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let why = "reading took too long".into();
                say(write, &Reply::Refused { why }).await
            }
        }
    }

    async fn tell(
        &self,
        write: &mut (impl AsyncWriteExt + Unpin),
        what: &Reading,
        look: Look,
    ) -> std::io::Result<()> {
        let mut child = match self.start(what, look) {
            Ok(child) => child,
            Err(error) => {
                let why = format!("cannot start {}: {error}", self.program.display());
                return say(write, &Reply::Refused { why }).await;
            }
        };
        let errors = child.stderr.take();
        let said = tokio::spawn(async move {
            let mut said = Vec::new();
            if let Some(mut errors) = errors {
                let _ = (&mut errors).take(SAID).read_to_end(&mut said).await;
                // A pipe that is full would hold the child up.
                let _ = tokio::io::copy(&mut errors, &mut tokio::io::sink()).await;
            }
            String::from_utf8_lossy(&said).into_owned()
        });
        if let Some(mut output) = child.stdout.take() {
            pass_on(&mut output, write).await?;
        }
        let status = child.wait().await?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        let reply = Reply::Ended {
            code: code.unwrap_or(1),
            said: said.await.unwrap_or_default(),
        };
        say(write, &reply).await
    }

    fn start(&self, what: &Reading, look: Look) -> std::io::Result<Child> {
        let environment = KEPT
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        // Values of the file that the environment of the daemon overrides.
        let overrides = std::env::vars_os()
            .filter(|(name, _)| name.to_str().is_some_and(|n| n.starts_with("OFFHOURS_")));
        Command::new(&self.program)
            .arg("--config")
            .arg(&self.config)
            .args(what.words(look))
            .env_clear()
            .envs(environment)
            .envs(overrides)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

/// What is printed, cut between characters; what is no text is replaced.
async fn pass_on(
    output: &mut (impl AsyncRead + Unpin),
    write: &mut (impl AsyncWriteExt + Unpin),
) -> std::io::Result<()> {
    let mut part = Vec::with_capacity(PART);
    loop {
        let mut limited = (&mut *output).take((PART - part.len()) as u64);
        let read = limited.read_buf(&mut part).await?;
        let whole = match std::str::from_utf8(&part) {
            Err(error) if read > 0 && error.error_len().is_none() => error.valid_up_to(),
            _ => part.len(),
        };
        let rest = part.split_off(whole);
        if !part.is_empty() {
            let text = String::from_utf8_lossy(&part).into_owned();
            say(write, &Reply::Output { text }).await?;
        }
        if read == 0 {
            return Ok(());
        }
        part = rest;
        part.reserve(PART);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_never_an_option() {
        let reading = Reading::History {
            job: Some("--config=/etc/shadow".into()),
            session: Some("--json".into()),
            host: None,
            since: None,
            failed: false,
            rows: super::super::wire::Rows::default(),
        };
        let words = reading.words(Look::default());
        let end = words.iter().position(|word| word == "--").unwrap();
        assert_eq!(words[end + 1..], ["--config=/etc/shadow"]);
        assert!(words.contains(&"--session=--json".to_owned()), "{words:?}");
    }

    #[tokio::test]
    async fn characters_are_passed_on_whole() {
        let text = "ä€😀".repeat(5_000);
        let mut said = Vec::new();
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend(b"\xff!\xe2\x82");
        pass_on(&mut &bytes[..], &mut said).await.unwrap();
        let replies = said.split(|byte| *byte == b'\n').filter(|l| !l.is_empty());
        let heard: String = replies
            .map(|line| match serde_json::from_slice(line).unwrap() {
                Reply::Output { text } => text,
                reply => panic!("{reply:?}"),
            })
            .collect();
        assert_eq!(heard, text + "\u{fffd}!\u{fffd}");
    }
}
