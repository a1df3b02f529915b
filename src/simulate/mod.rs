//! The daemon's own loop over a world in which nothing is done: dry runs.
//!
//! | file | holds |
//! |---|---|
//! | `pretend` | a world that answers every effect as if it went well |
//! | `dry` | `run --dry-run`: the real clock, a copy of the state, nothing performed |
mod dry;
mod pretend;

pub use dry::dry_run;
pub use pretend::Pretend;
