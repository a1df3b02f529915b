//! Reading while somebody writes, with the writer gone, and as a user who may only read.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use offhours::store::{Facts, HistoryFilter, Reader, Store};

use super::support::{
    again, at, copy_as_killed, ended, given_folder, made, mark, names, periodic, read, trace,
};

#[test]
fn there_is_none_before_the_first_start() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Reader::open(dir.path()).unwrap().is_none());
    assert!(Reader::open(&dir.path().join("nowhere")).unwrap().is_none());
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_reader_sees_what_is_durable_and_does_not_hold_up_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    for i in 1..=40 {
        store.append(i, &[(at(0), mark("x"))]).unwrap();
        assert_eq!(reader.load(trace).unwrap().1, i + 1);
    }
    assert_eq!(
        reader
            .facts_after(38, 10)
            .unwrap()
            .iter()
            .map(|f| f.0)
            .collect::<Vec<_>>(),
        [39, 40]
    );
    assert_eq!(reader.facts_after(0, 3).unwrap().len(), 3);
}

#[test]
fn other_processes_read_whole_appends_while_one_writes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut next = 1;
            while !done.load(Ordering::Relaxed) {
                let facts: Vec<_> = (0..5).map(|i| (at(i), mark("x".repeat(2000)))).collect();
                next = store.append(next, &facts).unwrap();
                if next % 64 == 1 {
                    let state = store.load(trace).unwrap().0;
                    store
                        .snapshot(
                            &offhours::core::state::State {
                                nonce: String::new(),
                                ..state
                            },
                            next,
                        )
                        .unwrap();
                }
            }
        });
        for _ in 0..4 {
            let seen = process(dir.path(), "whole");
            assert!(seen.is_ok(), "{seen:?}");
        }
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    });
}

#[test]
fn with_the_writer_gone_it_reads_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), &[(at(0), mark("x"))]).unwrap();
    let before = names(dir.path());
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    assert_eq!(reader.load(trace).unwrap().1, 2);
    assert_eq!(names(dir.path()), before);
    // The writer comes back: the same reader goes on.
    let mut store = Store::open(dir.path()).unwrap();
    store.append(2, &[(at(0), mark("y"))]).unwrap();
    assert_eq!(reader.load(trace).unwrap().1, 3);
    drop(store);
    assert_eq!(reader.load(trace).unwrap().1, 3);
    made(dir.path(), &[(at(0), mark("z"))]).unwrap();
    assert_eq!(reader.load(trace).unwrap().1, 4);
}

#[test]
fn what_a_killed_writer_left_in_its_log_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (live, killed) = (dir.path().join("live"), dir.path().join("killed"));
    let mut store = Store::open(&live).unwrap();
    store
        .append(1, &[(at(0), mark("x")), (at(0), mark("y"))])
        .unwrap();
    copy_as_killed(&live, &killed);
    let before = names(&killed);
    assert_eq!(read(&killed).1, 3);
    assert_eq!(names(&killed), before);
    fs::remove_file(killed.join("state.db-shm")).unwrap();
    let before = names(&killed);
    assert_eq!(read(&killed).1, 3);
    assert_eq!(names(&killed), before, "an index was made");
}

