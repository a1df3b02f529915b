//! `cron`: when does this expression fire?
use super::args::CronArgs;
use super::load::{self, Context};
use super::out::{Out, note};
use super::refusal::{Refusal, usage};
use crate::core::calendar::{CronExpr, Zone};
use crate::core::report::when;
use crate::exit::Exit;

/// Lists the instants strictly after `--from`. Needs no configuration, but takes its zone where there is one.
///
/// # Errors
/// When expression, zone or time cannot be read, or the expression can never match.
pub fn run(args: &CronArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let zone = match &args.time_zone {
        Some(name) => Zone::named(name).map_err(usage)?,
        None => context
            .load()
            .map_or_else(|_| Zone::utc(), |loaded| loaded.policy.zone),
    };
    let expr = CronExpr::parse(&args.expr).map_err(|e| usage(format!("{:?}: {e}", args.expr)))?;
    if expr.never_matches() {
        let text = format!("{:?} can never match", args.expr);
        return Err(Refusal {
            exit: Exit::Failed,
            text,
        }
        .into());
    }
    let from = load::time(&args.from, &zone, context.now)?;
    let count = usize::try_from(args.count).unwrap_or(usize::MAX);
    let mut listed = 0;
    let instants = expr
        .instants(&zone, from)
        .take(count)
        .inspect(|_| listed += 1);
    if context.json {
        out.json_array(instants.map(Ok))?;
    } else {
        for instant in instants {
            out.line(format_args!("{}", when(&zone, instant)))?;
        }
    }
    if listed < count {
        note("there are no more: schedules are known up to the year 2100");
    }
    Ok(Exit::Ok)
}
