//! `notice`: what people are told, and whether it arrives.
mod preview;
mod test;

use super::args::NoticeCommand;
use super::load::Context;
use super::out::Out;
use crate::exit::Exit;

/// Shows a notice, or sends a test.
///
/// # Errors
/// Those of the two commands.
pub fn run(command: &NoticeCommand, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    match command {
        NoticeCommand::Preview(args) => preview::run(args, context, out),
        NoticeCommand::Test(args) => test::run(args, context, out),
    }
}
