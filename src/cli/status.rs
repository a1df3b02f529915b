//! `status`: is all well, and if not, what waits for me?
mod bars;
pub(super) mod follow;

use super::args::StatusArgs;
use super::history::paint;
use super::load::{self, Context};
use super::out::Out;
use super::refusal::refused;
use super::table::{Cell, Paint, Table};
use crate::config::Loaded;
use crate::control;
use crate::core::calendar::Zone;
use crate::core::plan::outlook;
use crate::core::policy::{LOCAL, Policy};
use crate::core::report::{
    AppState, Lock, Next, RunningItem, Status, relative, span, status, when,
};
use crate::exit::Exit;
use crate::surroundings;
use crate::text::clean;
use jiff::{SignedDuration, Timestamp};

/// A daemon serves commands by then.
const STARTS_WITHIN: SignedDuration = SignedDuration::from_secs(30);
/// How far ahead the next sessions are looked for.
const DAYS: u32 = 35;
/// Lines of a part, for people.
const LINES: usize = 12;
/// Sessions to come, for people.
const SESSIONS: usize = 5;

/// Prints what is; works with the daemon down. [`Exit::Failed`] when something waits for a person.
///
/// # Errors
/// When configuration or state are refused.
pub fn run(args: &StatusArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load()?;
    if args.follow {
        return follow::here(loaded, context, out);
    }
    let status = of(&loaded, context.now)?;
    if context.json {
        out.json(&status)?;
    } else {
        show(&loaded.policy, &status, args.bars, out)?;
    }
    Ok(if status.well { Exit::Ok } else { Exit::Failed })
}

/// What is, from the record, the daemon and the machine.
pub(super) fn of(loaded: &Loaded, now: Timestamp) -> anyhow::Result<Status> {
    let policy = &loaded.policy;
    let mut state = load::state(loaded)?;
    let mut silent = None;
    let settings = &loaded.settings;
    let shell = surroundings::shell(&settings.state_dir, &state, now)
        .map_err(|e| refused(e.to_string()))?;
    if shell.daemon.running {
        // That it can record nothing it says itself; where it cannot be asked, its disk shows most of it.
        match control::trouble(&settings.control.socket) {
            Ok((trouble, runs)) => {
                state.live.unwritable = trouble;
                control::Seen::show(runs, &mut state);
            }
            Err(error) => {
                let trouble = surroundings::takes_nothing(&settings.state_dir);
                state.live.unwritable = trouble.map(Into::into);
                // One that has just been started has no socket yet.
                let since = shell.daemon.since;
                let old = since.is_some_and(|since| now.duration_since(since) > STARTS_WITHIN);
                let hangs = matches!(error, control::ControlError::Silent);
                silent = Some(error.to_string()).filter(|_| hangs || old);
            }
        }
    }
    let plan = outlook(policy, &state, now, load::days_after(now, DAYS));
    let status = status(policy, &state, &plan, now).with(policy, shell);
    Ok(match silent {
        Some(why) => status.silent(&why),
        None => status,
    })
}

/// The status for people: what waits for somebody first.
pub(super) fn show(
    policy: &Policy,
    status: &Status,
    bars: bool,
    out: &mut Out<'_>,
) -> anyhow::Result<()> {
    let zone = &policy.zone;
    let verdict = match status.counts.attention {
        _ if status.well => out.painted(Paint::Good, "all is well"),
        0 => out.painted(Paint::Bad, &status.state.text),
        1 => out.painted(Paint::Bad, "1 matter waits for a person"),
        n => out.painted(Paint::Bad, &format!("{n} matters wait for a person")),
    };
    out.line(format_args!(
        "{verdict} ({}, {})",
        status.name,
        when(zone, status.now)
    ))?;
    attention(status, out)?;
    wishes(zone, status, out)?;
    running(zone, status, bars, out)?;
    apps(zone, status, out)?;
    next(policy, status, out)?;
    periodic(zone, status, out)?;
    locks(status, out)?;
    parts(zone, status, out)
}

