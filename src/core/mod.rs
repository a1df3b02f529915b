//! What is decided, and nothing else: no clock, no file, no process, no randomness. `now` is an argument.
pub mod calendar;
pub mod policy;
