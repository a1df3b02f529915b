//! What people and operators read of an end that is not a good one.

use offhours::core::letter::{Letter, LetterKind};
use offhours::simulate::Longing;

use super::*;

/// A job over five hosts, of which the second and the third fail.
fn rollout(every: &str, more: &str) -> Scene {
    let hosts: String = (1..=5)
        .map(|n| format!("[host.h{n}]\nssh = \"h{n}.example.org\"\n"))
        .collect();
    given(&format!(
        "{hosts}[maintenance.up]\napp = \"shop\"\nevery = \"{every}\"\nrun = [\"/bin/up\"]\n\
         hosts = [\"h1\", \"h2\", \"h3\", \"h4\", \"h5\"]\ntimeout = \"30m\"\nestimate = \"10m\"\n\
         healthy = {{ run = [\"/bin/well\"], timeout = \"3m\" }}\n{more}\n"
    ))
    .days(1)
    .when(|name, n| (name == "up" && (2..=3).contains(&n)).then(|| Fate::exit(1, 60)))
}

/// The mails to somebody from the entering of the app on.
fn read(played: &Played, email: &str) -> Vec<Letter> {
    let moments = played.trace.moments.iter();
    moments
        .filter_map(|moment| match &moment.what {
            Happened::Delivered { letter, .. } if letter.recipient.email == email => {
                Some((**letter).clone())
            }
            _ => None,
        })
        .collect()
}

/// The mail about the end of the first session.
fn end(played: &Played) -> Letter {
    let mut mails = read(played, "a@example.org").into_iter();
    let ahead = [LetterKind::Advance, LetterKind::Changed];
    mails.find(|mail| !ahead.contains(&mail.kind)).unwrap()
}

/// Of its one job: how many hosts ended how, and which.
fn ends(letter: &Letter) -> Vec<(&str, String)> {
    let ends = letter.jobs[0].ends.iter();
    ends.map(|ends| (&*ends.outcome, ends.hosts.join(" ")))
        .collect()
}

fn operators(played: &Played) -> Vec<String> {
    let mails = read(played, "o@example.org");
    mails.into_iter().map(|mail| mail.text.join(": ")).collect()
}

/// When the first session says that its work can be done.
fn next(played: &Played) -> Option<Timestamp> {
    let mut facts = played.trace.facts();
    let closed = facts.find_map(|(_, fact)| match fact {
        Fact::SessionClosed { next, .. } => Some(*next),
        _ => None,
    });
    closed.unwrap()
}

#[test]
fn a_rollout_that_failed_says_how_many_and_which() {
    let played = rollout("window", "max_failures = 1").play();
    let letter = end(&played);
    assert_eq!(letter.kind, LetterKind::Failed);
    assert!(!letter.early);
    let not_begun = ("not_begun", "h4 h5".to_string());
    assert_eq!(
        ends(&letter),
        [
            ("succeeded", "h1".to_string()),
            ("failed", "h2 h3".to_string()),
            not_begun
        ]
    );
    let job = &letter.jobs[0];
    assert_eq!(job.outcome.as_deref(), Some("failed"));
    assert_eq!(job.detail.as_deref(), Some("h2: exit code 1"));
    assert!(!job.ask_again);
    assert_eq!(
        operators(&played)[0],
        "session failed: shop/night/2027-03-01 failed: a job failed: \
         up: 1 succeeded, 2 failed (h2, h3), 2 not begun; h2: exit code 1"
    );
}

#[test]
fn what_is_cancelled_when_it_has_begun_was_ended_early() {
    // Two hooks take a minute each, then a host and its question.
    let at = "2027-03-01T22:05:30Z";
    for longing in [
        Longing::Cancel { nth: 0 },
        Longing::Leave { app: "shop".into() },
    ] {
        let ask = Happening::Ask(longing);
        let played = rollout("window", "max_failures = 4").and(at, ask).play();
        assert_eq!(closed(&played)[0].1, Outcome::Cancelled);
        let letter = end(&played);
        assert_eq!((letter.kind, letter.early), (LetterKind::Failed, true));
        assert_eq!(letter.sequence, 0, "no invitation is taken back");
        assert_eq!(
            ends(&letter),
            [
                ("succeeded", "h1".to_string()),
                ("failed", "h2".to_string()),
                ("interrupted", "h3".to_string()),
                ("not_begun", "h4 h5".to_string())
            ]
        );
        let told = operators(&played);
        assert!(told[0].starts_with("session failed: "), "{told:?}");
        let counts =
            "up: 1 succeeded, 1 failed (h2), 1 interrupted (h3), 2 not begun; h2: exit code 1";
        assert!(told[0].ends_with(counts), "{told:?}");
    }
}