fn attention(status: &Status, out: &mut Out<'_>) -> anyhow::Result<()> {
    let matters = status.matters();
    for item in &matters {
        let age = span(status.now.duration_since(item.since));
        let mark = out.painted(Paint::Bad, "!");
        // Never cut to the width of the terminal: this is what one came for.
        out.line(format_args!(
            "  {mark} {} ({}, for {age})",
            clean(&item.text),
            item.kind
        ))?;
    }
    let said = matters.iter().map(|item| item.count).sum();
    note(out, status.counts.attention.saturating_sub(said))?;
    let ran = matters.iter().any(|item| item.kind != "daemon_down");
    if ran {
        let hint = "offhours history --failed: what happened; offhours logs RUN: what it printed";
        let hint = out.painted(Paint::Dim, hint);
        out.line(format_args!("  {hint}"))?;
    }
    Ok(())
}

/// What operators have asked for, and is not over.
fn wishes(zone: &Zone, status: &Status, out: &mut Out<'_>) -> anyhow::Result<()> {
    for pause in &status.paused {
        let what = pause.app.as_deref().unwrap_or("everything");
        let end = match pause.until {
            Some(until) => format!(
                "until {} ({})",
                when(zone, until),
                relative(until, status.now)
            ),
            None => "until somebody resumes it".to_owned(),
        };
        let mark = out.painted(Paint::Warn, "paused");
        out.line(format_args!(
            "  {mark} {what} {end}: {} ({})",
            clean(&pause.reason),
            clean(&pause.by)
        ))?;
    }
    for request in status.requested.iter().take(LINES) {
        let mark = out.painted(Paint::Warn, "requested");
        let waits = match &request.approval {
            Some(role) => format!("; it waits for {role}: `offhours approve {}`", request.job),
            None => String::new(),
        };
        out.line(format_args!(
            "  {mark} {} since {}: {} ({}){waits}",
            request.job,
            when(zone, request.at),
            clean(&request.reason),
            clean(&request.by)
        ))?;
    }
    note(out, status.requested.len().saturating_sub(LINES))
}

fn running(zone: &Zone, status: &Status, bars: bool, out: &mut Out<'_>) -> anyhow::Result<()> {
    if status.running.is_empty() && status.rollouts.is_empty() {
        return Ok(());
    }
    heading("running", out)?;
    let mut table = Table::indented(2);
    for item in status.running.iter().take(LINES) {
        let state = match (&item.unheard, &item.waiting, item.stop_by) {
            (Some(unheard), ..) => {
                let until = when(zone, unheard.until);
                let text = format!(
                    "how it ended is not known, the host is asked until {until}: {}",
                    clean(&unheard.why)
                );
                Cell::painted(text, Paint::Warn)
            }
            _ if item.cut_off => {
                Cell::painted("cut off: the daemon that started it is gone", Paint::Warn)
            }
            (_, Some(holder), _) => {
                Cell::painted(format!("waits for {}", clean(holder)), Paint::Warn)
            }
            (.., Some(stop_by)) => format!("ended by {}", when(zone, stop_by)).into(),
            (None, None, None) => Cell::default(),
        };
        let run = format!("run {}", item.run).into();
        let since = format!("for {}", span(status.now.duration_since(item.started))).into();
        if bars {
            let bar = bars::of_run(item, status.now).into();
            table.row([run, what(item).into(), since, bar, state]);
        } else {
            table.row([run, what(item).into(), since, state]);
        }
    }
    out.table(&table)?;
    note(out, status.counts.running.saturating_sub(LINES))?;
    for rollout in status.rollouts.iter().take(LINES) {
        let end = relative(rollout.expected_end, status.now);
        let bar = if bars {
            format!("{} ", bars::of_rollout(rollout))
        } else {
            String::new()
        };
        out.line(format_args!("  {bar}{}, done {end}", rollout.words()))?;
    }
    Ok(())
}

