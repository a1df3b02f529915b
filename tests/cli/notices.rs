//! `notice preview` and `notice test`.
use offhours::core::letter::LetterKind;
use serde_json::Value;

use super::{FILE, Place};

/// Every kind that can be looked at before it is sent.
fn kinds() -> impl Iterator<Item = &'static str> {
    let all = LetterKind::ALL.into_iter();
    all.filter(|kind| *kind != LetterKind::Test)
        .map(LetterKind::word)
}

fn preview(place: &Place, args: &[&str]) -> Value {
    let all = [&["notice", "preview", "shop", "--json"], args].concat();
    let said = place.run(&all);
    assert_eq!(said.code, 0, "{args:?}: {}", said.err);
    serde_json::from_str(&said.out).expect("json")
}

#[test]
fn every_kind_in_every_language() {
    let place = Place::new(FILE);
    let mut subjects = std::collections::BTreeSet::new();
    for kind in kinds() {
        for language in ["en", "de"] {
            let mail = preview(&place, &["--kind", kind, "--language", language]);
            assert_eq!(mail["to"], "ops@example.org");
            let subject = mail["subject"].as_str().expect("a subject");
            assert!(subject.starts_with("[offhours] "), "{subject}");
            assert!(subjects.insert(subject.to_owned()), "{subject} twice");
            let (text, html) = (mail["text"].as_str(), mail["html"].as_str());
            let zone = if language == "de" {
                "Zeitzone"
            } else {
                "Time zone"
            };
            assert!(text.is_some_and(|text| text.contains(zone)), "{text:?}");
            assert!(html.is_some_and(|html| html.contains(zone)), "{html:?}");
            let calendar = mail["eml"]
                .as_str()
                .is_some_and(|eml| eml.contains("text/calendar"));
            let has = matches!(
                kind,
                "advance" | "changed" | "cancelled" | "postponed" | "digest"
            );
            assert_eq!(calendar, has, "{kind}");
        }
    }
    assert!(
        !place.dir.path().join("state").exists(),
        "nothing is recorded"
    );
}

#[test]
fn what_is_put_off_is_put_off_to_later() {
    let place = Place::new(FILE);
    let mail = preview(&place, &["--kind", "postponed"]);
    let text = mail["text"].as_str().expect("text");
    let after = |label: &str| {
        let mut lines = text.lines().skip_while(|line| *line != label);
        lines.nth(1).expect("a value").trim().to_owned()
    };
    assert_ne!(after("Planned begin:"), after("Now planned for:"), "{text}");
}

#[test]
fn each_format_is_what_it_says() {
    let place = Place::new(FILE);
    let shown = |format| {
        place
            .run(&["notice", "preview", "shop", "--format", format])
            .out
    };
    let text = shown("text");
    assert!(
        text.starts_with(
            "From: ops@example.org\nTo: ops@example.org\nSubject: [offhours] Maintenance of shop, "
        ),
        "{text}"
    );
    assert!(shown("html").starts_with("<!DOCTYPE html>\n"));
    let eml = shown("eml");
    assert!(
        eml.is_ascii() && eml.contains("\r\nMIME-Version: 1.0\r\n"),
        "{eml}"
    );
}

