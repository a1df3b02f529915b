//! Very many hosts, and what is said of one of them.
use assert_cmd::cargo::cargo_bin;

use crate::Place;

const REST: &str = r#"
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
[app.shop]
window = "night"
[maintenance.update]
app = "shop"
run = ["true"]
every = "window"
estimate = "5m"
parallel = "10%"
hosts = ["@all"]
"#;

fn fleet(hosts: usize) -> Place {
    let hosts = (0..hosts).map(|n| format!("[host.h{n:04}]\ngroups = [\"all\"]\n"));
    Place::new(&format!("{REST}{}", hosts.collect::<String>()))
}

#[test]
fn one_host_of_very_many_is_explained() {
    let place = fleet(1_100);
    for host in ["h0010", "h1050"] {
        let said = place.run(&["explain", "update", "--host", host]);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(said.out.contains("it will run on"), "{}", said.out);
        assert!(!said.out.contains("more"), "{}", said.out);
    }
    let all = place.run(&["explain", "update"]);
    assert!(all.out.contains("more hosts; --host"), "{}", all.out);
    let nowhere = place.run(&["explain", "update", "--host", "h9999"]);
    assert_eq!(nowhere.code, 2, "{}", nowhere.out);
}

/// What is looked for is planned as far as it has to be, and of the rest nothing is kept.
#[test]
fn a_fleet_takes_little_memory_to_look_at() {
    let place = fleet(3_000);
    for words in [
        "explain update",
        "explain update --host h2999",
        "notice preview shop",
    ] {
        let bounded = format!("ulimit -v 250000; exec \"$0\" {words}");
        let program = cargo_bin("offhours");
        let mut command = std::process::Command::new("sh");
        command.arg("-c").arg(bounded).arg(program);
        let output = command
            .current_dir(place.dir.path())
            .output()
            .expect("started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}: {said}");
    }
}

/// Nothing is said to run, or to be about to, while nobody is there to start it.
#[test]
fn without_a_daemon_nothing_is_about_to_run() {
    let place = fleet(3);
    let now = place.run(&["explain", "update", "--json"]);
    let now: serde_json::Value = serde_json::from_str(&now.out).expect("json");
    assert_eq!(now["hosts"][0]["reason"], "daemon_down", "{now}");
    let then = place.run(&["explain", "update", "--at", "2036-11-28T23:00", "--json"]);
    let then: serde_json::Value = serde_json::from_str(&then.out).expect("json");
    assert_eq!(then["hosts"][0]["reason"], "not_announced", "{then}");
}

/// What one plan does not list any more is no difference to the other.
#[test]
fn a_job_that_did_not_change_is_not_at_other_times() {
    let place = |hosts: usize| {
        let hosts: Vec<String> = (0..hosts).map(|n| format!("h{n:02}")).collect();
        let tables = hosts.iter().map(|host| format!("[host.{host}]\n"));
        let names: Vec<String> = hosts.iter().map(|host| format!("{host:?}")).collect();
        format!(
            "time_zone = \"UTC\"\n{}[periodic.tick]\nschedule = \"* * * * *\"\nhosts = [{}]\n\
             run = [\"true\"]\ntimeout = \"5s\"\n",
            tables.collect::<String>(),
            names.join(", "),
        )
    };
    let there = Place::new(&place(80));
    std::fs::write(there.dir.path().join("new.toml"), place(75)).expect("file");
    let args = [
        "plan",
        "--config",
        "new.toml",
        "--against",
        "windows.toml",
        "--days",
        "1",
    ];
    let shown = there.run(&args);
    assert_eq!(shown.code, 1, "{}", shown.err);
    assert!(!shown.out.contains("at other times"), "{}", shown.out);
    assert!(shown.out.contains("tick@h79"), "{}", shown.out);
    assert!(shown.out.contains("compared until"), "{}", shown.out);
    let few = there.run(&[&args[..], &["--limit", "2"]].concat());
    assert!(
        few.out.contains("tick@h75, tick@h76, 3 more"),
        "{}",
        few.out
    );
}