#[test]
fn a_user_who_may_only_read_reads() {
    if !rustix::process::geteuid().is_root() {
        eprintln!(
            "SKIPPED: reading as another user was not tested, because only root can become one"
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    open_to_all(dir.path());
    let [live, killed, bare, down] =
        ["live", "killed", "bare", "down"].map(|name| dir.path().join(name));
    let mut store = Store::open(&live).unwrap();
    let facts: Vec<_> = (0..300).map(|i| (at(i), mark("x".repeat(100)))).collect();
    store.append(1, &facts).unwrap();
    copy_as_killed(&live, &killed);
    copy_as_killed(&live, &bare);
    fs::remove_file(bare.join("state.db-shm")).unwrap();
    made(&down, &facts).unwrap();
    for (case, folder) in [
        ("up", &live),
        ("killed", &killed),
        ("killed, no index", &bare),
        ("down", &down),
    ] {
        open_to_all(folder);
        let before = names(folder);
        assert_eq!(process(folder, "nobody").unwrap(), 301, "{case}");
        assert_eq!(names(folder), before, "{case}");
    }
    // Nothing that the reader left keeps the writer from going on.
    assert_eq!(store.append(301, &[(at(0), mark("y"))]).unwrap(), 302);
    assert_eq!(process(&live, "nobody").unwrap(), 302);
}

#[test]
fn a_user_who_may_not_read_is_told_so() {
    if !rustix::process::geteuid().is_root() {
        eprintln!(
            "SKIPPED: being refused was not tested, because only root can become another user"
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    open_to_all(dir.path());
    let state = dir.path().join("state");
    made(&state, &[(at(0), mark("x"))]).unwrap();
    let told = process(&state, "nobody").unwrap_err();
    assert!(
        told.contains(state.to_str().unwrap()) && told.contains("ermission denied"),
        "{told}"
    );
}

fn open_to_all(dir: &Path) {
    fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    for name in names(dir) {
        let path = dir.join(name);
        if path.is_file() {
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        }
    }
}

/// The number after the last fact, as another process reads it, or what it says.
fn process(dir: &Path, how: &str) -> Result<u64, String> {
    let out = again("reading::reads", dir)
        .env("STORE_TEST_HOW", how)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    text.lines()
        .find_map(|l| l.strip_prefix("next ").and_then(|n| n.parse().ok()))
        .ok_or(text)
}

#[test]
#[ignore = "a part of other tests, run as a process of its own"]
fn reads() {
    let Some(dir) = given_folder() else { return };
    let how = std::env::var("STORE_TEST_HOW").unwrap();
    if how == "nobody" {
        let (user, group) = (
            rustix::fs::Uid::from_raw(65534),
            rustix::fs::Gid::from_raw(65534),
        );
        rustix::thread::set_thread_groups(&[]).unwrap();
        rustix::thread::set_thread_res_gid(group, group, group).unwrap();
        rustix::thread::set_thread_res_uid(user, user, user).unwrap();
    }
    let reader = match Reader::open(&dir) {
        Ok(reader) => reader.unwrap(),
        Err(error) => panic!("\n{error}"),
    };
    let mut next = reader.load(trace).unwrap().1;
    if how == "whole" {
        for _ in 0..300 {
            let (_, now) = reader.load(trace).unwrap();
            assert!(now >= next && now % 5 == 1, "{now} after {next}");
            next = now;
        }
    }
    println!("\nnext {next}");
}

#[test]
fn a_fold_may_ask_the_reader_itself() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), &[(at(0), mark("x")), (at(0), mark("y"))]).unwrap();
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    let mut seen = 0;
    let result = reader.load(|_, _, _| {
        seen += reader.facts_after(0, 10).map_err(|e| e.to_string())?.len();
        Ok::<(), String>(())
    });
    assert_eq!((result.unwrap().1, seen), (3, 4));
}

#[test]
fn odd_folder_names_are_no_matter() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a b", "50%", "a?mode=rw", "a#b", "ü", "%41", "a&vfs=none"] {
        let state = dir.path().join(name);
        made(
            &state,
            &[(
                at(0),
                ended(1, 1, periodic("a"), offhours::core::run::Outcome::Failed),
            )],
        )
        .unwrap();
        assert_eq!(read(&state).1, 2, "{name}");
        let reader = Reader::open(&state).unwrap().unwrap();
        assert_eq!(reader.history(&HistoryFilter::default()).unwrap().len(), 1);
    }
}

#[test]
fn a_system_tool_may_look_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.append(1, &[(at(0), mark("x"))]).unwrap();
    let Ok(out) = Command::new("sqlite3")
        .arg(dir.path().join("state.db"))
        .arg("SELECT count(*) FROM facts")
        .output()
    else {
        eprintln!("SKIPPED: there is no sqlite3 program to look with");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), "1");
}
