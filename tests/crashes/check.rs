//! What must hold after a night with a crash: read from what hooks, jobs and mails left, and from the record.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::disk::living_in;
use crate::night::Night;

/// One line that a hook or a job wrote.
struct Wrote {
    word: String,
    name: String,
    /// RUN.ATTEMPT
    run: String,
    at: Timestamp,
}

fn wrote(night: &Night) -> Vec<Wrote> {
    let lines = night.scene.lines("log");
    let parse = |line: &String| {
        let mut words = line.split(' ');
        let (word, name, run) = (words.next()?, words.next()?, words.next()?);
        let run: Vec<&str> = run.split('.').take(2).collect();
        let at = words.next().and_then(|at| at.parse().ok()).unwrap_or(0);
        Some(Wrote {
            word: word.into(),
            name: name.into(),
            run: run.join("."),
            at: Timestamp::from_millisecond(at).ok()?,
        })
    };
    lines.iter().filter_map(parse).collect()
}

pub fn check(night: &Night) -> Vec<String> {
    let mut bad = Vec::new();
    let wrote = wrote(night);
    let begun = |name: &str| {
        wrote
            .iter()
            .filter(|w| w.word == "begin" && w.name == name)
            .collect::<Vec<_>>()
    };
    for line in wrote.iter().filter(|w| w.word == "twice") {
        bad.push(format!("two of {} at once ({})", line.name, line.run));
    }
    // The app was brought back after it was taken out of service for the last time.
    let place =
        |word: &str, name: &str| wrote.iter().rposition(|w| w.word == word && w.name == name);
    if let Some(entered) = place("begin", "enter")
        && place("end", "leave").is_none_or(|left| left < entered)
    {
        bad.push("the app was entered and never left".into());
    }
    if begun("once").len() > 1 {
        bad.push("a job that must not be repeated was".into());
    }
    let slack = SignedDuration::from_millis(50);
    for line in wrote
        .iter()
        .filter(|w| matches!(&*w.name, "enter" | "again" | "once"))
    {
        if line.at < night.opens - slack || line.at > night.closes {
            bad.push(format!(
                "{} {} at {}, outside the window",
                line.word, line.name, line.at
            ));
        }
    }
    // Announced at least a lead (1 s) before.
    if let Some(first) = begun("enter").first() {
        let told = fs::read_dir(night.scene.path("mail"))
            .into_iter()
            .flatten()
            .flatten();
        let told = told
            .filter_map(|mail| Timestamp::try_from(mail.metadata().ok()?.modified().ok()?).ok());
        if told
            .min()
            .is_none_or(|told| told > first.at - SignedDuration::from_secs(1) + slack)
        {
            bad.push("the app was touched less than a lead after the first mail".into());
        }
    }
    record(night, &wrote, &mut bad);
    mails(night, &mut bad);
    left_over(night, &mut bad);
    bad
}

/// The record says what happened, and nothing else.
fn record(night: &Night, wrote: &[Wrote], bad: &mut Vec<String>) {
    let history = night.scene.offhours(&["history", "--json"]).json();
    let rows = history.as_array().cloned().unwrap_or_default();
    let id = |row: &serde_json::Value| {
        let run = row["run"]
            .as_str()
            .map_or_else(|| row["run"].to_string(), str::to_owned);
        format!("{run}.{}", row["attempt"])
    };
    let known: BTreeMap<String, &serde_json::Value> =
        rows.iter().map(|row| (id(row), row)).collect();
    let job = |w: &&Wrote| matches!(&*w.name, "again" | "once" | "tick");
    for line in wrote.iter().filter(job) {
        match known.get(&line.run) {
            None => bad.push(format!("{} {} is not in the history", line.name, line.run)),
            Some(row) if row["job"] != line.name => {
                bad.push(format!("{} is recorded as {row}", line.name))
            }
            Some(_) => {}
        }
    }
    let ended: BTreeSet<&str> = wrote
        .iter()
        .filter(|w| w.word == "end")
        .map(|w| &*w.run)
        .collect();
    let mut dues = BTreeSet::new();
    for row in rows.iter().filter(|row| row["job"].is_string()) {
        if row["outcome"] == "succeeded" && !ended.contains(&*id(row)) {
            bad.push(format!("said to have succeeded, and did not: {row}"));
        }
        if row["job"] == "tick" && !dues.insert(row["due"].to_string()) {
            bad.push(format!("a due instant has two records: {row}"));
        }
    }
}

/// Copies of a mail carry the same identity: Message-ID, UID and SEQUENCE go together.
fn mails(night: &Night, bad: &mut Vec<String>) {
    let mut known: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
    let mut advance = BTreeSet::new();
    for mail in night.scene.mails("mail") {
        let Some(id) = crate::scene::header(&mail, "Message-ID") else {
            bad.push("a mail without Message-ID".into());
            continue;
        };
        let calendar = crate::scene::calendar(&mail).unwrap_or_default();
        let value = |key: &str| {
            calendar
                .lines()
                .find_map(|l| l.strip_prefix(key).map(|v| v.trim().to_owned()))
        };
        let (uid, sequence) = (value("UID:"), value("SEQUENCE:"));
        if calendar.contains("METHOD:REQUEST") {
            advance.insert(id.clone());
        }
        let this = (uid, sequence);
        if known
            .insert(id.clone(), this.clone())
            .is_some_and(|other| other != this)
        {
            bad.push(format!("{id} was sent with two identities"));
        }
    }
    if advance.len() > 1 {
        bad.push(format!(
            "one session was announced by {} different mails",
            advance.len()
        ));
    }
}

/// No process of the night is left.
fn left_over(night: &Night, bad: &mut Vec<String>) {
    let end = Instant::now() + Duration::from_secs(5);
    while !living_in(night.scene.dir.path()).is_empty() {
        if Instant::now() > end {
            bad.push("a process is left over".into());
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
