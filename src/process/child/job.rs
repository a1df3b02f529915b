//! Executing the job: between fork and exec.
//!
//! The job's process borrows the supervisor's memory until it executes the program, as `vfork` does: a copy of the page
//! tables would cost more than all the rest. So what runs there allocates nothing, and says what failed by writing it
//! where the supervisor reads it.
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use rustix::process::{Gid, Pid, Signal, Uid};

use super::cgroup::Cgroup;
use crate::process::wire::Request;

/// Where a program is looked for if the job's environment has no `PATH`.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Room for the few calls before the exec.
const STACK: usize = 64 << 10;

/// linux/sched.h
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

#[derive(Clone, Copy)]
enum Step {
    Prepare,
    Output,
    Credentials,
    Folder,
    Execute,
}

/// All the job's process needs, laid out before it exists.
struct Plan<'a> {
    supervisor: Pid,
    output: RawFd,
    umask: Option<u32>,
    user: Option<(Uid, Gid, Vec<Gid>)>,
    dir: &'a CStr,
    /// The program, or every place where it may be.
    programs: Vec<CString>,
    argv: Vec<*const c_char>,
    /// `/bin/sh PROGRAM ARGUMENTS`: room for how a file without `#!` is executed.
    shell: Vec<*const c_char>,
    env: Vec<*const c_char>,
    failure: *mut Failure,
}

#[derive(Clone, Copy)]
struct Failure {
    step: Step,
    /// 0: none, the program was executed.
    errno: i32,
}

/// Starts the job with standard output and error going to `output`. An error says what could not be done.
pub(super) fn start(
    request: &Request<'_>,
    output: BorrowedFd<'_>,
    group: Option<&Cgroup>,
) -> Result<Pid, String> {
    let mut failure = Failure {
        step: Step::Prepare,
        errno: 0,
    };
    let mut plan = Plan::new(request, output)?;
    let pid = match group {
        Some(group) => match start_in_group(&mut plan, &mut failure, group.folder.as_fd()) {
            Ok(pid) => Ok(pid),
            // The kernel, or a filter in front of it, does not know the call: the group stays empty.
            Err(_) => start_sharing(&mut plan, &mut failure),
        },
        None => start_sharing(&mut plan, &mut failure),
    };
    let pid = pid.map_err(|error| format!("cannot fork: {error}"))?;
    if failure.errno == 0 {
        return Ok(pid);
    }
    // It has left by itself; collecting it keeps the list of children honest.
    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    Err(explain(failure, request))
}

fn explain(failure: Failure, request: &Request<'_>) -> String {
    let error = io::Error::from_raw_os_error(failure.errno);
    let what = match failure.step {
        Step::Prepare => "prepare the process".into(),
        Step::Output => "redirect its output".into(),
        Step::Credentials => match &request.user {
            Some(user) => format!("become user {} with group {}", user.uid, user.gid),
            None => "change the user".into(),
        },
        Step::Folder => format!("enter the folder {:?}", request.dir.to_string_lossy()),
        Step::Execute => format!("execute {:?}", request.argv[0].to_string_lossy()),
    };
    format!("cannot {what}: {error}")
}

/// Forks sharing the memory; returns when the program is executed or has failed to be.
fn start_sharing(plan: &mut Plan<'_>, failure: &mut Failure) -> io::Result<Pid> {
    plan.failure = failure;
    let mut stack: Vec<u128> = Vec::with_capacity(STACK / size_of::<u128>());
    let top = stack.spare_capacity_mut().as_mut_ptr_range().end;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the child runs `run` on a stack of its own, which is aligned and outlives it, as does `plan`: with
    // CLONE_VFORK we stand still until it has executed a program or left. All signals are blocked in this process, so
    // that no handler runs in the shared memory, and it has one thread.
    let pid = unsafe { libc::clone(run, top.cast(), flags, ptr::from_mut(plan).cast()) };
    to_pid(pid)
}

