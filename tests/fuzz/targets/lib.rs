//! What is read from outside, fed with any bytes: one function a target, which panics where something must not be.
//!
//! Used twice: `tests/fuzz/run` lets libFuzzer call them, and `tests/seeds.rs` calls them with the kept seeds.
pub mod config;
pub mod contacts;
pub mod control;
pub mod cron;
pub mod days;
pub mod duration_instant;
pub mod fixture;
pub mod http;
pub mod ics;
pub mod launcher_wire;
pub mod mail_answer;
pub mod night;
pub mod open;
mod safe;
pub mod state;
pub mod state_file;
pub mod text;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// By the name of the target, of its seeds and of its dictionary.
pub const ALL: [(&str, Target); 15] = [
    ("config", config::run),
    ("contacts", contacts::run),
    ("control", control::run),
    ("cron", cron::run),
    ("days", days::run),
    ("duration_instant", duration_instant::run),
    ("http", http::run),
    ("ics", ics::run),
    ("launcher_wire", launcher_wire::run),
    ("mail_answer", mail_answer::run),
    ("night", night::run),
    ("open", open::run),
    ("state", state::run),
    ("state_file", state_file::run),
    ("text", text::run),
];
