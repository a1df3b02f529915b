//! `check`: is the configuration good?
use super::args::CheckArgs;
use super::load::Context;
use super::out::Out;
use super::table::Paint;
use crate::config::{self, Problem, Purpose, Sources};
use crate::core::policy::Policy;
use crate::core::report::counted;
use crate::exit::Exit;

/// Prints all problems: as JSON where asked, else for people, on standard error as a compiler does.
///
/// # Errors
/// When no file is found, or the output cannot be written.
pub fn run(args: &CheckArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let path = context.path()?;
    match config::load(&path, &context.env, context.now, Purpose::Check) {
        Ok(loaded) => {
            problems(&loaded.warnings, &loaded.sources, context, out)?;
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
            }
            Ok(if refused { Exit::Config } else { Exit::Ok })
        }
        Err(refused) => {
            problems(&refused.problems, &refused.sources, context, out)?;
            Ok(Exit::Config)
        }
    }
}

fn problems(
    problems: &[Problem],
    sources: &Sources,
    context: &Context,
    out: &mut Out<'_>,
) -> anyhow::Result<()> {
    if context.json {
        out.json(&config::json(problems))?;
    } else if !problems.is_empty() {
        eprintln!(
            "{}",
            config::render(problems, sources, context.colour).trim_end()
        );
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
