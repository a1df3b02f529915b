//! `plan --against OLD`: what would changing the file do?
use std::path::Path;

use jiff::Timestamp;

use super::on;
use crate::cli::args::Limit;
use crate::cli::load::{self, Context};
use crate::cli::out::Out;
use crate::cli::table::{Cell, Paint, Table};
use crate::config::Loaded;
use crate::core::against::against;
use crate::core::policy::Policy;
use crate::core::report::{AgainstView, ChangeView, SideView, counted, span, when};
use crate::exit::Exit;

/// Prints what differs, as `diff` does: nothing, and 0, where nothing does.
///
/// # Errors
/// When one of the configurations or the state is refused.
pub fn run(
    old: &Path,
    new: &Loaded,
    (from, until): (Timestamp, Timestamp),
    limit: Limit,
    context: &Context,
    out: &mut Out<'_>,
) -> anyhow::Result<Exit> {
    let old = context.load_other(old)?;
    let state = load::state(new)?;
    let against = against(&old.policy, &new.policy, &state, from, until);
    let view = AgainstView::new(&against);
    if context.json {
        out.json(&view)?;
    } else {
        show(&new.policy, &view, limit, out)?;
    }
    Ok(if view.same { Exit::Ok } else { Exit::Failed })
}

fn show(
    policy: &Policy,
    view: &AgainstView<'_>,
    limit: Limit,
    out: &mut Out<'_>,
) -> anyhow::Result<()> {
    if view.same {
        return Ok(());
    }
    let (from, until) = (
        when(&policy.zone, view.from),
        when(&policy.zone, view.until),
    );
    out.line(format_args!("{from} until {until}"))?;
    let most = limit.for_people();
    if !view.sessions.is_empty() {
        heading(out, "sessions")?;
        let mut table = Table::indented(2);
        for change in view.sessions.iter().take(most) {
            table.row(row(policy, change));
        }
        out.table(&table)?;
        out.more(view.sessions.len().saturating_sub(most))?;
    }
    let periodic = [
        ("new", &view.periodic.added),
        ("gone", &view.periodic.removed),
        ("at other times", &view.periodic.moved),
    ];
    if periodic.iter().any(|(_, jobs)| !jobs.is_empty()) {
        heading(out, "periodic jobs")?;
        let mut table = Table::indented(2);
        for (what, jobs) in periodic.into_iter().filter(|(_, jobs)| !jobs.is_empty()) {
            let mut named: Vec<&str> = jobs.iter().take(most).map(|job| &**job).collect();
            let more = jobs.len().saturating_sub(most);
            let more = format!("{more} more, see --json");
            if jobs.len() > most {
                named.push(&more);
            }
            table.row([what.into(), Cell::new(named.join(", "))]);
        }
        out.table(&table)?;
        if let Some(until) = view.periodic.compared_until {
            let until = when(&policy.zone, until);
            let note = format!("  compared until {until}: a plan lists no more runs");
            let note = out.painted(Paint::Dim, &note);
            out.line(format_args!("{note}"))?;
        }
    }
    if view.notices.is_empty() {
        out.line(format_args!("\nnobody would be told at once"))?;
        return Ok(());
    }
    heading(out, "mails that would be sent at once")?;
    let mut table = Table::indented(2);
    for notice in view.notices.iter().take(most) {
        let session = notice.session.unwrap_or_default();
        table.row([
            Cell::new(notice.kind),
            session.into(),
            notice.recipient.into(),
            Cell::painted(notice.reason, Paint::Dim),
        ]);
    }
    out.table(&table)?;
    out.more(view.notices.len().saturating_sub(most))?;
    Ok(())
}

fn heading(out: &mut Out<'_>, text: &str) -> anyhow::Result<()> {
    let text = out.painted(Paint::Bold, text);
    out.line(format_args!("\n{text}"))?;
    Ok(())
}

fn row(policy: &Policy, change: &ChangeView<'_>) -> [Cell; 4] {
    let (sign, paint) = match (&change.before, &change.after) {
        (None, _) => ("+", Paint::Good),
        (_, None) => ("-", Paint::Bad),
        _ => ("~", Paint::Warn),
    };
    let zone = policy
        .windows
        .get(change.window)
        .map_or(&policy.zone, |window| &window.zone);
    let at = |side: &Option<SideView<'_>>| side.as_ref().map(|side| when(zone, side.course.starts));
    let times = match (at(&change.before), at(&change.after)) {
        (Some(before), Some(after)) if before != after => format!("{before} -> {after}"),
        (Some(at), _) | (None, Some(at)) => at,
        (None, None) => String::new(),
    };
    let shown = change.after.as_ref().or(change.before.as_ref());
    [
        Cell::painted(sign, paint),
        times.into(),
        shown.map_or("", |side| side.id).into(),
        words(change).into(),
    ]
}

fn words(change: &ChangeView<'_>) -> String {
    let mut words = change.changes.join(", ");
    if let (Some(before), Some(after)) = (&change.before, &change.after) {
        if before.course.expected != after.course.expected {
            words += &format!(
                ", about {} instead of {}",
                span(after.course.expected),
                span(before.course.expected)
            );
        }
        let list = |sign: char, steps: &[crate::core::report::StepName<'_>]| {
            const NAMED: usize = 3;
            let named = steps.iter().take(NAMED);
            let mut list: String = named
                .map(|step| format!(" {sign}{}", on(step.job, step.host)))
                .collect();
            if let Some(more) = steps.len().checked_sub(NAMED).filter(|more| *more > 0) {
                list += &format!(" {sign}{}", counted(more, "more step", "more steps"));
            }
            list
        };
        let (added, removed) = (list('+', &change.added), list('-', &change.removed));
        if !added.is_empty() || !removed.is_empty() {
            words += &format!(":{added}{removed}");
        }
    }
    if change.restarts_lead {
        words += "; the lead starts anew";
    } else if change.announced {
        words += "; people were told";
    }
    words
}
