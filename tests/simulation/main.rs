//! The daemon's own loop in virtual time: many months, many faults, and what must hold in all of them.

mod generate;
mod invariants;
mod rules;
mod scene;
mod seeds;
