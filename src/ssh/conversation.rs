//! The words between here and the texts that are executed on a host.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use openssh::{Session, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::masters::described;
use super::unreachable::one_line;

/// What is executed on hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Run,
    Ask,
    Probe,
    Programs,
}

/// For the master to open a session, and for the host to say that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of a line on standard error. What is longer is read in pieces.
const LINE: usize = 4096;
/// Bytes that are kept of what a host says beside our words.
const NOISE: usize = 2048;

impl Text {
    /// Without the comments.
    fn body(self) -> String {
        let rest = match self {
            Self::Run => include_str!("runner.sh"),
            Self::Ask => include_str!("ask.sh"),
            Self::Probe => include_str!("probe.sh"),
            Self::Programs => include_str!("programs.sh"),
        };
        let lines = include_str!("enter.sh").lines().chain(rest.lines());
        let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
        lines.map(|line| format!("{line}\n")).collect()
    }

    fn command(self) -> String {
        // No apostrophe is in it.
        format!("exec /bin/sh -c 'eval \"$1\"' offhours '{}'", self.body())
    }
}

/// Why there is no conversation. Nothing was started.
#[derive(Debug)]
pub(super) enum Silence {
    /// The host was not reached.
    Unreachable(String),
    /// It was, and did not come as far as to be ready.
    Refused(String),
}

/// A text that is executed on a host, and has said that it is ready for its order.
#[derive(Debug)]
pub(super) struct Conversation {
    session: openssh::Child<std::sync::Arc<Session>>,
    /// Where the order goes. As long as it is open, the host knows that somebody is here.
    pub lifeline: Option<openssh::ChildStdin>,
    pub output: Option<openssh::ChildStdout>,
    pub words: Words,
}

impl Conversation {
    /// Executes the text, as whom `become` makes of the one who logs in.
    pub async fn open(control: &Path, become_: &[String], text: Text) -> Result<Self, Silence> {
        match timeout(READY_WITHIN, Self::opened(control, become_, text)).await {
            Ok(opened) => opened,
            Err(_) => Err(Silence::Unreachable(format!(
                "the host was not ready within {} s",
                READY_WITHIN.as_secs()
            ))),
        }
    }

    async fn opened(control: &Path, become_: &[String], text: Text) -> Result<Self, Silence> {
        let nonce = nonce()
            .map_err(|error| Silence::Unreachable(format!("cannot read /dev/urandom: {error}")))?;
        let failed = |error: openssh::Error| Silence::Unreachable(described(&error));
        let session = std::sync::Arc::new(Session::resume_mux(control.into(), None));
        let mut child = session
            .arc_raw_command(text.command())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .await
            .map_err(failed)?;
        let lifeline = child.stdin().take();
        let output = child.stdout().take();
        let (Some(mut lifeline), Some(reader)) = (lifeline, child.stderr().take()) else {
            return Err(Silence::Unreachable("the session has no streams".into()));
        };
        let mut greeting = format!("{nonce}\n{}\n", become_.len());
        for word in become_ {
            greeting.push_str(&encoded(word));
            greeting.push('\n');
        }
        let mut words = Words::new(reader, &nonce);
        // A host that has closed it says more by how it ends.
        let _ = lifeline.write_all(greeting.as_bytes()).await;
        match words.next().await {
            Some(word) if word == "ready" => Ok(Self {
                session: child,
                lifeline: Some(lifeline),
                output,
                words,
            }),
            Some(word) => Err(Silence::Refused(one_line(&word))),
            None => {
                drop(lifeline);
                let noise = words.noise();
                Err(match child.wait().await {
                    Ok(status) => {
                        let code = status.code().unwrap_or(-1);
                        Silence::Refused(with("the host ended it at once", code, &noise))
                    }
                    // Exit code 127 comes as this.
                    Err(openssh::Error::Remote(_)) => {
                        Silence::Refused(with("the host ended it at once", 127, &noise))
                    }
                    Err(_) => Silence::Unreachable("the connection broke".into()),
                })
            }
        }
    }

