//! Interruptions, reloads, rehearsals, and a state that cannot be written.

use offhours::core::notice::Kind;
use offhours::core::state::{ROOM_GIVEN, UNWRITABLE};

use super::*;

#[test]
fn an_interrupted_session_is_left_and_goes_on_exactly_once() {
    let jobs = format!("{A}on_interrupt = \"repeat\"\n{B}");
    let kill = || Happening::Kill {
        after: 0,
        down_for: SignedDuration::from_mins(5),
    };
    let played = given(&jobs)
        .days(1)
        .and("2027-03-01T22:02:30Z", kill())
        .play();
    assert_eq!(
        names(&played),
        [
            "enter0", "enter1", "a", "leave1", "leave0", "enter0", "enter1", "a", "b", "leave1",
            "leave0"
        ]
    );
    assert_eq!(closed(&played).len(), 1);
    // A second time in one occurrence it is over; what is left is carried.
    let played = given(&jobs)
        .days(2)
        .and("2027-03-01T22:02:30Z", kill())
        .and("2027-03-01T22:12:30Z", kill())
        .play();
    let closed = closed(&played);
    assert_eq!(closed[0].1, Outcome::Interrupted);
    assert_eq!(closed[1].1, Outcome::Succeeded);
    // What may not be repeated is not.
    let played = given(&format!("{A}{B}"))
        .days(1)
        .and("2027-03-01T22:02:30Z", kill())
        .play();
    assert_eq!((count(&played, "a"), count(&played, "b")), (1, 1));
}

#[test]
fn a_kill_or_a_stop_at_any_second_leaves_the_app_back_in_service() {
    for second in (0..330).step_by(7) {
        for stop in [false, true] {
            let down_for = SignedDuration::from_mins(2);
            let happening = match stop {
                true => Happening::Stop { down_for },
                false => Happening::Kill {
                    after: second as u32 % 5,
                    down_for,
                },
            };
            let at = scene::at("2027-03-01T21:59:50Z") + SignedDuration::from_secs(second);
            let jobs =
                format!("{A}on_interrupt = \"repeat\"\n{B}only_if = {{ run = [\"/bin/ask\"] }}\n");
            let played = given(&jobs).days(1).and(&at.to_string(), happening).play();
            assert_eq!(closed(&played).len(), 1, "{second} {stop}");
            let begun = played.trace.facts().any(|(_, fact)| {
                matches!(fact, Fact::AttemptStarted { what: What::Step { job, .. }, .. } if &**job == "b")
            });
            assert!(begun, "{second} {stop}");
        }
    }
}

#[test]
fn a_cancelled_session_survives_the_answer_to_its_question() {
    let jobs = format!("{A}only_if = {{ run = [\"/bin/ask\"] }}\n");
    let gone = HEAD.replace(
        "[app.shop]\nwindow = \"night\"",
        "[app.other]\nwindow = \"night\"",
    );
    let played = given(&jobs)
        .days(2)
        .or(&gone)
        .when(|name, _| name.starts_with("ask").then(|| Fate::exit(0, 50)))
        .and("2027-03-01T09:00:20Z", Happening::Reload { index: 1 })
        .play();
    assert_eq!(closed(&played)[0].1, Outcome::Cancelled);
}

#[test]
fn an_app_that_is_removed_in_maintenance_is_brought_back() {
    let gone = HEAD.replace(
        "[app.shop]\nwindow = \"night\"",
        "[app.other]\nwindow = \"night\"",
    );
    let played = given(A)
        .days(2)
        .or(&gone)
        .and("2027-03-01T22:02:30Z", Happening::Reload { index: 1 })
        .play();
    assert_eq!(
        names(&played),
        ["enter0", "enter1", "a", "leave1", "leave0"]
    );
}

