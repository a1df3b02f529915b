//! Problems as people read them: the place, the offending text under a caret, the hint.

use std::ops::Range;
use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet,
};

use super::note::Note;
use super::problem::{Problem, Severity};
use super::source::Sources;

/// Longer lines are named, not shown.
const LONGEST_LINE: usize = 500;

/// Renders problems for a terminal or a log, with a summary as the last line; empty when there are none.
#[must_use]
pub fn render(problems: &[Problem], sources: &Sources, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
    .decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for problem in problems {
        out.push_str(&renderer.render(&[group(problem, sources)]));
        out.push_str("\n\n");
    }
    out.push_str(&summary(problems));
    out
}

/// The form of `check --json`: the problems, then the notes.
#[must_use]
pub fn json(problems: &[Problem], notes: &[Note]) -> serde_json::Value {
    let problems = problems.iter().map(serde_json::to_value);
    let notes = notes.iter().map(serde_json::to_value);
    problems.chain(notes).filter_map(Result::ok).collect()
}

fn group<'a>(problem: &'a Problem, sources: &'a Sources) -> Group<'a> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = level
        .primary_title(annotate_snippets::normalize_untrusted_str(&problem.message))
        .element(shown(
            sources,
            &problem.file,
            problem.span.as_ref(),
            AnnotationKind::Primary,
            None,
        ));
    for related in &problem.related {
        let label = Some(annotate_snippets::normalize_untrusted_str(&related.label));
        group = group.element(shown(
            sources,
            &related.file,
            Some(&related.span),
            AnnotationKind::Context,
            label,
        ));
    }
    if let Some(hint) = &problem.hint {
        group =
            group.element(Level::HELP.message(annotate_snippets::normalize_untrusted_str(hint)));
    }
    group
}

/// The name of a file or a variable, whatever is in it.
fn named(path: &Path) -> String {
    annotate_snippets::normalize_untrusted_str(&path.to_string_lossy())
}

/// One line of the text with the span marked; only the line is handed on, so that a huge file costs nothing.
fn shown<'a>(
    sources: &'a Sources,
    file: &Path,
    span: Option<&Range<usize>>,
    kind: AnnotationKind,
    label: Option<String>,
) -> Element<'a> {
    let path = named(file);
    let (Some(source), Some(span)) = (sources.find(file), span) else {
        return Origin::path(path).into();
    };
    let (line, column) = source.position(span.start);
    let text = source.line(line);
    if text.len() > LONGEST_LINE {
        return Origin::path(path).line(line).char_column(column).into();
    }
    let begin = source.line_start(line);
    // Whoever made the span need not have counted characters; the renderer insists on them.
    let from = text.floor_char_boundary(span.start.saturating_sub(begin));
    let to = text
        .ceil_char_boundary(span.end.saturating_sub(begin))
        .max(from);
    let annotation: Annotation<'_> = kind.span(from..to).label(label);
    let secrets = sources.concealed(file);
    let secrets = secrets.map(|at| at.start.saturating_sub(begin)..at.end.saturating_sub(begin));
    Snippet::source(printable(&without_secrets(text, secrets)))
        .path(path)
        .line_start(line)
        .annotation(annotation)
        .into()
}

/// The same number of bytes, with stars for what was told to be secret and for what follows the host in addresses: a text
/// that cannot be parsed has no values yet, and their paths are passwords to whoever is told by `ping`.
fn without_secrets(line: &str, secrets: impl Iterator<Item = Range<usize>>) -> String {
    let mut hidden: Vec<Range<usize>> = secrets.filter(|at| at.start < line.len()).collect();
    for (at, scheme) in line.match_indices("://") {
        let host = at + scheme.len();
        let rest = line.get(host..).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
        let end = end.map_or(line.len(), |end| host + end);
        let path = rest
            .find(['/', '?', '#', '@'])
            .map_or(line.len(), |path| host + path + 1);
        hidden.push(path..end);
    }
    let mut at = 0;
    let mut shown = String::with_capacity(line.len());
    for c in line.chars() {
        let secret = hidden.iter().any(|span| span.contains(&at));
        match secret && !matches!(c, '"' | '\'') {
            true => shown.extend(std::iter::repeat_n('*', c.len_utf8())),
            false => shown.push(c),
        }
        at += c.len_utf8();
    }
    shown
}

/// The renderer replaces ASCII control characters but not the second range, which terminals obey too. No byte moves:
/// the span counts them.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && !c.is_ascii() {
            true => shown.extend(std::iter::repeat_n('?', c.len_utf8())),
            false => shown.push(c),
        }
    }
    shown
}

fn summary(problems: &[Problem]) -> String {
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    let warnings = problems.len() - errors;
    let count = |n: usize, what: &str| match n {
        0 => None,
        1 => Some(format!("1 {what}")),
        n => Some(format!("{n} {what}s")),
    };
    let parts: Vec<String> = [count(errors, "error"), count(warnings, "warning")]
        .into_iter()
        .flatten()
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!("{}\n", parts.join(", "))
    }
}

#[cfg(test)]
mod tests;
