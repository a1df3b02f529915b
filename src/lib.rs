//! offhours: a maintenance-window orchestrator.
//!
//! The map, from the outside in. A module may use what stands below it, or to its right on the same line, and nothing
//! else: `tests/architecture.rs` reads this table.
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | one file per command |
//! | [`simulate`] | the daemon's loop over a made-up world |
//! | [`control`] | what other processes ask of the daemon |
//! | [`daemon`] | the loop, the performer of effects, startup and shutdown |
//! | [`http`], [`systemd`], [`mail`], [`ping`], [`ssh`], [`process`], [`store`], [`surroundings`], [`logs`], [`lock`], [`clock`] | the shell: everything that touches the machine |
//! | [`config`] | `windows.toml`: text to policy, all problems at once |
//! | [`core`] | what is decided: calendar, plan, session, recovery. Pure: no clock, no file, no process |
//! | [`text`], [`exit`] | what may reach a terminal; the exit codes |
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod core;
pub mod daemon;
pub mod exit;
pub mod http;
pub mod lock;
pub mod logs;
pub mod mail;
pub mod ping;
pub mod process;
pub mod simulate;
pub mod ssh;
pub mod store;
pub mod surroundings;
pub mod systemd;
pub mod text;
