//! What comes of an operator's wish, and what people are told of it.

use offhours::core::agenda::Agenda;
use offhours::core::decide::decide;
use offhours::core::event::Event;
use offhours::core::letter::LetterKind;
use offhours::core::state::State;
use offhours::core::wish::{Asked, Asker, Wish};
use offhours::simulate::Longing;

use super::*;

fn ask(at: &str, longing: Longing) -> Scene {
    let jobs = format!("{HEAD}{A}").replace("lead = \"12h\"", "lead = \"12h\"\nmargin = \"10h\"");
    let mut scene = given(A).days(4);
    scene.policies = vec![scene::policy(&jobs)];
    scene.and(at, Happening::Ask(longing))
}

/// When a is run, and what a postponement says: from when, to when.
fn nights(played: &Played) -> (Vec<String>, Vec<String>) {
    let runs = started(played).into_iter().filter(|(name, _)| name == "a");
    let runs = runs.map(|(_, at)| at[..2].to_owned()).collect();
    let told = played
        .trace
        .moments
        .iter()
        .filter_map(|moment| match &moment.what {
            Happened::Delivered { letter, .. }
                if letter.kind == LetterKind::Postponed
                    && letter.recipient.email == "a@example.org" =>
            {
                let next = letter
                    .next
                    .map(|next| next.strftime("%d %H:%M").to_string());
                Some(format!(
                    "{} to {}",
                    letter.opens.strftime("%d"),
                    next.unwrap_or_default()
                ))
            }
            _ => None,
        });
    (runs, told.collect())
}

#[test]
fn put_off_its_work_is_done_the_next_night_and_people_are_told_which() {
    let put_off = |by| Longing::Postpone { nth: 0, by };
    let played = ask("2027-03-01T12:00:00Z", put_off(None)).play();
    let (runs, told) = nights(&played);
    assert_eq!(runs, ["02", "03", "04"]);
    assert_eq!(told, ["01 to 02 22:00"]);
    // Not before a time: nights until then pass.
    let later = Some(SignedDuration::from_hours(36));
    let played = ask("2027-03-01T12:00:00Z", put_off(later)).play();
    let (runs, told) = nights(&played);
    assert_eq!(runs, ["03", "04"]);
    assert_eq!(told, ["01 to 03 22:00"]);
    assert!(
        played.state.attention.is_empty(),
        "who asked for it is not called"
    );
}

#[test]
fn what_was_cancelled_may_be_asked_for_again_for_the_same_night() {
    let jobs = A.replace("every = \"window\"", "every = \"request\"");
    let request = || {
        Happening::Ask(Longing::Request {
            job: "a".into(),
            emergency: false,
        })
    };
    let again = |again: bool| {
        let text =
            format!("{HEAD}{jobs}").replace("lead = \"12h\"", "lead = \"12h\"\nmargin = \"10h\"");
        let mut scene = given(A).days(2);
        scene.policies = vec![scene::policy(&text)];
        scene = scene.and("2027-03-01T01:00:00Z", request()).and(
            "2027-03-01T02:00:00Z",
            Happening::Ask(Longing::Cancel { nth: 0 }),
        );
        if again {
            scene = scene.and("2027-03-01T03:00:00Z", request());
        }
        nights(&scene.play()).0.len()
    };
    assert_eq!((again(false), again(true)), (0, 1));
}

#[test]
fn cancelled_its_work_is_not_done_and_the_next_night_is_as_always() {
    let played = ask("2027-03-01T12:00:00Z", Longing::Cancel { nth: 0 }).play();
    assert_eq!(
        nights(&played),
        (vec!["02".into(), "03".into(), "04".into()], vec![])
    );
    assert!(played.state.attention.is_empty());
}

#[test]
fn what_is_paused_past_its_night_is_put_off() {
    let pause = Longing::Pause {
        app: Some("shop".into()),
        for_: Some(SignedDuration::from_hours(20)),
    };
    let played = ask("2027-03-01T12:00:00Z", pause).play();
    assert_eq!(nights(&played).0, ["02", "03", "04"]);
}

#[test]
fn hosts_may_be_asked_for_by_their_group() {
    let host = |name: &str, group: &str| {
        format!("[host.{name}]\nssh = \"{name}\"\ngroups = [\"{group}\"]\n")
    };
    let hosts = [
        host("w1", "web"),
        host("w2", "web"),
        host("d1", "db"),
        host("o1", "odd"),
    ];
    let job = format!("{A}hosts = [\"d1\", \"w2\", \"w1\"]\n");
    let policy = scene::policy(&format!("{HEAD}{job}{}", hosts.concat()));
    let request = |words: &[&str]| Wish::Request {
        job: "a".into(),
        hosts: words.iter().map(|word| (*word).into()).collect(),
        emergency: false,
        approval: None,
    };
    // As it comes from who asks.
    let (mut state, now) = (State::default(), scene::at(FROM));
    decide(
        &policy,
        &mut state,
        &mut Agenda::default(),
        Event::PolicyChanged,
        now,
    );
    let refused = |words: &[&str]| {
        let by = Asker {
            uid: 0,
            login_uid: None,
            name: "root".into(),
            roles: Vec::new(),
        };
        let asked = Asked {
            wish: request(words),
            by,
            reason: "x".into(),
        };
        asked.refusal(&policy, &state, now).is_some()
    };
    for fine in [&[][..], &["@web"], &["@web", "d1"]] {
        assert!(!refused(fine), "{fine:?}");
    }
    assert!(refused(&["@odd"]) && refused(&["@web", "x"]));
    let meant = |words: &[&str]| {
        let mut wish = request(words);
        wish.complete(&policy);
        let Wish::Request { hosts, .. } = wish else {
            panic!()
        };
        hosts
            .iter()
            .map(|host| host.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(meant(&[]), "d1 w2 w1");
    assert_eq!(meant(&["w1", "d1"]), "d1 w1");
    assert_eq!(meant(&["@web"]), "w2 w1");
    assert_eq!(meant(&["@web", "w1", "d1"]), "d1 w2 w1");
    // What means none of its hosts is still there to be refused.
    assert_eq!(meant(&["@odd", "w1", "x"]), "w1 @odd x");
}
