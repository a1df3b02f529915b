//! The text of a letter: the same rows for plain text, HTML and the calendar entry, so that they cannot differ.

use jiff::Timestamp;
use minijinja::{Value, context};

use super::{
    ComposeError, Language, Letter, LetterJob, LetterKind, clean, moment,
    words::{self, Words},
};

/// Bounds of what is listed by name; the rest is counted.
const MAX_JOBS: usize = 20;
const MAX_HOSTS: usize = 12;
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
    pub label: &'static str,
    pub lines: Vec<String>,
}

impl Content {
    /// As templates see it: `subject`, `opening`, `rows` (each `label` and `lines`), `footer`, `language`.
    pub(super) fn values(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| context! { label => row.label, lines => row.lines.clone() })
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
        opening: words::opening(letter.kind, language).replace("{app}", &app),
        rows: rows(letter, words)?,
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
    let what = words::subject(letter.kind, language).replace("{app}", &name(&letter.app));
    let what = what.trim_end_matches(": ");
    let installation = name(&letter.installation);
    match letter.kind {
        LetterKind::Operators => match letter.text.first() {
            Some(first) => format!("[{installation}] {what}: {}", clean::line(first, 80)),
            None => format!("[{installation}] {what}"),
        },
        _ => {
            let when = moment::short(letter.starts, &letter.recipient.zone, language);
            format!("[{installation}] {what}, {when}")
        }
    }
}

fn rows(letter: &Letter, words: &'static Words) -> Result<Vec<Row>, ComposeError> {
    let language = letter.recipient.language;
    let at = |instant| moment::long(instant, &letter.recipient.zone, language);
    let mut rows = Vec::new();
    let mut row = |label, lines: Vec<String>| {
        if lines.iter().any(|line| !line.is_empty()) {
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
    if letter.kind != LetterKind::Operators {
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
    if !job.hosts.is_empty() {
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
    if let Some(outcome) = &job.outcome {
        line = format!("{line}: {}", words::outcome(&name(outcome), language));
    }
    if let Some(detail) = &job.detail {
        line = format!("{line} – {}", text(detail));
    }
    line
}
