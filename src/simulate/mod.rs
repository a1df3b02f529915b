//! The daemon's own loop over a world in which nothing is done: dry runs and simulations.
//!
//! | file | holds |
//! |---|---|
//! | `pretend` | a world that answers every effect as if it went well |
//! | `dry` | `run --dry-run`: the real clock, a copy of the state, nothing performed |
//! | `happening` | what can befall the machine |
//! | `befall` | what befalls the machine, from a seed |
//! | `fate` | how attempts and mails end: by chance, or as a script says |
//! | `machine` | virtual time: clocks, processes, locks, a mail server |
//! | `room` | the room on its disk |
//! | `lives` | the daemon's lives on that machine |
//! | `trace` | what really happened |
//! | `events` | the same as the daemon's event lines |
mod befall;
mod dry;
mod events;
mod fate;
mod happening;
mod lives;
mod machine;
mod pretend;
mod room;
mod trace;
mod wishes;

pub use befall::befall;
pub use dry::dry_run;
pub use events::Events;
pub use fate::{Dice, Fate, Faults, Post, PostScript, Script};
pub use happening::Happening;
pub use lives::{Broken, Close, Play, Played, play, watch};
pub use pretend::Pretend;
pub use trace::{Happened, Moment, Next, Onlooker, Trace};
pub use wishes::Longing;