#[test]
fn what_cannot_be_shown_says_why() {
    let place = Place::new(&FILE.replace("[app.shop]", "[app.wiki]\n[app.shop]"));
    let said = place.run(&["notice", "preview", "shopp"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("did you mean shop?"), "{}", said.err);
    let file = FILE.replace("operators = [\"technical\"]\n", "");
    let said = Place::new(&file).run(&["notice", "preview", "shop", "--kind", "operators"]);
    assert_eq!(said.code, 5);
    assert!(said.err.contains("nobody is told"), "{}", said.err);
}

#[test]
fn where_nothing_is_planned_an_example_is_shown_and_called_one() {
    let place = Place::new(&FILE.replace("[app.shop]", "[app.wiki]\n[app.shop]"));
    for kind in kinds() {
        let said = place.run(&["notice", "preview", "wiki", "--kind", kind]);
        assert_eq!(said.code, 0, "{kind}: {}", said.err);
        assert!(
            said.err.contains("no maintenance of wiki is planned") && said.err.contains("example"),
            "{}",
            said.err
        );
        assert!(said.out.contains("Subject: [offhours] "), "{}", said.out);
    }
    let shown = place.run(&["notice", "preview", "shop"]);
    assert_eq!(shown.err, "");
}

#[test]
fn a_test_becomes_a_mail_that_says_so() {
    let place = Place::new(FILE);
    let said = place.run(&["notice", "test", "technical"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out
            .starts_with("ops@example.org  accepted  written to "),
        "{}",
        said.out
    );
    let again = place.run(&["notice", "test", "Somebody <new@example.org>", "--json"]);
    let answers: Value = serde_json::from_str(&again.out).expect("json");
    assert_eq!(answers[0]["recipient"], "new@example.org");
    assert_eq!(answers[0]["answer"], "accepted");
    let mails = std::fs::read_dir(place.dir.path().join("state/mail")).expect("mails");
    let mails: Vec<_> = mails
        .map(|mail| std::fs::read_to_string(mail.expect("mail").path()).expect("text"))
        .collect();
    assert_eq!(mails.len(), 2);
    assert!(
        mails
            .iter()
            .all(|mail| mail.contains("Subject: [offhours] Test: nothing is planned"))
    );
    let nobody = Place::new("time_zone = \"UTC\"\n");
    assert_eq!(nobody.run(&["notice", "test", "a@example.org"]).code, 3);
    assert_eq!(place.run(&["notice", "test", "a@"]).code, 2);
}

/// A place with templates in `words`.
fn with_templates(files: &[(&str, &str)]) -> Place {
    let place = Place::new(&FILE.replace("[notice]", "[notice]\ntemplates = \"words\""));
    std::fs::create_dir(place.dir.path().join("words")).expect("folder");
    for (name, text) in files {
        std::fs::write(place.dir.path().join("words").join(name), text).expect("file");
    }
    place
}

#[test]
fn templates_are_used_by_preview_and_by_what_is_sent() {
    let place = with_templates(&[
        ("subject.txt", "{{ app or kind }} at {{ starts_at }}"),
        ("subject.de.txt", "{{ installation }}: {{ kind }}"),
        ("letter.txt", "{{ opening }} {% include \"_end.txt\" %}"),
        ("_end.txt", "Bye, {{ recipient.email }}"),
    ]);
    let said = place.run(&["check"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    let mail = preview(&place, &[]);
    let subject = mail["subject"].as_str().expect("a subject");
    assert!(subject.starts_with("shop at 20"), "{subject}");
    let text = mail["text"].as_str().expect("a text");
    assert!(text.ends_with("Bye, ops@example.org"), "{text}");
    let html = mail["html"].as_str().expect("html");
    assert!(
        html.contains("shop at 20"),
        "built in, with the subject: {html}"
    );
    let mail = preview(&place, &["--language", "de", "--kind", "digest"]);
    assert_eq!(mail["subject"], "offhours: digest");
    let sent = place.run(&["notice", "test", "technical"]);
    assert_eq!(sent.code, 0, "{}", sent.err);
    let mut mails = std::fs::read_dir(place.dir.path().join("state/mail")).expect("mails");
    let mail = mails.next().expect("one").expect("entry").path();
    let mail = std::fs::read_to_string(mail).expect("text");
    assert!(mail.contains("Subject: test at\r\n"), "{mail}");
}

#[test]
fn check_shows_what_is_wrong_with_templates_and_where() {
    let place = with_templates(&[
        ("letter.txt", "{{ opening }}\n  {{ stars }}\n"),
        ("letter.html", "<p>{% if app %}</p>\n"),
        ("subject.de.txt", "{{ reason.title }}"),
        ("leter.de.txt", "nobody reads this"),
    ]);
    let said = place.run(&["check"]);
    assert_eq!(said.code, 3);
    for part in [
        "words/letter.txt:2:6",
        "did you mean `starts`?",
        "words/letter.html:",
        "syntax error",
        "words/subject.de.txt:1",
        "nothing uses this file",
        "did you mean letter.de.txt?",
        "3 errors, 1 warning",
    ] {
        assert!(said.err.contains(part), "{part:?} in {}", said.err);
    }
    let problems = place.json(&["check", "--json"]);
    let letter = problems.as_array().expect("an array").iter();
    let mut letter = letter.filter(|p| {
        p["file"]
            .as_str()
            .is_some_and(|f| f.ends_with("/letter.txt"))
    });
    let problem = letter.next().expect("there");
    assert_eq!(
        (&problem["line"], &problem["column"]),
        (&2.into(), &6.into())
    );
    assert_eq!(problem["severity"], "error");

    // A look at a mail says it, and shows what would be sent.
    let said = place.run(&["notice", "preview", "shop"]);
    assert_eq!(said.code, 0);
    assert!(said.err.contains("words/letter.txt:2: "), "{}", said.err);
    assert!(
        said.out.contains("Maintenance of shop is planned"),
        "{}",
        said.out
    );
}

#[test]
fn templates_that_others_can_write_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = with_templates(&[("subject.txt", "{{ subject }}")]);
    let mode = |path: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(place.dir.path().join(path), mode).expect("ours");
    };
    for (path, usual) in [("words/subject.txt", 0o644), ("words", 0o755)] {
        mode(path, 0o777);
        let said = place.run(&["check"]);
        assert_eq!(said.code, 3, "{path}");
        assert!(
            said.err.contains("can be written by others") && said.err.contains("chmod go-w"),
            "{}",
            said.err
        );
        mode(path, usual);
        assert_eq!(place.run(&["check"]).code, 0);
    }
}

#[test]
fn every_mail_is_in_the_log_and_its_text_only_where_asked_for() {
    let logged = |file: &str| {
        let place = Place::new(file);
        let output = place
            .command(&["notice", "test", "technical"])
            .env("OFFHOURS_LOG", "debug")
            .output()
            .expect("started");
        assert!(output.status.success());
        String::from_utf8(output.stderr).expect("text")
    };
    let log = logged(FILE);
    let ends: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("answer=\"accepted\""))
        .collect();
    let [end] = ends[..] else { panic!("{log}") };
    for part in [
        " INFO mail id=offhours.test.",
        "recipient=ops@example.org",
        "server=\"",
        "began=20",
        "duration_ms=",
        "said=\"written to ",
    ] {
        assert!(end.contains(part), "{part:?} in {end}");
    }
    assert!(log.contains("mail begins id=offhours.test."), "{log}");
    assert!(!log.contains("Subject:"), "{log}");

    let asked = FILE.replace("[mail]", "[mail]\nlog_payload = true");
    let log = logged(&asked);
    let payload = log.lines().find(|line| line.contains("mail payload"));
    let payload = payload.unwrap_or_else(|| panic!("{log}"));
    assert!(
        payload.contains(r"\r\nSubject: [offhours] Test"),
        "{payload}"
    );
    let said = Place::new(&asked).run(&["check"]);
    assert_eq!(said.code, 0);
    assert!(
        said.err.contains("whole mails are written into the log"),
        "{}",
        said.err
    );
}
