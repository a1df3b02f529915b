//! When things may happen: zones, windows, freezes and schedules. Text to instants, nothing about jobs.
//!
//! One rule joins wall clock and time line, for windows and schedules alike: a wall-clock time means the first
//! instant at which the clock has reached it. So a time that a clock change skips is the first instant after the
//! gap, and one that occurs twice is the earlier.
mod clock_change;
mod cron;
mod cron_engine;
mod cron_field;
mod cron_instants;
mod cron_match;
mod day_time;
mod day_walk;
mod days;
mod freeze;
mod ics;
mod malformed;
mod month;
mod occurrence;
mod open;
mod raw;
mod rule;
mod spans;
mod walk;
mod window;
mod yearly;
mod zone;

pub use clock_change::{ClockEffect, Unusual};
pub use cron::CronExpr;
pub use cron_instants::{COUNT_CAP, Instants};
pub use day_time::DayTime;
pub use days::Days;
pub use freeze::{Freeze, Frozen, Work};
pub use ics::{Holidays, LARGEST_CALENDAR};
pub use malformed::Malformed;
pub use occurrence::{Occurrence, subtract};
pub use open::parse_open;
pub use rule::{End, Pattern, Rule, Validity};
pub use spans::{Span, Spans};
pub use window::{LONGEST, Window};
pub use yearly::{YearDay, Yearly};
pub use zone::Zone;

/// What is wrong with a crontab expression.
pub type CronError = Malformed;
/// What is wrong with a list of days.
pub type DaysError = Malformed;
