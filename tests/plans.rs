//! Plans, as documentation: each folder of `tests/plans` is a situation with what the program says about it.
//!
//! | file | holds |
//! |---|---|
//! | `windows.toml` | the configuration; its first line says what is shown |
//! | `old.toml` | where it is there, another configuration to compare with |
//! | `state` | where it is there, what was recorded: a fact a line, with the instant `at` which it was |
//! | `expected` | commands after `$ offhours`, and what they print |
//!
//! `UPDATE=1 cargo test --test plans` writes down what the program says now; read the difference before it is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use offhours::config::{Env, Purpose, load};
use offhours::core::apply::apply;
use offhours::core::fact::Fact;
use offhours::core::foresee::foresee;
use offhours::core::plan::{outlook, sessions_of};
use offhours::core::state::State;
use offhours::core::wish::{Asked, Asker, Wish};
use offhours::simulate::{Dice, Faults, Play, play};
use offhours::store::{Facts, Reader, Store};

const PROMPT: &str = "$ offhours ";

fn situations() -> Vec<PathBuf> {
    let all = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans")).unwrap();
    let mut all: Vec<PathBuf> = all
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    all.sort();
    all
}

/// A copy in which the program may write.
fn place(situation: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(situation).unwrap() {
        let from = entry.unwrap().path();
        if from.is_file() {
            fs::copy(&from, dir.path().join(from.file_name().unwrap())).unwrap();
        }
    }
    let recorded = situation.join("state");
    if recorded.exists() {
        fs::remove_file(dir.path().join("state")).unwrap();
        let facts: Vec<(Timestamp, Fact)> = fs::read_to_string(&recorded)
            .unwrap()
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .map(|line| fact(&recorded, line))
            .collect();
        let folder = dir.path().join("state");
        fs::create_dir(&folder).unwrap();
        let mut store = Store::open(&folder).unwrap();
        store.append(1, &facts).unwrap();
    }
    dir
}

fn fact(path: &Path, line: &str) -> (Timestamp, Fact) {
    let read = || -> Result<(Timestamp, Fact), Box<dyn std::error::Error>> {
        let value: serde_json::Value = serde_json::from_str(line)?;
        let at = value["at"].as_str().unwrap_or_default().parse()?;
        Ok((at, serde_json::from_value(value)?))
    };
    read().unwrap_or_else(|error| panic!("{}: {error}: {line}", path.display()))
}

/// What the program prints, and its exit code where that is not 0.
fn say(dir: &Path, args: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhours"));
    let words = args.split_whitespace();
    command.args(words).current_dir(dir);
    command.env_clear().env("PATH", "/usr/bin:/bin");
    let done = command.output().unwrap();
    let mut said = String::from_utf8(done.stdout).unwrap();
    said += &String::from_utf8(done.stderr).unwrap();
    // Where it was tried says nothing.
    let said = said.replace(&format!("{}/", dir.display()), "");
    match done.status.code() {
        Some(0) => said,
        code => format!("{said}(exit code {})\n", code.unwrap_or(-1)),
    }
}

fn tell(situation: &Path) -> (String, String) {
    let expected = fs::read_to_string(situation.join("expected")).unwrap();
    let dir = place(situation);
    let mut said = String::new();
    for args in expected
        .lines()
        .filter_map(|line| line.strip_prefix(PROMPT))
    {
        let first = say(dir.path(), args);
        assert_eq!(first, say(dir.path(), args), "the same again: {args}");
        said += &format!("{PROMPT}{args}\n{first}");
    }
    (expected, said)
}

/// `RECORD=situation FROM=instant UNTIL=instant cargo test --test plans record -- --ignored` plays the daemon in virtual
/// time, with its old configuration where there is one, and writes down what it recorded.
#[test]
#[ignore = "makes a file that is checked in"]
fn record() {
    let given = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is wanted"));
    let at = |name: &str| -> Timestamp { given(name).parse().unwrap() };
    let (from, until) = (at("FROM"), at("UNTIL"));
    let situation = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/plans")
        .join(given("RECORD"));
    let dir = place(&situation);
    let old = dir.path().join("old.toml");
    let file = if old.exists() {
        old
    } else {
        dir.path().join("windows.toml")
    };
    let loaded = load(
        &file,
        &Env::from_iter::<[(&str, &str); 0]>([]),
        from,
        Purpose::Read,
    );
    let policy = loaded
        .unwrap_or_else(|refused| panic!("{refused:?}"))
        .policy;
    let played = play(Play {
        policies: vec![policy.into()],
        from,
        length: until.duration_since(from),
        happenings: Vec::new(),
        dice: Dice::new(1, Faults::None),
    });
    let lines = played.trace.facts().map(|(at, fact)| {
        let mut line = serde_json::to_value(fact).unwrap();
        line["at"] = at.to_string().into();
        format!("{line}\n")
    });
    fs::write(situation.join("state"), lines.collect::<String>()).unwrap();
}

