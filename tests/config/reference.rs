//! The `windows.toml` at the root is what people copy: it must say everything, and say it right.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use offhours::config::{Env, Purpose, keys};
use toml::Value;

use super::scene::{Scene, messages, now};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The reference with what it names, where nobody else can write.
fn scene() -> Scene {
    let scene = Scene::empty();
    for name in [
        "windows.toml",
        "examples/contacts.toml",
        "examples/holidays.ics",
        "examples/notices/_signature.txt",
        "examples/notices/letter.txt",
        "examples/notices/subject.txt",
        "hooks/enter-flag",
        "hooks/leave-flag",
    ] {
        scene.write(name, &fs::read_to_string(root().join(name)).unwrap());
        let executable = fs::metadata(root().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o100
            != 0;
        scene.mode(name, if executable { 0o755 } else { 0o644 });
    }
    scene
}

#[test]
fn it_passes_without_a_word() {
    for purpose in [Purpose::Check, Purpose::Run, Purpose::Read] {
        let result = scene().load(&Env::default(), purpose);
        assert_eq!(messages(&result), Vec::<String>::new());
        let policy = result.unwrap().policy;
        assert_eq!(policy.maintenance.len(), 3);
        assert!(policy.windows.values().all(|window| {
            window
                .occurrences(now(), "2037-01-01T00:00:00Z".parse().unwrap())
                .next()
                .is_some()
        }));
    }
}

fn tables<'v>(value: &'v Value, key: &str) -> Vec<&'v toml::Table> {
    match value.get(key) {
        Some(Value::Table(table)) => vec![table],
        Some(Value::Array(array)) => array.iter().filter_map(Value::as_table).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_key_is_live_in_it() {
    let text = fs::read_to_string(root().join("windows.toml")).unwrap();
    let whole: Value = toml::from_str(&text).unwrap();
    assert!(text.lines().count() <= 300);
    let entries = |table: &str| -> Vec<Value> {
        whole[table].as_table().unwrap().values().cloned().collect()
    };
    let (apps, jobs, periodic) = (entries("app"), entries("maintenance"), entries("periodic"));
    let inner = |entries: &[Value], keys: &[&str]| -> HashSet<String> {
        let tables = entries
            .iter()
            .flat_map(|entry| keys.iter().flat_map(|key| tables(entry, key)));
        tables.flat_map(|table| table.keys().cloned()).collect()
    };
    let of = |entries: &[Value]| -> HashSet<String> {
        entries
            .iter()
            .flat_map(|entry| entry.as_table().unwrap().keys().cloned())
            .collect()
    };
    let mut groups: Vec<(&str, &[&str], HashSet<String>)> = vec![
        ("the top", keys::TOP, of(std::slice::from_ref(&whole))),
        ("window", keys::WINDOW, of(&entries("window"))),
        ("rules", keys::RULE, inner(&entries("window"), &["rules"])),
        ("freeze", keys::FREEZE, of(&entries("freeze"))),
        ("host", keys::HOST, of(&entries("host"))),
        ("app", keys::APP, of(&apps)),
        ("maintenance", keys::MAINTENANCE, of(&jobs)),
        ("periodic", keys::PERIODIC, of(&periodic)),
        ("healthy", keys::HEALTHY, inner(&jobs, &["healthy"])),
        ("after", keys::AFTER, inner(&jobs, &["after"])),
        (
            "retry",
            keys::RETRY,
            inner(&[jobs, periodic].concat(), &["retry"]),
        ),
        (
            "contacts",
            keys::PERSON,
            inner(std::slice::from_ref(&whole["contacts"]), &["managers"]),
        ),
    ];
    groups.extend(keys::SECTIONS.map(|(name, keys)| (name, keys, of(&[whole[name].clone()]))));
    let missing: Vec<String> = groups
        .iter()
        .flat_map(|(group, keys, live)| {
            keys.iter()
                .filter(|key| !live.contains(**key))
                .map(move |key| format!("{group}: {key}"))
        })
        .collect();
    // A command's folder, user and environment are shown once for each kind of job, not for each hook.
    let missing: Vec<String> = missing
        .into_iter()
        .filter(|key| {
            let shown = key.strip_prefix("healthy: ");
            let shown = shown.or(key.strip_prefix("periodic: "));
            !shown.is_some_and(|key| {
                ["user", "group", "dir", "umask", "env", "script"].contains(&key)
            })
        })
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_hooks_are_a_pair_that_may_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let run = |hook: &str| {
        let mut command = std::process::Command::new(root().join("hooks").join(hook));
        let status = command
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .arg("x.flag")
            .output()
            .unwrap();
        assert!(status.status.success(), "{status:?}");
        dir.path().join("x.flag").exists()
    };
    assert!(!run("leave-flag"));
    assert!(run("enter-flag"));
    assert!(run("enter-flag"));
    assert!(!run("leave-flag"));
    assert!(!run("leave-flag"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
