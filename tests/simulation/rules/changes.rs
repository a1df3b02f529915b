//! A reload that moves, adds, grows, shrinks or removes what was announced: what people are told, and what it does to
//! the lead. The rows of the table in the README.

use offhours::core::letter::{Letter, LetterKind};

use super::*;

const B_SHORT: &str = "[maintenance.b]\napp = \"shop\"\nevery = \"window\"\nrun = [\"/bin/b\"]\ntimeout = \"30m\"\nestimate = \"20m\"\n";

/// Announced at 00:00, ten hours before the deadline at 10:00, for 22:00.
fn early(jobs: &str) -> String {
    format!("{HEAD}{jobs}").replace("lead = \"12h\"", "lead = \"12h\"\nmargin = \"10h\"")
}

/// The file `old`, replaced by `new` at this time of the first day.
fn reload(old: &str, new: &str, at: &str) -> Scene {
    let mut scene = given(A).days(1);
    scene.policies = vec![scene::policy(old), scene::policy(new)];
    scene.and(&format!("2027-03-01T{at}Z"), Happening::Reload { index: 1 })
}

/// What one person was told of the first day's session: when, kind, SEQUENCE, the time it starts, and the jobs.
fn told(played: &Played, email: &str) -> Vec<String> {
    let moments = played.trace.moments.iter();
    moments
        .filter_map(|moment| match &moment.what {
            Happened::Delivered { letter, .. }
                if letter.recipient.email == email && letter.session.ends_with("2027-03-01") =>
            {
                Some(line(moment.at, letter))
            }
            _ => None,
        })
        .collect()
}

fn line(at: Timestamp, letter: &Letter) -> String {
    let jobs: Vec<String> = letter
        .jobs
        .iter()
        .map(|job| match &job.hosts[..] {
            [host] if host == "local" => job.name.clone(),
            hosts => format!("{}@{}", job.name, hosts.join("+")),
        })
        .collect();
    format!(
        "{} {} {} {} {}m {}",
        at.strftime("%H:%M"),
        letter.kind.word(),
        letter.sequence,
        letter.starts.strftime("%H:%M"),
        letter.expected.as_mins(),
        jobs.join(" ")
    )
}

#[test]
fn another_job_begins_the_lead_anew() {
    let (old, new) = (early(A), early(&format!("{A}{B_SHORT}")));
    let played = reload(&old, &new, "05:00").play();
    assert_eq!(
        told(&played, "a@example.org"),
        [
            "00:00 advance 0 22:00 15m a",
            "05:00 changed 1 22:00 30m a b",
            "22:06 finished 1 22:00 30m a b",
        ]
    );
    assert_eq!(names(&played)[2..4], ["a", "b"].map(String::from));
}

#[test]
fn another_job_after_the_deadline_waits_for_the_next_occurrence() {
    let (old, new) = (early(A), early(&format!("{A}{B_SHORT}")));
    let played = reload(&old, &new, "10:30").days(2).play();
    assert_eq!(
        told(&played, "a@example.org"),
        [
            "00:00 advance 0 22:00 15m a",
            "22:05 finished 0 22:00 15m a"
        ]
    );
    assert_eq!(count(&played, "b"), 1);
    assert_eq!(
        started(&played).iter().find(|s| s.0 == "b").unwrap().1,
        "02T22:03"
    );
}

#[test]
fn another_job_that_nobody_could_be_told_of_in_time_leaves_the_rest_as_announced() {
    let (old, new) = (early(A), early(&format!("{A}{B_SHORT}")));
    let played = reload(&old, &new, "05:00")
        .mail(|_, at| {
            let away =
                at >= scene::at("2027-03-01T05:00:00Z") && at < scene::at("2027-03-01T10:00:00Z");
            if away { Post::Later } else { Post::Accepts }
        })
        .play();
    assert_eq!(
        names(&played),
        ["enter0", "enter1", "a", "leave1", "leave0"]
    );
    // Nobody was reached with the change: nobody hears of it.
    assert_eq!(
        told(&played, "a@example.org"),
        [
            "00:00 advance 0 22:00 15m a",
            "22:05 finished 2 22:00 15m a"
        ]
    );
    let alarmed = played.trace.facts().any(|(_, fact)| {
        matches!(fact, Fact::AttentionRaised { text, .. } if text.contains("as it was announced before"))
    });
    assert!(alarmed);
}

#[test]
fn who_was_told_of_a_change_that_did_not_come_about_is_told_so() {
    let (old, new) = (early(A), early(&format!("{A}{B_SHORT}")));
    // The technicians accept the change, support does not.
    let played = reload(&old, &new, "05:00")
        .mail(|to, at| {
            let away =
                at >= scene::at("2027-03-01T05:00:00Z") && at < scene::at("2027-03-01T10:00:00Z");
            if away && to == "c@example.org" {
                Post::Later
            } else {
                Post::Accepts
            }
        })
        .play();
    assert_eq!(count(&played, "b"), 0);
    assert_eq!(
        told(&played, "a@example.org")[1..3],
        [
            "05:00 changed 1 22:00 30m a b",
            "10:00 changed 2 22:00 15m a"
        ]
    );
    assert_eq!(
        told(&played, "c@example.org").len(),
        2,
        "advance and finished"
    );
}

