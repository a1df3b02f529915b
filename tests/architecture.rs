//! The rules of the code that no compiler knows: which module may use which, how pure the core is, how long files get.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of one file.
const LONGEST: usize = 600;
/// What is read as one: the one place where the state changes, and the list of what always holds.
const LONGER: [(&str, usize); 2] = [
    ("src/core/apply.rs", 760),
    ("tests/simulation/invariants.rs", 800),
];

/// Names that say nothing about what a thing does.
const EMPTY_NAMES: [&str; 7] = [
    "task", "util", "utils", "helper", "helpers", "manager", "imp",
];

/// What the core may use of other crates; the engine of schedules is in files of its own.
const CORE_CRATES: [&str; 6] = [
    "std",
    "jiff",
    "indexmap",
    "serde",
    "serde_json",
    "thiserror",
];
const CORE_CRON: [&str; 2] = ["cron", "chrono"];
/// What touches the machine.
const IMPURE: [&str; 7] = ["fs", "env", "process", "net", "thread", "os", "time"];

/// Where the machine is touched: each of these has its homes, below `src`.
const HOMES: [(&str, &[&str]); 5] = [
    (
        "Timestamp::now(",
        &["clock.rs", "lock/instance.rs", "process/child/output.rs"],
    ),
    ("SystemTime::now(", &[]),
    ("Zoned::now(", &[]),
    (
        "Command::new(",
        &[
            "process/",
            "mail/sendmail.rs",
            "control/reading.rs",
            "systemd/inhibit.rs",
        ],
    ),
    ("fs::write(", &["process/child/cgroup.rs", "cli/manual.rs"]),
];

struct Source {
    /// From the project's folder.
    path: String,
    lines: usize,
    /// Without comments and tests.
    code: String,
}

impl Source {
    /// The module below the crate's root.
    fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap();
        below.split('/').next().unwrap().trim_end_matches(".rs")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// All files below a folder; those of tests have no code.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    files(&root().join(folder), &mut found);
    let texts: Vec<(PathBuf, String)> = found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect();
    let tests: Vec<PathBuf> = texts.iter().flat_map(|(p, t)| test_modules(p, t)).collect();
    let sources: Vec<Source> = texts
        .into_iter()
        .map(|(path, text)| {
            let is_test = tests.iter().any(|t| path.with_extension("").starts_with(t));
            Source {
                path: path.strip_prefix(root()).unwrap().display().to_string(),
                lines: text.lines().count(),
                code: if is_test { String::new() } else { code(&text) },
            }
        })
        .collect();
    assert!(!sources.is_empty());
    sources
}

/// The files, without their ending, that a file declares as modules for tests only.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = match path.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" | "main" => path.parent().unwrap().to_path_buf(),
        _ => path.with_extension(""),
    };
    let after = text.split("#[cfg(test)]").skip(1);
    after
        .filter_map(|rest| {
            let line = rest.trim_start().lines().next()?;
            let name = line.split("mod ").nth(1)?.strip_suffix(';')?;
            Some(folder.join(name))
        })
        .collect()
}

/// Without comments, and without the tests that end a file.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {");
    let lines = text[..end.unwrap_or(text.len())].lines();
    lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// What stands behind each `prefix`, one name or a group of them: `crate::a::b` and `crate::{a::b, c}`.
