//! What can befall a machine.

use jiff::SignedDuration;

use super::wishes::Longing;
use crate::core::policy::Name;

/// Something that befalls the machine.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The daemon dies after so many more things it does, and is started again after this.
    Kill {
        after: u32,
        down_for: SignedDuration,
    },
    /// The daemon is asked to stop, and is started again after this.
    Stop {
        down_for: SignedDuration,
    },
    /// The machine is restarted, which asks the daemon to stop.
    Reboot {
        down_for: SignedDuration,
    },
    /// It is asked to stop once nothing is under way, and is started again after this.
    Restart {
        down_for: SignedDuration,
    },
    ClockStep {
        by: SignedDuration,
    },
    Suspend {
        for_: SignedDuration,
    },
    DiskFull {
        for_: SignedDuration,
        /// How often something can still be recorded once the reserve was given up.
        spare: u32,
    },
    HooksBroken {
        for_: SignedDuration,
    },
    /// Somebody else holds this lock file.
    LockHeld {
        file: String,
        for_: SignedDuration,
    },
    /// The policy of this place in the play's list is read.
    Reload {
        index: usize,
    },
    /// An operator wants to see a session of this app.
    Rehearse {
        app: Name,
        jobs: bool,
    },
    /// An operator asks for something.
    Ask(Longing),
    /// Faults end.
    Calm,
}
