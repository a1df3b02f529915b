//! offhours: a maintenance-window orchestrator.
//!
//! The map, from the outside in. Arrows point down this list only: a module may use what stands below it, never above.
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | one file per command |
//! | [`daemon`] | the loop, the performer of effects, startup and shutdown |
//! | [`simulate`] | the same loop over a made-up world |
//! | [`http`], [`control`], [`systemd`], [`mail`], [`process`], [`store`], [`lock`], [`logs`], [`surroundings`], [`clock`] | the shell: everything that touches the machine |
//! | [`config`] | `windows.toml`: text to policy, all problems at once |
//! | [`core`] | what is decided: calendar, plan, session, recovery. Pure: no clock, no file, no process |
//! | [`exit`] | the exit codes |
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
pub mod process;
pub mod simulate;
pub mod store;
pub mod surroundings;
pub mod systemd;
pub mod text;
