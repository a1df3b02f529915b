use super::*;
use crate::mail::{Composed, Mailbox, compose, compose_with};

fn letter(kind: LetterKind, language: Language) -> Letter {
    let mut letter = sample(kind, language, true);
    for letter in std::iter::once(&mut letter.message_id).chain(
        letter
            .parts
            .iter_mut()
            .flat_map(|part| [&mut part.message_id, &mut part.uid]),
    ) {
        letter.push_str("@example.org");
    }
    letter
}

fn from() -> Mailbox {
    "ops@example.org".parse().unwrap()
}

#[track_caller]
fn good(files: &[(&str, &str)]) -> Templates {
    let (templates, problems) = Templates::new(files.iter().copied());
    assert_eq!(problems, []);
    assert_eq!(templates.try_all(), []);
    templates
}

/// The one problem of these files, found before anything is sent.
#[track_caller]
fn wrong(files: &[(&str, &str)]) -> TemplateProblem {
    let (templates, mut problems) = Templates::new(files.iter().copied());
    problems.extend(templates.try_all());
    assert!(!problems.is_empty());
    problems.remove(0)
}

fn by(templates: &Templates, kind: LetterKind, language: Language) -> Composed {
    compose_with(templates, &from(), &letter(kind, language)).unwrap()
}

#[test]
fn the_built_in_ones_need_no_others() {
    let none = good(&[]);
    for kind in LetterKind::ALL {
        for language in [Language::En, Language::De] {
            let plain = compose(&from(), &letter(kind, language)).unwrap();
            assert_eq!(by(&none, kind, language).bytes, plain.bytes);
            assert_eq!(plain.problem, None);
        }
    }
    // Nor would they be refused if an operator began with them.
    let copied = good(&[("letter.txt", TEXT), ("letter.html", HTML)]);
    for kind in LetterKind::ALL {
        let letter = letter(kind, Language::De);
        let bytes = compose(&from(), &letter).unwrap().bytes;
        assert_eq!(
            compose_with(&copied, &from(), &letter).unwrap().bytes,
            bytes
        );
    }
}

#[test]
fn the_language_comes_before_what_is_for_all() {
    let templates = good(&[
        ("letter.txt", "for all: {{ app }}"),
        ("letter.de.txt", "deutsch: {{ app }}"),
        ("subject.de.txt", "Betreff\r\nBcc: {{ kind }}\u{7}"),
    ]);
    let english = by(&templates, LetterKind::Advance, Language::En);
    assert_eq!(english.text, "for all: example");
    assert!(
        english
            .subject
            .starts_with("[example] Maintenance of example")
    );
    assert!(english.html.starts_with("<!DOCTYPE html>"), "built in");
    let german = by(&templates, LetterKind::Failed, Language::De);
    assert_eq!(german.text, "deutsch: example");
    assert_eq!(german.subject, "Betreff Bcc: failed", "one line");
    let bytes = String::from_utf8(german.bytes).unwrap();
    assert!(!bytes.contains("\r\nBcc:"), "{bytes}");
    assert_eq!(german.problem, None);
}

#[test]
fn the_subject_is_that_of_the_calendar_entries_too() {
    let templates = good(&[("subject.txt", "Ticket: {{ app }}")]);
    for kind in [LetterKind::Advance, LetterKind::Digest] {
        let mail = String::from_utf8(by(&templates, kind, Language::En).bytes).unwrap();
        let entry = mail.split("Content-Type: text/calendar").nth(1).unwrap();
        let encoded: String = entry
            .split("\r\n\r\n")
            .nth(1)
            .unwrap()
            .split("\r\n--")
            .next()
            .unwrap()
            .lines()
            .collect();
        use base64::Engine;
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .unwrap();
        let calendar = String::from_utf8(decoded).unwrap();
        assert!(
            calendar.contains("SUMMARY:Ticket: example\r\n"),
            "{calendar}"
        );
    }
}

#[test]
fn html_escapes_what_comes_from_elsewhere() {
    let templates = good(&[
        (
            "letter.html",
            "<p>{{ app }} {% include \"_more.html\" %}</p>",
        ),
        ("_more.html", "<b>{{ reason }}</b>"),
        ("letter.txt", "to {{ app }}"),
    ]);
    let mut letter = letter(LetterKind::Failed, Language::En);
    letter.app = "<script>alert(1)</script>".into();
    letter.reason = Some("a & b \"c\"".into());
    let mail = compose_with(&templates, &from(), &letter).unwrap();
    assert!(!mail.html.contains("<script>"), "{}", mail.html);
    assert!(
        mail.html.contains("a &amp; b &quot;c&quot;"),
        "{}",
        mail.html
    );
    assert_eq!(mail.text, "to <script>alert(1)</script>");
}

