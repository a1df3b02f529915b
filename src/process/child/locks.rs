//! Taking a run's locks, in their order.
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};

use super::events::Events;
use crate::lock::{Candidate, Held, LockError};
use crate::process::spec::{LockWait, RunEvent};
use crate::process::wire::Request;

/// Why the locks were not had.
pub(super) enum NotHeld {
    Busy {
        lock: PathBuf,
        holder: Option<String>,
    },
    Stopped,
    Failed(String),
}

impl<E: Into<Trouble>> From<E> for NotHeld {
    fn from(error: E) -> Self {
        Self::Failed(error.into().0)
    }
}

pub(super) struct Trouble(String);

impl From<LockError> for Trouble {
    fn from(error: LockError) -> Self {
        Self(error.to_string())
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self(format!("cannot wait for a lock: {error}"))
    }
}

/// Takes all locks, or none. After a wait that was given up this process must end: a thread still stands in line.
pub(super) fn take(request: &Request<'_>, events: &mut Events<'_>) -> Result<Vec<Held>, NotHeld> {
    let deadline = match request.lock_wait {
        LockWait::For(wait) => Instant::now().checked_add(wait),
        LockWait::No | LockWait::UntilStopped => None,
    };
    let holder = format!(
        "{}, pid {}",
        request.holder.to_string_lossy(),
        std::process::id()
    );
    let mut locks = Vec::with_capacity(request.locks.len());
    for path in &request.locks {
        let mut lock = match Candidate::open(path)?.try_hold()? {
            Ok(held) => held,
            Err(candidate) if request.lock_wait == LockWait::No => return Err(busy(&candidate)),
            Err(candidate) => {
                let holder = candidate.holder();
                events.tell(&RunEvent::Waiting {
                    lock: path.to_path_buf(),
                    holder,
                });
                wait(candidate, events, deadline)?
            }
        };
        // The line is for people only: a full disk does not keep anything from running.
        let _ = lock.describe(&holder);
        locks.push(lock);
    }
    Ok(locks)
}

fn busy(candidate: &Candidate) -> NotHeld {
    NotHeld::Busy {
        lock: candidate.path().to_owned(),
        holder: candidate.holder(),
    }
}

/// A flock cannot be waited for together with anything else, and a wait for it cannot be called off. So a thread
/// stands in line; where the wait is given up the whole process ends, and the thread with it.
fn wait(
    candidate: Candidate,
    events: &mut Events<'_>,
    deadline: Option<Instant>,
) -> Result<Held, NotHeld> {
    let spare = Candidate::open(candidate.path())?;
    let ready = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(io::Error::from)?);
    let signal = Arc::clone(&ready);
    let standing: JoinHandle<Result<Held, LockError>> = std::thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(move || {
            let held = candidate.hold();
            // Writing to an event descriptor of ours fails only when it would overflow.
            let _ = rustix::io::write(&*signal, &1_u64.to_ne_bytes());
            held
        })?;
    loop {
        if events.wait(deadline, Some(ready.as_fd()))? {
            let held = standing
                .join()
                .map_err(|_| NotHeld::Failed("the lock could not be waited for".into()))?;
            return Ok(held?);
        }
        if events.stop {
            return Err(NotHeld::Stopped);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(busy(&spare));
        }
    }
}
