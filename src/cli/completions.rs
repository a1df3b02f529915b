//! `completions SHELL`: what clap writes, with the names of the configuration and the state.
use clap::CommandFactory;
use clap_complete::Shell;

use super::args::{Cli, CompletionsArgs};
use super::out::Out;
use crate::exit::Exit;

/// # Errors
/// What cannot be written.
pub fn run(args: &CompletionsArgs, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "offhours", &mut script);
    let script = String::from_utf8(script)?;
    if args.shell == Shell::Zsh {
        zsh(&script, out)?;
        return Ok(Exit::Ok);
    }
    for line in script.lines() {
        out.line(format_args!("{line}"))?;
    }
    match args.shell {
        Shell::Bash => out.line(format_args!("{BASH}"))?,
        Shell::Fish => {
            for (commands, of) in NAMED {
                out.line(format_args!(
                    "complete -c offhours -f -n '__fish_seen_subcommand_from {commands}' -a '(offhours internal-names {of} 2>/dev/null)'"
                ))?;
            }
        }
        _ => {}
    }
    Ok(Exit::Ok)
}

/// Which commands take which names.
const NAMED: [(&str, &str); 6] = [
    ("request approve", "maintenance"),
    ("explain history", "jobs"),
    ("pause resume leave rehearse", "apps"),
    ("cancel postpone", "sessions"),
    ("windows", "windows"),
    ("logs", "runs"),
];

/// What is written is completed by names of the configuration and the state, where it is no option.
const BASH: &str = r#"
_offhours_named() {
    _offhours "$@"
    local word="${COMP_WORDS[COMP_CWORD]}" last="${COMP_WORDS[COMP_CWORD-1]}" of=""
    [[ $word == -* ]] && return 0
    case $last in
    --hosts | --host) of=hosts ;;
    --session) of=sessions ;;
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

const ZSH: &str = r#"
_offhours_named() {
    local of=$1
    shift
    local -a names
    names=(${(f)"$(_call_program names offhours internal-names $of 2>/dev/null)"})
    compadd "$@" -a names
}
"#;

/// The words of an argument that nothing is known of are completed by names, where there are some.
fn zsh(script: &str, out: &mut Out<'_>) -> anyhow::Result<()> {
    let mut command = "";
    for (at, line) in script.lines().enumerate() {
        if let Some(name) = line.strip_prefix('(').and_then(|l| l.strip_suffix(')')) {
            command = name;
        }
        let positional = [r"':", r"'::", r"'*::"]
            .iter()
            .any(|start| line.starts_with(start));
        let of = match positional {
            true => named(command),
            false if line.contains("]:HOST:") => Some("hosts"),
            false if line.contains("]:ID:") => Some("sessions"),
            false => None,
        };
        match (of, line.rsplit_once(":_default'")) {
            (Some(of), Some((before, after))) => {
                out.line(format_args!("{before}:{{_offhours_named {of}}}'{after}"))?;
            }
            // For the daemon alone.
            _ if line.starts_with("'--columns=") => {}
            _ => out.line(format_args!("{line}"))?,
        }
        if at == 0 {
            out.line(format_args!("{ZSH}"))?;
        }
    }
    Ok(())
}

fn named(command: &str) -> Option<&'static str> {
    let mut all = NAMED.iter();
    let found = all.find(|(commands, _)| commands.split(' ').any(|name| name == command));
    found.map(|(_, of)| *of)
}
