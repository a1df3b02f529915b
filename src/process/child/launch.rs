//! The launcher: receives runs, forks a supervisor for each, and does nothing else, so that forking it stays cheap.
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::ptr;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};

use super::supervise::supervise;
use super::{BATCH, cgroup, probe};
use crate::process::run::spawn_failed;
use crate::process::wire;

/// What every supervisor takes over from the launcher.
pub(super) struct Inherited {
    /// The launcher's socket; in a supervisor the number is that of the run's socket.
    pub socket: OwnedFd,
    /// SIGCHLD, SIGTERM and SIGINT of the process that reads it.
    pub signals: SignalFd,
    /// Locked shared by the launcher and, as it is inherited, by every supervisor.
    pub runs: File,
    /// Where runs get their control groups.
    pub cgroups: Option<PathBuf>,
}

pub(super) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let socket = match own_socket() {
        Ok(socket) => socket,
        Err(error) => {
            // Whoever began this may have gone, and its standard error with it.
            let name = super::COMMAND;
            let _ = writeln!(io::stderr(), "offhours {name}: not for people: {error}");
            return ExitCode::from(2);
        }
    };
    let arguments: Vec<OsString> = arguments.take(4).collect();
    let word = match prepare(&arguments) {
        Ok(Prepared {
            signals,
            runs,
            cgroups,
            remark,
        }) => {
            let inherited = Inherited {
                socket,
                signals,
                runs,
                cgroups,
            };
            if send(&inherited.socket, b"R", SendFlags::NOSIGNAL).is_ok() {
                serve(&inherited, remark);
            }
            return ExitCode::SUCCESS;
        }
        Err(reason) => format!("R{reason}"),
    };
    let _ = send(&socket, word.as_bytes(), SendFlags::NOSIGNAL);
    ExitCode::FAILURE
}

/// Moves the daemon's socket out of the way of the job's standard input, and lets go of everything else.
fn own_socket() -> io::Result<OwnedFd> {
    rustix::net::sockopt::socket_type(rustix::stdio::stdin())?;
    close_from(3)?;
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(socket)
}

struct Prepared {
    signals: SignalFd,
    runs: File,
    cgroups: Option<PathBuf>,
    /// What is amiss, but keeps nothing from running.
    remark: Option<String>,
}

fn prepare(arguments: &[OsString]) -> Result<Prepared, String> {
    let [runs, files, cgroups] = arguments else {
        return Err("wrong arguments".into());
    };
    rustix::process::setsid().map_err(|error| format!("cannot start a session: {error}"))?;
    let signals = hold_signals().map_err(|error| format!("cannot hold signals: {error}"))?;
    restore_file_limit(files.to_str().and_then(|files| files.parse().ok()));
    let _ = rustix::thread::set_name(c"offhours-exec");
    let runs = lock_runs(Path::new(runs))?;
    let (cgroups, remark) = usable(cgroup::parent(&super::cgroups(cgroups.clone())));
    // SAFETY: no handler of ours runs. The kernel now collects supervisors without waking us.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    Ok(Prepared {
        signals,
        runs,
        cgroups,
        remark,
    })
}

/// Where runs can have groups; else without, and why.
fn usable(groups: Option<PathBuf>) -> (Option<PathBuf>, Option<String>) {
    let Some(groups) = groups else {
        return (None, None);
    };
    cgroup::tidy(&groups);
    match probe::try_group(&groups) {
        Ok(()) => (Some(groups), None),
        Err(reason) => {
            let place = groups.display();
            let remark = format!("runs get no control groups: in {place}, {reason}");
            (None, Some(remark))
        }
    }
}

/// Every signal gets its default action, which jobs inherit, and is held back here: a launcher ends with its daemon
/// only, so that a supervisor always has somebody who collects it.
fn hold_signals() -> io::Result<SignalFd> {
    // All zero means the default action. The bare call, as libc keeps two signals to itself, which a job may have been
    // left ignored all the same.
    let default = [0_u64; 4];
    for signal in 1..=libc::SIGRTMAX() {
        let set_size = size_of::<u64>();
        // SAFETY: the action is as long as the kernel's `sigaction` and names no handler; no old one is asked for. That
        // SIGKILL and SIGSTOP are refused is fine.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null::<u64>(),
                set_size,
            )
        };
    }
    SigSet::all().thread_block()?;
    let heard: SigSet = [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT]
        .into_iter()
        .collect();
    Ok(SignalFd::with_flags(
        &heard,
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )?)
}

/// Jobs get the limit that the daemon was started with, not the raised one.
fn restore_file_limit(soft: Option<u64>) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = soft.filter(|soft| *soft != u64::MAX);
    let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
}

fn lock_runs(path: &Path) -> Result<File, String> {
    let file = crate::lock::open(path)
        .map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    fs2::FileExt::try_lock_shared(&file)
        .map_err(|error| format!("cannot lock {}: {error}", path.display()))?;
    Ok(file)
}

/// Answers every batch, the first one with the remark.
fn serve(inherited: &Inherited, mut remark: Option<String>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    // Numbers below are taken for good; what a message brings lies above, and a supervisor closes all of it.
    let taken = [
        inherited.socket.as_raw_fd(),
        inherited.signals.as_raw_fd(),
        inherited.runs.as_raw_fd(),
    ];
    let first = taken.into_iter().max().unwrap_or(2) + 1;
    loop {
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut parts = [IoSliceMut::new(&mut byte)];
        match recvmsg(
            &inherited.socket,
            &mut parts,
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Ok(message) if message.bytes > 0 => {}
            Err(Errno::INTR) => continue,
            Ok(_) | Err(_) => return,
        }
        let mut runs = Vec::with_capacity(BATCH);
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(sockets) = message {
                runs.extend(sockets);
            }
        }
        for run in &runs {
            // SAFETY: this process has one thread, so that the child may do whatever the parent may.
            match unsafe { libc::fork() } {
                0 => become_supervisor(inherited, run, first),
                -1 => refuse(run, &io::Error::last_os_error()),
                _ => {}
            }
        }
        drop(runs);
        let word = format!("R{}", remark.take().unwrap_or_default());
        if send(&inherited.socket, word.as_bytes(), SendFlags::NOSIGNAL).is_err() {
            return;
        }
    }
}

/// Never returns into the launcher's loop, also when it panics.
fn become_supervisor(inherited: &Inherited, run: &OwnedFd, first: i32) -> ! {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            // SAFETY: `_exit` is always allowed; what the launcher had open and in memory is not ours to clean up.
            unsafe { libc::_exit(70) }
        }
    }
    let _leave = Leave;
    // SAFETY: both numbers are open descriptors of this process. That the launcher's socket is closed here in favour
    // of the run's is the point: its owner `inherited.socket` stays the owner of an open descriptor.
    let placed = unsafe {
        libc::dup3(
            run.as_raw_fd(),
            inherited.socket.as_raw_fd(),
            libc::O_CLOEXEC,
        )
    };
    // A second copy of another run's socket would hide that its supervisor died.
    if placed >= 0 && close_from(first).is_ok() {
        supervise(inherited);
    }
    // SAFETY: as above.
    unsafe { libc::_exit(0) }
}

fn refuse(run: &OwnedFd, error: &io::Error) {
    let event = wire::encode_event(&spawn_failed(format!("cannot fork: {error}")));
    let _ = send(run, &event, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

/// Closes every descriptor from this number on. (Linux 5.9)
fn close_from(first: i32) -> io::Result<()> {
    // SAFETY: callers are a process that has just been executed and owns no descriptor but the standard ones, and a
    // forked one that never returns to the owners of what is closed.
    match unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
