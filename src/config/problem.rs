//! What is wrong with a configuration, for the person who has to mend it.

use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;

use super::source::{Place, Sources};

/// More than this is not listed: the rest is counted.
const MOST: usize = 500;

/// Looking for what was meant compares with every name there is.
const MOST_SUGGESTIONS: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    /// Nothing to be mended.
    Note,
}

/// Another place that belongs to a problem, such as the first of two definitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    pub file: PathBuf,
    #[serde(skip)]
    pub span: Range<usize>,
    pub line: usize,
    pub column: usize,
    pub label: String,
}

/// One thing to be mended or known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// The file, or the name of the environment variable.
    pub file: PathBuf,
    /// Bytes of the offending text; none when the file as a whole is meant.
    #[serde(skip)]
    pub span: Option<Range<usize>>,
    /// From 1.
    pub line: Option<usize>,
    /// In characters, from 1.
    pub column: Option<usize>,
    pub message: String,
    pub hint: Option<String>,
    pub related: Vec<Related>,
}

impl Problem {
    /// A problem with a file as a whole.
    #[must_use]
    pub fn with_file(
        file: impl Into<PathBuf>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            span: None,
            line: None,
            column: None,
            message: message.into(),
            hint,
            related: Vec::new(),
        }
    }
}

/// Collects all problems of one load, bounded.
#[derive(Debug, Default)]
pub struct Problems {
    pub sources: Sources,
    list: Vec<(Option<Place>, Problem)>,
    refused: bool,
    unlisted: usize,
}

impl Problems {
    /// Whether there was an error, listed or not.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.refused
    }

    pub fn error(&mut self, place: Place, message: impl Into<String>) -> Told<'_> {
        self.push(Severity::Error, place, message.into())
    }

    pub fn warning(&mut self, place: Place, message: impl Into<String>) -> Told<'_> {
        self.push(Severity::Warning, place, message.into())
    }

    /// Whether it is still worth the work to look for a suggestion.
    #[must_use]
    pub fn curious(&self) -> bool {
        self.list.len() < MOST_SUGGESTIONS
    }

    /// A problem with a file as a whole.
    pub fn add(&mut self, problem: Problem) {
        self.insert(None, problem);
    }

    fn push(&mut self, severity: Severity, place: Place, message: String) -> Told<'_> {
        let problem = self.located(severity, place, message);
        let index = self.insert(Some(place), problem);
        Told {
            problems: self,
            index,
        }
    }

    /// As it would be told, not yet told.
    pub fn located(&self, severity: Severity, place: Place, message: String) -> Problem {
        let mut problem = Problem::with_file("", message, None);
        problem.severity = severity;
        if let Some(source) = self.sources.get(place.file) {
            let (line, column) = source.position(place.start as usize);
            problem.file = source.path().to_path_buf();
            problem.span = Some(place.start as usize..place.end as usize);
            problem.line = Some(line);
            problem.column = Some(column);
        }
        problem
    }

    fn insert(&mut self, place: Option<Place>, problem: Problem) -> Option<usize> {
        self.refused |= problem.severity == Severity::Error;
        if self.list.len() >= MOST {
            self.unlisted += 1;
            return None;
        }
        self.list.push((place, problem));
        Some(self.list.len() - 1)
    }

    /// The problems in the order of the files, and the texts they speak of.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Problem>, Sources) {
        self.list
            .sort_by_key(|(place, _)| place.map(|place| (place.file, place.start)));
        let mut problems: Vec<Problem> =
            self.list.into_iter().map(|(_, problem)| problem).collect();
        if self.unlisted > 0 {
            let file = problems
                .last()
                .map(|problem| problem.file.clone())
                .unwrap_or_default();
            let mut rest = Problem::with_file(
                file,
                format!("{} more problems are not listed", self.unlisted),
                None,
            );
            if !self.refused {
                rest.severity = Severity::Warning;
            }
            problems.push(rest);
        }
        (problems, self.sources)
    }
}

/// A problem just told, to which a hint or another place may be added.
pub struct Told<'p> {
    problems: &'p mut Problems,
    index: Option<usize>,
}

impl Told<'_> {
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint.into()))
    }

    pub fn maybe_hint(self, hint: Option<String>) -> Self {
        if let Some(index) = self.index {
            self.problems.list[index].1.hint = hint;
        }
        self
    }

    pub fn related(self, place: Place, label: impl Into<String>) -> Self {
        let Some(index) = self.index else { return self };
        let Some(source) = self.problems.sources.get(place.file) else {
            return self;
        };
        let (line, column) = source.position(place.start as usize);
        let related = Related {
            file: source.path().to_path_buf(),
            span: place.start as usize..place.end as usize,
            line,
            column,
            label: label.into(),
        };
        self.problems.list[index].1.related.push(related);
        self
    }
}
