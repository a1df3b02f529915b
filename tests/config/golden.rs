//! Every folder beside this file is a scenario: its files are copied, loaded with the variables in `env`, and what is
//! told is compared with `expected`. `OFFHOURS_BLESS=1` writes what was told instead.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use offhours::config::{Env, Purpose};

use super::scene::Scene;

fn copy(from: &Path, scene: &Scene, under: &str) {
    let mut entries: Vec<_> = fs::read_dir(from)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = format!("{under}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            copy(&path, scene, &format!("{name}/"));
        } else if !["expected", "env"].contains(&name.as_str()) {
            scene.write(&name, &fs::read_to_string(&path).unwrap());
            let executable = fs::metadata(&path).unwrap().permissions().mode() & 0o100 != 0;
            scene.mode(&name, if executable { 0o755 } else { 0o644 });
        }
    }
}

#[test]
fn each_scenario_is_told_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut scenarios: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    scenarios.sort();
    assert!(scenarios.len() >= 15, "the scenarios are gone");
    let mut wrong = Vec::new();
    for folder in scenarios {
        let scene = Scene::empty();
        copy(&folder, &scene, "");
        let lines = fs::read_to_string(folder.join("env")).unwrap_or_default();
        let env: Env = lines
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        let told = scene.rendered(&env, Purpose::Check);
        let expected = folder.join("expected");
        if std::env::var_os("OFFHOURS_BLESS").is_some() {
            fs::write(&expected, &told).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != told {
            wrong.push(format!("--- {}\n{told}", folder.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "told otherwise than expected:\n{}",
        wrong.join("\n")
    );
}
