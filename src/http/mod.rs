//! What is read over HTTP: the page, the status, the metrics, the calendar, whether the daemon lives. Nothing can be changed.
//!
//! Whoever may connect learns states, times and outcomes. Who has the token also learns addresses, hosts and what
//! commands said. Calendar programs can send no header: a second token, in the address, opens all of the calendar and
//! nothing else. Every connection carries one request, and is bounded in time, size and number.
mod access;
mod calendar;
mod metrics;
mod page;
mod serve;
mod snapshot;
mod source;

pub use access::Access;
pub use calendar::Calendar;
pub use serve::{HttpError, bind, converse, serve};
pub use snapshot::Snapshot;
pub use source::{Asked, Source};
