//! The durable record: an append-only table of facts in SQLite, and the state that they fold to.
//!
//! | file | holds |
//! |---|---|
//! | `writer` | [`Store`], the one writer |
//! | `reader` | [`Reader`], for everybody else |
//! | `memory` | [`MemoryStore`], for what is played and not done |
//! | `history` | the lines of the history and how they are looked up |
//! | `prune` | what may be forgotten |
//! | `files` | the files, and whether they can be trusted |
//! | `log` | whether the log beside the file is whole |
//! | `reserve` | room for the worst night: a file that is given up when the disk is full |
//! | `row`, `schema` | how a fact is a row; the tables and their versions |
//! | `error` | what can go wrong |
//!
//! A sequence number `next` stands for "all facts before this one": a state loaded at `next` is the fold of the facts
//! `1..next`, and the next fact gets the number `next`.

mod connect;
mod error;
mod files;
mod history;
mod load;
mod log;
mod memory;
mod prune;
mod reader;
mod reserve;
mod row;
mod schema;
mod writer;

use std::fmt::Display;

use jiff::Timestamp;

use crate::core::fact::Fact;
use crate::core::state::State;

pub use error::StoreError;
pub use files::set_aside;
pub use history::{HistoryFilter, HistoryRow, Line};
pub use memory::MemoryStore;
pub use prune::{Keep, Pruned};
pub use reader::Reader;
pub use writer::Store;

/// Where facts are kept: [`Store`] on disk, [`MemoryStore`] for dry runs and simulations.
pub trait Facts {
    /// The state as of all facts recorded, and the number the next fact will have.
    fn load<E: Display>(
        &self,
        fold: impl FnMut(&mut State, Timestamp, &Fact) -> Result<(), E>,
    ) -> Result<(State, u64), StoreError>
    where
        Self: Sized;

    /// Records the facts in order, the first with the number `expected`, and returns the number after the last.
    ///
    /// On return they are durable. After an error or a crash all of them are recorded or none is; the same call may
    /// be repeated, also with more facts after these: what turns out to be recorded already is not recorded again.
    fn append(&mut self, expected: u64, facts: &[(Timestamp, Fact)]) -> Result<u64, StoreError>;

    /// Keeps the state as of all facts before `next`, so that loading need not fold them again and they may be
    /// pruned. After an error or a crash the snapshot is the one before or this one.
    fn snapshot(&mut self, state: &State, next: u64) -> Result<(), StoreError>;

    /// Frees what was kept for a full disk; whether there was anything. Nothing is kept in memory.
    fn make_room(&mut self) -> bool {
        false
    }

    /// Whether that was freed, by [`Facts::make_room`] or while the state was opened, since this was last asked.
    fn room_was_given(&mut self) -> bool {
        false
    }

    /// Keeps something for a full disk again; false where there is no room for it.
    fn keep_room(&mut self) -> bool {
        true
    }

    /// Forgets a bounded number of facts that `keep` does not ask for. Only what the snapshot covers is forgotten,
    /// so the state never depends on it.
    fn prune(&mut self, keep: &Keep, now: Timestamp) -> Result<Pruned, StoreError>;
}