#[test]
fn while_nothing_can_be_recorded_nothing_new_starts_and_the_app_is_left() {
    let full = |m| Happening::DiskFull {
        for_: SignedDuration::from_mins(m),
        spare: 0,
    };
    let jobs = format!(
        "{A}{B}[periodic.p]\nschedule = \"*/5 * * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"3m\"\n"
    );
    let played = given(&jobs)
        .days(2)
        .and("2027-03-01T22:02:30Z", full(30))
        .play();
    let during: Vec<_> = started(&played)
        .into_iter()
        .filter(|(_, at)| "01T22:04" <= at.as_str() && at.as_str() < "01T22:32")
        .collect();
    let names: Vec<&str> = during.iter().map(|(n, _)| &**n).collect();
    assert_eq!(names, ["leave0"], "{during:?}");
    assert!(count(&played, "b") >= 1, "recovered");
}

/// What was said of the state itself, in order, and when.
fn said_of_the_state(played: &Played) -> Vec<(String, String)> {
    let it = |key: &str| [UNWRITABLE, ROOM_GIVEN].contains(&key);
    let words = |fact: &Fact| match fact {
        Fact::AttentionRaised { key, text, .. } if it(key) => Some(text.clone()),
        Fact::AttentionCleared { key } if it(key) => Some(String::new()),
        _ => None,
    };
    let facts = played.trace.facts();
    facts
        .filter_map(|(at, fact)| Some((at.strftime("%dT%H:%M").to_string(), words(fact)?)))
        .collect()
}

fn called(played: &Played) -> usize {
    let owed = |fact: &Fact| match fact {
        Fact::OperatorsTold { notices, .. } => notices
            .iter()
            .filter(|n| n.kind == Kind::Operators && n.text[0] == "state trouble")
            .count(),
        _ => 0,
    };
    played.trace.facts().map(|(_, fact)| owed(fact)).sum()
}

#[test]
fn trouble_with_the_state_calls_somebody_once_until_it_has_been_well_for_a_while() {
    let night = |spare, times: &[&str]| {
        let jobs = format!(
            "{A}[periodic.p]\nschedule = \"* * * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"3m\"\n"
        );
        let full = || Happening::DiskFull {
            for_: SignedDuration::from_secs(100),
            spare,
        };
        let scene = times.iter().fold(given(&jobs).days(1), |scene, time| {
            scene.and(&format!("2027-03-01T{time}:00Z"), full())
        });
        let played = scene.play();
        let said = said_of_the_state(&played);
        let cleared = said.iter().filter(|(_, text)| text.is_empty());
        let cleared: Vec<String> = cleared.map(|(at, _)| at.clone()).collect();
        assert_eq!(called(&played), cleared.len(), "{said:#?}");
        (said[0].1.clone(), cleared)
    };
    // Again and again, as a disk is on which something else writes and is cleaned up.
    let (first, cleared) = night(0, &["12:00", "12:05", "12:09", "15:00"]);
    assert!(first.contains("cannot be written"), "{first}");
    assert_eq!(cleared, ["01T12:21", "01T15:12"]);
    let (first, cleared) = night(1000, &["12:00", "15:00"]);
    assert!(first.contains("reserve"), "{first}");
    assert_eq!(cleared, ["01T12:10", "01T15:10"]);
}

#[test]
fn an_announcement_is_not_sent_of_what_is_over() {
    let gone = HEAD.replace(
        "[app.shop]\nwindow = \"night\"",
        "[app.other]\nwindow = \"night\"",
    );
    let played = given(A)
        .days(2)
        .or(&gone)
        .mail(|_, _| Post::Hangs)
        .and("2027-03-01T09:00:20Z", Happening::Reload { index: 1 })
        .play();
    let late = played.trace.facts().any(|(at, f)| {
        matches!(f, Fact::NoticeDelayed { about, .. } if about.kind == Kind::Advance)
            && at > scene::at("2027-03-01T09:06:00Z")
    });
    assert!(!late);
}

