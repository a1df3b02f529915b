//! What templates of an operator may say beside the built-in words: every fact of a letter, as text that is safe to show.

use jiff::Timestamp;
use minijinja::{Value, context};

use super::{
    ComposeError, Letter, LetterEnd, LetterJob, LetterKind, clean,
    content::{self, Content},
    moment, words,
};

/// Bounds in characters.
const MAX_NAME: usize = 100;
const MAX_TEXT: usize = 300;

/// Every name that a template may use; what has no value in a letter is `none`.
pub(super) const NAMES: [&str; 31] = [
    "subject",
    "opening",
    "rows",
    "footer",
    "language",
    "kind",
    "installation",
    "app",
    "app_description",
    "window",
    "session",
    "starts",
    "starts_short",
    "starts_at",
    "ends",
    "ends_at",
    "opens",
    "closes",
    "expected",
    "expected_s",
    "zone",
    "reason",
    "next",
    "jobs",
    "contact",
    "text",
    "recipient",
    "parts",
    "message_id",
    "sequence",
    "date",
];

/// The words of the built-in templates and the facts behind them.
pub(super) fn values(letter: &Letter, content: &Content) -> Result<Value, ComposeError> {
    let parts = letter.parts.iter().map(facts);
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    Ok(context! {
        parts => parts,
        ..context! { ..facts(letter)?, ..content.values() }
    })
}

fn facts(letter: &Letter) -> Result<Value, ComposeError> {
    let (language, zone) = (letter.recipient.language, &letter.recipient.zone);
    let long = |at: Timestamp| moment::long(at, zone, language);
    let iso = |at: Timestamp| {
        let at = at.to_zoned(zone.clone());
        at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    };
    // What is about no session has no times.
    let timed = !matches!(letter.kind, LetterKind::Operators | LetterKind::Test);
    let windowed = !letter.window.is_empty();
    let ends = content::ends(letter)?;
    let jobs: Vec<Value> = letter.jobs.iter().map(|j| job(j, letter)).collect();
    let contact = letter.contact.iter().map(|line| text(line));
    let lines = letter.text.iter().map(|line| text(line));
    let person = &letter.recipient;
    Ok(context! {
        kind => letter.kind.word(),
        installation => name(&letter.installation),
        app => name(&letter.app),
        app_description => letter.app_description.as_deref().map(text),
        window => windowed.then(|| name(&letter.window)),
        session => (!letter.session.is_empty()).then(|| text(&letter.session)),
        starts => timed.then(|| long(letter.starts)),
        starts_short => timed.then(|| moment::short(letter.starts, zone, language)),
        starts_at => timed.then(|| iso(letter.starts)),
        ends => timed.then(|| long(ends)),
        ends_at => timed.then(|| iso(ends)),
        opens => windowed.then(|| long(letter.opens)),
        closes => windowed.then(|| long(letter.closes)),
        expected => timed.then(|| moment::length(letter.expected, language)),
        expected_s => timed.then(|| letter.expected.as_secs()),
        zone => name(&person.zone_name),
        reason => letter.reason.as_deref().map(text),
        next => letter.next.map(long),
        jobs => jobs,
        contact => contact.collect::<Vec<_>>(),
        text => lines.collect::<Vec<_>>(),
        recipient => context! {
            email => person.email.as_str(),
            name => person.name.as_deref().map(name),
        },
        message_id => letter.message_id.as_str(),
        sequence => letter.sequence,
        date => long(letter.date),
    })
}

fn job(job: &LetterJob, letter: &Letter) -> Value {
    let outcome = |word: &String| words::outcome(&name(word), letter.recipient.language).to_owned();
    let ends = |ends: &LetterEnd| {
        context! {
            outcome => outcome(&ends.outcome),
            hosts => ends.hosts.iter().map(|host| name(host)).collect::<Vec<_>>(),
            bad => ends.bad,
        }
    };
    context! {
        name => name(&job.name),
        description => job.description.as_deref().map(text),
        hosts => job.hosts.iter().map(|host| name(host)).collect::<Vec<_>>(),
        if_needed => job.if_needed,
        outcome => job.outcome.as_ref().map(outcome),
        detail => job.detail.as_deref().map(text),
        ends => job.ends.iter().map(ends).collect::<Vec<_>>(),
        ask_again => job.ask_again,
    }
}

fn name(text: &str) -> String {
    clean::line(text, MAX_NAME)
}

fn text(text: &str) -> String {
    clean::line(text, MAX_TEXT)
}
