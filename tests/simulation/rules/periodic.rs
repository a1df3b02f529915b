//! Periodic jobs, clocks, and the plan.

use super::*;

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
fn a_clock_that_was_a_month_ahead_leaves_no_hole() {
    let jobs = format!(
        "{A}[periodic.p]\nschedule = \"0 * * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30m\"\n"
    );
    let month = SignedDuration::from_hours(24 * 30);
    let played = given(&jobs)
        .days(4)
        .and("2027-03-01T05:00:30Z", Happening::ClockStep { by: month })
        .and("2027-03-01T08:30:30Z", Happening::ClockStep { by: -month })
        .play();
    let when = |name: &str| -> Vec<String> {
        let all = started(&played).into_iter().filter(|(n, _)| n == name);
        all.map(|(_, at)| at).collect()
    };
    // One was caught up, three came due while it was ahead, and every hour from then on.
    let hours = when("p");
    assert_eq!(hours.len(), 5 + 1 + 3 + 15 + 3 * 24, "{hours:?}");
    assert_eq!(hours[9], "01T09:00");
    let nights: Vec<String> = when("enter0");
    assert_eq!(nights, ["01T22:00", "02T22:00", "03T22:00", "04T22:00"]);
    assert!(!played.state.attention.contains_key("clock"));
}

#[test]
fn a_clock_that_was_set_back_a_month_repeats_nothing_and_says_so() {
    let jobs = "[periodic.p]\nschedule = \"0 * * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30m\"\n";
    let month = SignedDuration::from_hours(24 * 30);
    let step = |by| Happening::ClockStep { by };
    let played = given(jobs)
        .days(2)
        .and("2027-03-01T05:30:30Z", step(-month))
        .play();
    assert_eq!(count(&played, "p"), 5);
    let told = &played.state.attention["clock"];
    assert!(told.text.contains("2027-03-01T05:00:00Z"), "{}", told.text);
    let played = given(jobs)
        .days(2)
        .and("2027-03-01T05:30:30Z", step(-month))
        .and("2027-03-01T06:30:30Z", step(month))
        .play();
    assert!(!played.state.attention.contains_key("clock"));
    assert_eq!(count(&played, "p"), 47, "one was caught up");
}

#[test]
fn what_waits_for_its_window_when_the_clock_is_set_back_waits_for_its_time_again() {
    let job = format!(
        "{A}[periodic.p]\nschedule = \"0 * * * *\"\nrun = [\"/bin/p\"]\ntimeout = \"30m\"\nwindow = \"night\"\noutside = \"defer\"\n"
    );
    let hours = SignedDuration::from_hours;
    let played = given(&job)
        .days(2)
        .and(
            "2027-03-01T05:10:30Z",
            Happening::ClockStep { by: hours(10) },
        )
        .and(
            "2027-03-01T16:20:30Z",
            Happening::ClockStep { by: -hours(10) },
        )
        .play();
    // What passed during the jump comes again, and what waited under the later clock with it: one record each.
    let mut last = None;
    for moment in &played.trace.moments {
        if let Happened::Recorded { fact, .. } = &moment.what
            && let Fact::Skipped { due, .. } = &**fact
        {
            assert!(due.first <= due.last, "{due:?}");
            assert!(last.is_none_or(|last| last < due.first), "{due:?}");
            last = Some(due.last);
        }
    }
    assert!(last.is_some());
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
                what: What::Periodic { job, .. },
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
fn a_plan_that_is_too_long_has_the_earliest_of_all_jobs() {
    use offhours::core::plan::{PERIODIC_CAP, plan};
    use offhours::core::state::State;
    // Half a million instants, some of them put off to the opening of a window.
    let mut jobs = String::new();
    for i in 0..60 {
        let schedule = ["* * * * *", "30 * * * * *", "*/2 * * * *"][i % 3];
        let window = if i == 7 { "window = \"night\"\n" } else { "" };
        jobs += &format!(
            "[periodic.j{i}]\nschedule = \"{schedule}\"\nrun = [\"/bin/j\"]\ntimeout = \"5s\"\n{window}"
        );
    }
    let policy = scene::policy(&format!("{HEAD}{jobs}"));
    let (from, state) = (scene::at(FROM), State::default());
    let until = from + SignedDuration::from_hours(24 * 7);
    let all = plan(&policy, &state, from, until);
    assert!(all.periodic_cut);
    assert_eq!(all.periodic.len(), PERIODIC_CAP);
    // A shorter one that is whole begins like it.
    let last = all.periodic.last().unwrap().at;
    let whole = plan(&policy, &state, from, last);
    assert!(!whole.periodic_cut && whole.periodic.len() > PERIODIC_CAP - 60);
    assert_eq!(whole.periodic[..], all.periodic[..whole.periodic.len()]);
}
