//! `explain JOB`: why does it not run now, and when will it?
use super::args::ExplainArgs;
use super::job_names::{no_such_job, on_host};
use super::load::{self, Context};
use super::out::Out;
use super::refusal::{refused, usage};
use super::table::{Cell, Paint, Table};
use crate::config::Loaded;
use crate::control;
use crate::core::calendar::Zone;
use crate::core::policy::{LOCAL, Policy};
use crate::core::report::{Explanation, HostExplanation, Question, explain, relative, when};
use crate::core::state::State;
use crate::exit::Exit;
use crate::surroundings;
use jiff::Timestamp;

/// Hosts that are shown one by one.
const HOSTS: usize = 5;

/// Prints the chain of rules for one job.
///
/// # Errors
/// When configuration or state are refused, or there is no such job.
pub fn run(args: &ExplainArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load()?;
    let policy = &loaded.policy;
    let now = load::time(&args.at, &policy.zone, context.now)?;
    let mut state = load::state(&loaded)?;
    let job = on_host(policy, &args.job, args.host.as_deref());
    let question = Question {
        job: &job,
        host: args.host.as_deref(),
        now,
        // Who asks of another time takes it that one runs then.
        is_served: now != context.now || is_served(&loaded, &mut state, now)?,
    };
    let Some(explanation) = explain(policy, &state, &question) else {
        return Err(no_such_job(policy, &args.job));
    };
    if let Some(host) = &args.host
        && explanation.hosts.is_empty()
    {
        return Err(usage(format!("{} does not run on {host:?}", args.job)));
    }
    if context.json {
        out.json(&explanation)?;
    } else {
        show(policy, &explanation, out)?;
    }
    Ok(Exit::Ok)
}

/// Whether a daemon runs; what it alone knows is added to the state.
fn is_served(loaded: &Loaded, state: &mut State, now: Timestamp) -> anyhow::Result<bool> {
    let settings = &loaded.settings;
    let shell = surroundings::shell(&settings.state_dir, state, now);
    if !shell.map_err(|e| refused(e.to_string()))?.daemon.running {
        return Ok(false);
    }
    if let Ok((trouble, runs)) = control::trouble(&settings.control.socket) {
        state.live.unwritable = trouble;
        control::Seen::show(runs, state);
    }
    Ok(true)
}

fn show(policy: &Policy, of: &Explanation, out: &mut Out<'_>) -> anyhow::Result<()> {
    let mut what = format!("a {} job", of.kind);
    if let Some(app) = &of.app {
        what += &format!(" of {app}");
    }
    if let Some(window) = &of.window {
        what += &format!(", in window {window}");
    }
    let name = out.painted(Paint::Bold, &of.job);
    out.line(format_args!(
        "{name}  {what} ({})",
        when(&policy.zone, of.now)
    ))?;
    // Hosts about which there is the same to be said are one.
    let mut groups: Vec<(&HostExplanation, usize)> = Vec::new();
    for host in &of.hosts {
        let same = |other: &HostExplanation| {
            (&other.chain, &other.next, other.running) == (&host.chain, &host.next, host.running)
        };
        let full = groups.len() >= HOSTS;
        match groups.iter_mut().find(|(first, _)| same(first)) {
            Some((_, count)) => *count += 1,
            None if full => {}
            None => groups.push((host, 1)),
        }
    }
    for (host, count) in &groups {
        show_host(&policy.zone, of, host, *count, out)?;
    }
    let shown: usize = groups.iter().map(|(_, count)| count).sum();
    match (of.hosts.len() + of.more_hosts).saturating_sub(shown) {
        0 => Ok(()),
        left_out => {
            let note = format!("… {left_out} more hosts; --host shows one of them");
            let note = out.painted(Paint::Dim, &note);
            Ok(out.line(format_args!("\n{note}"))?)
        }
    }
}

fn show_host(
    zone: &Zone,
    of: &Explanation,
    host: &HostExplanation,
    count: usize,
    out: &mut Out<'_>,
) -> anyhow::Result<()> {
    let others = match count {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    if &*host.host != LOCAL || of.hosts.len() > 1 {
        out.line(format_args!(
            "\non {}{others}",
            crate::text::clean(&host.host)
        ))?;
    }
    let verdict = match (host.running, host.reason) {
        (true, _) => out.painted(Paint::Good, "it is running"),
        (false, None) => out.painted(Paint::Good, "nothing keeps it from running now"),
        (false, Some(_)) => out.painted(Paint::Warn, "it does not run now"),
    };
    out.line(format_args!("  {verdict}"))?;
    let mut table = Table::indented(4);
    for link in &host.chain {
        let (mark, paint) = if link.holds {
            ("yes", Paint::Good)
        } else {
            ("no", Paint::Warn)
        };
        table.row([
            Cell::painted(mark, paint),
            Cell::new(&link.text),
            Cell::painted(link.reason.unwrap_or_default(), Paint::Dim),
        ]);
    }
    out.table(&table)?;
    let next = match &host.next {
        None if host.running => String::new(),
        None => "it will not run, as far as can be foreseen".to_owned(),
        Some(next) if next.at <= of.now => {
            let session = next.session.as_ref();
            let session = session.map_or(String::new(), |id| format!(", in {id}"));
            match host.reason {
                Some(_) => format!("it will run as soon as nothing keeps it{session}"),
                None => format!("it is about to run{session}"),
            }
        }
        Some(next) => {
            let at = when(zone, next.at);
            let session = next.session.as_ref();
            let session = session.map_or(String::new(), |id| format!(", in {id}"));
            let again = if host.running { " again" } else { "" };
            let far = relative(next.at, of.now);
            format!("it will run{again} on {at} ({far}){session}")
        }
    };
    if !next.is_empty() {
        out.line(format_args!("  {}", crate::text::clean(&next)))?;
    }
    if let Some((outcome, ended)) = host.last {
        let ended = when(zone, ended);
        out.line(format_args!("  its last run {} on {ended}", outcome.word()))?;
    }
    if let Some(success) = host.last_success {
        out.line(format_args!("  last success: {}", when(zone, success)))?;
    }
    Ok(())
}
