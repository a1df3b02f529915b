//! The commands: arguments, what is printed, exit codes. One file per command.
pub mod args;
mod beside;
mod bring_back;
mod changes;
mod check;
mod completions;
mod cron;
mod doctor;
mod elsewhere;
mod explain;
#[cfg(test)]
mod fixture;
mod history;
mod job_names;
pub mod load;
mod logging;
mod logs;
mod manual;
pub mod memory;
mod monitor;
mod names;
mod notice;
pub mod out;
mod plan;
pub mod refusal;
mod rehearse;
mod restart;
mod run;
mod simulate;
mod status;
pub mod table;
mod windows;
mod wish;

use std::io::{self, BufWriter, IsTerminal};

use clap::Parser;

use self::args::{Cli, ColorWhen, Command};
use self::load::Context;
use self::out::Out;
use self::refusal::Refusal;
use crate::config::Env;
use crate::exit::Exit;
use crate::text;

/// Reads the command line, does what it says, and tells what went wrong.
pub fn main() -> Exit {
    let cli = Cli::parse();
    let mut stdout = BufWriter::new(io::stdout());
    let mut out = Out::stdout(&mut stdout, cli.color, cli.columns);
    let result = answer(&cli, &mut out).and_then(|exit| {
        out.flush()?;
        Ok(exit)
    });
    match result {
        Ok(exit) => exit,
        Err(error) => told(&error),
    }
}

fn answer(cli: &Cli, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let colour = match cli.color {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => io::stderr().is_terminal() && out.colour,
    };
    let context = Context {
        config: cli.config.clone(),
        env: Env::of_process(),
        json: cli.json,
        now: load::now(),
        colour,
    };
    let done = dispatch(cli, &context, out).or_else(|error| {
        let instead = elsewhere::instead(&cli.command, &context, out)?;
        instead.ok_or(error)
    });
    match (done, &cli.command) {
        // What cannot be looked at is never good, and said in its own way.
        (Err(error), Command::Monitor(_)) => monitor::unknown(&error, out),
        (done, _) => done,
    }
}

fn dispatch(cli: &Cli, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    match &cli.command {
        Command::Check(args) => check::run(args, context, out),
        Command::Windows(args) => windows::run(args, context, out),
        Command::Cron(args) => cron::run(args, context, out),
        Command::Plan(args) => plan::run(args, context, out),
        Command::Explain(args) => explain::run(args, context, out),
        Command::Status(args) => status::run(args, context, out),
        Command::Monitor(args) => monitor::run(args, context, out),
        Command::InternalNames(args) => names::run(args, context, out),
        Command::Completions(args) => completions::run(args, out),
        Command::Man(args) => manual::man(args, out),
        Command::History(args) => history::run(args, context, out),
        Command::Logs(args) => logs::run(args, context, out),
        Command::Simulate(args) => simulate::run(args, context, out),
        Command::Notice(command) => notice::run(command, context, out),
        Command::Run(args) => run::run(args, context),
        Command::Request(args) => wish::request(args, context, out),
        Command::Doctor(args) => doctor::run(args, context, out),
        Command::Restart(args) => restart::restart(args, context, out),
        Command::Approve(args) => wish::approve(args, context, out),
        Command::Cancel(args) => wish::cancel(args, context, out),
        Command::Postpone(args) => wish::postpone(args, context, out),
        Command::Pause(args) => wish::pause(args, context, out),
        Command::Resume(args) => wish::resume(args, context, out),
        Command::Leave(args) => wish::leave(args, context, out),
        Command::Rehearse(args) => rehearse::run(args, context, out),
    }
}

/// A reader that went away wants no more, and no complaint.
fn told(error: &anyhow::Error) -> Exit {
    let gone = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    if error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(gone))
    {
        return Exit::Ok;
    }
    let (exit, text) = match error.downcast_ref::<Refusal>() {
        Some(refusal) => (refusal.exit, refusal.text.clone()),
        None => (Exit::Failed, format!("{error:#}")),
    };
    // Several lines are problems of the configuration: they were made for people already.
    let shown = if text.trim_end().contains('\n') {
        text.trim_end().to_owned()
    } else {
        format!("offhours: {}", text::clean(&text))
    };
    out::said(&shown);
    exit
}