fn what(item: &RunningItem) -> String {
    let host = item.host.as_deref().filter(|h| *h != LOCAL);
    let on = host.map(|h| format!(" on {h}")).unwrap_or_default();
    let session = item
        .session
        .as_deref()
        .map(|s| format!(" ({s})"))
        .unwrap_or_default();
    match (&item.job, item.what) {
        (Some(job), "step" | "periodic") => format!("{job}{on}{session}"),
        (Some(job), what) => format!("{job} {what}{on}{session}"),
        (None, hook @ ("enter" | "leave")) => format!("{hook} hook{on}{session}"),
        (None, what) => format!("{what}{on}{session}"),
    }
}

fn apps(zone: &Zone, status: &Status, out: &mut Out<'_>) -> anyhow::Result<()> {
    if status.apps.is_empty() {
        return Ok(());
    }
    heading("apps", out)?;
    let mut table = Table::indented(2);
    for app in status.apps.iter().take(LINES) {
        let paint = if app.state == AppState::InService {
            Paint::Good
        } else {
            Paint::Warn
        };
        let since = app.since.map(|since| {
            format!(
                "since {} ({})",
                when(zone, since),
                span(status.now.duration_since(since))
            )
        });
        let session = app.session.as_deref().map(|session| match app.closes {
            Some(closes) => format!("{session}, window closes {}", relative(closes, status.now)),
            None => session.to_owned(),
        });
        table.row([
            Cell::from(&app.app),
            Cell::painted(app.state.word().replace('_', " "), paint),
            since.unwrap_or_default().into(),
            session.unwrap_or_default().into(),
        ]);
    }
    out.table(&table)?;
    note(out, status.counts.apps.saturating_sub(LINES))
}

fn next(policy: &Policy, status: &Status, out: &mut Out<'_>) -> anyhow::Result<()> {
    if status.next.is_empty() {
        return Ok(());
    }
    heading("next", out)?;
    for next in status.next.iter().take(SESSIONS) {
        let zone = policy
            .windows
            .get(&next.window)
            .map_or(&policy.zone, |window| &window.zone);
        let starts = when(zone, next.course.starts);
        let relative = relative(next.course.starts, status.now);
        let session = out.painted(Paint::Bold, &next.session);
        out.line(format_args!("  {starts} ({relative})  {session}"))?;
        let (told, paint) = told(zone, next);
        let told = out.painted(paint, &told);
        let jobs = jobs(next);
        out.line(format_args!(
            "    {jobs}, about {}; {told}",
            span(next.course.expected)
        ))?;
    }
    note(out, status.counts.next.saturating_sub(SESSIONS))
}

fn jobs(next: &Next) -> String {
    const NAMED: usize = 3;
    let mut names: Vec<String> = next
        .jobs
        .iter()
        .take(NAMED)
        .map(|job| match job.hosts {
            1 => job.job.to_string(),
            n => format!("{} on {n} hosts", job.job),
        })
        .collect();
    if next.jobs.len() > NAMED {
        names.push(format!("{} more", next.jobs.len() - NAMED));
    }
    names.join(", ")
}

fn told(zone: &Zone, next: &Next) -> (String, Paint) {
    let told = &next.announcement;
    let counted = format!("{} of {}", told.accepted, told.of);
    match told.state {
        "accepted" => (format!("announced ({counted})"), Paint::Good),
        "waiting" => {
            let by = when(zone, next.course.notice_by);
            (format!("{counted} accepted, needed by {by}"), Paint::Warn)
        }
        _ => (
            format!("to be announced {}", when(zone, next.course.announce_at)),
            Paint::Plain,
        ),
    }
}

