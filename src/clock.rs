//! The clocks of this machine: the wall clock that decides calendars, and how it moves against elapsed time.

use std::io;
use std::os::fd::OwnedFd;

use jiff::{SignedDuration, Timestamp};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// A wall clock that moves further than this against the elapsed time was set; less is the clock being disciplined.
const STEP: SignedDuration = SignedDuration::from_millis(750);

/// Whether the kernel counts the wall clock as kept by a time service; none where it does not say.
pub fn is_synchronised() -> Option<bool> {
    // SAFETY: an all-zero `timex` asks for nothing to be changed, and the kernel writes into it alone.
    let state = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        libc::adjtimex(&raw mut timex)
    };
    (state >= 0).then_some(state != libc::TIME_ERROR)
}

/// The wall clock.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// What happened to the clocks since they were last compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The wall clock was set.
    Stepped(SignedDuration),
    /// The machine was asleep.
    Slept(SignedDuration),
}

/// Compares wall clock, elapsed time and time awake, one look with the next.
#[derive(Clone, Copy, Debug)]
pub struct Compare {
    last: Look,
}

/// One look at all clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub wall: SignedDuration,
    /// Elapsed time since boot, also while asleep.
    pub elapsed: SignedDuration,
    /// The same without the time asleep.
    pub awake: SignedDuration,
}

impl Look {
    /// All clocks as they are now.
    pub fn now() -> Self {
        let read = |id| {
            let time = clock_gettime(id);
            // The kernel keeps nanoseconds below a second.
            SignedDuration::new(time.tv_sec, i32::try_from(time.tv_nsec).unwrap_or(0))
        };
        Self {
            wall: now().duration_since(Timestamp::UNIX_EPOCH),
            elapsed: read(ClockId::Boottime),
            awake: read(ClockId::Monotonic),
        }
    }
}

impl Compare {
    pub fn new(look: Look) -> Self {
        Self { last: look }
    }

    /// What moved since the last look.
    pub fn look(&mut self, look: Look) -> Vec<Moved> {
        let mut moved = Vec::new();
        let elapsed = look.elapsed.saturating_sub(self.last.elapsed);
        let step = look
            .wall
            .saturating_sub(self.last.wall)
            .saturating_sub(elapsed);
        let slept = elapsed.saturating_sub(look.awake.saturating_sub(self.last.awake));
        if slept > STEP {
            moved.push(Moved::Slept(slept));
        }
        if step.abs() > STEP {
            moved.push(Moved::Stepped(step));
        }
        self.last = look;
        moved
    }
}

/// Tells when the wall clock was set or the machine woke up: a timer that never expires, and is cancelled by both.
#[derive(Debug)]
pub struct StepWatch {
    timer: AsyncFd<OwnedFd>,
    kind: Kind,
}

/// How a timer is read and armed again: the kernel's, or in tests a stand-in, because the clock of a machine is not to
/// be set for a test.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// Cancelled where the clock was set; otherwise it expired.
    read: fn(&OwnedFd) -> Result<(), Errno>,
    arm: fn(&OwnedFd) -> io::Result<()>,
}

const KERNEL: Kind = Kind {
    read: |timer| rustix::io::read(timer, &mut [0_u8; 8]).map(drop),
    arm,
};

impl StepWatch {
    /// # Errors
    /// Where the kernel gives no such timer; steps are then seen at the next wakeup only.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Self::over(timerfd_create(TimerfdClockId::Realtime, flags)?, KERNEL)
    }

    fn over(timer: OwnedFd, kind: Kind) -> io::Result<Self> {
        (kind.arm)(&timer)?;
        // SAFETY: the descriptor is owned by the `AsyncFd` alone from here on; it is read and set through `get_ref`,
        // never closed, replaced or handed out, so it stays valid and registered until the `AsyncFd` is dropped.
        let timer = unsafe { AsyncFd::register(timer) }?;
        Ok(Self { timer, kind })
    }

    /// Waits for the next step or resume. Loses none when it is cancelled.
    pub async fn stepped(&self) {
        loop {
            let Ok(mut ready) = self.timer.readable().await else {
                return std::future::pending().await;
            };
            match (self.kind.read)(self.timer.get_ref()) {
                Err(Errno::CANCELED) => {
                    if (self.kind.arm)(self.timer.get_ref()).is_err() {
                        return std::future::pending().await;
                    }
                    return;
                }
                Err(Errno::AGAIN | Errno::INTR) => ready.clear_ready(),
                // Expired after all, in the far future: armed again it is as good as new.
                Ok(()) => {
                    if (self.kind.arm)(self.timer.get_ref()).is_err() {
                        return std::future::pending().await;
                    }
                }
                Err(_) => return std::future::pending().await,
            }
        }
    }
}

