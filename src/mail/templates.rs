//! The texts around the facts: built in, or an operator's, which may break without keeping a notice back.

use std::{collections::BTreeSet, fmt, io, ops::Range, sync::LazyLock};

use jiff::{Timestamp, tz::TimeZone};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter};

use super::{
    ComposeError, Language, Letter, LetterKind, Recipient, clean,
    content::{self, Content},
    facts,
};
use crate::config::keys::nearest;
use crate::core::letter::About;

const TEXT: &str = include_str!("templates/letter.txt");
const HTML: &str = include_str!("templates/letter.html");
/// Steps of one rendering: some milliseconds.
const FUEL: u64 = 1_000_000;
/// Bytes of one text.
const LARGEST: usize = 1 << 20;
/// Characters of a subject.
const MAX_SUBJECT: usize = 200;
/// Included templates include others only so deep.
const DEEPEST: usize = 50;

/// The three texts of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Subject,
    Plain,
    Html,
}

impl Text {
    const ALL: [Self; 3] = [Self::Subject, Self::Plain, Self::Html];

    fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Plain => "letter.txt",
            Self::Html => "letter.html",
        }
    }

    fn in_language(self, language: &str) -> String {
        let (stem, ending) = self.name().split_once('.').unwrap_or((self.name(), ""));
        format!("{stem}.{language}.{ending}")
    }
}

static BUILT_IN: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    for (text, source) in [(Text::Plain, TEXT), (Text::Html, HTML)] {
        let added = environment.add_template(text.name(), source);
        debug_assert!(added.is_ok(), "{added:?}");
    }
    environment
});

/// The templates in use: those of an operator, and the built-in ones where there is no other or the other fails.
#[derive(Debug)]
pub struct Templates {
    own: Environment<'static>,
    /// All files that were given, those that cannot be parsed among them.
    files: BTreeSet<String>,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    pub file: String,
    /// From 1.
    pub line: Option<usize>,
    /// Bytes of the file.
    pub span: Option<Range<usize>>,
    pub message: String,
    pub hint: Option<String>,
    /// With which mail it showed.
    pub letter: Option<(LetterKind, Language)>,
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The texts of one mail, and what kept an operator's template from being used.
#[derive(Debug)]
pub(super) struct Texts {
    pub plain: String,
    pub html: String,
    pub problem: Option<TemplateProblem>,
}

impl Default for Templates {
    /// The built-in ones alone.
    fn default() -> Self {
        let mut own = Environment::new();
        own.set_debug(true);
        own.set_undefined_behavior(UndefinedBehavior::Strict);
        own.set_fuel(Some(FUEL));
        own.set_recursion_limit(DEEPEST);
        // What a mail does not have leaves a gap and no word.
        own.set_formatter(|out, state, value| match value.is_none() {
            true => Ok(()),
            false => escape_formatter(out, state, value),
        });
        Self {
            own,
            files: BTreeSet::new(),
        }
    }
}

impl Templates {
    /// Names and texts of files: `letter.txt`, `letter.html`, `subject.txt`, the same for a language (`letter.de.txt`),
    /// and what these include. Those that cannot be parsed are told, and used nowhere.
    pub fn new<'f>(
        files: impl IntoIterator<Item = (&'f str, &'f str)>,
    ) -> (Self, Vec<TemplateProblem>) {
        let mut templates = Self::default();
        let mut problems = Vec::new();
        for (name, text) in files {
            templates.files.insert(name.to_owned());
            if let Err(error) = templates
                .own
                .add_template_owned(name.to_owned(), text.to_owned())
            {
                problems.push(problem(name, &error));
            }
        }
        (templates, problems)
    }

    /// Writes every kind of mail in every language, and says what goes wrong; each once.
    pub fn try_all(&self) -> Vec<TemplateProblem> {
        let mut problems: Vec<TemplateProblem> = Vec::new();
        for language in [Language::En, Language::De] {
            for (kind, full) in LetterKind::ALL.iter().flat_map(|k| [(k, true), (k, false)]) {
                let letter = sample(*kind, language, full);
                // The samples have times that every calendar knows.
                let Ok(content) = content::content(&letter) else {
                    continue;
                };
                for text in Text::ALL {
                    let Some(Err(mut wrong)) = self.own_text(text, &letter, &content) else {
                        continue;
                    };
                    let known = |p: &TemplateProblem| {
                        (&p.file, p.line, &p.message) == (&wrong.file, wrong.line, &wrong.message)
                    };
                    if !problems.iter().any(known) {
                        wrong.letter = Some((*kind, language));
                        problems.push(wrong);
                    }
                }
            }
        }
        problems
    }

    /// The subject by the operator's template, where there is one and it works.
    pub(super) fn subject(
        &self,
        letter: &Letter,
        content: &Content,
    ) -> (Option<String>, Option<TemplateProblem>) {
        match self.own_text(Text::Subject, letter, content) {
            Some(Ok(subject)) => (Some(subject), None),
            Some(Err(problem)) => (None, Some(problem)),
            None => (None, None),
        }
    }

