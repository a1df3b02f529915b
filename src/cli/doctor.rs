//! `doctor`: tries what a night depends on, and changes nothing: mail servers, hosts, hooks, locks, disk, clock.
mod here;
mod hosts;
mod programs;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;

use super::args::DoctorArgs;
use super::load::Context;
use super::out::Out;
use super::table::Paint;
use crate::config::{Loaded, Purpose};
use crate::daemon::startup;
use crate::exit::Exit;
use crate::text::clean;

/// The longest that one part may take: longer than what bounds it by itself.
const PATIENCE: Duration = Duration::from_secs(180);

/// Hosts with which all is well that are shown one by one, for people.
const HOSTS: usize = 20;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Good,
    /// A night goes well all the same, or this cannot be told from here.
    Warning,
    /// A night would fail.
    Failure,
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `mail`, `host`, `configuration`, `state`, `locks`, `clock`, `zones`, `daemon`.
    pub part: &'static str,
    /// Which of them; empty where there is one.
    pub name: String,
    pub level: Level,
    /// From outside, in part.
    pub text: String,
}

impl Finding {
    fn new(part: &'static str, name: &str, level: Level, text: impl Into<String>) -> Self {
        Self {
            part,
            name: name.to_owned(),
            level,
            text: text.into(),
        }
    }
}

/// # Errors
/// A refused configuration; output that cannot be written.
pub fn run(args: &DoctorArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let _logging = super::logging::start(context)?;
    let loaded = context.load_for(Purpose::Check)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut findings = here::all(&loaded, context);
    findings.extend(runtime.block_on(elsewhere(&loaded, args)));
    findings.sort_by(|a, b| (a.part, &a.name).cmp(&(b.part, &b.name)));
    runtime.shutdown_background();
    let failed = findings.iter().any(|f| f.level == Level::Failure);
    if context.json {
        out.json(&findings)?;
    } else {
        for finding in worst_first(&findings) {
            show(&finding, out)?;
        }
        let count = |level| findings.iter().filter(|f| f.level == level).count();
        out.line(format_args!(
            "{} good, {} to be looked at, {} failed",
            count(Level::Good),
            count(Level::Warning),
            count(Level::Failure)
        ))?;
    }
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

/// What is wrong stands at the top, and of very many good hosts there is one line.
fn worst_first(findings: &[Finding]) -> Vec<Finding> {
    let is_well = |f: &&Finding| f.part == "host" && f.level == Level::Good;
    let well = findings.iter().filter(is_well).count();
    let many = well > HOSTS;
    let mut shown: Vec<Finding> = findings
        .iter()
        .filter(|finding| !many || !is_well(finding))
        .cloned()
        .collect();
    if many {
        let text = format!("{well} are reached, and what runs there is there");
        shown.push(Finding::new("hosts", "", Level::Good, text));
    }
    shown.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    shown
}

fn show(finding: &Finding, out: &mut Out<'_>) -> std::io::Result<()> {
    let mark = match finding.level {
        Level::Good => out.painted(Paint::Good, "good   "),
        Level::Warning => out.painted(Paint::Warn, "warning"),
        Level::Failure => out.painted(Paint::Bad, "FAILED "),
    };
    let name = match &*finding.name {
        "" => String::new(),
        name => format!(" {}", clean(name)),
    };
    let (part, text) = (finding.part, clean(&finding.text));
    out.line(format_args!("{mark}  {part}{name}: {text}"))
}

/// Mail servers and hosts, at once.
async fn elsewhere(loaded: &Loaded, args: &DoctorArgs) -> Vec<Finding> {
    let mut asked: JoinSet<Vec<Finding>> = JoinSet::new();
    match startup::mailer(&loaded.settings) {
        Ok(Some(mailer)) => {
            asked.spawn(async move {
                let tried = mailer.try_out().await.into_iter();
                tried.map(|(name, why)| mail(&name, why)).collect()
            });
        }
        Ok(None) if loaded.policy.maintenance.is_empty() => {}
        Ok(None) => {
            let text = "no [mail]: nobody could be told";
            let finding = Finding::new("mail", "", Level::Failure, text);
            asked.spawn(async move { vec![finding] });
        }
        Err(error) => {
            let finding = Finding::new("mail", "", Level::Failure, error.to_string());
            asked.spawn(async move { vec![finding] });
        }
    }
    hosts::ask(&loaded.policy, &args.hosts, &mut asked);
    let all = asked.len();
    let mut findings = Vec::new();
    let shown = std::io::stderr().is_terminal();
    let say = |text: &str| {
        // Whoever does not see it misses nothing.
        let _ = std::io::stderr().write_all(text.as_bytes());
    };
    loop {
        if shown && all > 1 {
            say(&format!("\rasked {} of {all} ", all - asked.len()));
        }
        match tokio::time::timeout(PATIENCE, asked.join_next()).await {
            Ok(Some(Ok(found))) => findings.extend(found),
            Ok(Some(Err(error))) => findings.push(Finding::new(
                "doctor",
                "",
                Level::Warning,
                format!("something was not asked to its end: {error}"),
            )),
            Ok(None) => break,
            Err(_) => {
                let text = format!("{} did not answer within 3 minutes", asked.len());
                findings.push(Finding::new("doctor", "", Level::Failure, text));
                break;
            }
        }
    }
    if shown && all > 1 {
        say("\r\x1b[K");
    }
    findings
}

fn mail(name: &str, why: Option<String>) -> Finding {
    match why {
        None => Finding::new("mail", name, Level::Good, "it could take a message now"),
        Some(why) => Finding::new("mail", name, Level::Failure, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_first_and_many_good_hosts_are_one_line() {
        let host = |n: usize, level| Finding::new("host", &format!("h{n:02}"), level, "said");
        let mut findings = vec![Finding::new("clock", "", Level::Good, "right")];
        findings.extend((0..HOSTS).map(|n| host(n, Level::Good)));
        assert_eq!(worst_first(&findings).len(), HOSTS + 1);
        findings.extend([
            host(97, Level::Good),
            host(98, Level::Warning),
            host(99, Level::Failure),
        ]);
        let shown = worst_first(&findings);
        let lines: Vec<String> = shown
            .iter()
            .map(|f| format!("{} {}", f.part, f.name))
            .collect();
        assert_eq!(lines, ["host h99", "host h98", "clock ", "hosts "]);
    }
}
