//! A dead man's switch: addresses elsewhere are told that a job began, succeeded or failed, and that the daemon lives, so
//! that somebody notices when nothing is said any more. The convention is that of healthchecks.io: `URL/start`, `URL`,
//! `URL/fail` or `URL/EXIT-CODE`, with the run as `rid`.
//!
//! Nothing waits for an answer and no decision depends on one. What is told is bounded in number, size and time; where
//! it cannot be told in time, only what came last is. An address is a secret and is shown up to its host only.
mod client;
mod pinger;
mod run;

pub use client::SetupError;
pub use pinger::{Pinger, Times};