fn periodic(zone: &Zone, status: &Status, out: &mut Out<'_>) -> anyhow::Result<()> {
    let periodic = &status.periodic;
    if periodic.jobs == 0 {
        return Ok(());
    }
    heading("periodic jobs", out)?;
    let mut sum = format!("{} of {} succeeded last", periodic.succeeded, periodic.jobs);
    if periodic.failed > 0 {
        sum.push_str(&format!(", {} failed", periodic.failed));
    }
    if periodic.running > 0 {
        sum.push_str(&format!(", {} running", periodic.running));
    }
    if periodic.never > 0 {
        sum.push_str(&format!(", {} not run yet", periodic.never));
    }
    out.line(format_args!("  {sum}"))?;
    let mut table = Table::indented(2);
    for failing in periodic.failing.iter().take(LINES) {
        let success = match failing.last_success {
            Some(success) => format!("last success {}", when(zone, success)),
            None => "never succeeded".to_owned(),
        };
        table.row([
            Cell::from(&failing.job),
            Cell::painted(failing.outcome.word(), paint(failing.outcome)),
            relative(failing.ended, status.now).into(),
            format!("{} in a row", failing.failures).into(),
            success.into(),
        ]);
    }
    for waits in periodic.waiting.iter().take(LINES) {
        table.row([
            Cell::from(&waits.job),
            Cell::painted("waits", Paint::Warn),
            format!("due {}", relative(waits.due, status.now)).into(),
            waits.reason.replace('_', " ").into(),
        ]);
    }
    out.table(&table)?;
    note(out, periodic.failed.saturating_sub(LINES))
}

fn locks(status: &Status, out: &mut Out<'_>) -> anyhow::Result<()> {
    // What is said of a run above need not be said of its lock.
    let listed = |lock: &&Lock| {
        let shown = status.running.iter().take(LINES);
        let mut runs = shown.map(|item| Some(&item.run));
        lock.run.is_some() && runs.any(|run| run == lock.run.as_ref())
    };
    let others = || status.shell.locks.iter().filter(|lock| !listed(lock));
    let count = others().count();
    if count == 0 {
        return Ok(());
    }
    heading("locks held", out)?;
    let mut table = Table::indented(2);
    for lock in others().take(LINES) {
        let by = match (&lock.holder, lock.pid) {
            (Some(holder), _) => format!("by {holder}"),
            (None, Some(pid)) => format!("by pid {pid}, not one of ours"),
            (None, None) => String::new(),
        };
        let age = lock
            .age
            .map(|age| format!("for {}", span(age)))
            .unwrap_or_default();
        table.row([Cell::from(&lock.name), age.into(), by.into()]);
    }
    out.table(&table)?;
    note(out, count.saturating_sub(LINES))
}

fn parts(zone: &Zone, status: &Status, out: &mut Out<'_>) -> anyhow::Result<()> {
    out.line(format_args!(""))?;
    let daemon = &status.shell.daemon;
    let mut words = if daemon.running {
        "running"
    } else {
        "not running"
    }
    .to_owned();
    if let Some(pid) = daemon.pid.filter(|_| daemon.running) {
        words.push_str(&format!(", pid {pid}"));
    }
    if let Some(since) = daemon.since.filter(|_| daemon.running) {
        words.push_str(&format!(", since {}", when(zone, since)));
    }
    let bad = |ok: bool| if ok { Paint::Plain } else { Paint::Bad };
    let mut table = Table::default();
    table.row(["daemon".into(), Cell::painted(words, bad(daemon.running))]);
    // Where nothing is known of the server, what it said to one of them.
    let answer = status.mail.answer.as_deref();
    let answer = answer.filter(|_| status.mail.failing_since.is_none());
    let answer = answer.map(|a| format!(": {a}")).unwrap_or_default();
    let mail = format!("{}{answer}", status.mail.text);
    table.row(["mail".into(), Cell::painted(mail, bad(status.mail.ok))]);
    table.row([
        "state".into(),
        Cell::painted(&status.state.text, bad(status.state.ok)),
    ]);
    table.row([
        "windows".into(),
        Cell::painted(&status.windows.text, bad(status.windows.ok)),
    ]);
    out.table(&table)?;
    Ok(())
}

fn heading(text: &str, out: &mut Out<'_>) -> anyhow::Result<()> {
    let text = out.painted(Paint::Bold, text);
    out.line(format_args!("\n{text}"))?;
    Ok(())
}

fn note(out: &mut Out<'_>, left_out: usize) -> anyhow::Result<()> {
    if left_out > 0 {
        let text = out.painted(Paint::Dim, &format!("… {left_out} more, with --json"));
        out.line(format_args!("  {text}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
