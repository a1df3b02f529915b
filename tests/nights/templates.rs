//! Templates of the operator's that cannot be used: no notice waits for that, and somebody is told.

use offhours::core::letter::LetterKind;

use crate::scene::{FILE_MAIL, Scene, header, once, until};

fn scene(letter: &str) -> Scene {
    let mail = FILE_MAIL.replace("[notice]", "[notice]\ntemplates = \"words\"");
    let scene = Scene::new(&format!(
        "{mail}{}[app.shop]\nwindow = \"now\"\n[maintenance.update]\napp = \"shop\"\nevery = \"window\"\nrun = [\"true\"]\n",
        once(3600, 7200)
    ));
    scene.write("words/subject.txt", "mine: {{ subject }}");
    scene.write("words/letter.txt", letter);
    scene
}

/// The mail to this person whose subject has these words.
fn mail(scene: &Scene, to: &str, subject: &str) -> String {
    until(&format!("a mail to {to} about {subject}"), || {
        scene.mails("mail").into_iter().find(|mail| {
            header(mail, "To").is_some_and(|header| header.contains(to))
                && header(mail, "Subject").is_some_and(|header| header.contains(subject))
        })
    })
}

/// What waits for a person about templates.
fn told(scene: &Scene) -> Option<String> {
    let status = scene.offhours(&["status", "--json"]).json();
    let all = status["attention"].as_array().unwrap().iter();
    let mut of_templates = all.filter(|attention| attention["kind"] == "template");
    Some(of_templates.next()?["text"].as_str().unwrap().to_owned())
}

#[test]
fn one_that_fails_with_a_real_mail_is_replaced_and_told() {
    // No sample has this app.
    let scene = scene("{% if app == \"shop\" %}{{ nonsense }}{% endif %}mine");
    scene.offhours(&["check"]).expect(0);
    let daemon = scene.run();
    let notice = mail(&scene, "tech@example.org", "Maintenance of shop");
    assert!(
        notice.contains("Maintenance of shop is planned"),
        "{notice}"
    );
    assert!(
        header(&notice, "Subject").unwrap().starts_with("mine: "),
        "what works is used: {notice}"
    );
    let called = mail(&scene, "oncall@example.org", "template");
    assert!(called.contains("letter.txt:1"), "{called}");
    // The mail about it is no mail of the app: its own text works.
    assert!(called.contains("\r\nmine"), "{called}");
    let text = until("the matter in the status", || told(&scene));
    assert!(
        text.contains("letter.txt:1: undefined value") && text.contains("built-in"),
        "{text}"
    );
    assert!(daemon.err().contains("letter.txt:1"), "{}", daemon.err());

    // What would be told of the session that is recorded, beside the daemon, and with nothing sent.
    let before = scene.mails("mail").len();
    let kinds = LetterKind::ALL.into_iter();
    let kinds = kinds.filter(|kind| *kind != LetterKind::Test);
    for kind in kinds.map(LetterKind::word) {
        let args = ["notice", "preview", "shop", "--kind", kind, "--json"];
        let shown = scene.offhours(&args).expect(0);
        assert!(!shown.err.contains("example"), "{kind}: {}", shown.err);
        let mail = shown.json();
        let about = match kind {
            "operators" => "failed",
            _ => "shop/now/",
        };
        assert!(
            mail["html"]
                .as_str()
                .unwrap()
                .replace("&#x2f;", "/")
                .contains(about),
            "{mail}"
        );
    }
    assert_eq!(scene.mails("mail").len(), before);

    // Mended and read again.
    scene.write("words/letter.txt", "mine");
    daemon.signal("HUP");
    until("the matter to be over", || {
        told(&scene).is_none().then_some(())
    });
}

#[test]
fn one_that_is_broken_from_the_start_keeps_nothing_down() {
    let scene = scene("{{ opening ");
    let said = scene.offhours(&["check"]).expect(3);
    assert!(said.err.contains("words/letter.txt:1"), "{}", said.err);
    let daemon = scene.run();
    let notice = mail(&scene, "tech@example.org", "Maintenance of shop");
    assert!(
        notice.contains("Maintenance of shop is planned"),
        "{notice}"
    );
    let called = mail(&scene, "oncall@example.org", "template");
    assert!(called.contains("syntax error"), "{called}");
    assert!(told(&scene).is_some());
    assert!(daemon.err().contains("syntax error"), "{}", daemon.err());
    // A folder that is gone at a reload is the same matter, and no reason to stay with the old file.
    std::fs::remove_dir_all(scene.path("words")).unwrap();
    daemon.signal("HUP");
    until("the folder to be missed", || {
        told(&scene).filter(|text| text.contains("cannot be read"))
    });
    let shown = scene.offhours(&["notice", "preview", "shop"]).expect(0);
    assert!(shown.err.contains("cannot be read"), "{}", shown.err);
}
