//! Runs on other hosts, over SSH, so that nothing of them is left behind there either, and nothing is claimed that was
//! not heard.
//!
//! ```text
//! daemon                                       host
//!   `- supervisor (process/child)
//!        `- offhours internal-ssh  ..........  sh, the runner: locks, marker, lifeline
//!             lifeline, output, words            `- timeout, leader of a session
//!                   \                                  `- the job
//!                    ssh, the master of the host
//! ```
//!
//! A run on a host is a run here, of a client that holds the lifeline: what ends the client, ends the job on the host.
//! One connection a host, kept by [`Masters`], carries all runs, questions and probes of it. A connection that breaks
//! leaves a run whose end is unknown; it is bounded on the host, and its marker there can be asked for the end
//! ([`ask()`]).
//!
//! What is executed on a host is constant text. Arguments, variables and scripts go over standard input, and only to a
//! runner that has said that it is ready, so that whatever fails before has started nothing.
//!
//! | module | side | what it is |
//! |---|---|---|
//! | [`destination`] | daemon | where to, and the configuration that `ssh` is given |
//! | [`masters`] | daemon | one live connection a host |
//! | [`order`], [`verdict`] | both | what to run on a host; what was heard of it |
//! | [`client`] | client | `offhours internal-ssh` |
//! | [`mod@ask`] | daemon | what became of a run |
//! | [`mod@probe`], [`mod@programs`] | daemon | what a host lacks; of what is to run on it, too |
//! | `conversation` | both | the words between here and the texts that are executed on the host |
pub mod ask;
pub mod client;
mod conversation;
pub mod destination;
mod folder;
pub mod masters;
pub mod order;
pub mod probe;
pub mod programs;
mod unreachable;
pub mod verdict;

pub use ask::{Fate, ask};
pub use destination::Destination;
pub use masters::Masters;
pub use order::Order;
pub use probe::{Found, probe};
pub use programs::{Flaw, Wanted, programs};
pub use unreachable::Unreachable;
pub use verdict::Verdict;
