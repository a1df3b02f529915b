//! The text of a letter: the same rows for plain text, HTML and the calendar entry, so that they cannot differ.

use std::borrow::Cow;

use jiff::Timestamp;
use minijinja::{Value, context};

use super::{
    ComposeError, Language, Letter, LetterEnd, LetterJob, LetterKind, clean, moment,
    words::{self, Words},
};

/// Bounds of what is listed by name; the rest is counted.
const MAX_JOBS: usize = 20;
const MAX_HOSTS: usize = 12;
const MAX_BAD: usize = 6;
const MAX_LINES: usize = 40;
/// Bounds in characters.
const MAX_NAME: usize = 100;
const MAX_TEXT: usize = 300;

#[derive(Debug)]
pub(super) struct Content {
    pub subject: String,
    pub opening: String,
    pub rows: Vec<Row>,
    pub footer: String,
    pub language: &'static str,
}

#[derive(Debug)]
pub(super) struct Row {
    pub label: Cow<'static, str>,
    pub lines: Vec<String>,
}

impl Content {
    /// As templates see it: `subject`, `opening`, `rows` (each `label` and `lines`), `footer`, `language`.
    pub(super) fn values(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| context! { label => row.label.as_ref(), lines => row.lines.clone() })
            .collect();
        context! {
            subject => self.subject.as_str(),
            opening => self.opening.as_str(),
            rows => rows,
            footer => self.footer.as_str(),
            language => self.language,
        }
    }
}

/// When the calendar entry ends.
pub(super) fn ends(letter: &Letter) -> Result<Timestamp, ComposeError> {
    letter
        .starts
        .checked_add(letter.expected)
        .map_err(|_| ComposeError::Time)
}

/// Puts the facts of the letter into words.
pub(super) fn content(letter: &Letter) -> Result<Content, ComposeError> {
    let language = letter.recipient.language;
    let words = words::words(language);
    let app = name(&letter.app);
    let footer = format!("{} {}.", words.footer, name(&letter.installation));
    Ok(Content {
        subject: subject(letter),
        opening: match letter.early {
            true => words::opening_early(language),
            false => words::opening(letter.kind, language),
        }
        .replace("{app}", &app),
        rows: match letter.kind {
            LetterKind::Digest => digest_rows(letter, words)?,
            _ => rows(letter, words)?,
        },
        footer,
        language: match language {
            Language::En => "en",
            Language::De => "de",
        },
    })
}

fn name(text: &str) -> String {
    clean::line(text, MAX_NAME)
}

fn text(text: &str) -> String {
    clean::line(text, MAX_TEXT)
}

fn subject(letter: &Letter) -> String {
    let language = letter.recipient.language;
    let what = match letter.early {
        true => words::subject_early(language),
        false => words::subject(letter.kind, language),
    };
    let what = what
        .replace("{app}", &name(&letter.app))
        .replace("{count}", &letter.parts.len().to_string());
    let what = what.trim_end_matches(": ");
    let installation = name(&letter.installation);
    match letter.kind {
        LetterKind::Operators => match letter.text.first() {
            Some(first) => format!("[{installation}] {what}: {}", clean::line(first, 80)),
            None => format!("[{installation}] {what}"),
        },
        LetterKind::Test => format!("[{installation}] {what}"),
        _ => {
            // Of a digest the first.
            let starts = letter
                .parts
                .first()
                .map_or(letter.starts, |part| part.starts);
            let when = moment::short(starts, &letter.recipient.zone, language);
            let from = match letter.kind {
                LetterKind::Digest => words::words(language).from,
                _ => "",
            };
            format!("[{installation}] {what}, {from}{when}")
        }
    }
}

fn rows(letter: &Letter, words: &'static Words) -> Result<Vec<Row>, ComposeError> {
    let language = letter.recipient.language;
    let at = |instant| moment::long(instant, &letter.recipient.zone, language);
    let mut rows = Vec::new();
    let mut row = |label, lines: Vec<String>| {
        if lines.iter().any(|line| !line.is_empty()) {
            let label = Cow::Borrowed(label);
            rows.push(Row { label, lines });
        }
    };
    if !letter.text.is_empty() {
        row(
            words.operators,
            bounded(&letter.text, MAX_LINES, language, |line: &String| {
                text(line)
            }),
        );
    }
    let app = match &letter.app_description {
        Some(description) => format!("{} – {}", name(&letter.app), text(description)),
        None => name(&letter.app),
    };
    row(words.app, vec![app]);
    if !matches!(letter.kind, LetterKind::Operators | LetterKind::Test) {
        let (begins, end) = match letter.kind {
            LetterKind::Advance | LetterKind::Changed => (words.begins, words.ends),
            _ => (words.planned_begin, words.planned_end),
        };
        row(begins, vec![at(letter.starts)]);
        row(end, vec![at(ends(letter)?)]);
        row(
            words.expected,
            vec![moment::length(letter.expected, language)],
        );
    }
    if let Some(reason) = &letter.reason {
        row(words.reason, vec![text(reason)]);
    }
    if let Some(next) = letter.next {
        row(words.next, vec![at(next)]);
    }
    let work = match letter.kind {
        LetterKind::Finished | LetterKind::Failed => words.work_done,
        LetterKind::Cancelled | LetterKind::Postponed => words.work_planned,
        _ => words.work,
    };
    row(
        work,
        bounded(&letter.jobs, MAX_JOBS, language, |job: &LetterJob| {
            job_line(job, words, language)
        }),
    );
    // A letter to the operators need not be about a session.
    if !letter.window.is_empty() {
        let (opens, closes) = (at(letter.opens), at(letter.closes));
        row(
            words.window,
            vec![format!(
                "{}: {opens} {} {closes}",
                name(&letter.window),
                words.to
            )],
        );
    }
    let told_ahead = matches!(letter.kind, LetterKind::Advance | LetterKind::Changed);
    if told_ahead && !letter.longer.is_zero() {
        let length = moment::length(letter.longer.abs(), language);
        let longer = letter.longer.is_positive();
        row(
            words.clock_change,
            vec![words::clock_change(&length, longer, language)],
        );
    }
    row(words.zone, vec![name(&letter.recipient.zone_name)]);
    row(
        words.contact,
        bounded(&letter.contact, MAX_HOSTS, language, |line: &String| {
            text(line)
        }),
    );
    row(words.session, vec![text(&letter.session)]);
    Ok(rows)
}