    /// Both texts of a mail; its subject is that of `content`.
    pub(super) fn texts(&self, letter: &Letter, content: &Content) -> Result<Texts, ComposeError> {
        let mut first = None;
        let mut text = |text| match self.own_text(text, letter, content) {
            Some(Ok(text)) => Ok(text),
            Some(Err(problem)) => {
                first.get_or_insert(problem);
                built_in(text, content)
            }
            None => built_in(text, content),
        };
        let (plain, html) = (text(Text::Plain)?, text(Text::Html)?);
        Ok(Texts {
            plain,
            html,
            problem: first,
        })
    }

    /// By the operator's template: that of the language, else that for all. None where there is neither.
    fn own_text(
        &self,
        text: Text,
        letter: &Letter,
        content: &Content,
    ) -> Option<Result<String, TemplateProblem>> {
        let names = [text.in_language(content.language), text.name().into()];
        let name = names.iter().find(|name| self.files.contains(*name))?;
        let rendered = facts::values(letter, content)
            .map_err(|error| unplaced(name, error.to_string()))
            .and_then(|values| self.render(name, values));
        Some(match (text, rendered) {
            (Text::Subject, Ok(subject)) => match clean::line(&subject, MAX_SUBJECT) {
                line if line.is_empty() => Err(unplaced(name, "the subject is empty".into())),
                line => Ok(line),
            },
            (_, Ok(text)) if text.trim().is_empty() => {
                Err(unplaced(name, "the text is empty".into()))
            }
            (_, rendered) => rendered,
        })
    }

    fn render(&self, name: &str, values: Value) -> Result<String, TemplateProblem> {
        let mut written = Bounded::default();
        let rendered = self.own.get_template(name).and_then(|template| {
            let captured = template.render_captured_to(values, &mut written);
            captured.map(drop)
        });
        match rendered {
            Ok(()) => Ok(String::from_utf8_lossy(&written.text).into_owned()),
            Err(_) if written.full => Err(unplaced(
                name,
                format!("what it writes is longer than {LARGEST} bytes"),
            )),
            Err(error) => Err(problem(name, &error)),
        }
    }
}

fn built_in(text: Text, content: &Content) -> Result<String, ComposeError> {
    let name = text.name();
    BUILT_IN
        .get_template(name)
        .and_then(|template| template.render(content.values()))
        .map_err(|source| ComposeError::Template { name, source })
}

/// Takes so much and no more.
#[derive(Default)]
struct Bounded {
    text: Vec<u8>,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > LARGEST {
            self.full = true;
            return Err(io::Error::other("too long"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unplaced(file: &str, message: String) -> TemplateProblem {
    TemplateProblem {
        file: file.to_owned(),
        line: None,
        span: None,
        message,
        hint: None,
        letter: None,
    }
}

/// Where it went wrong: of included templates the innermost.
fn problem(name: &str, error: &Error) -> TemplateProblem {
    let mut error = error;
    while let Some(inner) = std::error::Error::source(error).and_then(|e| e.downcast_ref::<Error>())
    {
        error = inner;
    }
    let kind = error.kind();
    let message = match (kind, error.detail()) {
        (ErrorKind::OutOfFuel, _) => format!("it takes more than {FUEL} steps"),
        (_, Some(detail)) => format!("{kind}: {detail}"),
        (_, None) => kind.to_string(),
    };
    let span = error.range();
    let source = error.template_source();
    let said = source
        .zip(span.clone())
        .and_then(|(text, span)| text.get(span));
    TemplateProblem {
        file: error.name().unwrap_or(name).to_owned(),
        line: error.line(),
        hint: hint(kind, said),
        span,
        message: clean::line(&message, 300),
        letter: None,
    }
}

fn hint(kind: ErrorKind, said: Option<&str>) -> Option<String> {
    match kind {
        ErrorKind::UndefinedError => {
            let said = said?.trim();
            let word = said
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()?;
            match facts::NAMES.contains(&word) {
                true => None,
                false => Some(match nearest(word, facts::NAMES) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("a template knows {}", facts::NAMES.join(", ")),
                }),
            }
        }
        ErrorKind::TemplateNotFound | ErrorKind::BadInclude => {
            Some("only files of the folder can be included".into())
        }
        ErrorKind::SyntaxError => {
            Some("the language is that of Jinja2: {{ app }}, {% if … %}".into())
        }
        _ => None,
    }
}

fn sample(kind: LetterKind, language: Language, full: bool) -> Letter {
    let about = About {
        installation: "example",
        app: "example",
        app_description: full.then_some("An example"),
        contact: &["ops@example.org".to_owned()][..usize::from(full)],
        full,
    };
    let recipient = Recipient {
        email: "support@example.org".into(),
        name: full.then(|| "Support".into()),
        language,
        zone: TimeZone::UTC,
        zone_name: "UTC".into(),
    };
    // Some day; nothing depends on it.
    let date = Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::UNIX_EPOCH);
    Letter::sample(kind, about, date, recipient)
}

#[cfg(test)]
mod tests;