#[test]
fn a_window_that_is_shortened_ends_what_was_told_earlier() {
    let shorter = format!("{HEAD}{A}").replace("duration = \"4h\"", "duration = \"30m\"");
    let played = given(A)
        .days(2)
        .or(&shorter)
        .when(|name, n| (name == "a" && n == 1).then_some(Fate::Hangs))
        .and("2027-03-01T20:00:00Z", Happening::Reload { index: 1 })
        .play();
    let (_, ended) = played
        .trace
        .facts()
        .find(|(_, f)| matches!(f, Fact::AttemptEnded(e) if matches!(e.what, What::Step { .. })))
        .unwrap();
    let Fact::AttemptEnded(ended) = ended else {
        unreachable!()
    };
    assert_eq!(ended.outcome, Outcome::TimedOut);
    assert!(
        ended.elapsed < SignedDuration::from_mins(24),
        "four minutes are kept for leaving"
    );
}

#[test]
fn a_freeze_that_is_added_holds_back_what_was_told() {
    let both = format!("{A}labels = [\"security\"]\n{B}");
    let freeze = "[freeze.fair]\nfrom = \"2027-03-01T12:00\"\nuntil = \"2027-03-02T12:00\"\nexcept_labels = [\"security\"]\n";
    let played = given(&both)
        .days(2)
        .or(&format!("{HEAD}{both}{freeze}"))
        .and("2027-03-01T11:00:00Z", Happening::Reload { index: 1 })
        .play();
    let b = started(&played)
        .into_iter()
        .find(|(name, _)| name == "b")
        .unwrap();
    assert_eq!(b.1, "02T22:03");
}

#[test]
fn a_rehearsal_plays_now_and_serves_nothing() {
    let rehearse = |jobs| Happening::Rehearse {
        app: "shop".into(),
        jobs,
    };
    let jobs = format!("{A}only_if = {{ run = [\"/bin/ask\"] }}\n");
    let played = given(&jobs)
        .days(1)
        .and("2027-03-01T12:00:00Z", rehearse(true))
        .play();
    let list = started(&played);
    let at = list.iter().position(|(name, _)| name == "enter0").unwrap();
    assert_eq!(list[at].1, "01T12:00");
    assert_eq!(count(&played, "a"), 2, "the night's own is still due");
    let played = given(&jobs)
        .days(1)
        .and("2027-03-01T12:00:00Z", rehearse(false))
        .play();
    assert_eq!((count(&played, "a"), count(&played, "enter0")), (1, 2));
    // While the app is in maintenance it waits; nothing is on top of anything.
    given(&jobs)
        .days(1)
        .and("2027-03-01T22:01:00Z", rehearse(true))
        .play();
}

#[test]
fn leave_hooks_that_are_mended_while_one_fails_run_at_once_and_from_the_first_on() {
    let mended = HEAD.replace(
        "leave = [{ run = [\"/bin/up0\"], timeout = \"2m\" }, { run = [\"/bin/up1\"], timeout = \"2m\" }]",
        "leave = [{ run = [\"/bin/mended\"], timeout = \"2m\" }]",
    );
    assert!(mended.contains("mended"));
    let played = given(A)
        .days(1)
        .or(&format!("{mended}{A}"))
        // The next try would come a minute after the last.
        .when(|name, n| (name == "leave0" && n <= 11).then(|| Fate::exit(1, 1)))
        .and("2027-03-01T22:09:30Z", Happening::Reload { index: 1 })
        .play();
    let left = played.trace.moments.iter().filter_map(|m| match &m.what {
        Happened::Asked(start) if matches!(start.what, What::Leave { .. }) => {
            Some((m.at, start.command.argv[0].clone()))
        }
        _ => None,
    });
    let left: Vec<(Timestamp, String)> = left.collect();
    let (at, last) = left.last().unwrap();
    assert_eq!(last, "/bin/mended");
    assert!(*at < scene::at("2027-03-01T22:09:35Z"), "{left:?}");
    assert_eq!(
        left.iter().filter(|(_, argv)| argv == "/bin/up1").count(),
        1
    );
}

