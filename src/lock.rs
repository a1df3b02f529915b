//! Locks that people and programs can share: plain `flock`s on files that are never removed.
