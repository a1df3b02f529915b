//! What comes of an operator's wish, and what people are told of it.

use offhours::core::letter::LetterKind;
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