#[test]
fn a_start_between_two_attempts_leaves_first() {
    let jobs = format!("{A}retry = {{ attempts = 3, backoff = \"5m\" }}\n");
    let kill = Happening::Kill {
        after: 0,
        down_for: SignedDuration::from_secs(30),
    };
    // An answer of the mail server, or any other event, is what the daemon dies at.
    let rehearse = Happening::Rehearse {
        app: "shop".into(),
        jobs: false,
    };
    let played = given(&jobs)
        .days(2)
        .when(|name, n| (name == "a" && n == 1).then(|| Fate::exit(1, 10)))
        .and("2027-03-01T22:03:00Z", kill)
        .and("2027-03-01T22:03:10Z", rehearse)
        .play();
    let first: Vec<String> = names(&played).into_iter().take(5).collect();
    assert_eq!(first, ["enter0", "enter1", "a", "leave1", "leave0"]);
    assert_eq!(
        count(&played, "a"),
        2,
        "what was cut off between attempts is carried"
    );
}

/// The mails to the operators: when, and their lines.
fn operators_read(played: &Played) -> Vec<(String, Vec<String>)> {
    let moments = played.trace.moments.iter();
    moments
        .filter_map(|moment| match &moment.what {
            Happened::Delivered { letter, .. } if letter.recipient.email == "o@example.org" => {
                Some((moment.at.strftime("%H:%M").to_string(), letter.text.clone()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_periodic_job_that_fails_every_minute_is_told_once_an_hour_with_a_count() {
    let job = "[periodic.p]\nschedule = \"* * * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30s\"\n";
    // Every third run succeeds: it is not one long failure.
    let played = given(job)
        .days(1)
        .when(|name, n| (name == "p").then(|| Fate::exit(i32::from(n % 3 != 0), 1)))
        .play();
    let read = operators_read(&played);
    assert!((23..=25).contains(&read.len()), "{}", read.len());
    assert_eq!(read[0].1[0], "periodic failing");
    assert_eq!(read[0].1[1], "p failed: exit code 1");
    let hours = read.windows(2).all(|pair| pair[0].0[..2] < pair[1].0[..2]);
    assert!(hours, "{read:?}");
    assert!(
        read[1].1[1].contains("(40 times since 00:"),
        "{:?}",
        read[1]
    );
}

#[test]
fn many_jobs_that_fail_at_once_are_one_mail() {
    let jobs: String = (0..45)
        .map(|n| {
            format!(
                "[periodic.p{n}]\nschedule = \"0 3 * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30s\"\n"
            )
        })
        .collect();
    let played = given(&jobs)
        .days(1)
        .when(|_, _| Some(Fate::exit(1, 1)))
        .play();
    let read = operators_read(&played);
    assert_eq!(read.len(), 1, "{read:?}");
    assert_eq!(read[0].0, "03:00", "it waits for the others, but not long");
    assert_eq!(read[0].1.len(), 32, "thirty of them by name");
    assert_eq!(read[0].1[31], "and 15 more");
}

#[test]
fn a_job_that_fails_on_all_its_hosts_is_one_line() {
    let hosts: String = (1..=40)
        .map(|n| format!("[host.h{n:02}]\nssh = \"h{n:02}.example.org\"\ngroups = [\"all\"]\n"))
        .collect();
    let job = "[periodic.p]\nschedule = \"0 3 * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30s\"\nhosts = [\"@all\"]\n";
    let played = given(&format!("{hosts}{job}"))
        .days(1)
        .when(|_, _| Some(Fate::exit(1, 1)))
        .play();
    let read = operators_read(&played);
    assert_eq!(read.len(), 1, "{read:?}");
    let lines = [
        "periodic failing",
        "p fails on 40 hosts, e.g. p@h01 failed: exit code 1",
    ];
    assert_eq!(read[0].1, lines);
}
