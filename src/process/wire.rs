//! The bytes between daemon and supervisor.
//!
//! Daemon to supervisor: one request, then single bytes of [`STOP`]. Supervisor to daemon: events, each a frame of
//! length and body. Texts of a request end with NUL, so that the supervisor hands them to `execve` where they lie.
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::spec::{Credentials, End, LockWait, RunEvent, RunResult, RunSpec};

/// The longest request. The kernel takes 2 MiB of arguments and environment with the usual stack limit.
pub const MAX_REQUEST: usize = 4 << 20;
/// The longest event: a path, a holder line, a message, a tail.
pub const MAX_EVENT: usize = 32 << 10;
/// The byte that asks the supervisor to end the run.
pub const STOP: u8 = b'S';
/// The length in front of a request or an event.
pub const PREFIX: usize = 4;

/// Why a request cannot be sent, or bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("no program given")]
    NoProgram,
    #[error("an argument, a variable or a path contains a NUL byte")]
    Nul,
    #[error("arguments and environment are longer than {MAX_REQUEST} bytes")]
    TooLong,
    #[error("the run id {0:?} is not of 1 to 200 letters, digits, `.`, `_`, `-`")]
    Id(String),
    #[error("the message is cut off")]
    CutOff,
    #[error("the message has an unknown kind {0}")]
    Kind(u64),
}

/// A request as the supervisor sees it, borrowed from the bytes received.
#[derive(Debug)]
pub struct Request<'a> {
    pub argv: Vec<&'a CStr>,
    pub env: Vec<&'a CStr>,
    pub id: &'a CStr,
    pub dir: &'a CStr,
    pub user: Option<Credentials>,
    pub umask: Option<u32>,
    pub locks: Vec<&'a Path>,
    pub lock_wait: LockWait,
    pub timeout: Duration,
    pub grace: Duration,
    pub log: Option<&'a Path>,
    pub log_limit: u64,
    pub holder: &'a CStr,
}

/// Encodes a request with its length in front. Locks are sorted, so that two runs never wait for each other.
pub fn encode_request(spec: &RunSpec) -> Result<Vec<u8>, Malformed> {
    if spec.argv.first().is_none_or(|program| program.is_empty()) {
        return Err(Malformed::NoProgram);
    }
    if !is_id(&spec.id) {
        return Err(Malformed::Id(spec.id.chars().take(200).collect()));
    }
    let mut locks: Vec<&PathBuf> = spec.locks.iter().collect();
    locks.sort();
    locks.dedup();
    let mut out = Writer::framed();
    out.number(spec.argv.len() as u64);
    out.number(spec.env.len() as u64);
    out.number(locks.len() as u64);
    match &spec.user {
        None => out.number(0),
        Some(user) => {
            out.number(1);
            out.number(u64::from(user.uid));
            out.number(u64::from(user.gid));
            out.number(user.groups.len() as u64);
            for group in &user.groups {
                out.number(u64::from(*group));
            }
        }
    }
    out.number(spec.umask.map_or(u64::MAX, u64::from));
    let (kind, wait) = match spec.lock_wait {
        LockWait::No => (0, Duration::ZERO),
        LockWait::For(wait) => (1, wait),
        LockWait::UntilStopped => (2, Duration::ZERO),
    };
    out.number(kind);
    out.duration(wait);
    out.duration(spec.timeout);
    out.duration(spec.grace);
    out.number(u64::from(spec.log.is_some()));
    out.number(spec.log_limit);
    for argument in &spec.argv {
        out.text(&[argument.as_bytes()])?;
    }
    for (name, value) in &spec.env {
        out.text(&[name.as_bytes(), b"=", value.as_bytes()])?;
    }
    out.text(&[spec.id.as_bytes()])?;
    out.text(&[spec.dir.as_os_str().as_bytes()])?;
    out.text(&[spec
        .log
        .as_deref()
        .map_or(OsStr::new(""), Path::as_os_str)
        .as_bytes()])?;
    out.text(&[spec.holder.as_bytes()])?;
    for lock in locks {
        out.text(&[lock.as_os_str().as_bytes()])?;
    }
    if out.0.len() > MAX_REQUEST {
        return Err(Malformed::TooLong);
    }
    Ok(out.finish())
}

