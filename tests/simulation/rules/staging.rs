//! Staging before production.

use super::*;

const STAGING: &str = "[window.evening]\ndays = \"daily\"\nstart = \"18:00\"\nduration = \"2h\"\n\
    [app.stage]\nwindow = \"evening\"\n\
    [maintenance.s]\napp = \"stage\"\nevery = \"window\"\nrun = [\"/bin/s\"]\ntimeout = \"30m\"\nestimate = \"10m\"\n";

fn jobs(time: &str) -> String {
    format!("{STAGING}{A}after = {{ job = \"s\", succeeded_for = \"{time}\" }}\n")
}

fn days_of(played: &Played, job: &str) -> Vec<String> {
    let all = started(played).into_iter().filter(|(name, _)| name == job);
    all.map(|(_, at)| at[..2].to_owned()).collect()
}

#[test]
fn production_waits_until_staging_has_been_well_for_long_enough() {
    assert_eq!(
        days_of(&given(&jobs("1h")).days(3).play(), "a"),
        ["01", "02", "03"]
    );
    assert_eq!(
        days_of(&given(&jobs("1d")).days(3).play(), "a"),
        ["02", "03"]
    );
    assert_eq!(
        days_of(&given(&jobs("2d")).days(5).play(), "a"),
        ["03", "04", "05"]
    );
}

#[test]
fn each_run_rests_on_something_new() {
    let seldom = jobs("1d").replacen("every = \"window\"", "schedule = \"0 12 1,3 * *\"", 1);
    assert_eq!(days_of(&given(&seldom).days(6).play(), "s"), ["01", "03"]);
    assert_eq!(days_of(&given(&seldom).days(6).play(), "a"), ["02", "04"]);
}

#[test]
fn a_failure_of_staging_holds_back_what_was_announced() {
    let played = given(&jobs("1d"))
        .days(4)
        .when(|name, n| (name == "s" && n == 2).then(|| Fate::exit(1, 60)))
        .play();
    assert_eq!(days_of(&played, "a"), ["04"]);
    assert_eq!(count(&played, "enter0"), 1, "the shop stays in service");
    let held = (
        "shop/night/2027-03-02".into(),
        Outcome::Postponed,
        Some(Code::NotProven),
    );
    assert!(closed(&played).contains(&held), "{:?}", closed(&played));
}

#[test]
fn the_plan_takes_it_that_staging_goes_well() {
    let policy = scene::policy(&format!("{HEAD}{}", jobs("1d")));
    let (from, until) = (scene::at(FROM), scene::at("2027-03-04T00:00:00Z"));
    let plan = offhours::core::plan::plan(&policy, &Default::default(), from, until);
    let shop: Vec<&str> = plan
        .sessions
        .iter()
        .filter(|s| &*s.app == "shop")
        .map(|s| &*s.id)
        .collect();
    assert_eq!(shop, ["shop/night/2027-03-02", "shop/night/2027-03-03"]);
    let waits = &plan.unplanned[0];
    assert_eq!((&*waits.job, waits.reason.code), ("a", Code::NotProven));
    assert_eq!(waits.next_chance, Some(scene::at("2027-03-02T22:00:00Z")));
}

#[test]
fn nothing_to_do_proves_as_much_as_success() {
    let asks = jobs("1d").replace(
        "run = [\"/bin/s\"]",
        "run = [\"/bin/s\"]\nonly_if = { run = [\"/bin/ask\"] }",
    );
    let played = given(&asks)
        .days(2)
        .when(|name, _| (name == "ask s").then(|| Fate::exit(1, 1)))
        .play();
    assert_eq!(
        (count(&played, "s"), days_of(&played, "a")),
        (0, vec!["02".to_owned()])
    );
}
