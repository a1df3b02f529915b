//! The commands: arguments, what is printed, exit codes.
pub mod args;
pub mod out;
pub mod refusal;
pub mod table;

