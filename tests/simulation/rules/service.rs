//! Hosts that are to stay in service while another is touched.

use offhours::core::plan;

use super::*;

const HOSTS: &str = r#"
[host.w1]
ssh = "w1.example.org"
[host.w2]
ssh = "w2.example.org"
[host.w3]
ssh = "w3.example.org"
"#;

/// A job on all three, of which so many of the others have to be well.
fn rolling(at_least: &str, more: &str) -> Scene {
    given(&format!(
        r#"{HOSTS}[maintenance.roll]
app = "shop"
run = ["/bin/job"]
every = "window"
hosts = ["w1", "w2", "w3"]
timeout = "10m"
healthy = {{ run = ["/bin/up"], timeout = "2m" }}
in_service = ["w1", "w2", "w3"]
at_least = {at_least}
{more}"#
    ))
    .days(1)
}

/// What was started on hosts, in order.
fn story(played: &Played) -> Vec<String> {
    let all = started(played).into_iter().map(|(name, _)| name);
    all.filter(|name| !name.starts_with("enter") && !name.starts_with("leave"))
        .collect()
}

/// How the steps of the first session ended.
fn ended(played: &Played) -> Vec<(Outcome, Code)> {
    let facts = played.trace.facts();
    facts
        .filter_map(|(_, fact)| match fact {
            Fact::StepDone {
                outcome, reason, ..
            } => Some((*outcome, reason.code)),
            _ => None,
        })
        .collect()
}

#[test]
fn enough_of_the_others_are_looked_at_before_each() {
    let played = rolling("2", "").play();
    let each = |others: [&str; 2]| {
        let peers = others.map(|other| format!("peer {other} of roll"));
        let own = ["roll".to_owned(), "healthy roll".to_owned()];
        peers.into_iter().chain(own).collect::<Vec<_>>()
    };
    // The last first, and what was seen not long ago not again: that of two minutes ago is.
    let wanted = [each(["w3", "w2"]), each(["w3", "w1"]), each(["w1", "w2"])];
    assert_eq!(story(&played), wanted.concat());
}

#[test]
fn with_one_that_is_not_well_the_next_is_looked_at_and_else_it_is_put_off() {
    let ill = |name: &str, _| (name == "peer w3 of roll").then_some(Fate::exit(1, 5));
    let played = rolling("1", "").when(ill).play();
    assert_eq!(
        story(&played),
        [
            "peer w3 of roll",
            "peer w2 of roll",
            "roll",
            "healthy roll",
            "roll",
            "healthy roll",
            "roll",
            "healthy roll"
        ]
    );
    let played = rolling("2", "").when(ill).play();
    let put_off = (Outcome::Postponed, Code::TooFewInService);
    let ends = ended(&played);
    assert_eq!(
        ends.iter().filter(|end| **end == put_off).count(),
        2,
        "{ends:?}"
    );
    // The one that is not well itself may be worked on: the others are.
    assert_eq!(count(&played, "roll"), 1);
}

#[test]
fn what_was_seen_a_moment_ago_is_not_looked_at_again() {
    // Three at once, and two of six have to be well: the last two are looked at, once.
    let more: String = (4..7)
        .map(|n| format!("[host.w{n}]\nssh = \"w{n}.example.org\"\n"))
        .collect();
    let all = "[\"w1\", \"w2\", \"w3\", \"w4\", \"w5\", \"w6\"]";
    let looks = |seconds| {
        let played = given(&format!(
            "{HOSTS}{more}[maintenance.roll]\napp = \"shop\"\nrun = [\"/bin/job\"]\nevery = \"window\"\nhosts = {all}\n\
             timeout = \"10m\"\nparallel = 3\nhealthy = {{ run = [\"/bin/up\"], timeout = \"2m\" }}\n\
             in_service = {all}\nat_least = 2\n"
        ))
        .days(1)
        .when(move |name, _| match name {
            "roll" => Some(Fate::exit(0, seconds)),
            _ => Some(Fate::exit(0, 1)),
        })
        .play();
        assert_eq!(count(&played, "roll"), 6);
        story(&played)
    };
    let first = ["peer w6 of roll", "peer w5 of roll", "roll", "roll", "roll"];
    let quick = looks(10);
    assert_eq!(quick[..5], first);
    // What is done is well: nothing has to be looked at for the rest.
    assert_eq!(
        quick.iter().filter(|what| what.starts_with("peer")).count(),
        2,
        "{quick:?}"
    );
    // After more than a minute those that are not done are.
    let slow = looks(100);
    assert!(
        slow.iter().filter(|what| what.starts_with("peer")).count() > 2,
        "{slow:?}"
    );
}

