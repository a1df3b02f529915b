//! Whose acceptance, until when, lets a session begin.

use super::*;

/// Mails to `to` are accepted from this time of the first day on; all others at once.
fn from_on(to: &'static [&'static str], time: &str) -> impl Fn(&str, Timestamp) -> Post + 'static {
    let from = scene::at(&format!("2027-03-01T{time}Z"));
    move |email, at| {
        let waits = to.iter().any(|name| email.starts_with(name)) && at < from;
        if waits { Post::Later } else { Post::Accepts }
    }
}

fn head(notice: &str) -> String {
    format!("{HEAD}{A}").replace("lead = \"12h\"", &format!("lead = \"12h\"\n{notice}"))
}

fn with(notice: &str) -> Scene {
    let mut scene = given(A).days(1);
    scene.policies = vec![scene::policy(&head(notice))];
    scene
}

/// When the last of the session's notices was accepted, and whether the job ran.
fn outcome(played: &Played) -> (Option<Timestamp>, bool) {
    let accepted = played.trace.facts().filter_map(|(at, fact)| match fact {
        Fact::NoticeAccepted { about, .. } if about.kind.is_ahead() => Some(at),
        _ => None,
    });
    (accepted.last(), count(played, "a") > 0)
}

#[test]
fn what_is_accepted_before_the_deadline_counts_and_what_is_accepted_after_it_does_not() {
    // The deadline is 10:00; what is refused is tried again at half of the time that is left.
    let everybody: &[&str] = &["a", "b", "c"];
    let played = with("").mail(from_on(everybody, "09:59:45")).play();
    assert!(outcome(&played).1);
    let played = with("").mail(from_on(everybody, "10:00:01")).play();
    assert!(!outcome(&played).1);
    assert_eq!(closed(&played)[0].2, Some(Code::Unannounced));
}

#[test]
fn an_answer_that_comes_after_the_deadline_is_too_late_though_it_was_asked_for_before() {
    // The server takes its time: it is asked at 09:59:59 and says yes a minute later.
    let played = with("margin = \"1s\"").mail(|_, _| Post::Hangs).play();
    assert!(!outcome(&played).1);
}

#[test]
fn one_of_three_that_is_refused_until_after_the_deadline_holds_back_all_but_not_a_role() {
    for (rule, runs) in [("", true), ("accepted = \"all\"", false)] {
        let played = with(rule).mail(from_on(&["b"], "10:30:00")).play();
        assert_eq!(outcome(&played).1, runs, "{rule}");
    }
    // It is told all the same, until the session begins.
    let played = with("").mail(from_on(&["b"], "10:30:00")).play();
    let late = outcome(&played).0.unwrap();
    assert!(late > scene::at("2027-03-01T10:30:00Z") && late < scene::at("2027-03-01T22:00:00Z"));
}

#[test]
fn one_that_is_refused_for_good_holds_back_nothing_but_its_own_role() {
    let refuses = |who: &'static str| {
        move |email: &str, _: Timestamp| {
            if email.starts_with(who) {
                Post::Refuses
            } else {
                Post::Accepts
            }
        }
    };
    for rule in ["", "accepted = \"all\""] {
        assert!(outcome(&with(rule).mail(refuses("b")).play()).1, "{rule}");
    }
    assert!(!outcome(&with("").mail(refuses("c")).play()).1);
    assert!(outcome(&with("accepted = \"all\"").mail(refuses("c")).play()).1);
    for rule in ["", "accepted = \"all\"", "accepted = [\"tech\"]"] {
        let played = with(rule).mail(|_, _| Post::Refuses).play();
        assert_eq!(outcome(&played), (None, false), "{rule}");
    }
}

#[test]
fn a_full_mailbox_of_support_does_not_hold_back_a_security_update() {
    for post in [Post::Later, Post::Refuses, Post::Hangs] {
        let full = move |email: &str, _: Timestamp| {
            if email.starts_with('c') {
                post
            } else {
                Post::Accepts
            }
        };
        assert!(!outcome(&with("").mail(full).play()).1, "{post:?}");
        assert!(
            outcome(&with("accepted = [\"tech\"]").mail(full).play()).1,
            "{post:?}"
        );
        // What is asked for is still asked for.
        let none = move |email: &str, _: Timestamp| {
            if email.starts_with('c') {
                Post::Accepts
            } else {
                post
            }
        };
        assert!(
            !outcome(&with("accepted = [\"tech\"]").mail(none).play()).1,
            "{post:?}"
        );
    }
}

#[test]
fn the_lead_is_elapsed_time_also_across_a_clock_change() {
    // On 28 March 2027 Berlin loses an hour at 02:00: 22:00 on the 27th to 10:00 on the 28th are eleven hours.
    let mut scene = given(A).days(28);
    let text = head("")
        .replace("time_zone = \"UTC\"", "time_zone = \"Europe/Berlin\"")
        .replace("start = \"22:00\"", "start = \"11:00\"");
    scene.policies = vec![scene::policy(&text)];
    let played = scene.play();
    let announced = played.trace.facts().filter_map(|(_, fact)| match fact {
        Fact::SessionOpened { session } if session.id.ends_with("2027-03-28") => {
            Some(session.opens.duration_since(session.notice_by))
        }
        _ => None,
    });
    assert_eq!(announced.last(), Some(SignedDuration::from_hours(12)));
}

#[test]
fn a_restart_between_acceptance_and_start_changes_nothing() {
    let stop = Happening::Stop {
        down_for: SignedDuration::from_hours(2),
    };
    let played = with("").and("2027-03-01T12:00:00Z", stop).play();
    assert!(outcome(&played).1);
    assert_eq!(started(&played)[0].1, "01T22:00");
}

#[test]
fn a_clock_that_jumps_over_the_deadline_announces_nothing_late() {
    // Set forward at 08:30 by three hours: the announcement was due at 09:00, its deadline at 10:00.
    let step = Happening::ClockStep {
        by: SignedDuration::from_hours(3),
    };
    let played = with("").and("2027-03-01T08:30:00Z", step).play();
    assert!(!outcome(&played).1);
    // Set back after acceptance: twelve hours are twelve hours from then on.
    let step = Happening::ClockStep {
        by: -SignedDuration::from_hours(3),
    };
    let played = with("").days(2).and("2027-03-01T09:30:00Z", step).play();
    assert!(outcome(&played).1);
}

#[test]
fn a_lead_longer_than_the_period_of_the_window_announces_several_nights_at_once() {
    let mut scene = given(A).days(5);
    let text = head("").replace("lead = \"12h\"", "lead = \"60h\"");
    scene.policies = vec![scene::policy(&text)];
    let played = scene.play();
    // The first that can be announced 60 hours ahead is that of the third day.
    let days: Vec<String> = started(&played)
        .into_iter()
        .filter(|(name, _)| name == "a")
        .map(|(_, at)| at)
        .collect();
    assert_eq!(
        days[..2],
        ["03T22:02", "04T22:02"].map(String::from)[..],
        "{days:?}"
    );
}
