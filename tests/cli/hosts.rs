//! Hosts with times of their own, as people are told of them.
use crate::Place;

const HOSTS: &str = r#"
time_zone = "UTC"
[contacts]
technical = ["ops@example.org"]
[mail]
transport = "file"
from = "ops@example.org"
[notice]
to = ["technical"]
operators = ["technical"]
[window.night]
open = "daily 22:00-05:00"
[window.late]
open = "daily 02:00-04:00"
[freeze.audit]
from = "2036-11-26"
until = "2036-11-27"
hosts = ["web2"]
[host.web1]
window = "late"
[host.web2]
[app.shop]
window = "night"
[maintenance.update]
app = "shop"
run = ["true"]
every = "window"
timeout = "10m"
hosts = ["web1", "web2"]
"#;

fn explained(place: &Place, host: &str, at: &str) -> String {
    let said = place.run(&["explain", "update", "--host", host, "--at", at]);
    assert_eq!(said.code, 0, "{}", said.err);
    said.out
}

#[test]
fn it_is_explained_when_a_host_may_be_touched() {
    let place = Place::new(HOSTS);
    let early = explained(&place, "web1", "2036-11-24T23:00:00Z");
    assert!(
        early.contains("the window of web1") && early.contains("until") && early.contains("02:00"),
        "{early}"
    );
    let late = explained(&place, "web1", "2036-11-25T03:00:00Z");
    assert!(late.contains("web1 may be touched until"), "{late}");
    let frozen = explained(&place, "web2", "2036-11-26T23:00:00Z");
    assert!(frozen.contains("does not let it be touched"), "{frozen}");
    let free = explained(&place, "web2", "2036-11-24T23:00:00Z");
    assert!(!free.contains("touched"), "{free}");
}

#[test]
fn a_freeze_says_which_hosts_it_is_for() {
    let place = Place::new(HOSTS);
    let said = place.run(&["check"]);
    assert!(
        said.out.contains("only host web2"),
        "{} {}",
        said.out,
        said.err
    );
}
