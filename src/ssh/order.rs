//! What is to be run on a host, as the daemon hands it to the client.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::conversation::encoded;
use crate::core::contract;

/// The variable of the client's environment that holds the order. Arguments can be read by everybody on this machine.
pub const VARIABLE: &str = "OFFHOURS_ORDER";
/// Bytes of that variable: Linux takes 128 KiB.
pub const LONGEST: usize = 120 << 10;
/// Bytes of a script.
pub const LONGEST_SCRIPT: u64 = 4 << 20;
/// Locks of one run: those descriptors that every shell can name, without those that are needed.
pub const LOCKS: usize = 6;
/// Seconds of any time.
const LONGEST_TIME: u64 = 366 * 24 * 3600;
/// What the bound on the host grants beside time bound and grace, so that the side here decides first.
const LATE: u64 = 15;

/// One attempt of a run on a host.
///
/// The supervisor of the client must grant a longer grace than `grace_s`: at its SIGTERM the client cuts the lifeline,
/// and then waits for the last word of the host, which comes after the grace there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The control socket, from [`Masters::reach`](super::Masters::reach).
    pub control: PathBuf,
    /// The value of `OFFHOURS_RUN`, run and attempt: of `[A-Za-z0-9._-]`, at most 200 bytes. A host takes each but once.
    pub run: String,
    /// Program and arguments. A program without `/` is looked for in `PATH`, that of `env` or of the host.
    pub argv: Vec<String>,
    /// A file on this machine that is sent along and executed instead of `argv[0]`, from the state folder there.
    pub script: Option<PathBuf>,
    /// Beside PATH, HOME, USER and LANG of the host, which it may replace, and `OFFHOURS_RUN` and `OFFHOURS_REMOTE`.
    pub env: Vec<(String, String)>,
    /// The working folder, absolute; without one the home of who runs it.
    pub dir: Option<String>,
    /// A command that executes its arguments as somebody else, `["sudo", "-n"]`. All of the run is behind it, the runner
    /// too: who is not root cannot end what root runs. So it must be allowed to execute `/bin/sh`.
    pub r#become: Vec<String>,
    /// Lock files on the host, at most [`LOCKS`]: in `offhours/locks` of the state folder of who runs it
    /// (`$XDG_STATE_HOME` or `~/.local/state`; so for root as well, nobody else can keep those busy), or with an
    /// absolute path, where several accounts or other programs share one.
    pub lock: Vec<String>,
    /// Seconds to wait for all locks together.
    pub lock_wait_s: u64,
    /// Seconds; on the host 15 more and the grace are granted, for where the side here is gone.
    pub timeout_s: u64,
    /// Seconds between SIGTERM and SIGKILL on the host.
    pub grace_s: u64,
    /// The file mode mask; without one that of the login.
    pub umask: Option<u32>,
    /// It is run also where the host can record nothing, for want of room: asked for it may say that it never began.
    #[serde(default)]
    pub regardless: bool,
    /// Where the client writes its [`Verdict`](super::Verdict).
    pub verdict: PathBuf,
    /// A socket of who is told, one connection a word, that a lock on the host is waited for, and that the run began then.
    /// Who asks the host if how it ended is not heard: the client says so there, and stays until that connection is closed,
    /// or nothing of the run can be left: what is locked here for the run stays locked.
    #[serde(default)]
    pub tell: Option<PathBuf>,
}

/// Without arguments and environment, which may hold secrets.
impl fmt::Debug for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Order")
            .field("run", &self.run)
            .field("program", &self.argv.first())
            .finish_non_exhaustive()
    }
}

/// What is wrong with an order.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the order of a run on a host has {0} bytes, more than {LONGEST}")]
    Size(usize),
    #[error("the order of a run on a host is not understood: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot be run on a host: {0}")]
    Value(&'static str),
}

impl Order {
    /// The value of [`VARIABLE`].
    pub fn to_variable(&self) -> Result<String, Refused> {
        self.check()?;
        let text = serde_json::to_string(self)?;
        if text.len() > LONGEST {
            return Err(Refused::Size(text.len()));
        }
        Ok(text)
    }

    /// From the value of [`VARIABLE`].
    pub fn from_variable(text: &str) -> Result<Self, Refused> {
        let order: Self = serde_json::from_str(text)?;
        order.check()?;
        Ok(order)
    }

