//! Several sessions in one mail: digests, and nights with many.

use offhours::core::letter::LetterKind;

use super::*;

/// The mails of one person that say what will be: when, kind, and the sessions they tell of.
fn ahead(played: &Played, email: &str) -> Vec<(String, LetterKind, Vec<String>)> {
    let moments = played.trace.moments.iter();
    let kinds = [LetterKind::Advance, LetterKind::Changed, LetterKind::Digest];
    moments
        .filter_map(|moment| match &moment.what {
            Happened::Delivered { letter, .. }
                if letter.recipient.email == email && kinds.contains(&letter.kind) =>
            {
                let of = |session: &str| session.trim_start_matches("shop/night/").to_string();
                let sessions = match &letter.parts[..] {
                    [] => vec![of(&letter.session)],
                    parts => parts.iter().map(|part| of(&part.session)).collect(),
                };
                let at = moment.at.strftime("%a %dT%H:%M").to_string();
                Some((at, letter.kind, sessions))
            }
            _ => None,
        })
        .collect()
}

fn head(notice: &str, jobs: &str) -> String {
    format!("{HEAD}{jobs}").replace("lead = \"12h\"", &format!("lead = \"12h\"\n{notice}"))
}

fn with(notice: &str, jobs: &str, days: i64) -> Scene {
    let mut scene = given(jobs).days(days);
    scene.policies = vec![scene::policy(&head(notice, jobs))];
    scene
}

#[test]
fn a_weekly_digest_is_one_mail_a_week_and_the_announcement_of_all_its_sessions() {
    let played = with("digest = \"Mon 09:00\"", A, 14).play();
    let told = ahead(&played, "a@example.org");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!(
        (&*told[1].0, told[1].1),
        ("Mon 08T09:00", LetterKind::Digest)
    );
    assert_eq!(told[1].2.len(), 7, "{:?}", told[1].2);
    assert_eq!(told[1].2[0], "2027-03-08");
    assert_eq!(count(&played, "a"), 14);
}

#[test]
fn each_role_has_its_own_digest_or_none() {
    let played = with("digest = { support = \"Mon 09:00\" }", A, 14).play();
    let support = ahead(&played, "c@example.org");
    assert_eq!(support.len(), 2, "{support:#?}");
    // The others are told of each session at its time.
    let tech = ahead(&played, "a@example.org");
    assert!(tech.len() >= 14 && tech.iter().all(|(_, kind, _)| *kind == LetterKind::Advance));
    assert!(
        tech.iter().all(|(at, ..)| at.ends_with("T09:00")),
        "{tech:#?}"
    );
    assert_eq!(count(&played, "a"), 14);
}

#[test]
fn what_arises_after_the_digest_is_told_by_itself() {
    let file = |jobs: &str| head("digest = \"Mon 09:00\"", jobs);
    let mut scene = given(A).days(14);
    let b = "[window.noon]\ndays = \"Fri\"\nstart = \"12:00\"\nduration = \"2h\"\n\
             [maintenance.b]\napp = \"shop\"\nwindow = \"noon\"\nevery = \"window\"\nrun = [\"/bin/b\"]\ntimeout = \"30m\"\n";
    scene.policies = vec![
        scene::policy(&file(A)),
        scene::policy(&file(&format!("{A}{b}"))),
    ];
    let reload = Happening::Reload { index: 1 };
    let played = scene.and("2027-03-09T15:00:00Z", reload).play();
    let told = ahead(&played, "a@example.org");
    let alone = told.iter().find(|(at, ..)| at == "Tue 09T15:00").unwrap();
    assert_eq!(
        (alone.1, &*alone.2),
        (
            LetterKind::Advance,
            &["shop/noon/2027-03-12".to_string()][..]
        )
    );
    assert_eq!(count(&played, "b"), 1);
}

#[test]
fn a_digest_that_nobody_takes_announces_nothing() {
    let played = with("digest = \"Mon 09:00\"", A, 7)
        .mail(|_, _| Post::Refuses)
        .play();
    assert_eq!(count(&played, "a"), 0);
    // One that is taken later counts for what is still far enough away.
    let from = scene::at("2027-03-09T15:00:00Z");
    let played = with("digest = \"Mon 09:00\"", A, 14)
        .mail(move |_, at| {
            if at < from {
                Post::Later
            } else {
                Post::Accepts
            }
        })
        .play();
    assert_eq!(started(&played)[0].1, "10T22:00");
}

#[test]
fn a_night_with_many_sessions_is_one_mail_for_who_would_get_many() {
    let apps: String = (0..6)
        .map(|n| {
            format!(
                "[app.app{n}]\nwindow = \"night\"\nnotify = [{}]\nenter = [{{ run = [\"/bin/down0\"], timeout = \"2m\" }}]\n\
                 leave = [{{ run = [\"/bin/up0\"], timeout = \"2m\" }}]\n[maintenance.m{n}]\napp = \"app{n}\"\n\
                 every = \"window\"\nrun = [\"/bin/a\"]\ntimeout = \"10m\"\nestimate = \"5m\"\n{}",
                if n < 2 { "\"tech\", \"support\"" } else { "\"tech\"" },
                // Its question takes a minute: it is waited for.
                if n == 3 { "only_if = { run = [\"/bin/ask\"], timeout = \"5m\" }\n" } else { "" },
            )
        })
        .collect();
    let played = with("digest_after = 3", &apps, 1).play();
    let tech = ahead(&played, "a@example.org");
    assert_eq!(tech.len(), 1, "{tech:#?}");
    assert_eq!((tech[0].1, tech[0].2.len()), (LetterKind::Digest, 6));
    let support = ahead(&played, "c@example.org");
    assert_eq!(support.len(), 2, "{support:#?}");
    let ran = (0..6).all(|n| count(&played, &format!("m{n}")) == 1);
    assert!(ran, "{:?}", names(&played));
}