/// Forks into a control group. The system call that can do this has no way to name a stack that is usable from here, so
/// that the memory is copied, and the failure comes back through a page that is shared.
fn start_in_group(
    plan: &mut Plan<'_>,
    failure: &mut Failure,
    group: BorrowedFd<'_>,
) -> io::Result<Pid> {
    let length = size_of::<Failure>();
    // SAFETY: a new mapping, which nothing else refers to.
    let page = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        libc::mmap(
            ptr::null_mut(),
            length,
            access,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let shared = page.cast::<Failure>();
    // SAFETY: the mapping is writable, long enough and page-aligned.
    unsafe { shared.write(*failure) };
    plan.failure = shared;
    // SAFETY: one thread, and the child only runs `run`.
    let pid = unsafe { fork_into(group) };
    if pid == 0 {
        let plan = ptr::from_mut(plan).cast();
        run(plan);
    }
    let started = to_pid(pid);
    // SAFETY: the mapping is valid, and the child, which could write to it, has executed a program or left.
    unsafe {
        *failure = shared.read();
        libc::munmap(page, length);
    }
    started
}

/// Forks this process into a control group, and returns, in the parent, when the child has executed a program or ended.
/// As `fork`: 0 in the child, negative and `errno` if there is none.
///
/// # Safety
/// This process has one thread, and the child never returns to what it was forked from.
pub(super) unsafe fn fork_into(group: BorrowedFd<'_>) -> c_int {
    // SAFETY: an all-zero `clone_args` is valid: every field is a number.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = libc::CLONE_VFORK as u64 | CLONE_INTO_CGROUP;
    args.exit_signal = libc::SIGCHLD as u64;
    args.cgroup = group.as_raw_fd() as u64;
    // SAFETY: without CLONE_VM and without a stack this is a fork, for which the caller answers.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) };
    pid as c_int
}

pub(super) fn to_pid(pid: c_int) -> io::Result<Pid> {
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Pid::from_raw(pid).ok_or_else(|| io::ErrorKind::Other.into())
}

impl<'a> Plan<'a> {
    fn new(request: &'a Request<'a>, output: BorrowedFd<'_>) -> Result<Self, String> {
        let programs = places(request);
        if programs.is_empty() {
            return Err("cannot execute a program: PATH is empty".into());
        }
        let pointers = |texts: &[&CStr], room: usize| {
            let mut pointers = vec![ptr::null(); room];
            pointers.extend(texts.iter().map(|text| text.as_ptr()));
            pointers.push(ptr::null());
            pointers
        };
        let user = request.user.as_ref().map(|user| {
            let groups = user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
            (Uid::from_raw(user.uid), Gid::from_raw(user.gid), groups)
        });
        Ok(Self {
            supervisor: rustix::process::getpid(),
            output: output.as_raw_fd(),
            umask: request.umask,
            user,
            dir: request.dir,
            programs,
            argv: pointers(&request.argv, 0),
            shell: pointers(&request.argv[1..], 2),
            env: pointers(&request.env, 0),
            failure: ptr::null_mut(),
        })
    }
}

/// What to try to execute, one after the other.
fn places(request: &Request<'_>) -> Vec<CString> {
    let program = request.argv[0].to_bytes();
    if program.contains(&b'/') {
        return vec![request.argv[0].to_owned()];
    }
    let path = request
        .env
        .iter()
        .find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
    let folders = path.unwrap_or(DEFAULT_PATH).split(|byte| *byte == b':');
    // An empty entry would mean the working folder, which is not where programs are looked for here.
    let full = folders
        .filter(|folder| !folder.is_empty())
        .map(|folder| [folder, b"/", program].concat());
    // Neither part contains a NUL: both come from NUL-terminated texts.
    full.filter_map(|full| CString::new(full).ok()).collect()
}

/// The job's process, until it is the job. Allocates nothing, takes no lock, never returns.
extern "C" fn run(plan: *mut c_void) -> c_int {
    // SAFETY: `start` passes a plan that outlives this process's use of it, and does not touch it meanwhile.
    let plan = unsafe { &mut *plan.cast::<Plan<'_>>() };
    let (step, errno) = match prepare(plan) {
        Ok(()) => (Step::Execute, execute(plan)),
        Err((step, error)) => (step, error.raw_os_error()),
    };
    // SAFETY: the place is writable and outlives this process; `_exit` runs nothing of the supervisor's.
    unsafe {
        plan.failure.write(Failure { step, errno });
        libc::_exit(127)
    }
}

fn prepare(plan: &Plan<'_>) -> Result<(), (Step, rustix::io::Errno)> {
    let at = |step| move |error| (step, error);
    rustix::process::setsid().map_err(at(Step::Prepare))?;
    for standard in [1, 2] {
        // SAFETY: both numbers are open; the standard ones have no owner.
        if unsafe { libc::dup2(plan.output, standard) } < 0 {
            return Err((Step::Output, last_error()));
        }
    }
    if let Some((uid, gid, groups)) = &plan.user {
        use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
        // The bare system calls: this process has one thread, and libc would look for more in borrowed memory.
        // SAFETY: nothing in this process relies on the credentials that are given up.
        set_thread_groups(groups).map_err(at(Step::Credentials))?;
        set_thread_res_gid(*gid, *gid, *gid).map_err(at(Step::Credentials))?;
        set_thread_res_uid(*uid, *uid, *uid).map_err(at(Step::Credentials))?;
    }
    if let Some(mask) = plan.umask {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
    }
    // Entered as the user: a folder the user may not see is refused here.
    rustix::process::chdir(plan.dir).map_err(at(Step::Folder))?;
    // A job must not go on without its supervisor: the locks are gone with it. The supervisor has one thread, so that
    // its end is the end of the thread that this signal follows.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(at(Step::Prepare))?;
    if rustix::process::getppid() != Some(plan.supervisor) {
        return Err((Step::Prepare, rustix::io::Errno::SRCH));
    }
    // SAFETY: both are local; an empty set and no old one are allowed.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
    Ok(())
}

/// Returns the error if nothing could be executed: that of a program which is there but may not be executed counts
/// more than that of one which is not there.
fn execute(plan: &mut Plan<'_>) -> i32 {
    let mut worst = libc::ENOENT;
    for program in &plan.programs {
        // SAFETY: the path is a C string; the arrays end with a null pointer and hold C strings that outlive this.
        unsafe { libc::execve(program.as_ptr(), plan.argv.as_ptr(), plan.env.as_ptr()) };
        match last_error().raw_os_error() {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => worst = libc::EACCES,
            libc::ENOEXEC => {
                plan.shell[0] = c"/bin/sh".as_ptr();
                plan.shell[1] = program.as_ptr();
                // SAFETY: as above; `shell` has room for these two in front of the arguments.
                unsafe { libc::execve(plan.shell[0], plan.shell.as_ptr(), plan.env.as_ptr()) };
                return last_error().raw_os_error();
            }
            other => return other,
        }
    }
    worst
}

fn last_error() -> rustix::io::Errno {
    // SAFETY: the location is always valid; the supervisor, whose it may be, stands still.
    rustix::io::Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}
