//! The reading commands as other programs call them.
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

#[path = "cli/completions.rs"]
mod completions;
#[path = "cli/fleet.rs"]
mod fleet;
#[path = "cli/hosts.rs"]
mod hosts;
#[path = "cli/notes.rs"]
mod notes;
#[path = "cli/notices.rs"]
mod notices;

const FILE: &str = r#"
time_zone = "Europe/Berlin"
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
[maintenance.os-updates]
app = "shop"
script = "true"
every = "window"
[periodic.gc]
schedule = "* * * * *"
script = "true"
timeout = "5m"
"#;

struct Place {
    dir: tempfile::TempDir,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn new(file: &str) -> Self {
        let dir = tempfile::tempdir().expect("folder");
        std::fs::write(dir.path().join("windows.toml"), file).expect("file");
        Self { dir }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin("offhours"));
        command.args(args).current_dir(self.dir.path());
        for name in [
            "OFFHOURS_CONFIG",
            "STATE_DIRECTORY",
            "RUNTIME_DIRECTORY",
            "NO_COLOR",
        ] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        let output = self.command(args).output().expect("started");
        Said {
            code: output.status.code().expect("not killed"),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    fn json(&self, args: &[&str]) -> Value {
        let said = self.run(args);
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {} {}", said.out, said.err))
    }

    fn log(&self, job: &str, file: &str, bytes: &[u8]) {
        let folder = self.dir.path().join("state/logs").join(job);
        std::fs::create_dir_all(&folder).expect("folder");
        std::fs::write(folder.join(file), bytes).expect("file");
    }
}

#[test]
fn check_says_good_or_refuses_with_its_code() {
    let said = Place::new(FILE).run(&["check"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out
            .contains("good (1 window, 1 app, 1 maintenance job, 1 periodic job)"),
        "{}",
        said.out
    );
    let bad = Place::new("[window.night]\nopne = \"daily 22:00-05:00\"\n");
    let said = bad.run(&["check"]);
    assert_eq!(said.code, 3);
    assert!(
        said.err.contains("opne") && said.err.contains("windows.toml"),
        "{}",
        said.err
    );
    let problems = bad.json(&["check", "--json"]);
    let unknown = problems
        .as_array()
        .and_then(|all| all.iter().find(|p| p["line"] == 2))
        .unwrap_or_else(|| panic!("{problems}"));
    assert!(
        unknown["message"]
            .as_str()
            .is_some_and(|m| m.contains("opne")),
        "{unknown}"
    );
    for command in [
        &["plan"][..],
        &["status"],
        &["windows"],
        &["history"],
        &["logs", "1"],
    ] {
        assert_eq!(bad.run(command).code, 3, "{command:?}");
    }
}

#[test]
fn what_nobody_reads_does_not_change_the_exit_code() {
    let bad = Place::new("[window.night]\nopne = \"daily 22:00-05:00\"\n");
    for (args, code) in [(&["check"][..], 3), (&["plan"], 3), (&["nonsense"], 2)] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let done = bad.command(args).stderr(writer).output().expect("started");
        assert_eq!(done.status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn check_looks_at_the_year_that_it_is_told() {
    let place = Place::new(
        "time_zone = \"Europe/Berlin\"\n[window.move]\nfrom = 2027-03-01T22:00\nuntil = 2027-03-02T02:00\n",
    );
    let said = |from: &str| place.run(&["check", "--strict", "--from", from]);
    assert_eq!(said("2027-02-01").code, 0, "{}", said("2027-02-01").err);
    // By the zone of the file: it has just closed.
    let over = said("2027-03-02T02:00");
    assert_eq!(over.code, 3);
    assert!(over.err.contains("closed on 2027-03-02"), "{}", over.err);
    assert_eq!(
        said("2027-03-02T01:59:59").code,
        3,
        "its deadline has passed"
    );
    assert_eq!(said("some day").code, 2);
}

#[test]
fn a_missing_file_is_a_refused_configuration() {
    let place = Place::new(FILE);
    let said = place.run(&["check", "--config", "nothing.toml"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("nothing.toml"), "{}", said.err);
}

#[test]
fn wrong_words_are_usage() {
    let place = Place::new(FILE);
    for args in [
        &["nonsense"][..],
        &["windows", "nigth"],
        &["windows", "--from", "soon"],
        &["windows", "--count", "0"],
        &["plan", "--until", "2020-01-01"],
        &["cron", "61 * * * *"],
        &["cron", "* * * * *", "--time-zone", "Nowhere/Land"],
        &["logs", "no-such-job"],
    ] {
        let said = place.run(args);
        assert_eq!(
            (said.code, said.out.as_str()),
            (2, ""),
            "{args:?}: {}",
            said.err
        );
        assert!(!said.err.is_empty());
    }
}

#[test]
fn windows_are_listed_in_both_kinds_of_time() {
    let place = Place::new(FILE);
    for from in [
        "2026-11-21 02:00",
        "2026-11-21T02:00",
        "2026-11-21T01:00:00Z",
        "2026-11-21T02:00:00.5+01:00",
    ] {
        let listed = place.json(&["windows", "night", "--from", from, "--count", "2", "--json"]);
        assert_eq!(listed.as_array().map(Vec::len), Some(2));
        assert_eq!(listed[0]["opens"], "2026-11-20T21:00:00Z", "open at {from}");
        assert_eq!(listed[0]["local_opens"], "2026-11-20T22:00:00+01:00");
    }
}

#[test]
fn cron_is_strictly_after_and_needs_no_file() {
    let empty = tempfile::tempdir().expect("folder");
    let place = Place { dir: empty };
    let args = [
        "cron",
        "0 3 * * *",
        "--from",
        "2026-11-21T03:00:00Z",
        "--count",
        "2",
        "--json",
    ];
    assert_eq!(
        place.json(&args),
        serde_json::json!(["2026-11-22T03:00:00Z", "2026-11-23T03:00:00Z"])
    );
    let never = place.run(&["cron", "0 0 31 2 *"]);
    assert_eq!(never.code, 1);
    assert!(never.err.contains("never"), "{}", never.err);
}

#[test]
fn a_plan_has_sessions_and_runs() {
    let place = Place::new(FILE);
    let plan = place.json(&[
        "plan",
        "--from",
        "2026-11-21T06:00:00Z",
        "--days",
        "1",
        "--json",
    ]);
    assert_eq!(plan["from"], "2026-11-21T06:00:00Z");
    assert_eq!(plan["until"], "2026-11-22T06:00:00Z");
    assert_eq!(plan["sessions"][0]["app"], "shop");
    assert!(
        plan["periodic"]
            .as_array()
            .is_some_and(|runs| runs.len() >= 1439)
    );
    let people = place.run(&["plan", "--from", "2026-11-21", "--days", "1"]);
    assert_eq!(people.code, 0);
    assert!(people.out.lines().count() < 100, "bounded");
    assert!(
        people.out.contains("use --all or --limit"),
        "{}",
        people.out
    );
}

#[test]
fn status_works_without_daemon_and_state() {
    let place = Place::new(FILE);
    let said = place.run(&["status", "--json"]);
    assert_eq!(
        said.code, 1,
        "a daemon that should run and does not waits for a person"
    );
    let status: Value = serde_json::from_str(&said.out).expect("json");
    assert_eq!(status["daemon"]["running"], false);
    assert_eq!(status["apps"][0]["state"], "in_service");
    assert!(
        status["lock_dir"]
            .as_str()
            .is_some_and(|dir| Path::new(dir).is_absolute()),
        "{status}"
    );
    for list in ["running", "next", "attention", "locks"] {
        assert!(status[list].is_array(), "{list}: {status}");
    }
    assert!(
        !place.dir.path().join("state").exists(),
        "reading makes no files"
    );
    let idle = Place::new("[window.night]\nopen = \"daily 22:00-05:00\"\n").run(&["status"]);
    assert_eq!(idle.code, 0, "{}", idle.out);
    assert!(idle.out.starts_with("all is well"), "{}", idle.out);
}

#[test]
fn strict_does_not_call_good_what_it_refuses() {
    let place = Place::new("[window.night]\nopen = \"daily 22:00-05:00\"\n");
    let said = place.run(&["check"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("no time zone"), "{}", said.err);
    assert!(said.out.contains("good"), "{}", said.out);
    let said = place.run(&["check", "--strict"]);
    assert_eq!(said.code, 3);
    assert!(!said.out.contains("good"), "{}", said.out);
    assert!(said.out.contains("refused"), "{}", said.out);
}

#[test]
fn a_listing_that_ends_early_says_so() {
    let place = Place::new(
        "time_zone = \"UTC\"\n[window.often]\ncron = \"* * * * *\"\nduration = \"20s\"\n",
    );
    let said = place.run(&["cron", "0 0 29 2 *", "--from", "2090-01-01", "--count", "9"]);
    assert_eq!(
        (said.code, said.out.lines().count()),
        (0, 2),
        "{}",
        said.out
    );
    assert!(said.err.contains("2100"), "{}", said.err);
    let span = [
        "windows",
        "--from",
        "2026-01-01",
        "--until",
        "2126-01-01",
        "--json",
    ];
    let said = place.run(&span);
    assert_eq!(said.code, 0);
    assert_eq!(said.out.matches("\"opens\"").count(), 100_000);
    assert!(said.err.contains("not all"), "{}", said.err);
    let said = place.run(&["windows", "often", "often", "--count", "1", "--json"]);
    assert_eq!(said.out.matches("\"opens\"").count(), 1);
}

#[test]
fn history_of_a_job_that_is_not_there_says_so() {
    let place = Place::new(FILE);
    let said = place.run(&["history", "os-updats"]);
    assert_eq!(
        said.out,
        "nothing is recorded of \"os-updats\", and no job is called that\n"
    );
    assert_eq!(
        place.run(&["history", "gc"]).out,
        "nothing is recorded of gc\n"
    );
}

#[test]
fn history_without_state_is_empty() {
    let place = Place::new(FILE);
    assert_eq!(place.json(&["history", "--json"]), serde_json::json!([]));
    assert_eq!(place.run(&["history"]).out, "nothing is recorded\n");
}

#[test]
fn logs_come_as_they_are_by_run_attempt_and_job() {
    let place = Place::new(FILE);
    let raw = b"\x1b[31mred\x1b[0m\xff\n";
    place.log("gc", "7.1.log", b"first\n");
    place.log("gc", "7.2.log", raw);
    for wanted in ["7", "7.2", "gc"] {
        let output = place.command(&["logs", wanted]).output().expect("started");
        assert_eq!(output.stdout, raw, "{wanted}");
    }
    assert_eq!(place.run(&["logs", "7.1"]).out, "first\n");
    assert_eq!(place.json(&["logs", "7.1", "--json"])["text"], "first\n");
    assert_eq!(place.run(&["logs", "8"]).code, 1);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new(FILE);
    let args = ["cron", "* * * * *", "--count", "1000000"];
    let mut child = place
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line");
    let ended = child.wait_with_output().expect("ended");
    assert!(ended.status.success(), "{:?}", ended.status);
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[test]
fn a_pipe_gets_colour_only_where_it_is_asked_for() {
    let place = Place::new(FILE);
    assert!(!place.run(&["check"]).out.contains('\u{1b}'));
    assert!(
        place
            .run(&["check", "--color", "always"])
            .out
            .contains('\u{1b}')
    );
}

#[test]
fn what_is_recorded_is_read_back() {
    use offhours::core::fact::Fact;
    use offhours::store::{Facts, Store};

    let place = Place::new(FILE);
    let mut store = Store::open(&place.dir.path().join("state")).expect("opened");
    let ended = |run: u64, outcome: &str| -> Fact {
        serde_json::from_value(serde_json::json!({
            "fact": "attempt_ended", "run": run, "attempt": 1, "what": { "for": "periodic", "job": "gc" },
            "due": { "first": "2026-11-21T00:00:00Z", "last": "2026-11-21T00:00:00Z", "count": 1 },
            "started": "2026-11-21T00:00:00Z", "elapsed": "PT3S", "outcome": outcome, "exit_code": 3,
            "reason": { "code": "job_failed", "text": "said \u{1b}[31mno" }, "tail": "",
        }))
        .expect("a fact")
    };
    let begun = |run: u64| -> Fact {
        serde_json::from_value(serde_json::json!({
            "fact": "attempt_started", "run": run, "attempt": 1, "what": { "for": "periodic", "job": "gc" },
            "due": { "first": "2026-11-21T00:00:00Z", "last": "2026-11-21T00:00:00Z", "count": 1 },
        }))
        .expect("a fact")
    };
    let known: Fact = serde_json::from_value(serde_json::json!({
        "fact": "jobs_known", "maintenance": [], "periodic": ["gc"],
    }))
    .expect("a fact");
    let raised: Fact = serde_json::from_value(serde_json::json!({
        "fact": "attention_raised", "key": "k", "kind": "leave_failing", "text": "shop does not come back", "alarm": true,
    }))
    .expect("a fact");
    let at =
        |minute: i64| jiff::Timestamp::from_second(1_795_219_200 + 60 * minute).expect("instant");
    let facts = [
        (at(0), Fact::StateCreated { nonce: "n".into() }),
        (at(0), known),
        (at(1), begun(1)),
        (at(2), ended(1, "succeeded")),
        (at(3), begun(2)),
        (at(4), ended(2, "failed")),
        (at(5), raised),
    ];
    store.append(store.next(), &facts).expect("recorded");

    let all = place.json(&["history", "--json"]);
    let runs: Vec<_> = all
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["run"].clone())
        .collect();
    assert_eq!(runs, ["2", "1"], "newest first: {all}");
    assert_eq!(all[0]["ended"], "2026-11-21T00:04:00Z");
    assert_eq!(
        place
            .json(&["history", "--json", "--failed"])
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(
        place
            .json(&["history", "--json", "--limit", "1"])
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(
        place.json(&["history", "other", "--json"]),
        serde_json::json!([])
    );
    let since = ["history", "--json", "--since", "2026-11-21T00:03:00Z"];
    assert_eq!(place.json(&since).as_array().map(Vec::len), Some(1));
    let people = place.run(&["history"]).out;
    assert!(
        people.contains("said no") && !people.contains('\u{1b}'),
        "{people}"
    );
    let status = place.run(&["status"]);
    assert_eq!(status.code, 1, "{}", status.err);
    assert!(
        status.out.contains("shop does not come back"),
        "{}",
        status.out
    );
    assert_eq!(
        place.run(&["logs", "2"]).code,
        0,
        "known, and printed nothing"
    );
}

fn simulated(place: &Place, seed: &str, faults: &str) -> Vec<Value> {
    let said = place.run(&[
        "simulate",
        "--from",
        "2026-11-21T00:00:00Z",
        "--days",
        "12",
        "--seed",
        seed,
        "--faults",
        faults,
        "--json",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines = said.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

#[test]
fn simulate_plays_whole_nights_and_ends_at_rest() {
    let place = Place::new(FILE);
    for (seed, faults) in [("1", "none"), ("2", "some"), ("3", "all"), ("4", "all")] {
        let events = simulated(&place, seed, faults);
        let named = |name: &str| events.iter().filter(|e| e["event"] == name).count();
        assert!(named("notice_accepted") > 10, "{faults}");
        assert!(named("session_closed") >= 8, "{faults}");
        assert_eq!(named("daemon_killed") > 0, faults == "all");
        // Attempts come in pairs, and what was begun is ended.
        let mut running = std::collections::BTreeSet::new();
        let mut inside = std::collections::BTreeSet::new();
        for event in &events {
            let attempt = (event["run"].to_string(), event["attempt"].to_string());
            match event["event"].as_str() {
                Some("run_started") => assert!(running.insert(attempt), "{event}"),
                Some("run_ended") => assert!(running.remove(&attempt), "{event}"),
                Some("enter_started") => {
                    inside.insert(event["session"].to_string());
                }
                Some("session_closed") => {
                    inside.remove(&event["session"].to_string());
                }
                _ => {}
            }
        }
        assert!(running.is_empty() && inside.is_empty(), "{faults} {seed}");
        let outcomes = events.iter().filter(|e| e["event"] == "run_ended");
        let bad = outcomes.filter(|e| e["outcome"] != "succeeded").count();
        assert_eq!(bad > 0, faults != "none");
    }
}

#[test]
fn the_same_seed_simulates_the_same() {
    let place = Place::new(FILE);
    let first = simulated(&place, "7", "all");
    assert_eq!(first, simulated(&place, "7", "all"));
    assert_ne!(first, simulated(&place, "8", "all"));
}

#[test]
fn simulate_sums_up_for_people() {
    let place = Place::new(FILE);
    let args = ["simulate", "--from", "2026-11-21", "--days", "60"];
    let said = place.run(&args);
    assert_eq!(said.code, 0, "{}", said.err);
    for words in [
        "60 days from Sat 2026-11-21 00:00 +01:00, nothing goes wrong, seed 1",
        "shop/night/2026-11-30: succeeded, in maintenance for ",
        "more, use --all or --limit",
        "60 sessions",
        "succeeded",
        "accepted",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert!(said.out.lines().count() < 70, "{}", said.out);
    let said = place.run(&[&args[..], &["--events", "--faults", "some"]].concat());
    assert!(said.out.contains("  run started: os-updates on local"));
    assert_eq!(place.run(&["simulate", "--days", "0"]).code, 2);
    assert_eq!(place.run(&["simulate", "--faults", "few"]).code, 2);
}