/// Decodes a request, without its length.
pub fn decode_request(bytes: &[u8]) -> Result<Request<'_>, Malformed> {
    let mut from = Reader(bytes);
    let (arguments, variables, locks) = (from.count()?, from.count()?, from.count()?);
    let user = match from.number()? {
        0 => None,
        _ => {
            let (uid, gid, groups) = (from.narrow()?, from.narrow()?, from.count()?);
            let groups = (0..groups)
                .map(|_| from.narrow())
                .collect::<Result<_, _>>()?;
            Some(Credentials { uid, gid, groups })
        }
    };
    let umask = match from.number()? {
        u64::MAX => None,
        mask => Some((mask & 0o777) as u32),
    };
    let (kind, wait) = (from.number()?, from.duration()?);
    let lock_wait = match kind {
        0 => LockWait::No,
        1 => LockWait::For(wait),
        2 => LockWait::UntilStopped,
        other => return Err(Malformed::Kind(other)),
    };
    let (timeout, grace) = (from.duration()?, from.duration()?);
    let (has_log, log_limit) = (from.number()? != 0, from.number()?);
    let argv = (0..arguments)
        .map(|_| from.text())
        .collect::<Result<Vec<_>, _>>()?;
    if argv.is_empty() {
        return Err(Malformed::NoProgram);
    }
    let env = (0..variables)
        .map(|_| from.text())
        .collect::<Result<_, _>>()?;
    let (id, dir, log, holder) = (from.text()?, from.text()?, from.text()?, from.text()?);
    let locks = (0..locks)
        .map(|_| from.text().map(as_path))
        .collect::<Result<_, _>>()?;
    Ok(Request {
        argv,
        env,
        id,
        dir,
        user,
        umask,
        locks,
        lock_wait,
        timeout,
        grace,
        log: has_log.then(|| as_path(log)),
        log_limit,
        holder,
    })
}

/// Encodes an event with its length in front.
pub fn encode_event(event: &RunEvent) -> Vec<u8> {
    let mut out = Writer::framed();
    match event {
        RunEvent::Waiting { lock, holder } => out.lock(0, lock, holder.as_deref()),
        RunEvent::Busy { lock, holder } => out.lock(1, lock, holder.as_deref()),
        RunEvent::Began { pid } => {
            out.number(2);
            out.number(*pid as u32 as u64);
        }
        RunEvent::Ended(result) => {
            out.number(3);
            out.end(&result.end);
            out.number(result.output_bytes);
            out.number(u64::from(result.log_written));
            out.optional(result.log_error.as_deref());
            out.duration(result.elapsed);
            out.number(u64::from(result.left_behind));
            out.bytes(result.tail.as_bytes());
        }
    }
    out.finish()
}

/// Decodes an event, without its length.
pub fn decode_event(bytes: &[u8]) -> Result<RunEvent, Malformed> {
    let mut from = Reader(bytes);
    match from.number()? {
        0 => from
            .lock()
            .map(|(lock, holder)| RunEvent::Waiting { lock, holder }),
        1 => from
            .lock()
            .map(|(lock, holder)| RunEvent::Busy { lock, holder }),
        2 => Ok(RunEvent::Began {
            pid: from.narrow()? as i32,
        }),
        3 => Ok(RunEvent::Ended(RunResult {
            end: from.end()?,
            output_bytes: from.number()?,
            log_written: from.number()? != 0,
            log_error: from.optional()?,
            elapsed: from.duration()?,
            left_behind: from.narrow()?,
            tail: from.string()?,
        })),
        other => Err(Malformed::Kind(other)),
    }
}

