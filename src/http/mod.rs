//! What is read over HTTP: the page, the status, the metrics, whether the daemon lives. Nothing can be changed.
//!
//! Whoever may connect learns states, times and outcomes. Who has the token also learns addresses, hosts and what
//! commands said. Every connection carries one request, and is bounded in time, size and number.
mod access;
mod metrics;
mod page;
mod serve;
mod snapshot;
mod source;

pub use access::Access;
pub use serve::{HttpError, bind, converse, serve};
pub use snapshot::Snapshot;
pub use source::{Asked, Source};
