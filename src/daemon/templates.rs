//! The templates of the configuration, ready for use, and what is wrong with them.

use std::path::PathBuf;

use crate::config::{Problem, Severity, Source, TemplateFiles};
use crate::core::policy::Language;
use crate::mail::{TemplateProblem, Templates};

/// Ready for use; those that cannot be used are left out.
pub fn templates(files: &TemplateFiles) -> Templates {
    Templates::new(files.texts()).0
}

/// What is wrong, after every kind of mail was written with them.
pub fn problems(files: &TemplateFiles) -> Vec<Problem> {
    if files.files.is_empty() {
        return Vec::new();
    }
    let (templates, unparsed) = Templates::new(files.texts());
    let mut tried = templates.try_all();
    // What cannot be parsed is not there, which is told once.
    tried.retain(|problem| !unparsed.iter().any(|known| known.file == problem.file));
    let all = unparsed.into_iter().chain(tried);
    all.map(|problem| placed(problem, files)).collect()
}

/// The same for people who wait for no answer: one line each, and one where the folder is gone.
pub fn failing(files: &TemplateFiles) -> Vec<String> {
    let problems = problems(files);
    let all = files.lost.iter().cloned();
    all.chain(problems.iter().map(words))
        .map(|why| instead(&why))
        .collect()
}

/// What becomes of the mail.
pub fn instead(why: &str) -> String {
    format!("{why}; the built-in template is used instead")
}

/// With its place, without its hint.
fn words(problem: &Problem) -> String {
    let file = problem.file.display();
    match problem.line {
        Some(line) => format!("{file}:{line}: {}", problem.message),
        None => format!("{file}: {}", problem.message),
    }
}

fn placed(problem: TemplateProblem, files: &TemplateFiles) -> Problem {
    let named = |source: &&std::sync::Arc<Source>| {
        source
            .path()
            .file_name()
            .is_some_and(|name| name == problem.file.as_str())
    };
    let source = files.files.iter().find(named);
    let path = source.map_or_else(|| PathBuf::from(&problem.file), |s| s.path().to_path_buf());
    let message = match problem.letter {
        Some((kind, language)) => format!(
            "{} (in the mail `{}` in {})",
            problem.message,
            kind.word(),
            match language {
                Language::En => "English",
                Language::De => "German",
            }
        ),
        None => problem.message,
    };
    let mut told = Problem::with_file(path, message, problem.hint);
    told.severity = Severity::Error;
    if let Some(source) = source {
        let line_start = problem.line.map(|line| source.line_start(line));
        let span = problem.span.filter(|span| span.end <= source.text().len());
        let span = span.or_else(|| {
            let (start, line) = (line_start?, problem.line?);
            Some(start..start + source.line(line).len())
        });
        if let Some(span) = span {
            let (line, column) = source.position(span.start);
            (told.line, told.column, told.span) = (Some(line), Some(column), Some(span));
        }
    }
    told
}