fn names_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let name = |text: &str| -> String {
        let is_name = |c: &char| c.is_alphanumeric() || *c == '_';
        text.trim_start().chars().take_while(is_name).collect()
    };
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        if before.is_alphanumeric() || before == '_' || before == ':' {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(name(rest));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (at, c) in group.char_indices() {
            if begins {
                names.insert(name(&group[at..]));
            }
            begins = c == ',' && depth == 0;
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    names.remove("");
    names
}

/// The modules in the order of the table in `src/lib.rs`.
fn order() -> Vec<String> {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rows = map.lines().filter_map(|l| l.strip_prefix("//! | ["));
    rows.flat_map(|row| {
        let modules = row.split(" | ").next().unwrap().to_string();
        let names: Vec<String> = modules
            .split('`')
            .skip(1)
            .step_by(2)
            .map(Into::into)
            .collect();
        names
    })
    .collect()
}

#[test]
fn the_map_shows_every_module() {
    let in_map: BTreeSet<String> = order().into_iter().collect();
    let there: BTreeSet<String> = sources("src")
        .iter()
        .map(|s| s.module().to_string())
        .filter(|m| m != "lib" && m != "main")
        .collect();
    assert_eq!(in_map, there);
}

#[test]
fn arrows_point_down_the_map() {
    let order = order();
    let place = |module: &str| order.iter().position(|m| m == module);
    let mut wrong = BTreeMap::new();
    for source in sources("src") {
        let Some(own) = place(source.module()) else {
            continue;
        };
        for used in names_after(&source.code, "crate::") {
            if place(&used).is_some_and(|used| used < own) {
                wrong.insert(source.path.clone(), used);
            }
        }
    }
    assert!(wrong.is_empty(), "these look up: {wrong:#?}");
}

#[test]
fn the_core_is_pure() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    let dependencies = dependencies.split("\n[").next().unwrap();
    let mut crates: Vec<String> = dependencies
        .lines()
        .filter_map(|line| Some(line.split_once(" =")?.0.replace('-', "_")))
        .collect();
    assert!(crates.iter().any(|c| c == "tokio"));
    crates.push("std".into());

    let core = sources("src/core");
    for Source { path, code, .. } in &core {
        let of_cron = path.contains("/calendar/cron");
        for name in &crates {
            let used = !names_after(code, &format!("{name}::")).is_empty();
            // Our own module of this name is no crate.
            let ours = name == "cron"
                && !code.contains("use ::cron")
                && !code.contains("use cron::Schedule");
            let allowed = CORE_CRATES.contains(&name.as_str())
                || (CORE_CRON.contains(&name.as_str()) && (of_cron || ours));
            assert!(!used || allowed, "{path} uses {name}");
        }
        for name in names_after(code, "std::") {
            assert!(!IMPURE.contains(&name.as_str()), "{path} uses std::{name}");
        }
        assert!(!code.contains("::now("), "{path} reads a clock");
    }
}

#[test]
fn what_touches_the_machine_is_at_home() {
    for Source { path, code, .. } in sources("src") {
        for (call, homes) in HOMES {
            let at_home = homes.iter().any(|home| path[4..].starts_with(home));
            assert!(at_home || !code.contains(call), "{path} calls {call})");
        }
    }
}

#[test]
fn nothing_panics_without_a_reason() {
    for Source { path, code, .. } in sources("src") {
        assert!(!code.contains(".unwrap()"), "{path}: unwrap");
        // The macros that print panic where nobody reads any more.
        for call in ["todo!(", "unimplemented!(", "dbg!(", "print!(", "println!("] {
            assert!(!code.contains(call), "{path}: {call})");
        }
        for (at, call) in code.match_indices(".expect(") {
            let reason = code[at + call.len()..].trim_start();
            let given = reason.starts_with('"') && !reason.starts_with("\"\"");
            assert!(given, "{path}: expect without a reason");
        }
    }
}

#[test]
fn files_stay_readable() {
    for folder in ["src", "tests", "benches"] {
        for source in sources(folder) {
            let bound = LONGER.iter().find(|(path, _)| *path == source.path);
            let bound = bound.map_or(LONGEST, |(_, lines)| *lines);
            assert!(
                source.lines <= bound,
                "{}: {} lines",
                source.path,
                source.lines
            );
            let path = source.path.trim_end_matches(".rs");
            for name in path.split('/') {
                assert!(!EMPTY_NAMES.contains(&name), "{}", source.path);
            }
        }
    }
}
