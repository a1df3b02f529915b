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

/// When a rule opens, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
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

/// The span in which a rule counts: an occurrence does that opens in it, whenever it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub from: Timestamp,
    /// Exclusive.
    pub until: Timestamp,
}

impl Validity {
    pub const ALWAYS: Validity = Validity {
        from: Timestamp::MIN,
        until: Timestamp::MAX,
    };

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Validity) -> Validity {
        Validity {
            from: self.from.max(other.from),
            until: self.until.min(other.until),
        }
    }

    pub fn contains(&self, opens: Timestamp) -> bool {
        self.from <= opens && opens < self.until
    }
}

/// A window is the union of its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub pattern: Pattern,
    pub valid: Validity,
}

/// Valid always.
impl From<Pattern> for Rule {
    fn from(pattern: Pattern) -> Rule {
        Rule {
            pattern,
            valid: Validity::ALWAYS,
        }
    }
}