#[test]
fn another_host_begins_the_lead_anew() {
    let on = |hosts: &[&str]| {
        let there =
            "[host.web1]\nssh = \"web1.example.org\"\n[host.web2]\nssh = \"web2.example.org\"\n";
        scene::policy(&early(&format!("{there}{A}hosts = {hosts:?}\n")))
    };
    let reload = |at: &str| {
        let mut scene = reload(&early(A), &early(A), at);
        scene.policies = vec![on(&["web1"]), on(&["web1", "web2"])];
        scene
    };
    let played = reload("05:00").play();
    assert_eq!(
        told(&played, "a@example.org")[..2],
        [
            "00:00 advance 0 22:00 15m a@web1",
            "05:00 changed 1 22:00 30m a@web1+web2"
        ]
    );
    assert_eq!(count(&played, "a"), 2);
    let played = reload("11:00").play();
    assert_eq!(count(&played, "a"), 1);
}

#[test]
fn less_work_is_told_and_does_not_touch_the_lead() {
    let (old, new) = (early(&format!("{A}{B_SHORT}")), early(A));
    for at in ["05:00", "21:59"] {
        let played = reload(&old, &new, at).play();
        let expected = [
            "00:00 advance 0 22:00 30m a b".to_string(),
            format!("{at} changed 1 22:00 15m a"),
            "22:06 finished 1 22:00 15m a b".into(),
        ];
        assert_eq!(told(&played, "a@example.org")[..2], expected[..2]);
        assert_eq!(
            names(&played),
            ["enter0", "enter1", "a", "leave1", "leave0"]
        );
    }
}

#[test]
fn a_window_that_opens_later_moves_the_session_without_a_new_lead() {
    let old = early(A);
    let new = old.replace("start = \"22:00\"", "start = \"23:30\"");
    let played = reload(&old, &new, "20:00").play();
    assert_eq!(
        told(&played, "a@example.org")[..2],
        ["00:00 advance 0 22:00 15m a", "20:00 changed 1 23:30 15m a"]
    );
    assert_eq!(started(&played)[0].1, "01T23:30");
    assert_eq!(closed(&played)[0].0, "shop/night/2027-03-01");
}

#[test]
fn a_window_that_opens_earlier_moves_it_only_where_there_is_time_for_the_lead() {
    let old = early(A);
    let new = old.replace("start = \"22:00\"", "start = \"20:00\"");
    let played = reload(&old, &new, "05:00").play();
    assert_eq!(
        told(&played, "a@example.org")[..2],
        ["00:00 advance 0 22:00 15m a", "05:00 changed 1 20:00 15m a"]
    );
    assert_eq!(started(&played)[0].1, "01T20:00");
    let played = reload(&old, &new, "08:30").play();
    assert_eq!(started(&played)[0].1, "01T22:00");
    // It closes earlier too.
    assert_eq!(
        told(&played, "a@example.org")[1],
        "08:30 changed 1 22:00 15m a"
    );
}

#[test]
fn a_window_that_is_over_before_the_announced_start_moves_or_cancels() {
    let old = early(A);
    let new = old
        .replace("start = \"22:00\"", "start = \"18:00\"")
        .replace("duration = \"4h\"", "duration = \"2h\"");
    let played = reload(&old, &new, "05:00").play();
    assert_eq!(
        told(&played, "a@example.org")[..2],
        ["00:00 advance 0 22:00 15m a", "05:00 changed 1 18:00 15m a"]
    );
    assert_eq!(started(&played)[0].1, "01T18:00");
    let played = reload(&old, &new, "06:30").play();
    assert_eq!(
        told(&played, "a@example.org")[1],
        "06:30 cancelled 1 22:00 15m a"
    );
    assert_eq!(count(&played, "a"), 0);
}

#[test]
fn a_window_that_closes_earlier_is_told() {
    let old = early(&format!("{A}{B_SHORT}"));
    let new = old.replace("duration = \"4h\"", "duration = \"3h\"");
    let played = reload(&old, &new, "15:00").play();
    let changes = told(&played, "a@example.org");
    assert_eq!(changes[1], "15:00 changed 1 22:00 30m a b");
    assert_eq!(count(&played, "b"), 1);
}

