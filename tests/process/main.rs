//! Runs with real processes: what is started, what is told, and above all what is left.
mod crash;
mod ending;
mod flood;
mod groups;
mod lab;
mod locks;
mod output;
mod start;
