//! What really happened in a played world: what the daemon's record is measured against.

use jiff::{SignedDuration, Timestamp};

use crate::core::effect::Start;
use crate::core::fact::Fact;
use crate::core::letter::Letter;
use crate::core::notice::NoticeId;
use crate::core::run::{End, RunId};

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Elapsed time since the play began; stands still while the machine is asleep.
    pub elapsed: SignedDuration,
    /// The wall clock as the daemon sees it.
    pub at: Timestamp,
    pub what: Happened,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Happened {
    /// A fact became durable; it carries the instant at which it was decided.
    Recorded {
        decided: Timestamp,
        fact: Box<Fact>,
    },
    /// A fact counts in memory only: it could not be recorded. It becomes durable later, unless the daemon dies first.
    Unrecorded {
        decided: Timestamp,
        fact: Box<Fact>,
    },
    /// The daemon asked for an attempt.
    Asked(Box<Start>),
    /// Its command began: all its locks are held.
    Began {
        run: RunId,
    },
    /// The daemon asked for its end.
    StopAsked {
        run: RunId,
    },
    /// The last process of it is gone.
    Gone {
        run: RunId,
        end: End,
    },
    /// The mail server has taken a letter; the daemon may never hear of it.
    Delivered {
        notice: NoticeId,
        letter: Box<Letter>,
    },
    DaemonStarted,
    /// The machine came up anew.
    Rebooted,
    DaemonKilled,
    /// It ended because it was asked to.
    DaemonStopped {
        clean: bool,
    },
    ClockStepped {
        by: SignedDuration,
    },
    Suspended {
        for_: SignedDuration,
    },
    /// Which of the play's policies holds from now on.
    PolicyChanged {
        index: usize,
    },
    DiskFull,
    DiskWell,
    /// Faults end here.
    Calm,
}

/// How a play goes on after a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    On,
    /// The daemon is asked to stop; that is the end.
    Stop,
    /// It ends here.
    End,
}

/// Looks on while a play is on, and may end it.
pub trait Onlooker {
    fn see(&mut self, moment: &Moment) -> Next;
}

/// Keeps every moment.
impl Onlooker for Trace {
    fn see(&mut self, moment: &Moment) -> Next {
        self.moments.push(moment.clone());
        Next::On
    }
}

/// Everything that happened in one play.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub moments: Vec<Moment>,
}

impl Trace {
    /// The durable facts in order, each with the instant at which it was decided.
    pub fn facts(&self) -> impl Iterator<Item = (Timestamp, &Fact)> {
        self.moments.iter().filter_map(|moment| match &moment.what {
            Happened::Recorded { decided, fact } => Some((*decided, &**fact)),
            _ => None,
        })
    }
}
