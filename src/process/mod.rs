//! Running commands so that nothing of them is ever left behind.
//!
//! ```text
//! daemon (many threads)
//!   `- launcher          one small process with one thread; it only forks
//!        `- supervisor   one per run: holds the run's locks, its log and its time bound
//!             `- job     in a session of its own, with everything it starts
//! ```
//!
//! A supervisor is session leader and child subreaper: whatever the job starts, however often it forks, stays among
//! its descendants. It lives until none of them is left, and its locks live as long. The socket between daemon and
//! supervisor is also the lifeline: only the daemon's end of it exists outside the supervisor, so end-of-file means that
//! the daemon is gone. (The parent-death signal would follow the thread that started the child, not the process.)
//!
//! Linux 5.9 or later (`close_range`, `pidfd_open`); `cgroup.kill` from 5.14 on.
//!
//! | module | side | what it is |
//! |---|---|---|
//! | [`spec`] | both | what to run, what is reported |
//! | [`wire`] | both | the bytes between the two |
//! | [`launcher`], [`run`] | daemon | starting, following and stopping a run |
//! | [`user`] | daemon | names to numbers, before anything is started |
//! | [`survivors`] | daemon | what a predecessor left, after a SIGKILL |
//! | [`child`] | child | `offhours internal-exec`: launcher, supervisor, job |
pub mod child;
pub mod launcher;
pub mod run;
pub mod spec;
pub mod survivors;
pub mod user;
pub mod wire;

pub use launcher::{Error, Launcher, Setup};
pub use run::{Run, Stopper};
pub use spec::{Cgroups, Credentials, End, LockWait, RunEvent, RunResult, RunSpec};
pub use user::{Account, UserError, lookup_user};
