//! A job goes over hosts, and something comes in between.

use offhours::core::session::SessionResult;

use super::*;

const HOSTS: &str = "[host.w1]\nssh = \"w1.example.org\"\n[host.w2]\nssh = \"w2.example.org\"\n";
const THIRD: &str = "[host.w3]\nssh = \"w3.example.org\"\n";

fn roll(hosts: &str, more: &str) -> String {
    format!(
        "{HOSTS}[maintenance.roll]\napp = \"shop\"\nrun = [\"/bin/job\"]\nevery = \"window\"\nhosts = [{hosts}]\n\
         timeout = \"10m\"\n{more}"
    )
}

/// How each step ended, and by what.
fn steps(played: &Played) -> BTreeMap<String, (Outcome, Option<Code>)> {
    let facts = played.trace.facts().filter_map(|(_, fact)| match fact {
        Fact::StepDone {
            host,
            outcome,
            reason,
            ..
        } => Some((host.to_string(), (*outcome, Some(reason.code)))),
        Fact::AttemptEnded(ended) => match &ended.what {
            What::Step { host, .. } => {
                let code = ended.reason.as_ref().map(|reason| reason.code);
                Some((host.to_string(), (ended.outcome, code)))
            }
            _ => None,
        },
        _ => None,
    });
    facts.collect()
}

/// What is said of the end of the first session.
fn end(played: &Played) -> (SessionResult, String) {
    let mut facts = played.trace.facts();
    let leaving = facts.find_map(|(_, fact)| match fact {
        Fact::SessionLeaving { result, reason, .. } => Some((*result, reason.clone())),
        _ => None,
    });
    let (result, reason) = leaving.unwrap();
    (result, reason.map(|reason| reason.text).unwrap_or_default())
}

#[test]
fn too_many_failures_end_it_once_what_was_begun_has_been_looked_at() {
    let healthy = "parallel = 3\nhealthy = { run = [\"/bin/up\"], timeout = \"2m\" }\n";
    let hosts = "\"w1\", \"w2\", \"w3\"";
    let played = given(&format!("{THIRD}{}", roll(hosts, healthy)))
        .days(1)
        .when(|name, n| (name == "roll" && n == 1).then(|| Fate::exit(1, 5)))
        .play();
    let (result, why) = end(&played);
    assert_eq!(result, SessionResult::Failure);
    assert_eq!(why, "roll on w1: failed (1 of 3 hosts failed)");
    let well = (Outcome::Succeeded, Some(Code::Healthy));
    let steps = steps(&played);
    assert_eq!((steps["w2"], steps["w3"]), (well, well));
    assert_eq!(closed(&played)[0].1, Outcome::Failed);
}

#[test]
fn a_host_that_is_taken_out_of_the_file_has_not_failed() {
    let healthy = "healthy = { run = [\"/bin/up\"], timeout = \"2m\" }\n";
    let all = roll("\"w1\", \"w2\", \"w3\"", healthy);
    // While the second is at work, it and the third go.
    let less = all
        .replace(", \"w2\", \"w3\"", "")
        .replace("[host.w2]\nssh = \"w2.example.org\"\n", "");
    let played = given(&format!("{THIRD}{all}"))
        .days(1)
        .or(&format!("{HEAD}{less}"))
        .and("2027-03-01T22:04:30Z", Happening::Reload { index: 1 })
        .play();
    let steps = steps(&played);
    let removed = Some(Code::Removed);
    assert_eq!(steps["w1"], (Outcome::Succeeded, Some(Code::Healthy)));
    assert_eq!(steps["w2"], (Outcome::Succeeded, removed));
    assert_eq!(steps["w3"], (Outcome::Cancelled, removed));
    assert_eq!(end(&played).0, SessionResult::Success);
}
