//! What a session does, and what people are told before it.

use offhours::core::agenda::Agenda;
use offhours::core::decide::decide;
use offhours::core::event::Event;
use offhours::core::letter::LetterKind;
use offhours::core::session::Code;
use offhours::core::state::State;

use super::*;

#[test]
fn a_session_enters_works_and_leaves_in_reverse_order() {
    let played = given(&format!("{A}{B}")).days(2).play();
    let first: Vec<String> = names(&played).into_iter().take(6).collect();
    assert_eq!(first, ["enter0", "enter1", "a", "b", "leave1", "leave0"]);
    assert_eq!(started(&played)[0].1, "01T22:00");
    assert_eq!(closed(&played)[0].1, Outcome::Succeeded);
}

#[test]
fn what_comes_first_comes_first_on_all_hosts_then_priority_then_the_file() {
    let jobs = format!(
        "[maintenance.late]\napp = \"shop\"\nevery = \"window\"\nrun = [\"/bin/x\"]\ntimeout = \"5m\"\n\
         after = [\"a\"]\npriority = 9\n{A}{B}priority = 5\n"
    );
    let played = given(&jobs).days(1).play();
    assert_eq!(names(&played)[2..5], ["b", "a", "late"].map(String::from));
}

#[test]
fn a_session_that_one_role_could_not_be_told_of_is_postponed() {
    let played = given(A)
        .days(3)
        .mail(|to, _| {
            if to == "c@example.org" {
                Post::Later
            } else {
                Post::Accepts
            }
        })
        .play();
    assert!(closed(&played).iter().all(|(_, outcome, code)| {
        (*outcome, *code) == (Outcome::Postponed, Some(Code::Unannounced))
    }));
    assert_eq!(count(&played, "a"), 0);
}

#[test]
fn one_address_of_a_role_is_enough_unless_all_are_wanted() {
    let refuses = |to: &str, _| {
        if to == "a@example.org" {
            Post::Refuses
        } else {
            Post::Accepts
        }
    };
    assert_eq!(count(&given(A).days(1).mail(refuses).play(), "a"), 1);
    let later = |to: &str, _| {
        if to == "a@example.org" {
            Post::Later
        } else {
            Post::Accepts
        }
    };
    assert_eq!(count(&given(A).days(1).mail(later).play(), "a"), 1);
    let all = format!("{HEAD}{A}").replace("lead = \"12h\"", "lead = \"12h\"\naccepted = \"all\"");
    let mut scene = given(A).days(1).mail(later);
    scene.policies = vec![scene::policy(&all)];
    assert_eq!(count(&scene.play(), "a"), 0);
    let mut scene = given(A).days(1).mail(refuses);
    scene.policies = vec![scene::policy(&all)];
    assert_eq!(count(&scene.play(), "a"), 1);
}

#[test]
fn no_way_of_not_answering_passes_the_deadline() {
    for post in [Post::Later, Post::Refuses, Post::Hangs, Post::TakesSilently] {
        let played = given(A).days(2).mail(move |_, _| post).play();
        assert_eq!(count(&played, "a"), 0, "{post:?}");
        let first = &closed(&played)[0];
        assert_eq!(
            (first.1, first.2),
            (Outcome::Postponed, Some(Code::Unannounced))
        );
        let at = played
            .trace
            .facts()
            .find(|(_, f)| matches!(f, Fact::SessionClosed { .. }));
        assert_eq!(at.unwrap().0, scene::at("2027-03-01T10:00:00Z"), "{post:?}");
    }
}

#[test]
fn an_enter_hook_that_fails_unwinds_exactly_what_was_started() {
    let played = given(A)
        .days(1)
        .when(|name, _| (name == "enter0").then(|| Fate::exit(1, 1)))
        .play();
    assert_eq!(names(&played), ["enter0", "leave0"]);
    let played = given(A)
        .days(1)
        .when(|name, _| (name == "enter1").then(|| Fate::exit(1, 1)))
        .play();
    assert_eq!(names(&played), ["enter0", "enter1", "leave1", "leave0"]);
    assert_eq!(closed(&played)[0].2, Some(Code::EnterFailed));
}

