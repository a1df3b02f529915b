//! `plan`: what will happen?
use super::args::{Limit, PlanArgs};
use super::load::{self, Context};
use super::out::Out;
use super::table::{Cell, Paint, Table};
use crate::core::calendar::Zone;
use crate::core::plan::{Plan, PlannedSession, PlannedStep, plan};
use crate::core::policy::{LOCAL, Policy};
use crate::core::report::{PlanView, clock_change, counted, span, when};
use crate::core::session::Phase;
use crate::exit::Exit;

const DEFAULT_DAYS: u32 = 7;
/// Steps shown of one session, unless all are asked for.
const STEPS: usize = 10;

/// Prints sessions, steps, notices, periodic runs and what has no place.
///
/// # Errors
/// When configuration or state are refused, or a time cannot be read.
pub fn run(args: &PlanArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load()?;
    let policy = &loaded.policy;
    let from = load::time(&args.from, &policy.zone, context.now)?;
    let until = match &args.until {
        Some(until) => load::until(until, from, &policy.zone, context.now)?,
        None => load::days_after(from, args.days.unwrap_or(DEFAULT_DAYS)),
    };
    let state = load::state(&loaded)?;
    let plan = plan(policy, &state, from, until);
    if context.json {
        let limit = args.limit.for_programs();
        out.json(&PlanView {
            policy,
            plan: &plan,
            limit,
        })?;
    } else {
        show(policy, &plan, args.limit, out)?;
    }
    Ok(Exit::Ok)
}

/// The plan for people.
pub(super) fn show(
    policy: &Policy,
    plan: &Plan,
    limit: Limit,
    out: &mut Out<'_>,
) -> anyhow::Result<()> {
    let most = limit.for_people();
    let heading = |out: &mut Out<'_>, text: &str| {
        let text = out.painted(Paint::Bold, text);
        out.line(format_args!("{text}"))
    };
    let span_words = format!(
        "{} until {}",
        when(&policy.zone, plan.from),
        when(&policy.zone, plan.until)
    );
    out.line(format_args!("{span_words}"))?;
    if !plan.sessions.is_empty() {
        out.line(format_args!(""))?;
        heading(out, "sessions")?;
        for session in plan.sessions.iter().take(most) {
            show_session(policy, session, limit, out)?;
        }
        out.more(plan.sessions.len().saturating_sub(most))?;
    }
    if !plan.unplanned.is_empty() {
        out.line(format_args!(""))?;
        heading(out, "put off")?;
        let mut table = Table::indented(2);
        for unplanned in plan.unplanned.iter().take(most) {
            let reason = &unplanned.reason;
            let words = if reason.text.is_empty() {
                reason.code.words()
            } else {
                &reason.text
            };
            let next = match unplanned.next_chance {
                Some(next) => format!("next chance {}", when(&policy.zone, next)),
                None => "no next chance in this span".to_owned(),
            };
            let job = on(&unplanned.job, &unplanned.host);
            table.row([job.into(), Cell::painted(words, Paint::Warn), next.into()]);
        }
        out.table(&table)?;
        out.more(plan.unplanned.len().saturating_sub(most))?;
    }
    if !plan.periodic.is_empty() {
        out.line(format_args!(""))?;
        heading(out, "periodic runs")?;
        let mut table = Table::indented(2);
        for run in plan.periodic.iter().take(most) {
            let zone = policy
                .periodic
                .get(&run.job)
                .map_or(&policy.zone, |job| &job.zone);
            table.row([when(zone, run.at).into(), on(&run.job, &run.host).into()]);
        }
        out.table(&table)?;
        out.more(plan.periodic.len().saturating_sub(most))?;
        if plan.periodic_cut {
            out.line(format_args!(
                "  and more than are counted: choose a shorter span"
            ))?;
        }
    }
    if plan.sessions.is_empty() && plan.periodic.is_empty() && plan.unplanned.is_empty() {
        out.line(format_args!("nothing is planned"))?;
    }
    Ok(())
}

fn show_session(
    policy: &Policy,
    session: &PlannedSession,
    limit: Limit,
    out: &mut Out<'_>,
) -> anyhow::Result<()> {
    let window = policy.windows.get(&session.window);
    let zone = window.map_or(&policy.zone, |window| &window.zone);
    let recipients: usize = policy.apps.get(&session.app).map_or(0, |app| {
        app.notify
            .iter()
            .map(|audience| audience.people.len())
            .sum()
    });
    let people = counted(recipients, "recipient", "recipients");
    let told = match session.phase {
        Phase::Asking | Phase::Planned => format!(
            "to be announced {}, at the latest {}, to {people}",
            when(zone, session.announce_at),
            when(zone, session.notice_by)
        ),
        Phase::Announced | Phase::Starting => format!("announced to {people}"),
        phase => phase.word().to_owned(),
    };
    let id = out.painted(Paint::Bold, &session.id);
    out.line(format_args!(
        "  {}  {id}  about {}, window closes {}",
        when(zone, session.starts),
        span(session.expected),
        when(zone, session.closes)
    ))?;
    if let Some(change) = window.and_then(|w| clock_change(w, &session.occurrence())) {
        let change = out.painted(Paint::Warn, &change);
        out.line(format_args!("    {change}"))?;
    }
    out.line(format_args!("    {told}"))?;
    let most = if limit.all { usize::MAX } else { STEPS };
    let mut table = Table::indented(4);
    for step in session.steps.iter().take(most) {
        let note = if step.if_needed { "if needed" } else { "" };
        table.row([
            clock(zone, step).into(),
            on(&step.job, &step.host).into(),
            span(step.estimate).into(),
            Cell::painted(note, Paint::Dim),
        ]);
    }
    out.table(&table)?;
    let more = session.steps.len().saturating_sub(most);
    if more > 0 {
        out.line(format_args!("    … {more} more steps, use --all"))?;
    }
    Ok(())
}

fn clock(zone: &Zone, step: &PlannedStep) -> String {
    let clock = |t| zone.zoned(t).strftime("%H:%M").to_string();
    format!("{} - {}", clock(step.starts), clock(step.ends))
}

fn on(job: &str, host: &str) -> String {
    match host {
        LOCAL => job.to_owned(),
        host => format!("{job} on {host}"),
    }
}

#[cfg(test)]
mod tests;
