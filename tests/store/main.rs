//! The store, on real files: one suite over both implementations, and what only a disk can do.

mod conformance;
mod crash;
mod damage;
mod full;
mod history;
mod lasting;
mod pruning;
mod reading;
mod scale;
mod support;
