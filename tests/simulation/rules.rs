//! One rule at a time, played: a policy, a script for commands and mails, and what was recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use offhours::core::fact::Fact;
use offhours::core::notice::Kind;
use offhours::core::policy::Policy;
use offhours::core::run::{Outcome, What};
use offhours::core::session::Code;
use offhours::simulate::{Dice, Fate, Faults, Happened, Happening, Play, Played, Post, play};

use crate::{invariants, scene};

/// A Monday.
const FROM: &str = "2027-03-01T00:00:00Z";

const HEAD: &str = r#"
name = "played"
time_zone = "UTC"
[mail]
transport = "file"
dir = "/tmp/mail"
from = "ops@example.org"
[contacts]
tech = ["a@example.org", "b@example.org"]
support = ["c@example.org"]
ops = ["o@example.org"]
[notice]
lead = "12h"
to = ["tech", "support"]
operators = ["ops"]
[window.night]
days = "daily"
start = "22:00"
duration = "4h"
[app.shop]
window = "night"
enter = [{ run = ["/bin/down0"], timeout = "2m" }, { run = ["/bin/down1"], timeout = "2m" }]
leave = [{ run = ["/bin/up0"], timeout = "2m" }, { run = ["/bin/up1"], timeout = "2m" }]
"#;

struct Scene {
    policies: Vec<Arc<Policy>>,
    days: i64,
    happenings: Vec<(SignedDuration, Happening)>,
    dice: Dice,
}

fn given(jobs: &str) -> Scene {
    let mut dice = Dice::new(1, Faults::None);
    // Everything takes a minute unless a test says otherwise.
    dice.script = Some(Box::new(|_, _| Some(Fate::exit(0, 60))));
    Scene {
        policies: vec![scene::policy(&format!("{HEAD}{jobs}"))],
        days: 3,
        happenings: Vec::new(),
        dice,
    }
}

impl Scene {
    fn days(mut self, days: i64) -> Self {
        self.days = days;
        self
    }

    /// `name` is the job, `enter0`, `leave1` or `ask JOB`; the count is that of its attempts so far.
    fn when(mut self, script: impl Fn(&str, u32) -> Option<Fate> + 'static) -> Self {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        self.dice.script = Some(Box::new(move |start, _| {
            let name = name(&start.what);
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            Some(script(&name, *count).unwrap_or(Fate::exit(0, 60)))
        }));
        self
    }

    fn mail(mut self, post: impl Fn(&str, Timestamp) -> Post + 'static) -> Self {
        self.dice.post = Some(Box::new(move |letter, at| {
            Some(post(&letter.recipient.email, at))
        }));
        self
    }

    fn and(mut self, at: &str, happening: Happening) -> Self {
        let from = scene::at(FROM);
        self.happenings
            .push((scene::at(at).duration_since(from), happening));
        self
    }

    fn or(mut self, whole: &str) -> Self {
        self.policies.push(scene::policy(whole));
        self
    }

    fn play(self) -> Played {
        let policies = self.policies.clone();
        let played = play(Play {
            policies: self.policies,
            from: scene::at(FROM),
            length: SignedDuration::from_hours(24 * self.days),
            happenings: self.happenings,
            dice: self.dice,
        });
        let bad = invariants::check(&policies, &played);
        assert!(bad.is_empty(), "{bad:#?}");
        played
    }
}

fn name(what: &What) -> String {
    match what {
        What::Step { job, .. } | What::Periodic { job } => job.to_string(),
        What::Ask { job, .. } => format!("ask {job}"),
        What::Enter { hook, .. } => format!("enter{hook}"),
        What::Leave { hook, .. } => format!("leave{hook}"),
        What::Alarm { .. } => "alarm".into(),
    }
}

/// Everything that was started, as `name` in order, each with when.
fn started(played: &Played) -> Vec<(String, String)> {
    let moments = played.trace.moments.iter();
    moments
        .filter_map(|m| match &m.what {
            Happened::Asked(start) => {
                Some((name(&start.what), m.at.strftime("%dT%H:%M").to_string()))
            }
            _ => None,
        })
        .collect()
}

fn names(played: &Played) -> Vec<String> {
    started(played).into_iter().map(|(name, _)| name).collect()
}

fn closed(played: &Played) -> Vec<(String, Outcome, Option<Code>)> {
    let facts = played.trace.facts();
    facts
        .filter_map(|(_, fact)| match fact {
            Fact::SessionClosed {
                session,
                outcome,
                reason,
                ..
            } => Some((
                session.to_string(),
                *outcome,
                reason.as_ref().map(|r| r.code),
            )),
            _ => None,
        })
        .collect()
}

fn count(played: &Played, name: &str) -> usize {
    names(played).iter().filter(|n| *n == name).count()
}

