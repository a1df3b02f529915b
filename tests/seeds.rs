//! What fuzzing found, and what is worth trying again: every kept seed of every target.
//!
//! `tests/fuzz/run` looks for more of them.

#[path = "fuzz/targets/lib.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use offhours::core::fact::Fact;
use offhours::simulate::{Dice, Faults, Play, befall, play};

/// No seed may take longer, in a debug build on a busy machine.
const BOUND: Duration = Duration::from_secs(10);
/// All seeds together.
const LARGEST: u64 = 300_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(target: &str) {
    let (_, run) = targets::ALL
        .iter()
        .find(|(name, _)| *name == target)
        .unwrap();
    let seeds = files(&folder().join(target));
    assert!(!seeds.is_empty());
    for seed in seeds {
        // Printed where it fails.
        println!("{}", seed.display());
        let bytes = fs::read(&seed).unwrap();
        let began = Instant::now();
        run(&bytes);
        let took = began.elapsed();
        assert!(took < BOUND, "{took:?}");
    }
}

macro_rules! replayed {
    ($($target:ident),*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        #[test]
        fn every_target_is_replayed_and_all_seeds_are_small() {
            let all: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(all, [$(stringify!($target)),*]);
            let folders = files(&folder());
            let names: Vec<_> = folders.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
            assert_eq!(names, all);
            let seeds = folders.iter().flat_map(|folder| files(folder));
            let bytes: u64 = seeds.map(|seed| fs::metadata(seed).unwrap().len()).sum();
            assert!(bytes < LARGEST, "{bytes}");
        }
    };
}

replayed!(
    config,
    contacts,
    control,
    cron,
    days,
    duration_instant,
    http,
    ics,
    launcher_wire,
    mail_answer,
    night,
    open,
    state,
    state_file,
    text
);

/// Writes what a daemon recorded in made-up weeks, as inputs to begin with.
#[test]
#[ignore = "for tests/fuzz/run"]
fn plays_to_begin_with() {
    let folder = PathBuf::from(std::env::var_os("OFFHOURS_PLAYS").unwrap());
    for seed in 0..20 {
        let from = targets::fixture::now();
        let length = SignedDuration::from_hours(24 * 4);
        let policy = targets::fixture::policy();
        let happenings = befall(seed, Faults::All, length, &policy);
        let played = play(Play {
            policies: vec![Arc::new(policy)],
            from,
            length,
            happenings,
            dice: Dice::new(seed, Faults::All),
        });
        let line = |(at, fact): (Timestamp, &Fact)| {
            let body = serde_json::to_string(fact).unwrap();
            format!("{} {body}\n", at.as_nanosecond())
        };
        let lines: Vec<String> = played.trace.facts().map(line).collect();
        for length in [10, 30, 60, 120] {
            let part = lines[..length.min(lines.len())].concat();
            fs::write(folder.join(format!("play-{seed}-{length}")), part).unwrap();
        }
    }
}
