//! `notice`: what people are told, and whether it arrives.
mod preview;
mod test;

use super::args::NoticeCommand;
use super::load::Context;
use super::out::{Out, note};
use crate::config::Loaded;
use crate::daemon::templates;
use crate::exit::Exit;
use crate::text::clean;

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

/// Says which templates fail, where the built-in ones are used instead.
fn note_templates(loaded: &Loaded) {
    for why in templates::failing(&loaded.settings.templates) {
        note(&clean(&why));
    }
}