fn arm(timer: &OwnedFd) -> io::Result<()> {
    let zero = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // Year 2200: never, and within what every file system and kernel can say.
    let never = Timespec {
        tv_sec: 7_258_118_400,
        tv_nsec: 0,
    };
    let spec = Itimerspec {
        it_interval: zero,
        it_value: never,
    };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(timer, flags, &spec)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(wall: i64, elapsed: i64, awake: i64) -> Look {
        let s = SignedDuration::from_secs;
        Look {
            wall: s(wall),
            elapsed: s(elapsed),
            awake: s(awake),
        }
    }

    #[test]
    fn time_that_passes_is_no_step() {
        let mut compare = Compare::new(look(1_000, 10, 10));
        assert_eq!(compare.look(look(1_500, 510, 510)), []);
    }

    #[test]
    fn steps_are_seen_in_both_directions_and_once() {
        let mut compare = Compare::new(look(1_000, 10, 10));
        let forward = SignedDuration::from_hours(1);
        assert_eq!(compare.look(look(4_601, 11, 11)), [Moved::Stepped(forward)]);
        assert_eq!(compare.look(look(4_602, 12, 12)), []);
        assert_eq!(
            compare.look(look(1_003, 13, 13)),
            [Moved::Stepped(-forward)]
        );
    }

    #[test]
    fn a_suspend_is_no_step() {
        let mut compare = Compare::new(look(1_000, 10, 10));
        assert_eq!(
            compare.look(look(4_600, 3_610, 11)),
            [Moved::Slept(SignedDuration::from_secs(3_599))]
        );
    }

    /// A pipe stands in for the timer: each `c` that is written is a clock that was set, anything else an expiry.
    fn stand_in() -> (StepWatch, OwnedFd) {
        let (watched, set) = rustix::pipe::pipe_with(
            rustix::pipe::PipeFlags::NONBLOCK | rustix::pipe::PipeFlags::CLOEXEC,
        )
        .unwrap();
        let kind = Kind {
            read: |timer| {
                let mut byte = [0_u8];
                rustix::io::read(timer, &mut byte)?;
                if byte == *b"c" {
                    Err(Errno::CANCELED)
                } else {
                    Ok(())
                }
            },
            arm: |_| Ok(()),
        };
        (StepWatch::over(watched, kind).unwrap(), set)
    }

    #[tokio::test]
    async fn a_clock_that_is_set_is_heard_of_each_time_and_an_expiry_is_none() {
        use std::time::Duration;
        let (watch, set) = stand_in();
        let quiet = || tokio::time::timeout(Duration::from_millis(50), watch.stepped());
        assert!(quiet().await.is_err());
        rustix::io::write(&set, b"x").unwrap();
        assert!(quiet().await.is_err(), "it expired, and goes on");
        rustix::io::write(&set, b"cxc").unwrap();
        // Cancelled in between, as the loop does it, it loses none.
        assert!(quiet().await.is_ok());
        assert!(quiet().await.is_ok());
        assert!(quiet().await.is_err());
    }

    #[tokio::test]
    async fn the_kernels_timer_is_quiet_while_nobody_sets_the_clock() {
        let watch = StepWatch::new().unwrap();
        let quiet = tokio::time::timeout(std::time::Duration::from_millis(50), watch.stepped());
        assert!(quiet.await.is_err());
    }

    #[test]
    fn clocks_that_are_disciplined_are_no_step() {
        let mut compare = Compare::new(look(1_000, 10, 10));
        let mut later = look(2_000, 1_010, 1_010);
        later.wall = later.wall.saturating_add(SignedDuration::from_millis(500));
        assert_eq!(compare.look(later), []);
    }
}
