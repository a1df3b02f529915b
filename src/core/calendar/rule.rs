//! One rule of a window.
use jiff::{SignedDuration, Timestamp, civil};

use super::{CronExpr, Days};

/// When an occurrence that opens on a day ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By the wall clock; not after the start means the next day.
    At(civil::Time),
    /// By elapsed time.
    After(SignedDuration),
}

/// A window is the union of its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    Days {
        days: Days,
        start: civil::Time,
        end: End,
    },
    Cron {
        expr: CronExpr,
        duration: SignedDuration,
    },
    Once {
        from: Timestamp,
        until: Timestamp,
    },
}