const A: &str = "[maintenance.a]\napp = \"shop\"\nevery = \"window\"\nrun = [\"/bin/a\"]\ntimeout = \"30m\"\nestimate = \"10m\"\n";
const B: &str = "[maintenance.b]\napp = \"shop\"\nevery = \"window\"\nrun = [\"/bin/b\"]\ntimeout = \"30m\"\nestimate = \"10m\"\n";

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
fn several_dues_before_one_occurrence_count_once() {
    let job = "[maintenance.a]\napp = \"shop\"\nschedule = \"0 */2 * * *\"\nrun = [\"/bin/a\"]\ntimeout = \"5m\"\n";
    let played = given(job).days(2).play();
    assert_eq!(count(&played, "a"), 2);
}

#[test]
fn an_app_waits_for_its_periodic_jobs_and_they_for_it() {
    let jobs = format!(
        "{A}[periodic.p]\nschedule = \"55 21 * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30m\"\napp = \"shop\"\n\
         [periodic.q]\nschedule = \"2 22 * * *\"\nrun = [\"/bin/q\"]\ntimeout = \"30m\"\napp = \"shop\"\n"
    );
    let played = given(&jobs)
        .days(1)
        .when(|name, _| (name == "p").then(|| Fate::exit(0, 600)))
        .play();
    let at = |name: &str| {
        started(&played)
            .into_iter()
            .find(|(n, _)| n == name)
            .unwrap()
            .1
    };
    assert_eq!(at("enter0"), "01T22:05");
    assert_eq!(at("q"), "01T22:10");
    let played = given(&jobs)
        .days(1)
        .when(|name, _| (name == "p").then(|| Fate::exit(0, 1700)))
        .play();
    assert_eq!(closed(&played)[0].2, Some(Code::Drain));
}

#[test]
fn a_retry_waits_while_the_app_is_in_maintenance() {
    let jobs = format!(
        "{A}[periodic.p]\nschedule = \"50 21 * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30m\"\n\
         retry = {{ attempts = 2, backoff = \"12m\" }}\napp = \"shop\"\n"
    );
    let played = given(&jobs)
        .days(1)
        .when(|name, n| (name == "p" && n == 1).then(|| Fate::exit(1, 10)))
        .play();
    let tries: Vec<_> = started(&played)
        .into_iter()
        .filter(|(n, _)| n == "p")
        .map(|(_, at)| at)
        .collect();
    assert_eq!(tries, ["01T21:50", "01T22:05"]);
}

#[test]
fn what_was_missed_follows_its_rule() {
    let at_nine = |played: &Played| {
        started(played)
            .iter()
            .any(|(_, at)| at.starts_with("01T09:"))
    };
    let job = |rest: &str| {
        format!(
            "[periodic.p]\nschedule = \"0 * * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30m\"\n{rest}"
        )
    };
    let down = |h| Happening::Kill {
        after: 0,
        down_for: SignedDuration::from_mins(h),
    };
    let played = given(&job(""))
        .days(1)
        .and("2027-03-01T05:00:30Z", down(4 * 60))
        .play();
    let (_, skipped) = played
        .trace
        .facts()
        .find(|(_, f)| matches!(f, Fact::Skipped { .. }))
        .unwrap();
    let Fact::Skipped { due, reason, .. } = skipped else {
        unreachable!()
    };
    assert_eq!(
        (due.count, reason.code),
        (3, Code::Missed),
        "cut off, then down: missed, not overlapped"
    );
    assert!(at_nine(&played));
    let skip = given(&job("missed = \"skip\"\n"))
        .days(1)
        .and("2027-03-01T05:00:30Z", down(4 * 60 + 10))
        .play();
    assert!(!at_nine(&skip));
    let within = given(&job("missed_within = \"5m\"\n"))
        .days(1)
        .and("2027-03-01T05:00:30Z", down(4 * 60 + 10))
        .play();
    assert!(!at_nine(&within));
}

#[test]
fn a_clock_that_jumps_floods_nothing_and_repeats_nothing() {
    let jobs = format!(
        "{A}[periodic.p]\nschedule = \"0 * * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30m\"\n"
    );
    let month = SignedDuration::from_hours(24 * 30);
    let played = given(&jobs)
        .days(2)
        .and("2027-03-01T05:00:30Z", Happening::ClockStep { by: month })
        .play();
    assert!(count(&played, "p") <= 48);
    let back = SignedDuration::from_hours(-1);
    let played = given(&jobs)
        .days(1)
        .and("2027-03-01T05:30:30Z", Happening::ClockStep { by: back })
        .play();
    assert_eq!(count(&played, "p"), 22);
    let played = given(&format!("{A}{B}"))
        .days(1)
        .and("2027-03-01T22:02:30Z", Happening::ClockStep { by: back })
        .play();
    assert_eq!((closed(&played).len(), count(&played, "enter0")), (1, 2));
    let again = started(&played)
        .into_iter()
        .filter(|(name, _)| name == "enter0")
        .nth(1);
    assert_eq!(
        again.unwrap().1,
        "01T22:00",
        "the second round waits for the opening"
    );
}