#[test]
fn every_situation_is_as_it_was_written_down() {
    let (mut wrong, all) = (Vec::new(), situations());
    for situation in &all {
        let (expected, said) = tell(situation);
        let name = situation.file_name().unwrap().to_string_lossy();
        assert!(said.contains(PROMPT), "{name} says no command");
        if expected != said {
            if std::env::var_os("UPDATE").is_some() {
                fs::write(situation.join("expected"), &said).unwrap();
            }
            wrong.push(format!(
                "--- {name}, written down:\n{expected}\n+++ now:\n{said}"
            ));
        }
    }
    assert!(all.len() >= 20, "only {} situations", all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Apps that have a say in each other's times by a lock, a host or a proof, and one that has none.
const ENTANGLED: &str = r#"
time_zone = "UTC"
[notice]
to = ["team@example.org"]
operators = ["ops@example.org"]
[window.night]
open = "daily 22:00-05:00"
[window.late]
open = "Sat 21:00-23:30"
[host.web1]
[host.web2]
[app.a]
window = "night"
[app.b]
window = "night"
[app.c]
window = "late"
[app.d]
window = "night"
[app.e]
window = "night"
[maintenance.a]
app = "a"
every = "window"
run = ["true"]
timeout = "1h"
locks = ["database"]
[maintenance.b]
app = "b"
every = "window"
run = ["true"]
timeout = "1h"
locks = ["database"]
hosts = ["web1"]
[maintenance.c]
app = "c"
schedule = "0 0 * * 6"
run = ["true"]
timeout = "30m"
hosts = ["web1", "web2"]
[maintenance.d]
app = "d"
every = "window"
after = [{ job = "c", succeeded_for = "2d" }]
run = ["true"]
timeout = "1h"
[maintenance.e]
app = "e"
every = "window"
run = ["true"]
timeout = "1h"
"#;

/// Of the others only as much is planned as has a say in it.
#[test]
fn the_plan_of_one_app_is_what_it_is_among_all() {
    let from: Timestamp = "2027-01-12T09:00:00Z".parse().unwrap();
    let until = from + jiff::SignedDuration::from_hours(24 * 40);
    let mut compared = 0;
    let entangled = tempfile::tempdir().unwrap();
    fs::write(entangled.path().join("windows.toml"), ENTANGLED).unwrap();
    let mut places: Vec<_> = situations().iter().map(|of| place(of)).collect();
    places.push(entangled);
    for dir in places {
        let file = dir.path().join("windows.toml");
        let env = Env::from_iter::<[(&str, &str); 0]>([]);
        let Ok(loaded) = load(&file, &env, from, Purpose::Read) else {
            continue;
        };
        let reader = Reader::open(&dir.path().join("state")).unwrap();
        let state = reader.map_or_else(State::default, |reader| reader.load(apply).unwrap().0);
        let all = outlook(&loaded.policy, &state, from, until).sessions;
        for app in loaded.policy.apps.keys() {
            let of_all: Vec<_> = all.iter().filter(|s| s.app == *app).cloned().collect();
            let alone = sessions_of(&loaded.policy, &state, app, from, until);
            assert_eq!(alone, of_all, "{app} of {}", file.display());
            compared += alone.len();
        }
    }
    assert!(compared > 200, "only {compared} sessions were compared");
}

/// What ending a session would come to is found by ending it: who is cut off, what is left, who is told.
#[test]
fn it_is_foreseen_what_ending_a_session_under_way_comes_to() {
    let situation = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans/rolling-explained");
    let dir = place(&situation);
    let now: Timestamp = "2027-01-11T21:20:00Z".parse().unwrap();
    let env = Env::from_iter::<[(&str, &str); 0]>([]);
    let loaded = load(&dir.path().join("windows.toml"), &env, now, Purpose::Read).unwrap();
    let reader = Reader::open(&dir.path().join("state")).unwrap().unwrap();
    let (state, _) = reader.load(apply).unwrap();
    let asker = serde_json::from_value(serde_json::json!({ "uid": 0, "name": "root" })).unwrap();
    let asked = |wish| Asked {
        wish,
        by: Asker::clone(&asker),
        reason: "enough".into(),
    };
    let id: offhours::core::policy::Name = "shop/night/2027-01-11".into();
    let cancelled = foresee(
        &loaded.policy,
        &state,
        asked(Wish::Cancel { session: id }),
        now,
    )
    .unwrap();
    let words = cancelled.words();
    for said in [
        "2 steps are cut off, on web2, web3",
        "2 steps are not begun any more",
        "shop has no leave hooks",
        "ends: cancelled",
        "team@example.org",
    ] {
        assert!(words.contains(said), "{said} is not in:\n{words}");
    }
    let app = "shop".into();
    let left = foresee(&loaded.policy, &state, asked(Wish::Leave { app }), now).unwrap();
    assert!(
        left.words().contains("2 steps are cut off"),
        "{}",
        left.words()
    );
}

#[test]
fn every_situation_says_what_it_shows() {
    for situation in situations() {
        let text = fs::read_to_string(situation.join("windows.toml")).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("# "), "{}: {first}", situation.display());
    }
}