    /// Sends what is ordered; `false` if not all of it could be handed over, so that the host never acts on it.
    pub async fn send(&mut self, order: &[u8]) -> bool {
        match &mut self.lifeline {
            Some(lifeline) => lifeline.write_all(order).await.is_ok(),
            None => false,
        }
    }

    /// Ends the conversation on this side, whatever the host does.
    pub fn end(self) {
        drop(self.lifeline);
        drop(self.session);
    }
}

fn with(what: &str, code: i32, noise: &str) -> String {
    if noise.is_empty() {
        return format!("{what} with exit code {code}");
    }
    one_line(&format!("{what} with exit code {code}: {noise}"))
}

/// 128 random bits: what a host prints by itself is no word of ours.
fn nonce() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A value as one line for `printf %b`; a shell has to call that only where there is a backslash.
pub(super) fn encoded(value: &str) -> String {
    let mut line = String::with_capacity(value.len());
    for byte in value.bytes() {
        if (byte.is_ascii_graphic() || byte == b' ') && byte != b'\\' {
            line.push(char::from(byte));
        } else {
            line.push_str(&format!("\\0{byte:03o}"));
        }
    }
    line
}

/// What is said on standard error: our words, and the noise of the host.
#[derive(Debug)]
pub(super) struct Words {
    reader: openssh::ChildStderr,
    prefix: String,
    part: Vec<u8>,
    noise: Vec<u8>,
}

impl Words {
    fn new(reader: openssh::ChildStderr, nonce: &str) -> Self {
        Self {
            reader,
            prefix: format!("{nonce} "),
            part: Vec::new(),
            noise: Vec::new(),
        }
    }

    /// The next word without its nonce; `None` once there are no more. May be dropped and called again.
    pub async fn next(&mut self) -> Option<String> {
        let mut buffer = [0; LINE];
        loop {
            while let Some(line) = self.line() {
                match line.strip_prefix(self.prefix.as_bytes()) {
                    Some(word) => return Some(String::from_utf8_lossy(word).into_owned()),
                    None => self.keep(&line),
                }
            }
            match self.reader.read(&mut buffer).await {
                Ok(length) if length > 0 => self.part.extend_from_slice(&buffer[..length]),
                Ok(_) | Err(_) => {
                    let rest = std::mem::take(&mut self.part);
                    self.keep(&rest);
                    return None;
                }
            }
        }
    }

    /// A whole line, or the beginning of one that is too long.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.part.iter().position(|byte| *byte == b'\n');
        let end = match end {
            Some(end) => end + 1,
            None if self.part.len() >= LINE => self.part.len(),
            None => return None,
        };
        let mut line: Vec<u8> = self.part.drain(..end).collect();
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Some(line)
    }

    fn keep(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        let room = NOISE.saturating_sub(self.noise.len());
        self.noise.extend_from_slice(&line[..line.len().min(room)]);
        if room > line.len() {
            self.noise.push(b' ');
        }
    }

    /// What the host said beside our words, in one line.
    pub fn noise(&self) -> String {
        one_line(&String::from_utf8_lossy(&self.noise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_for_every_login_shell() {
        for text in [Text::Run, Text::Ask, Text::Probe, Text::Programs] {
            let body = text.body();
            // fish takes these two, and only these, for escapes within apostrophes.
            for mark in ["'", r"\\"] {
                assert!(!body.contains(mark), "{mark} in {text:?}");
            }
            // Linux takes no longer argument; half of it is enough.
            assert!(text.command().len() < 64 << 10);
        }
    }

    #[test]
    fn values_are_one_line_each() {
        assert_eq!(encoded("a/b-c=1"), "a/b-c=1");
        assert_eq!(encoded("a b\n'$\\ü"), r"a b\0012'$\0134\0303\0274");
    }
}
