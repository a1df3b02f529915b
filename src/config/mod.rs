//! `windows.toml`: from text to policy, all problems at once.
//!
//! Texts are read with suspicion ([`trust`](self)), parsed into trees whose every value knows its place, merged, and
//! read entry by entry into the policy; what is wrong is told and left out, so that one load tells everything.

mod ahead;
mod app;
mod command;
mod control;
pub mod duration;
mod env;
mod files;
mod freeze;
mod host;
pub mod instant;
pub mod keys;
mod load;
mod mail;
mod maintenance;
mod note;
mod notice;
mod order;
mod people;
mod periodic;
mod ping;
mod problem;
mod programs;
mod reading;
mod recurrence;
mod render;
mod settings;
pub mod size;
mod source;
mod templates;
mod tree;
mod trust;
mod twice;
mod values;
mod window;

pub use control::{ControlConfig, ControlRole};
pub use env::Env;
pub use files::LARGEST_FILE;
pub use host::refused_place;
pub use load::{Loaded, NotFound, Purpose, Refused, find, load};
pub use mail::{Host as MailHost, MailConfig, SmtpConfig, Tls, Way};
pub use note::{ClockChange, Note};
pub use people::Roles;
pub use ping::{PingAddress, PingConfig, Pinged, shown};
pub use problem::{Problem, Related, Severity};
pub use programs::PATH;
pub use render::{json, render};
pub use settings::{HttpConfig, Settings};
pub use source::{Place, Source, Sources};
pub use templates::TemplateFiles;
