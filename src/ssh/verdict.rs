//! What was heard of a run on a host.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Bytes of the file.
const LONGEST: u64 = 16 << 10;

/// What the client hands to the daemon in a file. It never says more than was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The program returned this code, and nothing of the run is left on the host.
    Exited { code: i32 },
    /// A signal ended the program (ours, if the lifeline was cut), and nothing of the run is left on the host.
    Signalled { signal: i32 },
    /// The bound on the host ended it: the side here was late or gone.
    TimedOut,
    /// Somebody holds a lock on the host; nothing was started.
    Busy { holder: String },
    /// The host was not reached; nothing was started.
    Unreachable { why: String },
    /// The host was reached; nothing was started: no such program or folder, not allowed to become somebody else.
    NotStarted { why: String },
    /// It was ordered, and how it ended was not heard. [`ask`](super::ask()) the host.
    Unknown { why: String },
}

impl Verdict {
    /// What an `exit 3`, a `signal 9` or a `timeout` of the host says.
    pub(super) fn from_end(end: &str) -> Option<Self> {
        let (word, rest) = end
            .trim_end()
            .split_once(' ')
            .unwrap_or((end.trim_end(), ""));
        match word {
            "exit" => Some(Self::Exited {
                code: rest.parse().ok()?,
            }),
            "signal" => Some(Self::Signalled {
                signal: rest.parse().ok()?,
            }),
            "timeout" => Some(Self::TimedOut),
            _ => None,
        }
    }

    /// The client's own exit status: the program's, where there is one.
    pub fn status(&self) -> u8 {
        let byte = |code: i32| u8::try_from(code).unwrap_or(255);
        match self {
            Self::Exited { code } => byte(*code),
            Self::Signalled { signal } => byte(signal.saturating_add(128)),
            Self::TimedOut => 124,
            Self::Busy { .. } | Self::Unreachable { .. } => 69,
            Self::NotStarted { .. } => 127,
            Self::Unknown { .. } => 70,
        }
    }

    /// The same, and it is there after a loss of power.
    pub fn write_durably(&self, path: &Path) -> io::Result<()> {
        self.write(path)?;
        File::open(path)?.sync_all()?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Replaces the file (0600) in one step.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(&new, path)
    }

    /// Of a client that is gone. It writes [`Verdict::Unknown`] before it sends the order, so that without a file
    /// nothing was started.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let why = "it was ended before the host was reached".into();
                return Ok(Self::Unreachable { why });
            }
            opened => opened?,
        };
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("verdict");
        assert!(matches!(
            Verdict::read(&path).unwrap(),
            Verdict::Unreachable { .. }
        ));
        for verdict in [Verdict::Exited { code: 3 }, Verdict::TimedOut] {
            verdict.write(&path).unwrap();
            assert_eq!(Verdict::read(&path).unwrap(), verdict);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), r#""timed_out""#);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_whole_words_are_an_end() {
        let end = Verdict::from_end;
        assert_eq!(end("exit 75"), Some(Verdict::Exited { code: 75 }));
        assert_eq!(end("signal 9"), Some(Verdict::Signalled { signal: 9 }));
        assert_eq!(end("timeout "), Some(Verdict::TimedOut));
        assert_eq!(end("exit "), None);
        assert_eq!(end("exitus 3"), None);
    }
}
