//! Events as one line for people.
use std::fmt;

use jiff::SignedDuration;

use super::line::{Happening, Line};
use super::when::span;
use crate::core::run::Outcome;
use crate::core::session::Code;

impl Happening {
    /// In words, for people.
    fn words(self) -> &'static str {
        match self {
            Self::DaemonStarted => "daemon started",
            Self::DaemonStopped => "daemon stopped",
            Self::DaemonKilled => "daemon killed",
            Self::ClockStepped => "clock stepped",
            Self::Suspended => "machine was asleep",
            Self::PlanChanged => "plan changed",
            Self::SessionOpened => "session known",
            Self::SessionPlanned => "session planned",
            Self::SessionAnnounced => "session announced",
            Self::SessionChanged => "session changed",
            Self::SessionStarting => "session is about to start",
            Self::SessionEntering => "app is taken out of service",
            Self::SessionActive => "app is in maintenance",
            Self::SessionLeaving => "app is brought back",
            Self::SessionLeft => "app is back",
            Self::SessionReopened => "second round",
            Self::SessionPostponed => "session postponed",
            Self::SessionClosed => "session closed",
            Self::EnterStarted => "enter hook started",
            Self::EnterEnded => "enter hook ended",
            Self::LeaveStarted => "leave hook started",
            Self::LeaveEnded => "leave hook ended",
            Self::RunStarted => "run started",
            Self::RunEnded => "run ended",
            Self::StepEnded => "step ended",
            Self::RunSkipped => "run skipped",
            Self::RunDeferred => "run put off",
            Self::QuestionStarted => "asked",
            Self::QuestionEnded => "answered",
            Self::AlarmStarted => "alarm command started",
            Self::AlarmEnded => "alarm command ended",
            Self::NoticeAccepted => "notice accepted",
            Self::NoticeDelayed => "notice not accepted yet",
            Self::NoticeRefused => "notice refused",
            Self::NoticeGivenUp => "notice given up",
            Self::Asked => "asked for",
            Self::PauseEnded => "pause is over",
            Self::Alarm => "ALARM",
            Self::AttentionRaised => "needs attention",
            Self::AttentionCleared => "no longer needs attention",
        }
    }
}

/// The event without its instant, on one line: `run ended: os-updates on local, succeeded after 12 s (run 42)`.
/// Words from outside have lost their line breaks and control characters.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(question) = self.question {
            write!(f, "{question} ")?;
        }
        f.write_str(match self.event {
            Happening::StepEnded if !self.has_run() => "step not run",
            event => event.words(),
        })?;
        let mut parts = Parts { f, first: true };
        if let Some(key) = self.key.as_ref().filter(|_| self.text.is_none()) {
            parts.add(format_args!("{key}"))?;
        }
        match (&self.job, &self.host) {
            (Some(job), Some(host)) => parts.add(format_args!("{job} on {host}"))?,
            (Some(job), None) => parts.add(format_args!("{job}"))?,
            (None, Some(host)) => parts.add(format_args!("on {host}"))?,
            (None, None) => {}
        }
        if let Some(session) = &self.session {
            parts.add(format_args!("{session}"))?;
        }
        if let Some(recipient) = &self.recipient {
            let kind = self.kind.unwrap_or("notice");
            parts.add(format_args!("{kind} to {}", one_line(recipient)))?;
        }
        self.result(&mut parts)?;
        if let Some(run) = &self.run {
            let attempt = self.attempt.unwrap_or(1);
            match attempt {
                1 => write!(parts.f, " (run {run})")?,
                n => write!(parts.f, " (run {run}, attempt {n})")?,
            }
        }
        Ok(())
    }
}

impl Line {
    /// Whether a step that ended is one that was begun.
    fn has_run(&self) -> bool {
        let good = |outcome: Outcome| outcome == Outcome::Succeeded;
        self.outcome
            .is_some_and(|outcome| good(outcome) || outcome.is_bad())
    }

    fn result(&self, parts: &mut Parts<'_, '_>) -> fmt::Result {
        if let Some(outcome) = self.outcome {
            match self.elapsed {
                Some(elapsed) => {
                    parts.add(format_args!("{} after {}", outcome.word(), took(elapsed)))?;
                }
                None => parts.add(format_args!("{}", outcome.word()))?,
            }
        }
        // Where words follow they tell the code, too.
        if let Some(code) = self.exit_code.filter(|c| *c != 0 && self.text.is_none()) {
            parts.add(format_args!("exit code {code}"))?;
        }
        if let Some(count) = self.dues {
            parts.add(format_args!("{count} due instants"))?;
        }
        if let Some(step) = self.step {
            parts.add(format_args!(
                "by {}{}",
                if step.is_negative() { "-" } else { "+" },
                took(step)
            ))?;
        }
        if let Some(lasted) = self.lasted {
            parts.add(format_args!("for {}", took(lasted)))?;
        }
        match (&self.text, self.reason) {
            // The words are the name of a job.
            (Some(text), Some(reason)) if reason == Code::Stopped.word() => {
                let why = Code::Stopped.words();
                parts.add(format_args!("{why}: {}", one_line(text)))?;
            }
            (Some(text), _) => parts.add(format_args!("{}", one_line(text)))?,
            (None, Some(reason)) => parts.add(format_args!("{}", reason.replace('_', " ")))?,
            (None, None) => {}
        }
        if let Some(next) = self.next {
            parts.add(format_args!("next {next:.0}"))?;
        }
        Ok(())
    }
}

struct Parts<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    first: bool,
}

impl Parts<'_, '_> {
    fn add(&mut self, part: fmt::Arguments<'_>) -> fmt::Result {
        self.f.write_str(if self.first { ": " } else { ", " })?;
        self.first = false;
        self.f.write_fmt(part)
    }
}

/// Tenths of a second where they count.
fn took(d: SignedDuration) -> String {
    let d = d.abs();
    match d.as_secs() {
        0..60 => format!("{:.1} s", d.as_secs_f64()),
        _ => span(d),
    }
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