    pub fn check(&self) -> Result<(), Refused> {
        let require = |fine: bool, what| {
            if fine {
                Ok(())
            } else {
                Err(Refused::Value(what))
            }
        };
        let texts = self.argv.iter().chain(&self.r#become).chain(&self.lock);
        let values = self.env.iter().map(|(_, value)| value);
        let no_nul = texts
            .chain(values)
            .chain(&self.dir)
            .all(|text| !text.contains('\0'));
        require(no_nul, "a value with a NUL")?;
        require(
            is_file_name(&self.run),
            "a run whose name is no name of a file",
        )?;
        let program = self.argv.first().map_or("", String::as_str);
        require(
            !program.is_empty() && !program.starts_with('-'),
            "a program without a name, or with one that begins with -",
        )?;
        require(
            self.env.iter().all(|(name, _)| contract::is_variable(name)),
            "a variable whose name is none, or one that shells use themselves",
        )?;
        let dir = self.dir.as_ref();
        require(
            dir.is_none_or(|dir| dir.starts_with('/')),
            "a folder that is not absolute",
        )?;
        let first = self.r#become.first();
        require(
            first.is_none_or(|word| !word.is_empty() && !word.starts_with('-')),
            "a command to become somebody else that is none",
        )?;
        require(self.locks().len() <= LOCKS, "more than six locks")?;
        let lock =
            |name: &String| (name.starts_with('/') && !name.ends_with('/')) || is_file_name(name);
        require(
            self.lock.iter().all(lock),
            "a lock whose name is no name of a file",
        )?;
        let times = [self.lock_wait_s, self.timeout_s, self.grace_s];
        require(
            times.iter().all(|time| *time <= LONGEST_TIME),
            "a time of more than a year",
        )?;
        let mask = self.umask;
        require(
            mask.is_none_or(|mask| mask <= 0o777),
            "a umask that is none",
        )
    }

    /// In the order in which everybody takes them.
    fn locks(&self) -> Vec<&str> {
        let mut locks: Vec<&str> = self.lock.iter().map(String::as_str).collect();
        locks.sort_unstable();
        locks.dedup();
        locks
    }

    /// Seconds until `timeout` ends it on the host.
    pub(super) fn bound_s(&self) -> u64 {
        self.timeout_s + self.grace_s + LATE
    }

    /// Seconds that `timeout` waits between its signals; 0 would mean for ever.
    fn kill_after_s(&self) -> u64 {
        self.grace_s.max(1)
    }

    /// What the runner reads: a value a line, then the script.
    pub(super) fn lines(&self, script: Option<&[u8]>) -> Vec<u8> {
        let mut lines = String::new();
        let mut add = |value: &str| {
            lines.push_str(&encoded(value));
            lines.push('\n');
        };
        add(&self.run);
        add(&self.bound_s().to_string());
        add(&self.kill_after_s().to_string());
        add(&self.lock_wait_s.to_string());
        add(&self
            .umask
            .map_or(String::new(), |mask| format!("{mask:04o}")));
        add(if self.regardless { "yes" } else { "" });
        add(self.dir.as_deref().unwrap_or_default());
        let locks = self.locks();
        add(&locks.len().to_string());
        locks.iter().for_each(|lock| add(lock));
        add(&self.env.len().to_string());
        add(&self.argv.len().to_string());
        for (name, value) in &self.env {
            add(&format!("{name}={value}"));
        }
        self.argv.iter().for_each(|word| add(word));
        match script {
            Some(script) => add(&script.len().to_string()),
            None => add("-"),
        }
        let mut lines = lines.into_bytes();
        lines.extend_from_slice(script.unwrap_or_default());
        lines
    }
}

pub(super) fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    (1..=200).contains(&name.len()) && !name.starts_with(['.', '-']) && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            control: "/run/x/master".into(),
            run: "os.7.1.abc".into(),
            argv: vec!["true".into()],
            script: None,
            env: Vec::new(),
            dir: None,
            r#become: Vec::new(),
            lock: Vec::new(),
            lock_wait_s: 0,
            timeout_s: 60,
            grace_s: 10,
            umask: None,
            regardless: false,
            verdict: "/tmp/v".into(),
            tell: None,
        }
    }

    #[test]
    fn an_order_comes_out_as_it_went_in() {
        let mut order = order();
        order.env.push(("A".into(), "secret \n ü".into()));
        order.lock = vec!["b.lock".into(), "a.lock".into(), "b.lock".into()];
        let text = order.to_variable().unwrap();
        assert_eq!(Order::from_variable(&text).unwrap(), order);
        assert_eq!(order.locks(), ["a.lock", "b.lock"]);
        assert!(!format!("{order:?}").contains("secret"));
    }

    #[test]
    fn what_no_host_could_run_is_refused() {
        let mut wrong: Vec<Order> = Vec::new();
        let mut with = |change: fn(&mut Order)| {
            let mut order = order();
            change(&mut order);
            wrong.push(order);
        };
        with(|o| o.run = "../x".into());
        with(|o| o.run = "a b".into());
        with(|o| o.argv.clear());
        with(|o| o.argv[0] = "-c".into());
        with(|o| o.argv.push("a\0b".into()));
        with(|o| o.env.push(("A-B".into(), String::new())));
        with(|o| o.env.push(("PPID".into(), String::new())));
        with(|o| o.env.push(("__offhours_run".into(), String::new())));
        with(|o| o.dir = Some("x".into()));
        with(|o| o.lock.push("../x".into()));
        with(|o| o.lock = (0..7).map(|n| format!("{n}.lock")).collect());
        with(|o| o.timeout_s = u64::MAX);
        with(|o| o.umask = Some(0o1000));
        with(|o| o.argv.push("x".repeat(LONGEST)));
        for order in wrong {
            assert!(order.to_variable().is_err(), "{order:?}");
        }
        assert!(Order::from_variable("{}").is_err());
    }
}
