//! What is decided, and nothing else: no clock, no file, no process, no randomness. `now` is an argument.
//!
//! | file | holds |
//! |---|---|
//! | `policy` | what the operator declared |
//! | `calendar/` | windows, occurrences, freezes, schedules |
//! | `state`, `session`, `run`, `notice`, `notices` | what happened so far |
//! | `fact`, `apply` | what is recorded, and the only function that changes the state |
//! | `plan` | what will happen |
//! | `proof` | what waits until another job has proven itself |
//! | `event`, `decide/`, `effect` | what happened outside, what follows, what is to be done |
//! | `against`, `foresee` | what changing the configuration, or an operator's wish, would do |
//! | `wish` | what operators ask for |
//! | `wakeup` | when to look again |
//! | `recover` | what follows a start |
//! | `report` | the state in words and numbers, for people and programs |
pub mod against;
pub mod agenda;
pub mod apply;
pub mod calendar;
pub mod contract;
pub mod decide;
pub mod effect;
pub mod event;
pub mod fact;
pub mod foresee;
pub mod letter;
pub mod notice;
pub mod notices;
pub mod plan;
pub mod policy;
pub mod proof;
pub mod recover;
pub mod report;
pub mod run;
pub mod session;
pub mod state;
pub mod wakeup;
pub mod wish;
