//! What operators ask of a live daemon: one JSON object a line each way, over a socket that only its owner can open.
//!
//! | file | holds |
//! |---|---|
//! | `wire` | requests and replies |
//! | `server` | the daemon's side |
//! | `client` | the command's side |
//! | `watch` | following one rehearsal among the events |
mod client;
mod server;
mod watch;
mod wire;

pub use client::{ControlError, rehearse, trouble};
pub use server::{Ears, bind, serve};
pub use watch::{Watch, active_session};
pub use wire::{Reply, Request};
