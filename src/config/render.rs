//! Problems as people read them: the place, the offending text under a caret, the hint.

use std::ops::Range;
use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet,
};

use super::note::Note;
use super::problem::{Problem, Severity};
use super::source::{Source, Sources};

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
    let path = named(&problem.file);
    let mut group = level
        .primary_title(annotate_snippets::normalize_untrusted_str(&problem.message))
        .element(shown(
            sources.find(&problem.file),
            path,
            problem.span.as_ref(),
            AnnotationKind::Primary,
            None,
        ));
    for related in &problem.related {
        let path = named(&related.file);
        let label = Some(annotate_snippets::normalize_untrusted_str(&related.label));
        let source = sources.find(&related.file);
        group = group.element(shown(
            source,
            path,
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
    source: Option<&'a Source>,
    path: String,
    span: Option<&Range<usize>>,
    kind: AnnotationKind,
    label: Option<String>,
) -> Element<'a> {
    let (Some(source), Some(span)) = (source, span) else {
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
    Snippet::source(printable(text))
        .path(path)
        .line_start(line)
        .annotation(annotation)
        .into()
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
