//! `plan`: what will happen?
mod against;

use jiff::Timestamp;

use super::args::{Limit, PlanArgs};
use super::load::{self, Context};
use super::out::Out;
use super::table::{Cell, Paint, Table};
use crate::core::calendar::Zone;
use crate::core::plan::{Plan, PlannedRun, PlannedSession, PlannedStep, Source, plan};
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
    if let Some(old) = &args.against {
        return against::run(old, &loaded, (from, until), args.limit, context, out);
    }
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
    let mut shown = plan.sessions.iter().take(most).peekable();
    while let Some(first) = shown.peek() {
        let night = night(policy, first);
        let mut table = Table::indented(2);
        while let Some(session) = shown.next_if(|s| self::night(policy, s) == night) {
            session_rows(policy, session, limit, &mut table);
        }
        out.line(format_args!(""))?;
        heading(out, &night)?;
        out.table(&table)?;
    }
    out.more(plan.sessions.len().saturating_sub(most))?;
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
        let (mut left, mut shown) = (&plan.periodic[..], 0);
        while let Some(run) = left.first().filter(|_| shown < most) {
            let zone = policy
                .periodic
                .get(&run.job)
                .map_or(&policy.zone, |job| &job.zone);
            // On many hosts at once it is one line.
            let alike = |other: &PlannedRun| (other.at, base(other)) == (run.at, base(run));
            let together = left.iter().take_while(|other| alike(other)).count();
            let what = match together {
                1 => run.job.to_string(),
                hosts => format!("{} on {hosts} hosts", base(run)),
            };
            table.row([when(zone, run.at).into(), what.into()]);
            left = left.get(together..).unwrap_or_default();
            shown += 1;
        }
        out.table(&table)?;
        out.more(left.len())?;
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

/// The name of a job, without the host where it has one on each.
fn base(run: &PlannedRun) -> &str {
    let of_host = run.job.strip_suffix(&*run.host);
    let base = of_host.and_then(|job| job.strip_suffix('@'));
    base.unwrap_or(&run.job)
}

/// The night a session belongs to: the day on which its occurrence opens.
fn night(policy: &Policy, session: &PlannedSession) -> String {
    let zone = zone_of(policy, session);
    let opens = zone.zoned(session.opens);
    opens.strftime("%a %Y-%m-%d %:z").to_string()
}

fn zone_of<'a>(policy: &'a Policy, session: &PlannedSession) -> &'a Zone {
    policy
        .windows
        .get(&session.window)
        .map_or(&policy.zone, |window| &window.zone)
}

fn session_rows(policy: &Policy, session: &PlannedSession, limit: Limit, table: &mut Table) {
    let zone = zone_of(policy, session);
    let closes = format!("closes {}", clock(zone, session.closes));
    table.row([
        Cell::painted(times(zone, session.starts, session.ends), Paint::Bold),
        Cell::painted(&session.id, Paint::Bold),
        format!("about {}", span(session.expected)).into(),
        format!("{}; {closes}", told(policy, zone, session)).into(),
    ]);
    let window = policy.windows.get(&session.window);
    if let Some(change) = window.and_then(|w| clock_change(w, &session.occurrence())) {
        let change = Cell::painted(change, Paint::Warn);
        table.row([Cell::default(), Cell::default(), Cell::default(), change]);
    }
    let most = if limit.all { usize::MAX } else { STEPS };
    for step in session.steps.iter().take(most) {
        table.row([
            format!("  {}", times(zone, step.starts, step.ends)).into(),
            format!("  {}", on(&step.job, &step.host)).into(),
            span(step.estimate).into(),
            Cell::painted(note(step), Paint::Dim),
        ]);
    }
    let more = session.steps.len().saturating_sub(most);
    if more > 0 {
        let words = format!(
            "  … {}, use --all",
            counted(more, "more step", "more steps")
        );
        table.row([Cell::default(), Cell::painted(words, Paint::Dim)]);
    }
}

/// When people are told.
fn told(policy: &Policy, zone: &Zone, session: &PlannedSession) -> String {
    let notify = policy.apps.get(&session.app).map(|app| &app.notify);
    let people: usize = notify
        .into_iter()
        .flatten()
        .map(|audience| audience.people.len())
        .sum();
    let people = counted(people, "recipient", "recipients");
    // Of the same day the clock is enough.
    let day = |t| zone.date(t);
    let by = if day(session.announce_at) == day(session.notice_by) {
        clock(zone, session.notice_by)
    } else {
        short(zone, session.notice_by)
    };
    match session.phase {
        Phase::Asking | Phase::Planned => format!(
            "{people} told {}, at the latest {by}",
            short(zone, session.announce_at)
        ),
        Phase::Announced | Phase::Starting => format!("{people} told"),
        phase => phase.word().to_owned(),
    }
}

/// How the length of a step is known, and what it depends on.
fn note(step: &PlannedStep) -> String {
    let source = match step.source {
        Source::Given => String::new(),
        Source::Learned { runs } => {
            format!("learned from {}", counted(runs, "run", "runs"))
        }
        Source::Timeout => "its timeout".to_owned(),
        Source::Announced => "as announced".to_owned(),
    };
    match (step.if_needed, source.is_empty()) {
        (true, true) => "if needed".to_owned(),
        (true, false) => format!("if needed, {source}"),
        (false, _) => source,
    }
}

fn clock(zone: &Zone, t: Timestamp) -> String {
    zone.zoned(t).strftime("%H:%M").to_string()
}

fn short(zone: &Zone, t: Timestamp) -> String {
    zone.zoned(t).strftime("%a %H:%M").to_string()
}

fn times(zone: &Zone, from: Timestamp, until: Timestamp) -> String {
    format!("{} - {}", clock(zone, from), clock(zone, until))
}

fn on(job: &str, host: &str) -> String {
    match host {
        LOCAL => job.to_owned(),
        host => format!("{job} on {host}"),
    }
}

#[cfg(test)]
mod tests;