#[test]
fn those_that_are_worked_on_are_waited_for() {
    let played = rolling("1", "parallel = 3").play();
    assert_eq!(count(&played, "roll"), 3);
    assert!(ended(&played).iter().all(|(o, _)| *o == Outcome::Succeeded));
}

/// A job of each of two apps, on one host each, that looks at the host of the other.
fn crossed(blog: &str) -> Scene {
    let job = |name: &str, app: &str, host: &str, more: &str| {
        format!(
            "[maintenance.{name}]\napp = \"{app}\"\nrun = [\"/bin/job\"]\nevery = \"window\"\nhosts = [\"{host}\"]\n\
             timeout = \"10m\"\n{more}"
        )
    };
    let looks = |other: &str| {
        format!(
            "healthy = {{ run = [\"/bin/up\"], timeout = \"2m\" }}\nin_service = [\"{other}\"]\nat_least = 1\n"
        )
    };
    let jobs = [
        job("one", "shop", "w1", &looks("w2")),
        job("two", "blog", "w2", &blog.replace("LOOKS", &looks("w1"))),
    ];
    given(&format!(
        "{HOSTS}[app.blog]\nwindow = \"night\"\n{}",
        jobs.concat()
    ))
    .days(1)
}

#[test]
fn two_sessions_that_look_at_the_host_of_each_other_touch_one_after_the_other() {
    // One of them looks, the other does not: it waits all the same for who has looked.
    for blog in ["LOOKS", ""] {
        let played = crossed(blog).play();
        assert_eq!(
            (count(&played, "one"), count(&played, "two")),
            (1, 1),
            "{blog}"
        );
        assert!(
            ended(&played).iter().all(|(o, _)| *o == Outcome::Succeeded),
            "{:?}",
            ended(&played)
        );
        let mut at_work = 0;
        for (_, fact) in played.trace.facts() {
            match fact {
                Fact::AttemptStarted {
                    what: What::Step { .. },
                    ..
                } => at_work += 1,
                Fact::AttemptEnded(e) if matches!(e.what, What::Step { .. }) => at_work -= 1,
                Fact::AttemptStarted {
                    what: What::Peer { .. },
                    ..
                } => {
                    assert_eq!(at_work, 0, "who is worked on is not looked at");
                }
                _ => {}
            }
            assert!(at_work < 2 || blog.is_empty());
        }
    }
}

#[test]
fn two_sessions_that_have_begun_to_look_do_not_wait_for_each_other() {
    let job = |name: &str, app: &str, host: &str, peers: &str| {
        format!(
            "[maintenance.{name}]\napp = \"{app}\"\nrun = [\"/bin/job\"]\nevery = \"window\"\nhosts = [\"{host}\"]\n\
             timeout = \"10m\"\nhealthy = {{ run = [\"/bin/up\"], timeout = \"3m\" }}\nin_service = [{peers}]\nat_least = 1\n"
        )
    };
    let played = given(&format!(
        "{HOSTS}[host.w4]\nssh = \"w4.example.org\"\n[app.blog]\nwindow = \"night\"\n{}{}",
        job("first", "blog", "w1", "\"w2\""),
        // Of those that it may do with one is ill, and the other is being worked on.
        job("second", "shop", "w4", "\"w1\", \"w3\""),
    ))
    .days(1)
    .when(|name, _| match name {
        "enter0" | "enter1" => Some(Fate::exit(0, 10)),
        "peer w2 of first" => Some(Fate::exit(0, 110)),
        "peer w3 of second" => Some(Fate::exit(1, 5)),
        _ => None,
    })
    .play();
    assert_eq!((count(&played, "first"), count(&played, "second")), (1, 1));
}

#[test]
fn what_has_lost_its_connection_is_not_well() {
    let gone = |name: &str, _| {
        let why = "no route".into();
        let end = offhours::core::run::End::Unreachable { why };
        (name.starts_with("peer")).then_some(Fate::Ends(SignedDuration::ZERO, end))
    };
    let played = rolling("1", "").when(gone).play();
    assert_eq!(count(&played, "roll"), 0);
    let ends = ended(&played);
    assert_eq!(
        ends,
        [(Outcome::Postponed, Code::TooFewInService); 3],
        "{ends:?}"
    );
}

/// A job on hosts of which one has a window of its own, and one is frozen, from two to three in the night.
fn apart(more: &str) -> Scene {
    let hosts = HOSTS.replace(
        "ssh = \"w2.example.org\"",
        "ssh = \"w2.example.org\"\nwindow = \"late\"",
    );
    given(&format!(
        r#"{hosts}[window.late]
days = "daily"
start = "00:30"
duration = "2h"
[freeze.apart]
days = "Mon"
start = "20:00"
duration = "10h"
hosts = ["w3"]
[maintenance.roll]
app = "shop"
run = ["/bin/job"]
every = "window"
hosts = ["w1", "w2", "w3"]
timeout = "50m"
estimate = "10m"
{more}"#
    ))
    .days(1)
}