/// A row for each session, under its app; what is the same for all of them at the end.
fn digest_rows(letter: &Letter, words: &'static Words) -> Result<Vec<Row>, ComposeError> {
    let language = letter.recipient.language;
    let zone = &letter.recipient.zone;
    let mut sections = Vec::new();
    let mut contact: Vec<String> = Vec::new();
    for part in &letter.parts {
        let mut lines = vec![
            format!(
                "{} {} {}",
                moment::long(part.starts, zone, language),
                words.to,
                moment::long(ends(part)?, zone, language)
            ),
            format!(
                "{}: {}",
                words.expected,
                moment::length(part.expected, language)
            ),
        ];
        lines.extend(bounded(
            &part.jobs,
            MAX_JOBS,
            language,
            |job: &LetterJob| job_line(job, words, language),
        ));
        if !part.longer.is_zero() {
            let length = moment::length(part.longer.abs(), language);
            let change = words::clock_change(&length, part.longer.is_positive(), language);
            lines.push(format!("{}: {change}", words.clock_change));
        }
        lines.push(format!("{}: {}", words.session, text(&part.session)));
        let label = match &part.app_description {
            Some(description) => format!("{} – {}", name(&part.app), text(description)),
            None => name(&part.app),
        };
        sections.push(Row {
            label: Cow::Owned(label),
            lines,
        });
        contact.extend(
            part.contact
                .iter()
                .filter(|c| !contact.contains(c))
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    sections.push(Row {
        label: Cow::Borrowed(words.zone),
        lines: vec![name(&letter.recipient.zone_name)],
    });
    if !contact.is_empty() {
        sections.push(Row {
            label: Cow::Borrowed(words.contact),
            lines: bounded(&contact, MAX_HOSTS, language, |line: &String| text(line)),
        });
    }
    Ok(sections)
}

/// The first `max` of `items`, and how many more there are.
fn bounded<T, F>(items: &[T], max: usize, language: Language, show: F) -> Vec<String>
where
    F: Fn(&T) -> String,
{
    let mut lines: Vec<String> = items.iter().take(max).map(show).collect();
    if items.len() > max {
        lines.push(words::more(items.len() - max, language));
    }
    lines
}

fn job_line(job: &LetterJob, words: &Words, language: Language) -> String {
    let mut line = name(&job.name);
    if let Some(description) = &job.description {
        line = format!("{line} – {}", text(description));
    }
    // Where they did not end alike, each says so of its own.
    let parted = job.ends.len() > 1;
    if !job.hosts.is_empty() && !parted {
        let mut hosts = bounded(&job.hosts, MAX_HOSTS, language, |host: &String| name(host));
        let rest = if job.hosts.len() > MAX_HOSTS {
            hosts.pop()
        } else {
            None
        };
        line = format!("{line}, {} {}", words.on, hosts.join(", "));
        if let Some(rest) = rest {
            line = format!("{line} {rest}");
        }
    }
    if job.if_needed {
        line = format!("{line} ({})", words.if_needed);
    }
    if parted {
        let ends = job.ends.iter().map(|ends| counted(ends, language));
        line = format!("{line}: {}", ends.collect::<Vec<_>>().join(", "));
    } else if let Some(outcome) = job
        .ends
        .first()
        .map_or(job.outcome.as_ref(), |ends| Some(&ends.outcome))
    {
        line = format!("{line}: {}", words::outcome(&name(outcome), language));
    }
    if let Some(detail) = &job.detail {
        line = format!("{line} – {}", text(detail));
    }
    if job.ask_again {
        line = format!("{line} ({})", words.ask_again);
    }
    line
}

/// How many hosts ended so; those that somebody should look at by name.
fn counted(ends: &LetterEnd, language: Language) -> String {
    let outcome = words::outcome(&name(&ends.outcome), language).to_owned();
    let count = format!("{} {outcome}", ends.hosts.len());
    if !ends.bad {
        return count;
    }
    let mut hosts = bounded(&ends.hosts, MAX_BAD, language, |host: &String| name(host));
    let rest = match ends.hosts.len() > MAX_BAD {
        true => hosts.pop().map(|rest| format!(" {rest}")),
        false => None,
    };
    format!("{count} ({}{})", hosts.join(", "), rest.unwrap_or_default())
}