fn is_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=200).contains(&id.len()) && id.bytes().all(fits)
}

fn as_path(text: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(text.to_bytes()))
}

/// Appends fields after room for the length.
struct Writer(Vec<u8>);

impl Writer {
    fn framed() -> Self {
        Self(vec![0; PREFIX])
    }

    fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() - PREFIX) as u32;
        self.0[..PREFIX].copy_from_slice(&length.to_le_bytes());
        self.0
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Nanoseconds: 584 years are enough for any wait.
    fn duration(&mut self, duration: Duration) {
        self.number(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    fn text(&mut self, parts: &[&[u8]]) -> Result<(), Malformed> {
        for part in parts {
            if part.contains(&0) {
                return Err(Malformed::Nul);
            }
            self.0.extend_from_slice(part);
        }
        self.0.push(0);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        self.bytes(text.unwrap_or_default().as_bytes());
    }

    fn lock(&mut self, kind: u64, lock: &Path, holder: Option<&str>) {
        self.number(kind);
        self.bytes(lock.as_os_str().as_bytes());
        self.optional(holder);
    }

    fn end(&mut self, end: &End) {
        let (kind, code, reason) = match end {
            End::Exited(code) => (0, Some(*code), ""),
            End::Signalled(signal) => (1, Some(*signal), ""),
            End::TimedOut { exit } => (2, *exit, ""),
            End::Stopped { exit } => (3, *exit, ""),
            End::SpawnFailed(reason) => (4, None, reason.as_str()),
            End::SupervisorDied => (5, None, ""),
        };
        self.number(kind);
        self.number(code.map_or(u64::MAX, |code| u64::from(code as u32)));
        self.bytes(reason.as_bytes());
    }
}

/// Takes fields from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Result<u64, Malformed> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Malformed::CutOff)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*number))
    }

    fn narrow(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.number()?).map_err(|_| Malformed::CutOff)
    }

    /// A number of fields that follow: each takes a byte at least, so that no number asks for more than was sent.
    fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(self.number()?).map_err(|_| Malformed::CutOff)?;
        if count > self.0.len() {
            Err(Malformed::CutOff)
        } else {
            Ok(count)
        }
    }

    fn duration(&mut self) -> Result<Duration, Malformed> {
        self.number().map(Duration::from_nanos)
    }

    fn text(&mut self) -> Result<&'a CStr, Malformed> {
        let text = CStr::from_bytes_until_nul(self.0).map_err(|_| Malformed::CutOff)?;
        self.0 = &self.0[text.count_bytes() + 1..];
        Ok(text)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(bytes)
    }

    fn string(&mut self) -> Result<String, Malformed> {
        self.bytes()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn optional(&mut self) -> Result<Option<String>, Malformed> {
        let some = self.number()? != 0;
        let text = self.string()?;
        Ok(some.then_some(text))
    }

    fn lock(&mut self) -> Result<(PathBuf, Option<String>), Malformed> {
        let lock = std::ffi::OsString::from_vec(self.bytes()?.to_vec());
        Ok((lock.into(), self.optional()?))
    }

    fn end(&mut self) -> Result<End, Malformed> {
        let kind = self.number()?;
        let code = match self.number()? {
            u64::MAX => None,
            code => Some(u32::try_from(code).map_err(|_| Malformed::CutOff)? as i32),
        };
        let reason = self.string()?;
        match (kind, code) {
            (0, Some(code)) => Ok(End::Exited(code)),
            (1, Some(signal)) => Ok(End::Signalled(signal)),
            (2, exit) => Ok(End::TimedOut { exit }),
            (3, exit) => Ok(End::Stopped { exit }),
            (4, _) => Ok(End::SpawnFailed(reason)),
            (5, _) => Ok(End::SupervisorDied),
            _ => Err(Malformed::Kind(kind)),
        }
    }
}

#[cfg(test)]
mod tests;
