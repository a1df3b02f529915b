//! `completions SHELL` and `man FOLDER`: for packages and shells.

use std::fs;

use anyhow::Context as _;
use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs, ManArgs};
use super::out::Out;
use crate::exit::Exit;

/// # Errors
/// What cannot be written.
pub fn completions(args: &CompletionsArgs, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "offhours", &mut script);
    let script = String::from_utf8(script)?;
    for line in script.lines() {
        out.line(format_args!("{line}"))?;
    }
    if args.shell == clap_complete::Shell::Bash {
        out.line(format_args!("{NAMES}"))?;
    }
    if args.shell == clap_complete::Shell::Fish {
        for (commands, of) in NAMED {
            out.line(format_args!(
                "complete -c offhours -f -n '__fish_seen_subcommand_from {commands}' -a '(offhours internal-names {of} 2>/dev/null)'"
            ))?;
        }
    }
    Ok(Exit::Ok)
}

/// Which commands take which names.
const NAMED: [(&str, &str); 5] = [
    ("request approve", "maintenance"),
    ("explain history", "jobs"),
    ("pause resume leave rehearse", "apps"),
    ("cancel postpone", "sessions"),
    ("logs", "runs"),
];

/// What is written is completed by names of the configuration and the state, where it is no option.
const NAMES: &str = r#"
_offhours_named() {
    _offhours "$@"
    local word="${COMP_WORDS[COMP_CWORD]}" last="${COMP_WORDS[COMP_CWORD-1]}" of=""
    [[ $word == -* ]] && return 0
    case $last in
    --hosts) of=hosts ;;
    -*) return 0 ;;
    request | approve) of=maintenance ;;
    explain | history) of=jobs ;;
    pause | resume | leave | rehearse) of=apps ;;
    cancel | postpone) of=sessions ;;
    windows) of=windows ;;
    logs) of=runs ;;
    *) return 0 ;;
    esac
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" internal-names "$of" 2>/dev/null)" -- "$word"))
}
complete -F _offhours_named -o nosort -o bashdefault -o default offhours"#;

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