#[test]
fn what_nothing_will_do_before_it_is_asked_for_again_says_so() {
    let request = |emergency| {
        let job = "up".into();
        Happening::Ask(Longing::Request { job, emergency })
    };
    let at = "2027-03-01T08:00:00Z";
    let stops = || rollout("request", "max_failures = 1").days(2);
    // An emergency is not carried to a night that nobody asked for.
    let played = stops().and(at, request(true)).play();
    let letter = end(&played);
    assert_eq!(ends(&letter)[2], ("not_begun", "h4 h5".to_string()));
    assert_eq!((next(&played), letter.next), (None, None));
    assert!(letter.jobs[0].ask_again);
    assert_eq!(count(&played, "up"), 3);
    let told = operators(&played);
    let again = "; what is left of up has to be requested again";
    assert!(told[0].ends_with(again), "{told:?}");
    // What waits for its window is.
    let played = stops().and(at, request(false)).play();
    let letter = end(&played);
    assert_eq!(next(&played), Some(scene::at("2027-03-02T22:00:00Z")));
    assert_eq!(letter.next, next(&played));
    assert!(!letter.jobs[0].ask_again);
    assert_eq!(count(&played, "up"), 5);
}

#[test]
fn what_is_done_is_planned_for_no_other_night() {
    let played = given(A).days(1).play();
    assert_eq!(next(&played), None);
    let letter = end(&played);
    assert_eq!((letter.kind, letter.next), (LetterKind::Finished, None));
    // What a schedule asks for is not done at every occurrence.
    let weekly = A.replace("every = \"window\"", "schedule = \"0 20 * * Mon\"");
    let failing = |name: &str, _| (name == "a").then(|| Fate::exit(1, 60));
    let played = given(&weekly).days(1).when(failing).play();
    assert_eq!(next(&played), Some(scene::at("2027-03-08T22:00:00Z")));
}

#[test]
fn what_was_stopped_before_it_began_waited_for_no_lock() {
    use offhours::core::agenda::Agenda;
    use offhours::core::apply::apply;
    use offhours::core::decide::decide;
    use offhours::core::event::Event;
    use offhours::core::run::{End, Report};
    use offhours::core::state::State;
    use offhours::core::wish::{Asked, Asker, Wish};

    let scene = rollout("window", "");
    let policy = scene.policies[0].clone();
    let played = scene.play();
    let (mut state, mut step) = (State::default(), None);
    for (at, fact) in played.trace.facts() {
        apply(&mut state, at, fact).unwrap();
        if let Fact::AttemptStarted { run, what, .. } = fact
            && let What::Step { session, .. } = what
        {
            step = Some((*run, session.clone(), at));
            break;
        }
    }
    let (run, session, now) = step.unwrap();
    let mut agenda = Agenda::build(&policy, &state);
    let asked = Asked {
        wish: Wish::Cancel { session },
        by: Asker {
            uid: 0,
            login_uid: None,
            name: "root".into(),
            roles: Vec::new(),
        },
        reason: "the host hangs".into(),
    };
    let event = Event::Asked(Box::new(asked));
    decide(&policy, &mut state, &mut agenda, event, now);
    let report = Report {
        end: End::Stopped { code: None },
        elapsed: SignedDuration::from_secs(5),
        output_bytes: 0,
        log: false,
        tail: String::new(),
    };
    let event = Event::Ended { run, report };
    let decision = decide(&policy, &mut state, &mut agenda, event, now);
    let ended = decision.facts.iter().find_map(|fact| match fact {
        Fact::AttemptEnded(ended) => Some(ended),
        _ => None,
    });
    let ended = ended.unwrap();
    assert_eq!(ended.outcome, Outcome::Postponed);
    assert_eq!(ended.reason.as_ref().unwrap().code, Code::Operator);
}

#[test]
fn what_has_no_other_night_is_cancelled() {
    let once = "[window.once]\nfrom = \"2027-03-01T22:00\"\nuntil = \"2027-03-02T02:00\"\n";
    let job = A.replace("every", "window = \"once\"\nevery");
    let pause = Longing::Pause {
        app: Some("shop".into()),
        for_: Some(SignedDuration::from_hours(20)),
    };
    let mut scene = given(A).days(2);
    let text = format!("{HEAD}{once}{job}");
    let early = text.replace("lead = \"12h\"", "lead = \"12h\"\nmargin = \"10h\"");
    scene.policies = vec![scene::policy(&early)];
    let ask = Happening::Ask(pause);
    let played = scene.and("2027-03-01T12:00:00Z", ask).play();
    assert_eq!(closed(&played)[0].1, Outcome::Postponed);
    assert_eq!(next(&played), None);
    assert_eq!(end(&played).kind, LetterKind::Cancelled);
}
