//! What a person wants to know of a play: a line a session and for what is out of the ordinary, and the sums.
use std::collections::BTreeMap;
use std::io;

use jiff::{SignedDuration, Timestamp};

use crate::cli::out::Out;
use crate::cli::table::{Paint, Table};
use crate::core::calendar::Zone;
use crate::core::report::{Happening, Line, counted, span, when};
use crate::core::run::Outcome;
use crate::text::clean;

/// One session so far.
#[derive(Default)]
struct Night {
    entered: Option<Timestamp>,
    inside: SignedDuration,
    steps: Counts,
}

/// Outcomes by how often.
#[derive(Default)]
struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn add(&mut self, outcome: Outcome, times: u64) {
        *self.0.entry(outcome.word()).or_default() += times;
    }

    fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    /// `28 succeeded, 2 failed`; what went well first.
    fn words(&self) -> String {
        let good = Outcome::Succeeded.word();
        let mut parts: Vec<String> = Vec::new();
        let rest = self.0.iter().filter(|(word, _)| **word != good);
        for (word, count) in self.0.get_key_value(good).into_iter().chain(rest) {
            parts.push(format!("{count} {word}"));
        }
        parts.join(", ")
    }
}

#[derive(Default)]
struct Inside {
    sessions: u64,
    sum: SignedDuration,
    longest: SignedDuration,
}

/// Counts events as they come.
pub struct Digest {
    zone: Zone,
    most: usize,
    rows: usize,
    nights: BTreeMap<String, Night>,
    sessions: Counts,
    inside: BTreeMap<String, Inside>,
    periodic: BTreeMap<String, Counts>,
    notices: BTreeMap<&'static str, u64>,
    alarms: u64,
    faults: BTreeMap<&'static str, u64>,
}

impl Digest {
    pub fn new(zone: &Zone, most: usize) -> Self {
        Self {
            zone: zone.clone(),
            most,
            rows: 0,
            nights: BTreeMap::new(),
            sessions: Counts::default(),
            inside: BTreeMap::new(),
            periodic: BTreeMap::new(),
            notices: BTreeMap::new(),
            alarms: 0,
            faults: BTreeMap::new(),
        }
    }

    /// Takes one event; a row for people where it deserves one.
    pub fn count(&mut self, line: &Line) -> Option<String> {
        let row = self.take(line)?;
        self.rows += 1;
        (self.rows <= self.most).then(|| format!("{}  {row}", when(&self.zone, line.at)))
    }

    fn take(&mut self, line: &Line) -> Option<String> {
        let fault = |faults: &mut BTreeMap<_, _>, word| *faults.entry(word).or_default() += 1;
        match line.event {
            Happening::EnterStarted | Happening::SessionEntering => {
                let night = self.night(line)?;
                night.entered.get_or_insert(line.at);
                None
            }
            Happening::SessionLeft => {
                let night = self.night(line)?;
                if let Some(entered) = night.entered.take() {
                    night.inside += line.at.duration_since(entered).max(SignedDuration::ZERO);
                }
                None
            }
            Happening::RunEnded if line.next.is_none() => {
                let outcome = line.outcome?;
                if line.session.is_some() {
                    self.night(line)?.steps.add(outcome, 1);
                } else {
                    self.job(line).add(outcome, 1);
                }
                None
            }
            Happening::RunSkipped => {
                self.job(line).add(Outcome::Skipped, line.dues.unwrap_or(1));
                None
            }
            Happening::SessionClosed => self.closed(line),
            Happening::NoticeAccepted => {
                fault(&mut self.notices, "accepted");
                None
            }
            Happening::NoticeRefused => {
                fault(&mut self.notices, "refused");
                Some(clean(&line.to_string()).into_owned())
            }
            Happening::NoticeGivenUp => {
                fault(&mut self.notices, "given up");
                Some(clean(&line.to_string()).into_owned())
            }
            Happening::Alarm => {
                self.alarms += 1;
                Some(clean(&line.to_string()).into_owned())
            }
            Happening::DaemonKilled => {
                fault(&mut self.faults, "daemon killed");
                Some(line.to_string())
            }
            Happening::ClockStepped => {
                fault(&mut self.faults, "clock stepped");
                Some(line.to_string())
            }
            Happening::Suspended => {
                fault(&mut self.faults, "machine suspended");
                Some(line.to_string())
            }
            _ => None,
        }
    }

    fn night(&mut self, line: &Line) -> Option<&mut Night> {
        let id = line.session.as_ref()?.to_string();
        Some(self.nights.entry(id).or_default())
    }

    fn job(&mut self, line: &Line) -> &mut Counts {
        let job = line.job.as_ref().map(ToString::to_string);
        self.periodic.entry(job.unwrap_or_default()).or_default()
    }

    fn closed(&mut self, line: &Line) -> Option<String> {
        let (id, outcome) = (line.session.as_ref()?.to_string(), line.outcome?);
        let night = self.nights.remove(&id).unwrap_or_default();
        self.sessions.add(outcome, 1);
        let mut row = format!("{}: {}", clean(&id), outcome.word());
        if !night.inside.is_zero() {
            let app = line.app.clone().unwrap_or_default();
            let inside = self.inside.entry(app).or_default();
            inside.sessions += 1;
            inside.sum += night.inside;
            inside.longest = inside.longest.max(night.inside);
            row += &format!(", in maintenance for {}", span(night.inside));
        }
        if night.steps.sum() > 0 {
            row += &format!(", steps: {}", night.steps.words());
        }
        if let Some(text) = line.text.as_deref().or(line.reason) {
            row += &format!(" ({})", clean(text));
        }
        Some(row)
    }

    /// The sums, after the last event.
    pub fn sum(&self, out: &mut Out<'_>) -> io::Result<()> {
        if self.rows > self.most {
            out.more(self.rows - self.most)?;
        }
        if self.rows > 0 {
            out.line(format_args!(""))?;
        }
        let mut table = Table::indented(0);
        let total = counted(self.sessions.sum() as usize, "session", "sessions");
        table.row([total.into(), self.sessions.words().into()]);
        for (app, inside) in &self.inside {
            let words = format!(
                "in maintenance for {} in {}, {} at the longest",
                span(inside.sum),
                counted(inside.sessions as usize, "session", "sessions"),
                span(inside.longest)
            );
            table.row([app.as_str().into(), words.into()]);
        }
        for (job, counts) in &self.periodic {
            let words = format!("due {} times: {}", counts.sum(), counts.words());
            table.row([job.as_str().into(), words.into()]);
        }
        let list = |counts: &BTreeMap<&str, u64>| {
            let parts = counts.iter().map(|(word, n)| format!("{n} {word}"));
            parts.collect::<Vec<_>>().join(", ")
        };
        if !self.notices.is_empty() {
            table.row(["notices".into(), list(&self.notices).into()]);
        }
        if !self.faults.is_empty() {
            let parts = self.faults.iter();
            let parts =
                parts.map(|(what, n)| format!("{what} {}", counted(*n as usize, "time", "times")));
            table.row(["faults".into(), parts.collect::<Vec<_>>().join(", ").into()]);
        }
        if self.alarms > 0 {
            use crate::cli::table::Cell;
            let count = self.alarms.to_string();
            table.row(["alarms".into(), Cell::painted(count, Paint::Bad)]);
        }
        out.table(&table)
    }
}