#[test]
fn while_nothing_can_be_recorded_nothing_new_starts_and_the_app_is_left() {
    let full = |m| Happening::DiskFull {
        for_: SignedDuration::from_mins(m),
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

#[test]
fn the_plan_is_what_happens() {
    let jobs = format!(
        "{A}{B}after = [\"a\"]\n[maintenance.c]\napp = \"shop\"\nschedule = \"0 3 * * 3\"\nrun = [\"/bin/c\"]\ntimeout = \"20m\"\n\
         [freeze.fair]\nfrom = \"2027-03-10T23:00\"\nuntil = \"2027-03-12T23:30\"\n\
         [periodic.p]\nschedule = \"0 5 * * 1-5\"\nrun = [\"/bin/p\"]\ntimeout = \"3m\"\n"
    );
    let policy = scene::policy(&format!("{HEAD}{jobs}"));
    let (from, until) = (scene::at(FROM), scene::at("2027-04-01T00:00:00Z"));
    let plan = offhours::core::plan::plan(&policy, &Default::default(), from, until);
    let planned: Vec<(String, Vec<String>)> = plan
        .sessions
        .iter()
        .map(|s| {
            (
                s.id.to_string(),
                s.steps.iter().map(|s| s.job.to_string()).collect(),
            )
        })
        .collect();
    let played = given(&jobs).days(32).play();
    let mut done: Vec<(String, Vec<String>)> = Vec::new();
    let mut periodic = Vec::new();
    for (at, fact) in played.trace.facts().filter(|(at, _)| *at < until) {
        match fact {
            Fact::SessionEntering { session, .. } => done.push((session.to_string(), Vec::new())),
            Fact::AttemptStarted {
                what: What::Step { job, .. },
                ..
            } => done.last_mut().unwrap().1.push(job.to_string()),
            Fact::AttemptStarted {
                what: What::Periodic { job },
                ..
            } => periodic.push((job.to_string(), at)),
            _ => {}
        }
    }
    assert_eq!(planned, done);
    let runs: Vec<_> = plan
        .periodic
        .iter()
        .map(|r| (r.job.to_string(), r.at))
        .collect();
    assert_eq!(runs, periodic);
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
fn more_than_the_limit_wait_their_turn_and_all_get_it() {
    let mut jobs = String::from("[limits]\nruns = 2\n");
    for n in 0..9 {
        jobs += &format!(
            "[periodic.p{n}]\nschedule = \"0 * * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30m\"\n"
        );
    }
    let played = given(&jobs).days(1).play();
    for n in 0..9 {
        assert_eq!(count(&played, &format!("p{n}")), 23);
    }
    assert_eq!(started(&played)[8].1, "01T01:04");
}

#[test]
fn outside_its_window_a_job_is_put_off_or_skipped() {
    let job = |outside: &str| {
        format!(
            "[periodic.p]\nschedule = \"0 */3 * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"5m\"\nwindow = \"night\"\noutside = \"{outside}\"\n"
        )
    };
    let times = |played: &Played| -> Vec<String> {
        started(played).into_iter().map(|(_, at)| at).collect()
    };
    assert_eq!(
        times(&given(&job("defer")).days(2).play()),
        ["01T22:00", "02T00:00", "02T22:00"]
    );
    assert_eq!(times(&given(&job("skip")).days(2).play()), ["02T00:00"]);
    let down = Happening::Stop {
        down_for: SignedDuration::from_hours(2),
    };
    let played = given(&job("defer"))
        .days(1)
        .and("2027-03-01T12:00:00Z", down)
        .play();
    assert_eq!(
        times(&played),
        ["01T22:00"],
        "what was put off outlives a restart"
    );
}

#[test]
fn an_overlapped_instant_is_skipped_or_queued() {
    let job = |overlap: &str| {
        format!(
            "[periodic.p]\nschedule = \"*/10 * * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"50m\"\noverlap = \"{overlap}\"\n"
        )
    };
    let long = |name: &str, n| (name == "p" && n == 1).then(|| Fate::exit(0, 25 * 60));
    let times = |played: &Played| -> Vec<String> {
        started(played)
            .into_iter()
            .map(|(_, at)| at)
            .take(3)
            .collect()
    };
    assert_eq!(
        times(&given(&job("skip")).days(1).when(long).play()),
        ["01T00:10", "01T00:40", "01T00:50"]
    );
    assert_eq!(
        times(&given(&job("queue")).days(1).when(long).play()),
        ["01T00:10", "01T00:35", "01T00:40"]
    );
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
