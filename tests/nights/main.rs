//! Whole nights with the built program: real processes, mails, files and signals. Each test has a folder of its own,
//! and waits for what happens, not for time. Most of their time is spent sleeping until a window of seconds opens:
//! `cargo test --test nights -- --test-threads=8` is quicker than the default of one a core.
#![allow(
    clippy::panic,
    clippy::print_stderr,
    reason = "tests say what went wrong"
)]

#[path = "../support/promtool.rs"]
mod promtool;
mod scene;
#[path = "../support/smtp.rs"]
mod smtp;

mod clock;
mod config;
mod dry;
mod figures;
mod fresh;
mod hosts;
mod http;
mod hung;
mod locks;
mod logs;
mod machine;
mod machines;
mod night;
mod notify;
mod output;
mod periodic;
mod ping;
mod readers;
mod recovery;
mod rehearse;
mod sending;
mod service;
mod silent;
mod slow;
mod sshd;
mod state;
mod templates;
mod timeouts;
mod unannounced;
mod wishes;
mod words;
