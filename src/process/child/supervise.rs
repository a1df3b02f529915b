//! The supervisor of one run: from its locks to its last process.
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};

use super::cgroup::Cgroup;
use super::events::Events;
use super::launch::Inherited;
use super::locks::{self, NotHeld};
use super::output::Output;
use super::{job, tree};
use crate::process::run::spawn_failed;
use crate::process::spec::{End, RunEvent, RunResult};
use crate::process::wire::{self, Request};

/// How often a kill is repeated that was refused: to a process that runs as somebody else, say.
const KILL_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

pub(super) fn supervise(inherited: &Inherited) {
    // SAFETY: the default action, no handler: ended children wait to be collected again.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let mut events = Events::new(&inherited.socket, &inherited.signals);
    let Some(bytes) = events.request() else {
        return;
    };
    // A session of its own keeps it out of reach of a terminal's signals, and of the job's to its group.
    let own = rustix::process::setsid()
        .and_then(|_| rustix::process::set_child_subreaper(Some(rustix::process::getpid())));
    let request = match (own, wire::decode_request(&bytes)) {
        (Ok(()), Ok(request)) => request,
        (Err(error), _) => {
            return events.tell(&spawn_failed(format!("cannot become a subreaper: {error}")));
        }
        (_, Err(error)) => return events.tell(&spawn_failed(error.to_string())),
    };
    // The locks are free again before the end is told: whoever hears of it may start the next run.
    let last = match locks::take(&request, &mut events) {
        Ok(locks) => {
            let result = perform(&request, inherited, &mut events);
            drop(locks);
            RunEvent::Ended(result)
        }
        Err(NotHeld::Busy { lock, holder }) => RunEvent::Busy { lock, holder },
        Err(NotHeld::Stopped) => {
            RunEvent::Ended(RunResult::without_output(End::Stopped { exit: None }))
        }
        Err(NotHeld::Failed(reason)) => spawn_failed(reason),
    };
    events.tell(&last);
}

fn perform(request: &Request<'_>, inherited: &Inherited, events: &mut Events<'_>) -> RunResult {
    if events.stop {
        return RunResult::without_output(End::Stopped { exit: None });
    }
    let failed = |reason: String| RunResult::without_output(End::SpawnFailed(reason));
    let id = request.id.to_str().unwrap_or_default();
    let group = inherited
        .cgroups
        .as_deref()
        .and_then(|parent| Cgroup::new(parent, id));
    let (pipe, output) = match pipe_with(PipeFlags::CLOEXEC) {
        Ok(ends) => ends,
        Err(error) => return failed(format!("cannot make a pipe for its output: {error}")),
    };
    let main = match job::start(request, output.as_fd(), group.as_ref()) {
        Ok(main) => main,
        Err(reason) => return failed(reason),
    };
    drop(output);
    let began = Instant::now();
    events.tell(&RunEvent::Began {
        pid: main.as_raw_nonzero().get(),
    });
    let mut run = Running {
        output: Output::new(pipe, request.log, request.log_limit, id),
        main: Main::Alive(main),
        phase: Phase::Running {
            until: began.checked_add(request.timeout),
        },
        timed_out: false,
        left_behind: BTreeSet::new(),
        group,
    };
    run.until_nothing_is_left(request, events);
    run.result(began)
}

enum Main {
    Alive(Pid),
    Ended(WaitStatus),
}

enum Phase {
    Running {
        until: Option<Instant>,
    },
    /// SIGTERM was sent.
    Ending {
        until: Option<Instant>,
    },
    /// SIGKILL was sent, and is sent again until nothing is left.
    Killing,
}

struct Running<'a> {
    output: Output<'a>,
    main: Main,
    phase: Phase,
    timed_out: bool,
    left_behind: BTreeSet<i32>,
    group: Option<Cgroup>,
}

impl Running<'_> {
    fn until_nothing_is_left(&mut self, request: &Request<'_>, events: &mut Events<'_>) {
        loop {
            if std::mem::take(&mut events.child) && !self.collect() {
                return;
            }
            let deadline = match self.phase {
                Phase::Running { until } | Phase::Ending { until } => until,
                Phase::Killing => Some(Instant::now() + KILL_AGAIN),
            };
            match events.wait(deadline, self.output.pipe()) {
                Ok(true) => {
                    self.output.read();
                }
                Ok(false) => {}
                // Only out of memory for the kernel's own bookkeeping. A run that cannot be watched is ended.
                Err(_) => events.stop = true,
            }
            let due = |until: Option<Instant>| until.is_some_and(|until| Instant::now() >= until);
            match self.phase {
                Phase::Running { until } if events.stop || due(until) => {
                    self.timed_out = !events.stop;
                    self.signal(&[Signal::TERM, Signal::CONT]);
                    self.phase = Phase::Ending {
                        until: Instant::now().checked_add(request.grace),
                    };
                }
                Phase::Ending { until } if due(until) => self.kill(),
                Phase::Killing => self.kill(),
                Phase::Running { .. } | Phase::Ending { .. } => {}
            }
        }
    }

    fn kill(&mut self) {
        self.phase = Phase::Killing;
        if let Some(group) = &self.group {
            group.kill();
        }
        self.signal(&[Signal::KILL]);
    }

    fn signal(&mut self, signals: &[Signal]) {
        match self.main {
            Main::Alive(main) => {
                tree::signal_all(signals, Some(main));
            }
            Main::Ended(_) => self
                .left_behind
                .append(&mut tree::signal_all(signals, None)),
        }
    }

    /// Collects everything that has ended; false if nothing is left.
    fn collect(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if matches!(self.main, Main::Alive(main) if main == pid) {
                        self.main = Main::Ended(status);
                    }
                }
                Ok(None) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    fn result(mut self, began: Instant) -> RunResult {
        let elapsed = began.elapsed();
        drop(self.group.take());
        self.output.drain();
        let (exit, signal) = match self.main {
            Main::Ended(status) => (status.exit_status(), status.terminating_signal()),
            Main::Alive(_) => (None, None),
        };
        let end = match (self.phase, exit, signal) {
            (Phase::Running { .. }, Some(code), _) => End::Exited(code),
            (Phase::Running { .. }, None, signal) => End::Signalled(signal.unwrap_or_default()),
            (_, exit, _) if self.timed_out => End::TimedOut { exit },
            (_, exit, _) => End::Stopped { exit },
        };
        let printed = self.output.finish(&describe(&end));
        RunResult {
            end,
            output_bytes: printed.bytes,
            log_written: printed.written,
            log_error: printed.error,
            elapsed,
            left_behind: u32::try_from(self.left_behind.len()).unwrap_or(u32::MAX),
            tail: printed.tail,
        }
    }
}

fn describe(end: &End) -> String {
    let code = |exit: &Option<i32>| {
        exit.map(|code| format!(" (exit code {code})"))
            .unwrap_or_default()
    };
    match end {
        End::Exited(code) => format!("exit code {code}"),
        End::Signalled(signal) => format!("signal {signal}"),
        End::TimedOut { exit } => format!("ended at its timeout{}", code(exit)),
        End::Stopped { exit } => format!("stopped{}", code(exit)),
        End::SpawnFailed(_) | End::SupervisorDied => "not begun".into(),
    }
}
