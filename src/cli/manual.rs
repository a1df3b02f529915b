//! `man FOLDER`: the manual pages, for packages.

use std::fs;

use anyhow::Context as _;
use clap::CommandFactory;

use super::args::{Cli, ManArgs};
use super::out::Out;
use crate::exit::Exit;

/// One page for the program, and one for each command.
///
/// # Errors
/// What cannot be written.
pub fn man(args: &ManArgs, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let folder = &args.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut count = 0;
    let mut commands = vec![("offhours".to_owned(), Cli::command())];
    while let Some((name, command)) = commands.pop() {
        let shown = command
            .clone()
            .display_name(name.clone())
            .bin_name(name.replace("-", " "));
        let mut page = Vec::new();
        clap_mangen::Man::new(shown)
            .title(name.to_uppercase())
            .render(&mut page)?;
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
        count += 1;
        let below = command.get_subcommands().filter(|c| c.get_name() != "help");
        commands.extend(below.map(|c| (format!("{name}-{}", c.get_name()), c.clone())));
    }
    out.line(format_args!("{count} pages in {}", folder.display()))?;
    Ok(Exit::Ok)
}
