//! `check`: is the configuration good?
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::CheckArgs;
use super::load::{self, Context};
use super::out::{Out, said};
use super::table::{Paint, Table};
use crate::config::{self, Note, Problem, Purpose, Sources};
use crate::core::calendar::Zone;
use crate::core::policy::Policy;
use crate::core::report::{FreezeView, counted, freezes};
use crate::daemon::templates;
use crate::exit::Exit;
use crate::text::clean;

/// Freezes that are shown to people.
const MOST_FREEZES: usize = 40;

/// Nights that are shown to people.
const MOST_CHANGES: usize = 40;

/// Prints all problems: as JSON where asked, else for people, on standard error as a compiler does.
///
/// # Errors
/// When no file is found, or the output cannot be written.
pub fn run(args: &CheckArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let path = context.path()?;
    let now = from(args, &path, context)?;
    match config::load(&path, &context.env, now, Purpose::Check) {
        Ok(loaded) => {
            // Tried here, for config knows nothing of mail.
            let broken = templates::problems(&loaded.settings.templates);
            if !broken.is_empty() {
                let all = [broken, loaded.warnings].concat();
                problems(&all, &loaded.sources, Notes::default(), context, out)?;
                return Ok(Exit::Config);
            }
            let freezes = freezes(&loaded.policy, now);
            let notes = Notes {
                clock_changes: &loaded.notes,
                freezes: &freezes,
            };
            problems(&loaded.warnings, &loaded.sources, notes, context, out)?;
            let refused = args.strict && !loaded.warnings.is_empty();
            if !context.json {
                let verdict = if refused {
                    out.painted(Paint::Bad, "refused: with --strict a warning is an error")
                } else {
                    out.painted(Paint::Good, "good")
                };
                let sum = sum(&loaded.policy);
                out.line(format_args!(
                    "{}: {verdict} ({sum})",
                    loaded.settings.file.display()
                ))?;
                clock_changes(&loaded.notes, out)?;
                show(&freezes, out)?;
            }
            Ok(if refused { Exit::Config } else { Exit::Ok })
        }
        Err(refused) => {
            let none = Notes::default();
            problems(&refused.problems, &refused.sources, none, context, out)?;
            Ok(Exit::Config)
        }
    }
}

/// A time of day is that of the file's own zone, where that can be read.
fn from(args: &CheckArgs, path: &Path, context: &Context) -> anyhow::Result<Timestamp> {
    if args.from == "now" {
        return Ok(context.now);
    }
    let zone = match config::load(path, &context.env, context.now, Purpose::Read) {
        Ok(loaded) => loaded.policy.zone,
        Err(_) => Zone::utc(),
    };
    load::time(&args.from, &zone, context.now)
}

/// What nobody needs to mend.
#[derive(Clone, Copy, Default)]
struct Notes<'a> {
    clock_changes: &'a [Note],
    freezes: &'a [FreezeView],
}

fn problems(
    problems: &[Problem],
    sources: &Sources,
    notes: Notes<'_>,
    context: &Context,
    out: &mut Out<'_>,
) -> anyhow::Result<()> {
    if context.json {
        let mut all = config::json(problems, notes.clock_changes);
        if let Some(all) = all.as_array_mut() {
            all.extend(notes.freezes.iter().map(information));
        }
        out.json(&all)?;
    } else if !problems.is_empty() {
        said(config::render(problems, sources, context.colour).trim_end());
    }
    Ok(())
}

/// What nobody needs to mend, so that it is on standard output, after the verdict.
fn clock_changes(notes: &[Note], out: &mut Out<'_>) -> anyhow::Result<()> {
    if notes.is_empty() {
        return Ok(());
    }
    out.line(format_args!(""))?;
    out.line(format_args!("clock changes in the next two years"))?;
    let mut table = Table::indented(2);
    let all = notes
        .iter()
        .flat_map(|note| note.clock_changes.iter().map(move |change| (note, change)));
    for (note, change) in all.clone().take(MOST_CHANGES) {
        let day = change.date.strftime("%a %F").to_string();
        table.row([
            (&*note.window).into(),
            day.into(),
            change.text.as_str().into(),
        ]);
    }
    out.table(&table)?;
    let more = all.count().saturating_sub(MOST_CHANGES);
    if more > 0 {
        out.line(format_args!("  … {more} more, --json has them all"))?;
    }
    Ok(())
}

/// In the shape of a problem, with keys of its own.
fn information(freeze: &FreezeView) -> Value {
    json!({
        "severity": "note",
        "file": null, "line": null, "column": null, "hint": null, "related": [],
        "message": format!("`freeze.{}`: {}", freeze.freeze, freeze.text),
        "freeze": freeze.freeze,
        "spans": freeze.spans,
    })
}

/// What nobody needs to mend, so that it is on standard output, after the verdict.
fn show(freezes: &[FreezeView], out: &mut Out<'_>) -> anyhow::Result<()> {
    if freezes.is_empty() {
        return Ok(());
    }
    out.line(format_args!(""))?;
    out.line(format_args!("freezes"))?;
    for FreezeView { freeze, text, .. } in freezes.iter().take(MOST_FREEZES) {
        out.line(format_args!("  {freeze}: {}", clean(text)))?;
    }
    let more = freezes.len().saturating_sub(MOST_FREEZES);
    if more > 0 {
        out.line(format_args!("  … {more} more, --json has them all"))?;
    }
    Ok(())
}

fn sum(policy: &Policy) -> String {
    [
        counted(policy.windows.len(), "window", "windows"),
        counted(policy.apps.len(), "app", "apps"),
        counted(
            policy.maintenance.len(),
            "maintenance job",
            "maintenance jobs",
        ),
        counted(policy.periodic.len(), "periodic job", "periodic jobs"),
    ]
    .join(", ")
}
