//! What to run, and what is reported about it.
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One attempt of one run: everything the supervisor needs, nothing is inherited.
#[derive(Clone)]
pub struct RunSpec {
    /// Run and attempt, of `[A-Za-z0-9._-]`, at most 200 bytes: names the run's cgroup, and stands in its log.
    pub id: String,
    /// Program and arguments. A program without `/` is looked for in the `PATH` of [`env`](Self::env).
    pub argv: Vec<OsString>,
    /// The complete environment. `OFFHOURS_RUN` belongs in it: it is how survivors are found
    /// ([`survivors`](super::survivors)).
    pub env: Vec<(String, String)>,
    /// The working folder, entered with the job's own credentials.
    pub dir: PathBuf,
    /// Who runs it; `None`: the daemon's own user.
    pub user: Option<Credentials>,
    /// The file mode mask; `None`: the daemon's own.
    pub umask: Option<u32>,
    /// Lock files, sorted here, created where missing. Held until every process of the run is dead.
    pub locks: Vec<PathBuf>,
    /// What to do about a lock that another process holds.
    pub lock_wait: LockWait,
    /// Elapsed time from the start of the job to its SIGTERM. The wait for locks does not count.
    pub timeout: Duration,
    /// Elapsed time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Where output goes. The file is made (0600, its folder 0700) when the first byte arrives, never before.
    pub log: Option<PathBuf>,
    /// Bytes of output kept in the log, half from its beginning and half from its end.
    pub log_limit: u64,
    /// One line for people, written into each lock file while it is held; the supervisor's pid is added.
    pub holder: String,
}

/// Without arguments and environment, which may hold secrets.
impl fmt::Debug for RunSpec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.argv.first();
        out.debug_struct("RunSpec")
            .field("id", &self.id)
            .field("program", &program)
            .finish_non_exhaustive()
    }
}

/// Bytes of output that are kept of an attempt unless told otherwise.
pub const LOG_LIMIT: u64 = 1 << 20;

/// A user as numbers, resolved before the start ([`lookup_user`](super::lookup_user)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// What to do about a lock that another process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// Give up at once: [`RunEvent::Busy`].
    No,
    /// Wait so long for all locks together, then give up.
    For(Duration),
    /// Wait until [`Run::stop`](super::Run::stop).
    UntilStopped,
}

/// How the launcher uses control groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cgroups {
    /// One per run, below the daemon's own group, where that is delegated to it.
    #[default]
    Auto,
    /// None.
    Off,
    /// One per run, below this folder of a cgroup v2 file system.
    Below(PathBuf),
}

/// What happens to a run, in this order: `Waiting*`, then `Busy`, or `Began` and `Ended`, or `Ended` alone.
/// `Busy` and `Ended` are the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEvent {
    /// A lock is held by somebody else, and is waited for.
    Waiting {
        lock: PathBuf,
        holder: Option<String>,
    },
    /// A lock is held by somebody else; nothing was started.
    Busy {
        lock: PathBuf,
        holder: Option<String>,
    },
    /// All locks are held, and the program was executed as this process.
    Began { pid: i32 },
    /// Nothing of the run is left (but see [`End::SupervisorDied`]).
    Ended(RunResult),
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResult {
    pub end: End,
    /// Bytes the run printed, kept or not.
    pub output_bytes: u64,
    /// The log file exists.
    pub log_written: bool,
    /// Why the log lacks what was printed.
    pub log_error: Option<String>,
    /// From the start of the job until its last process was dead.
    pub elapsed: Duration,
    /// Processes that were still there when the main one had ended, and had to be signalled.
    pub left_behind: u32,
    /// The last 400 bytes of output or less, as they were printed: not fit for display.
    pub tail: String,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The main process returned this code, and whatever it left behind ended in time, too.
    Exited(i32),
    /// The main process was ended by this signal, not sent by us.
    Signalled(i32),
    /// The run was ended at its timeout; `exit` is the main process's code if it returned one.
    TimedOut { exit: Option<i32> },
    /// The run was ended by [`Run::stop`](super::Run::stop), or by a SIGTERM to its supervisor.
    Stopped { exit: Option<i32> },
    /// Nothing was started, for this reason.
    SpawnFailed(String),
    /// The supervisor was killed, or never came to be because the launcher was. Whether the job ran is unknown, and
    /// processes of it may be left: see [`survivors::end_by_cookie`](super::survivors::end_by_cookie).
    SupervisorDied,
}

impl RunResult {
    /// A result for a run of which nothing is known but its end.
    pub(super) fn without_output(end: End) -> Self {
        Self {
            end,
            output_bytes: 0,
            log_written: false,
            log_error: None,
            elapsed: Duration::ZERO,
            left_behind: 0,
            tail: String::new(),
        }
    }
}
