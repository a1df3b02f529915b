//! What operators ask of a live daemon: one JSON object a line each way, over a socket that its owner can open, and a group
//! where that is configured. Who may change something is decided by what the kernel says of the other end.
//!
//! | file | holds |
//! |---|---|
//! | `wire` | requests and replies |
//! | `server` | the daemon's side |
//! | `peer` | who asks, and what they may |
//! | `wishes` | looked at, tried on a copy, recorded |
//! | `client` | the command's side |
//! | `restart` | starting anew when nothing is under way |
//! | `reading` | commands that only read, run for who cannot read the files |
//! | `rooms` | how many at once, of whom |
//! | `watch` | following one rehearsal among the events |
mod client;
mod peer;
mod reading;
mod restart;
mod rooms;
mod server;
mod watch;
mod wire;
mod wishes;

pub use client::{ControlError, ask, connect, read, rehearse, trouble, wait};
pub use peer::Peer;
pub use reading::Readings;
pub use server::{Ears, bind, serve};
pub use watch::{Watch, active_session};
pub use wire::{Look, Reading, Reply, Request, Rows, Seen};
