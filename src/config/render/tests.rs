use std::sync::Arc;

use super::super::Place;
use super::super::problem::Problems;
use super::*;
use crate::config::Source;

/// What is told of a span of a text.
fn told(text: &str, start: u32, end: u32, colour: bool) -> String {
    let mut problems = Problems::default();
    let file = problems.sources.push(Arc::new(Source::new(
        "windows.toml".into(),
        text.to_owned(),
    )));
    problems
        .error(Place { file, start, end }, "this is wrong")
        .hint("mend it");
    let (list, sources) = problems.finish();
    render(&list, &sources, colour)
}

#[test]
fn the_place_is_under_a_caret() {
    let expected = "error: this is wrong\n --> windows.toml:2:5\n  |\n2 | b = 2\n  |     ^\n  |\n  = help: mend it\n\n1 error\n";
    assert_eq!(told("a = 1\nb = 2\nc = 3\n", 10, 11, false), expected);
    assert!(told("a = 1\nb = 2\n", 10, 11, true).contains('\u{1b}'));
}

#[test]
fn a_span_of_several_lines_is_shown_by_its_first() {
    let told = told("a = [\n1,\n2,\n]\n", 4, 13, false);
    assert!(told.contains("1 | a = [\n  |     ^\n"), "{told}");
    assert!(!told.contains("2 |"));
}

#[test]
fn a_very_long_line_is_named_and_not_shown() {
    let told = told(&format!("a = '{}'", "x".repeat(10_000)), 4, 10_005, false);
    assert!(
        told.contains("windows.toml:1:5") && told.len() < 200,
        "{told}"
    );
}

#[test]
fn nothing_reaches_the_terminal_that_it_would_obey() {
    let told = told("a = '\u{1b}[31m\u{9b}31m\u{202e}'", 4, 16, false);
    assert!(!told.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{told:?}");
}

#[test]
fn characters_that_are_not_shown_move_no_caret() {
    for strange in ["\0", "\u{9b}", "\u{85}\0\0"] {
        let text = format!("a = '{strange}{strange}' b");
        let end = u32::try_from(text.len()).unwrap();
        let told = told(&text, end - 1, end, false);
        let lines: Vec<&str> = told.lines().collect();
        let caret = lines[4].chars().position(|c| c == '^');
        assert_eq!(caret, Some(lines[3].chars().count() - 1), "{told}");
    }
}

#[test]
fn a_name_from_outside_is_not_obeyed_either() {
    let file = "OFFHOURS_\u{1b}[31m\u{202e}";
    let problems = [Problem::with_file(file, "this overrides nothing", None)];
    let told = render(&problems, &Problems::default().sources, false);
    assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
    assert!(told.contains("OFFHOURS_"));
}

#[test]
fn spans_outside_the_text_are_answered() {
    for (start, end) in [(0, 0), (5, 5), (3, 1), (100, 200), (4, 5)] {
        assert!(told("a = ü", start, end, false).contains("this is wrong"));
        assert!(told("", start, end, false).contains("this is wrong"));
    }
}

#[test]
fn too_many_problems_are_counted() {
    let mut problems = Problems::default();
    let file = problems
        .sources
        .push(Arc::new(Source::new("windows.toml".into(), "a".to_owned())));
    for _ in 0..1_000 {
        problems.warning(
            Place {
                file,
                start: 0,
                end: 1,
            },
            "odd",
        );
    }
    assert!(!problems.refused());
    problems.error(
        Place {
            file,
            start: 0,
            end: 1,
        },
        "wrong",
    );
    assert!(problems.refused());
    let (list, sources) = problems.finish();
    assert_eq!(list.len(), 501);
    assert!(render(&list, &sources, false).contains("501 more problems are not listed"));
    assert_eq!(list.last().map(|last| last.severity), Some(Severity::Error));
}
