//! `windows.toml`: from text to policy, all problems at once.
pub mod duration;
mod env;
pub mod instant;
mod problem;
mod render;
pub mod size;
mod source;

pub use env::Env;
pub use problem::{Problem, Related, Severity};
pub use render::{json, render};
pub use source::{Place, Source, Sources};