/// When the job began, wherever.
fn begun(played: &Played) -> Vec<String> {
    let all = started(played).into_iter();
    all.filter_map(|(name, at)| (name == "roll").then_some(at))
        .collect()
}

#[test]
fn a_host_is_touched_only_while_its_own_window_is_open_and_nothing_freezes_it() {
    let played = apart("").play();
    let at = begun(&played);
    // The one whose window opens later does not keep the app in maintenance for two hours; that is another night's first.
    assert_eq!(at.len(), 1, "{at:?}");
    assert!(*at[0] < *"01T22:30", "{at:?}");
}

#[test]
fn a_host_alone_waits_for_its_own_window() {
    let played = apart("").days(3).play();
    let at = begun(&played);
    // What was put off comes first in the night after: when its window has opened.
    assert!(at.iter().any(|at| at.starts_with("03T00:3")), "{at:?}");
}

/// Where the job began, in the first of two nights, which are frozen but for one label.
fn begun_in_a_freeze(on: &str) -> Vec<String> {
    let hosts = HOSTS.replace(
        "ssh = \"w2.example.org\"",
        "ssh = \"w2.example.org\"\nlabels = [\"staging\"]",
    );
    let played = given(&format!(
        "{hosts}[freeze.fair]\nfrom = \"2027-03-01\"\nuntil = \"2027-03-02T12:00\"\nexcept_labels = [\"staging\"]\n\
         [maintenance.roll]\napp = \"shop\"\nrun = [\"/bin/job\"]\nevery = \"window\"\nhosts = [{on}]\ntimeout = \"20m\"\n"
    ))
    .days(1)
    .play();
    let facts = played.trace.facts().filter_map(|(_, fact)| match fact {
        Fact::AttemptStarted {
            what: What::Step { host, .. },
            ..
        } => Some(host.to_string()),
        _ => None,
    });
    facts.collect()
}

#[test]
fn a_freeze_does_not_hold_on_hosts_with_an_exempt_label() {
    assert_eq!(begun_in_a_freeze("\"w1\", \"w2\", \"w3\""), ["w2"]);
    assert_eq!(begun_in_a_freeze("\"w2\""), ["w2"]);
    assert!(begun_in_a_freeze("\"w1\", \"w3\"").is_empty());
}

#[test]
fn what_is_put_off_is_told_to_be_done_when_its_host_may_be_touched() {
    // Only the host that is frozen until Tuesday morning, and then again until Wednesday.
    let jobs = "[host.w3]\nssh = \"w3.example.org\"\n[freeze.apart]\nfrom = \"2027-03-01 21:00\"\nuntil = \"2027-03-03 12:00\"\n\
                hosts = [\"w3\"]\n[maintenance.roll]\napp = \"shop\"\nrun = [\"/bin/job\"]\nevery = \"window\"\nhosts = [\"w3\", \"local\"]\n\
                timeout = \"10m\"\n";
    let alone = jobs.replace(", \"local\"", "");
    let next = |jobs: &str| {
        let policy = scene::policy(&format!("{HEAD}{jobs}"));
        let job = &policy.maintenance["roll"];
        let at = scene::at("2027-03-01T20:00:00Z");
        let next = plan::next_chance(&policy, job, &job.hosts, SignedDuration::ZERO, at);
        next.unwrap().strftime("%d %H:%M").to_string()
    };
    assert_eq!(next(jobs), "01 22:00");
    assert_eq!(next(&alone), "03 22:00");
}

#[test]
fn a_host_that_falls_silent_counts_as_one_that_failed() {
    let silent = |name: &str, n| {
        let why = "it does not answer".into();
        let end = offhours::core::run::End::Unheard { why };
        (name == "roll" && n == 1).then_some(Fate::Ends(SignedDuration::from_secs(9), end))
    };
    for (most, runs) in [(0, 1), (1, 3)] {
        let played = rolling("1", &format!("max_failures = {most}"))
            .when(silent)
            .play();
        assert_eq!(count(&played, "roll"), runs, "{most}");
        let first = played.trace.facts().find_map(|(_, fact)| match fact {
            Fact::AttemptEnded(e) if matches!(e.what, What::Step { .. }) => Some(e.clone()),
            _ => None,
        });
        let first = first.unwrap();
        let code = first.reason.unwrap().code;
        assert_eq!(
            (first.outcome, code),
            (Outcome::Interrupted, Code::EndUnknown)
        );
        let closed = closed(&played)[0].clone();
        assert_eq!(closed.1, Outcome::Failed, "{closed:?}");
    }
}