#[test]
fn a_leave_hook_is_tried_until_it_succeeds() {
    let played = given(A)
        .days(2)
        .when(|name, n| (name == "leave1" && n <= 9).then(|| Fate::exit(1, 0)))
        .play();
    let tries: Vec<Timestamp> = played
        .trace
        .moments
        .iter()
        .filter(|m| matches!(&m.what, Happened::Asked(s) if name(&s.what) == "leave1"))
        .map(|m| m.at)
        .take(10)
        .collect();
    let pauses: Vec<i64> = tries
        .windows(2)
        .map(|w| w[1].duration_since(w[0]).as_secs())
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn a_job_that_fails_stops_the_session_unless_it_may_go_on() {
    let fails = |name: &str, _| (name == "a").then(|| Fate::exit(1, 5));
    let played = given(&format!("{A}{B}")).days(1).when(fails).play();
    assert_eq!(
        (count(&played, "b"), closed(&played)[0].1),
        (0, Outcome::Failed)
    );
    let goes_on = format!("{A}on_failure = \"continue\"\n{B}");
    let played = given(&goes_on).days(1).when(fails).play();
    assert_eq!(
        (count(&played, "b"), closed(&played)[0].1),
        (1, Outcome::Failed)
    );
    let again = format!("{A}retry = {{ attempts = 3, backoff = \"2m\" }}\n");
    assert_eq!(count(&given(&again).days(1).when(fails).play(), "a"), 3);
}

#[test]
fn exit_69_postpones_and_75_repeats_while_it_fits() {
    let played = given(A)
        .days(2)
        .when(|name, n| (name == "a" && n == 1).then(|| Fate::exit(69, 5)))
        .play();
    assert_eq!(count(&played, "a"), 2);
    assert_eq!(closed(&played)[0].1, Outcome::Postponed);
    let played = given(A)
        .days(1)
        .when(|name, n| (name == "a" && n < 5).then(|| Fate::exit(75, 5)))
        .play();
    assert_eq!(
        (count(&played, "a"), closed(&played)[0].1),
        (5, Outcome::Succeeded)
    );
    let long = given(A)
        .days(3)
        .when(|name, _| (name == "a").then(|| Fate::exit(75, 600)))
        .play();
    assert_eq!(closed(&long)[0].1, Outcome::Postponed);
    let played = given(A)
        .days(2)
        .when(|name, _| (name == "enter1").then(|| Fate::exit(69, 5)))
        .play();
    assert_eq!(
        names(&played)[..4],
        ["enter0", "enter1", "leave1", "leave0"].map(String::from)
    );
    assert_eq!(closed(&played)[0].1, Outcome::Postponed);
}

#[test]
fn with_nothing_to_do_the_app_is_left_in_peace() {
    let asked = format!("{A}only_if = {{ run = [\"/bin/ask\"] }}\n");
    let no = |name: &str, _| (name == "ask a").then(|| Fate::exit(1, 5));
    let played = given(&asked).days(2).when(no).play();
    assert!(names(&played).iter().all(|name| name == "ask a"));
    // Needed when it was told, not any more when it begins.
    let played = given(&asked)
        .days(1)
        .when(|name, n| (name == "ask a" && n == 2).then(|| Fate::exit(1, 5)))
        .play();
    assert_eq!(names(&played)[..2], ["ask a", "ask a"].map(String::from));
    assert_eq!(count(&played, "enter0"), 0);
    // No answer is none: it is done.
    let played = given(&asked)
        .days(1)
        .when(|name, _| (name == "ask a").then(|| Fate::exit(7, 5)))
        .play();
    assert_eq!(count(&played, "a"), 1);
}

#[test]
fn questions_that_take_until_the_deadline_are_named_as_what_they_are() {
    let text = format!("{HEAD}{A}only_if = {{ run = [\"/bin/ask\"], timeout = \"10m\" }}\n");
    let mut scene = given("").days(1);
    scene.policies = vec![scene::policy(
        &text.replace("lead = \"12h\"", "lead = \"12h\"\nmargin = \"1m\""),
    )];
    let played = scene
        .when(|name, _| (name == "ask a").then(|| Fate::exit(0, 300)))
        .play();
    assert_eq!(count(&played, "a"), 0);
    let why = played.trace.facts().find_map(|(_, fact)| match fact {
        Fact::SessionClosed { reason, .. } => reason.clone(),
        _ => None,
    });
    let why = why.unwrap();
    assert_eq!(why.code, Code::Unannounced);
    assert!(why.text.contains("a longer `margin` helps"));
}

#[test]
fn what_follows_a_job_with_nothing_to_do_is_asked_before_anybody_is_told() {
    let jobs = format!(
        "{A}only_if = {{ run = [\"/bin/ask\"] }}\n{B}after = [\"a\"]\nonly_if = {{ run = [\"/bin/ask\"] }}\n"
    );
    let no = |name: &str, _| name.starts_with("ask").then(|| Fate::exit(1, 5));
    let played = given(&jobs).days(2).when(no).play();
    assert_eq!(count(&played, "enter0"), 0);
    let told = played
        .trace
        .facts()
        .any(|(_, f)| matches!(f, Fact::SessionPlanned { .. }));
    assert!(!told, "nobody is told of nothing");
    // Where the first is needed, the second is asked when the first has worked.
    let second = |name: &str, _| (name == "ask b").then(|| Fate::exit(1, 5));
    let played = given(&jobs).days(1).when(second).play();
    assert_eq!(
        (
            count(&played, "a"),
            count(&played, "b"),
            count(&played, "ask b")
        ),
        (1, 0, 1)
    );
}

#[test]
fn a_freeze_holds_back_what_is_not_exempt() {
    let jobs = format!(
        "[freeze.fair]\nfrom = \"2027-03-01T00:00\"\nuntil = \"2027-03-02T00:00\"\nexcept_labels = [\"security\"]\n\
         {A}labels = [\"security\"]\n{B}"
    );
    let played = given(&jobs)
        .days(1)
        .when(|name, _| (name == "a").then(|| Fate::exit(0, 60)))
        .play();
    assert_eq!(started(&played)[2], ("a".into(), "01T22:02".into()));
    assert_eq!(
        count(&played, "b"),
        0,
        "not before midnight, and the app does not wait for it"
    );
}

#[test]
fn every_form_of_a_freeze_holds_back() {
    let frozen = |freeze: &str| {
        let jobs = format!("[app.other]\nwindow = \"night\"\n[freeze.fair]\n{freeze}\n{A}");
        let played = given(&jobs).days(3).play();
        started(&played)[2].1.clone()
    };
    let monday = "days = \"Mon\"\nstart = \"20:00\"\nduration = \"8h\"";
    let holidays = "calendar = \"holidays.ics\"\nexcept_labels = [\"none\"]";
    for (freeze, first) in [
        ("open = \"Mon 20:00-23:00\"".to_owned(), "01T23:02"),
        (monday.to_owned(), "02T22:02"),
        (
            "cron = \"0 22 1 3 *\"\nduration = \"3h\"".to_owned(),
            "02T01:02",
        ),
        (
            "from = \"02-28T12:00\"\nuntil = \"03-02\"".to_owned(),
            "02T00:02",
        ),
        ("from = \"12-18\"\nuntil = \"03-03\"".to_owned(), "03T00:02"),
        (
            format!("{holidays}\ntime_zone = \"Asia/Tokyo\""),
            "02T22:02",
        ),
        (holidays.to_owned(), "01T22:02"),
        (
            format!("{monday}\napps = [\"shop\"]\nwindows = [\"night\"]"),
            "02T22:02",
        ),
        (format!("{monday}\napps = [\"other\"]"), "01T22:02"),
    ] {
        assert_eq!(frozen(&freeze), first, "{freeze}");
    }
}

#[test]
fn several_dues_before_one_occurrence_count_once() {
    let job = "[maintenance.a]\napp = \"shop\"\nschedule = \"0 */2 * * *\"\nrun = [\"/bin/a\"]\ntimeout = \"5m\"\n";
    let played = given(job).days(2).play();
    assert_eq!(count(&played, "a"), 2);
}

#[test]
fn a_lock_is_waited_for_while_the_step_still_fits() {
    let jobs = format!("{A}locks = [\"disk\"]\n");
    let held = |minutes| Happening::LockHeld {
        file: "disk.lock".into(),
        for_: SignedDuration::from_mins(minutes),
    };
    let played = given(&jobs)
        .days(1)
        .and("2027-03-01T21:00:00Z", held(120))
        .play();
    assert_eq!(closed(&played)[0].1, Outcome::Succeeded);
    let played = given(&jobs)
        .days(1)
        .and("2027-03-01T21:00:00Z", held(60 * 5 - 10))
        .play();
    assert_eq!(closed(&played).len(), 0, "the play ends while it waits");
    let played = given(&jobs)
        .days(2)
        .and("2027-03-01T21:00:00Z", held(60 * 5 - 10))
        .play();
    let (at, fact) = played
        .trace
        .facts()
        .find(|(_, f)| matches!(f, Fact::AttemptEnded(e) if matches!(e.what, What::Step { .. })))
        .unwrap();
    let Fact::AttemptEnded(ended) = fact else {
        unreachable!()
    };
    assert_eq!(
        (ended.outcome, ended.reason.as_ref().map(|r| r.code)),
        (Outcome::Postponed, Some(Code::Locked))
    );
    assert!(
        (at.duration_since(scene::at("2027-03-02T01:46:00Z"))).as_secs() < 2,
        "{at}"
    );
    assert_eq!(count(&played, "a"), 2);
}

#[test]
fn a_rollout_that_does_not_fit_goes_on_the_next_night() {
    let jobs: String = (0..6)
        .map(|n| format!("[maintenance.j{n}]\napp = \"shop\"\nschedule = \"0 12 1 3 *\"\nrun = [\"/bin/x\"]\ntimeout = \"55m\"\n"))
        .collect();
    let played = given(&jobs)
        .days(3)
        .when(|name, _| name.starts_with('j').then(|| Fate::exit(0, 54 * 60)))
        .play();
    let order: Vec<_> = started(&played)
        .into_iter()
        .filter(|(n, _)| n.starts_with('j'))
        .collect();
    let fourth = order.iter().map(|(name, at)| format!("{name} {at}")).nth(3);
    assert_eq!(
        fourth.as_deref(),
        Some("j3 02T00:44"),
        "still the first night"
    );
    let rest: Vec<_> = order[4..]
        .iter()
        .map(|(name, at)| (&**name, &**at))
        .collect();
    assert_eq!(rest, [("j4", "02T22:02"), ("j5", "02T22:56")]);
}

#[test]
fn an_app_that_stays_in_maintenance_past_its_window_raises_one_alarm() {
    let played = given(A)
        .days(2)
        .when(|name, n| (name == "leave0" && n <= 280).then(|| Fate::exit(1, 0)))
        .play();
    let raised: Vec<Timestamp> = played
        .trace
        .facts()
        .filter(
            |(_, fact)| matches!(fact, Fact::AttentionRaised { key, .. } if &**key == "stuck:shop"),
        )
        .map(|(at, _)| at)
        .collect();
    assert_eq!(raised, [scene::at("2027-03-02T02:00:00Z")]);
    let cleared = |(_, fact): (Timestamp, &Fact)| matches!(fact, Fact::AttentionCleared { key } if &**key == "stuck:shop");
    assert!(played.trace.facts().any(cleared));
}

#[test]
fn a_session_that_is_put_off_as_a_whole_says_why() {
    let played = given("[maintenance.a]\napp = \"shop\"\nevery = \"window\"\nrun = [\"/bin/a\"]\ntimeout = \"10m\"\n")
        .when(|name, n| (name == "a" && n == 1).then(|| Fate::exit(69, 5)))
        .play();
    let said: Vec<&str> = played
        .trace
        .facts()
        .filter_map(|(_, fact)| match fact {
            Fact::AttentionRaised { text, .. } => Some(&**text),
            _ => None,
        })
        .collect();
    let wanted = "the command asked to be postponed (exit code 69)";
    assert!(
        said.iter()
            .any(|text| text.contains("was postponed") && text.contains(wanted)),
        "{said:?}"
    );
}

#[test]
fn a_notice_knows_that_the_clocks_change_in_its_night() {
    let mut scene = given(A).days(31);
    let berlin = HEAD
        .replace("time_zone = \"UTC\"", "time_zone = \"Europe/Berlin\"")
        .replace("duration = \"4h\"", "end = \"04:00\"");
    scene.policies = vec![scene::policy(&format!("{berlin}{A}"))];
    let played = scene.play();
    let letters = played.trace.moments.iter().filter_map(|m| match &m.what {
        Happened::Delivered { letter, .. } if letter.kind == LetterKind::Advance => Some(letter),
        _ => None,
    });
    let (mut nights, mut told) = (0, 0);
    for letter in letters {
        let changed = letter.session == "shop/night/2027-03-27";
        let expected = SignedDuration::from_hours(if changed { -1 } else { 0 });
        assert_eq!(letter.longer, expected, "{}", letter.session);
        (nights, told) = (nights + 1, told + u32::from(changed));
    }
    assert!(nights > 50 && told == 3, "{nights}, {told}");
}

#[test]
fn one_that_is_looked_at_only_after_its_deadline_is_told_and_not_lost() {
    let text = format!("{HEAD}{A}").replace("lead = \"12h\"", "lead = \"12h\"\nmargin = \"1s\"");
    let policy = scene::policy(&text);
    let (mut state, mut agenda) = (State::default(), Agenda::default());
    let turn = |event, at: &str, state: &mut State, agenda: &mut Agenda| {
        decide(&policy, state, agenda, event, scene::at(at)).facts
    };
    // The deadline is ten hours after midnight. Nothing tells that the process stood still meanwhile.
    turn(
        Event::PolicyChanged,
        "2027-03-01T00:00:00Z",
        &mut state,
        &mut agenda,
    );
    let facts = turn(Event::Woke, "2027-03-01T09:59:00Z", &mut state, &mut agenda);
    assert!(facts.is_empty(), "{facts:?}");
    let facts = turn(Event::Woke, "2027-03-01T10:00:01Z", &mut state, &mut agenda);
    let postponed = |fact: &Fact| matches!(fact, Fact::SessionClosed { reason: Some(reason), .. } if reason.code == Code::Unannounced);
    assert_eq!(
        facts.iter().filter(|fact| postponed(fact)).count(),
        1,
        "{facts:?}"
    );
    // Once; and the next night is as it was.
    let facts = turn(Event::Woke, "2027-03-01T10:00:02Z", &mut state, &mut agenda);
    assert!(!facts.iter().any(postponed), "{facts:?}");
    let facts = turn(Event::Woke, "2027-03-02T09:59:59Z", &mut state, &mut agenda);
    let opened = facts
        .iter()
        .filter(|fact| matches!(fact, Fact::SessionOpened { .. }));
    assert_eq!(opened.count(), 1, "{facts:?}");
}