#[test]
fn what_is_gone_is_cancelled_at_once() {
    let old = early(A);
    for new in [
        early(B_SHORT),
        format!("{HEAD}{A}").replace("days = \"daily\"", "days = \"Tue\""),
        old.replace("[app.shop]", "[app.other]")
            .replace("\"shop\"", "\"other\""),
    ] {
        let played = reload(&old, &new, "21:00").play();
        let all = told(&played, "a@example.org");
        // An app that is gone has nobody any more who could be told.
        if new.contains("[app.shop]") {
            assert_eq!(all[1], "21:00 cancelled 1 22:00 15m a");
        }
        assert_eq!(count(&played, "a"), 0);
        assert_eq!(closed(&played)[0].1, Outcome::Cancelled);
    }
}

#[test]
fn a_change_that_is_taken_back_is_told_only_to_those_who_know_of_it() {
    let (old, new) = (early(A), early(&format!("{A}{B_SHORT}")));
    let played = reload(&old, &new, "05:00")
        .and("2027-03-01T06:00:00Z", Happening::Reload { index: 0 })
        .mail(|to, at| {
            let away =
                at >= scene::at("2027-03-01T05:00:00Z") && at < scene::at("2027-03-01T05:59:00Z");
            if away && to == "c@example.org" {
                Post::Later
            } else {
                Post::Accepts
            }
        })
        .play();
    assert_eq!(
        told(&played, "a@example.org")[1..3],
        [
            "05:00 changed 1 22:00 30m a b",
            "06:00 changed 2 22:00 15m a"
        ]
    );
    assert_eq!(
        names(&played),
        ["enter0", "enter1", "a", "leave1", "leave0"]
    );
}

#[test]
fn who_is_added_is_told_of_what_others_know_and_nobody_else_hears_of_it_again() {
    let old = early(A);
    let new = old.replace(
        "[\"c@example.org\"]",
        "[\"c@example.org\", \"d@example.org\"]",
    );
    for at in ["05:00", "15:00"] {
        let played = reload(&old, &new, at).play();
        let first = format!("{at} advance 0 22:00 15m a");
        assert_eq!(told(&played, "d@example.org")[0], first);
        assert_eq!(
            told(&played, "d@example.org").len(),
            2,
            "advance and finished"
        );
        assert_eq!(
            told(&played, "c@example.org").len(),
            2,
            "advance and finished"
        );
        assert_eq!(count(&played, "a"), 1);
    }
}

#[test]
fn the_same_file_again_tells_nobody_anything() {
    let old = early(&format!("{A}{B_SHORT}"));
    let played = reload(&old, &old, "05:00").play();
    assert_eq!(
        told(&played, "a@example.org").len(),
        2,
        "advance and finished"
    );
    let grown = early(&format!("{A}{B_SHORT}"));
    let played = reload(&early(A), &grown, "05:00")
        .and("2027-03-01T06:00:00Z", Happening::Reload { index: 1 })
        .play();
    assert_eq!(
        told(&played, "a@example.org").len(),
        3,
        "advance, changed and finished"
    );
    assert_eq!(count(&played, "b"), 1);
}

#[test]
fn before_anybody_was_told_a_change_is_no_change() {
    let (old, new) = (early(A), early(&format!("{A}{B_SHORT}")));
    let played = reload(&old, &new, "01:00")
        .mail(|_, at| {
            if at < scene::at("2027-03-01T02:00:00Z") {
                Post::Later
            } else {
                Post::Accepts
            }
        })
        .play();
    let first = &told(&played, "a@example.org")[0];
    assert!(first.ends_with("advance 0 22:00 30m a b"), "{first}");
    assert_eq!(count(&played, "b"), 1);
    let kinds = |kind| move |line: &String| line.contains(kind);
    assert!(
        !told(&played, "a@example.org")
            .iter()
            .any(kinds(LetterKind::Changed.word()))
    );
}

#[test]
fn a_session_that_grows_takes_nothing_that_another_was_announced_with() {
    let first =
        format!("{A}priority = 5\n").replace("every = \"window\"", "schedule = \"0 14 * * 1\"");
    let long = first.replace(
        "timeout = \"30m\"\nestimate = \"10m\"",
        "timeout = \"4h\"\nestimate = \"3h 40m\"",
    );
    let weekly = "[maintenance.weekly]\napp = \"shop\"\nschedule = \"0 13 * * 1\"\nrun = [\"/bin/w\"]\ntimeout = \"30m\"\nestimate = \"30m\"\n";
    // Both nights are announced at once: the first has room for the long job alone.
    let early = |jobs: &str| early(jobs).replace("margin = \"10h\"", "margin = \"34h\"");
    let (old, new) = (
        early(&format!("{long}{weekly}")),
        early(&format!("{first}{weekly}")),
    );
    let played = reload(&old, &new, "05:00").days(2).play();
    let runs: Vec<_> = started(&played)
        .into_iter()
        .filter(|s| s.0 == "weekly")
        .collect();
    assert_eq!(
        runs.len(),
        1,
        "{runs:?} {:?}",
        told(&played, "a@example.org")
    );
    assert!(
        runs[0].1.starts_with("02T22"),
        "{runs:?} {:?}",
        told(&played, "a@example.org")
    );
}