#[test]
fn what_is_wrong_has_its_place_and_a_hint() {
    let problem = wrong(&[("letter.txt", "{{ app }}\n{{ sbuject }}\n")]);
    assert_eq!(
        (problem.file.as_str(), problem.line),
        ("letter.txt", Some(2))
    );
    assert_eq!(problem.hint.as_deref(), Some("did you mean `subject`?"));
    assert_eq!(problem.span, Some(13..20));
    assert_eq!(problem.letter, Some((LetterKind::Advance, Language::En)));

    let problem = wrong(&[("letter.de.html", "<p>\n{% if app %}\n")]);
    assert_eq!(problem.file, "letter.de.html");
    assert!(problem.message.starts_with("syntax error"), "{problem}");
    assert!(problem.line.is_some() && problem.hint.is_some());

    let problem = wrong(&[
        ("letter.txt", "{% include \"_end.txt\" %}"),
        ("_end.txt", "\n\n{{ nothing.at_all }}"),
    ]);
    assert_eq!((problem.file.as_str(), problem.line), ("_end.txt", Some(3)));

    // Only in some mails: those about what ended have no such thing.
    let problem = wrong(&[("letter.txt", "{{ opening }}{{ jobs[0].name }}")]);
    assert_eq!(problem.letter, Some((LetterKind::Operators, Language::En)));

    for outside in ["../secret.txt", "/etc/passwd", "missing.txt"] {
        let text = format!("{{% include \"{outside}\" %}}");
        let problem = wrong(&[("letter.txt", &text)]);
        assert!(problem.message.contains("template not found"), "{problem}");
        assert!(problem.hint.is_some());
    }
    let problem = wrong(&[("subject.txt", "{# nothing #} \n")]);
    assert_eq!(problem.message, "the subject is empty");
    assert_eq!(wrong(&[("letter.txt", "\n")]).message, "the text is empty");
}

#[test]
fn nothing_runs_for_ever_or_grows_without_end() {
    let problem = wrong(&[(
        "letter.txt",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    )]);
    assert_eq!(problem.message, "it takes more than 1000000 steps");
    let problem = wrong(&[(
        "letter.txt",
        "{% for a in range(9999) %}{{ \"0123456789\" * 99 }}{% endfor %}",
    )]);
    assert_eq!(
        problem.message,
        "what it writes is longer than 1048576 bytes"
    );
    let problem = wrong(&[("letter.txt", "{% include \"letter.txt\" %}")]);
    assert!(problem.message.contains("recursion"), "{problem}");
}

#[test]
fn one_that_fails_keeps_no_mail_back() {
    // Good for every sample, and not for this app.
    let text = "{% if app == \"shop\" %}{{ nonsense }}{% endif %}mine";
    let templates = good(&[
        ("letter.txt", text),
        ("letter.html", "<p>mine</p>"),
        ("subject.txt", text),
    ]);
    let mut letter = letter(LetterKind::Advance, Language::En);
    letter.app = "shop".into();
    let mail = compose_with(&templates, &from(), &letter).unwrap();
    let usual = compose(&from(), &letter).unwrap();
    assert_eq!((&mail.subject, &mail.text), (&usual.subject, &usual.text));
    assert_eq!(mail.html, "<p>mine</p>", "what works is used");
    let problem = mail.problem.unwrap();
    assert_eq!(
        (problem.file.as_str(), problem.line),
        ("subject.txt", Some(1))
    );

    // One that cannot be parsed is not there, and neither is one for another language instead of it.
    let (templates, problems) =
        Templates::new([("letter.de.txt", "{{"), ("letter.txt", "english")]);
    assert_eq!(problems.len(), 1);
    let german = by(&templates, LetterKind::Advance, Language::De);
    assert!(german.text.contains("Wartung"), "{}", german.text);
    assert!(german.problem.is_some());
}

#[test]
fn every_name_has_a_value_or_none() {
    let all: String = facts::NAMES
        .iter()
        .map(|name| format!("{{% if {name} %}}{{% endif %}}{{{{ {name} }}}}\n"))
        .collect();
    good(&[("letter.txt", &all)]);
    let readme = include_str!("../../../README.md");
    for name in facts::NAMES {
        assert!(readme.contains(&format!("`{name}`")), "README: {name}");
    }
}
