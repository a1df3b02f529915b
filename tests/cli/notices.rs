//! `notice preview` and `notice test`.
use serde_json::Value;

use super::{FILE, Place};

const KINDS: [&str; 9] = [
    "advance",
    "changed",
    "cancelled",
    "postponed",
    "started",
    "finished",
    "failed",
    "digest",
    "operators",
];

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
    for kind in KINDS {
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
    for kind in KINDS {
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
