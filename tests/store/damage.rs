//! Files that cannot be trusted are refused with their path and the way out, and left as they are.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use offhours::store::{Facts, Reader, Store, StoreError, set_aside};

use super::support::{at, copy_as_killed, load, made, mark, names, trace};

fn with_facts(count: i64) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let facts: Vec<_> = (0..count)
        .map(|i| (at(i), mark(format!("{i} {}", "x".repeat(300)))))
        .collect();
    made(dir.path(), &facts).unwrap();
    let path = dir.path().join("state.db");
    (dir, path)
}

/// Both the writer and the reader refuse it, name it and the way out, and leave it as it was.
fn is_refused(dir: &Path, words: &str) {
    let file = dir.join("state.db");
    let before = fs::read(&file).ok();
    for error in [
        Store::open(dir).map(drop).unwrap_err(),
        read_all(dir).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        assert!(!error.is_transient());
        let text = error.to_string();
        for part in [
            file.to_str().unwrap(),
            "every app's leave hooks first",
            "--fresh-state",
            words,
        ] {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
    assert_eq!(fs::read(&file).ok(), before, "it was changed");
}

fn read_all(dir: &Path) -> Result<(), StoreError> {
    Reader::open(dir)?
        .expect("there is a state")
        .load(trace)
        .map(drop)
}

#[test]
fn an_empty_file_is_no_new_state() {
    let (dir, path) = with_facts(10);
    fs::write(&path, b"").unwrap();
    is_refused(dir.path(), "only 0 bytes");
    fs::remove_file(dir.path().join("reserve")).unwrap();
    is_refused(dir.path(), "only 0 bytes");
}

#[test]
fn a_file_that_is_gone_is_no_new_state() {
    for (trace, shows) in [
        ("reserve", "`reserve`"),
        ("state.db-wal", "`state.db-wal`"),
        ("state.db-shm", "`state.db-shm`"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(trace), b"").unwrap();
        is_refused(dir.path(), shows);
        assert_eq!(names(dir.path()), [trace]);
    }
}

#[test]
fn a_cut_file_is_damaged_wherever_it_is_cut() {
    let (dir, path) = with_facts(200);
    let whole = fs::read(&path).unwrap();
    for length in [
        1,
        15,
        16,
        99,
        100,
        512,
        4095,
        4096,
        4097,
        8192,
        whole.len() / 2,
        whole.len() - 4096,
    ] {
        fs::write(&path, &whole[..length]).unwrap();
        is_refused(dir.path(), "");
    }
}

#[test]
fn zeros_garbage_and_other_things_are_damaged() {
    let (dir, path) = with_facts(10);
    fs::write(&path, vec![0; 8192]).unwrap();
    is_refused(dir.path(), "not a state file");
    fs::write(&path, "name = \"production\"\n".repeat(500)).unwrap();
    is_refused(dir.path(), "not a state file");
    fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE a (b)")
        .unwrap();
    is_refused(dir.path(), "another program");
}

#[test]
fn a_folder_in_its_place_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("state.db")).unwrap();
    is_refused(dir.path(), "not a file");
}

#[test]
fn a_pipe_in_its_place_is_damaged_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    for error in [
        Store::open(dir.path()).map(drop),
        Reader::open(dir.path()).map(drop),
    ] {
        assert!(error.unwrap_err().to_string().contains("not a file"));
    }
}

#[test]
fn zeroed_pages_are_found_at_start() {
    let (dir, path) = with_facts(200);
    let pages = fs::metadata(&path).unwrap().len() / 4096;
    for page in [0, 1, 2, pages / 2, pages - 1] {
        let copy = dir.path().join(format!("copy{page}"));
        fs::create_dir(&copy).unwrap();
        fs::copy(&path, copy.join("state.db")).unwrap();
        let file = OpenOptions::new()
            .write(true)
            .open(copy.join("state.db"))
            .unwrap();
        file.write_all_at(&[0; 4000], page * 4096 + 96).unwrap();
        let error = Store::open(&copy).map(drop).unwrap_err();
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "page {page}: {error:?}"
        );
    }
}

#[test]
fn a_newer_file_is_refused_as_newer() {
    let (dir, path) = with_facts(3);
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 9)
        .unwrap();
    let before = fs::read(&path).unwrap();
    for error in [
        Store::open(dir.path()).map(drop).unwrap_err(),
        read_all(dir.path()).unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                StoreError::Newer {
                    found: 9,
                    known: 2,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_fact_that_is_none_is_an_error_with_its_number() {
    let (dir, path) = with_facts(5);
    let change = |sql: &str| {
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(sql)
            .unwrap()
    };
    for body in [
        "",
        "{}",
        "null",
        "{\"fact\":\"daemon_started\"}",
        "{\"fact\":\"from_the_future\"}",
        "[]",
    ] {
        change(&format!("UPDATE facts SET body = '{body}' WHERE seq = 3"));
        for result in [
            Store::open(dir.path()).unwrap().load(trace).map(drop),
            read_all(dir.path()),
        ] {
            let error = result.unwrap_err();
            assert!(
                matches!(error, StoreError::BadFact { seq: 3, .. }),
                "{body}: {error:?}"
            );
            assert!(
                error.to_string().contains(path.to_str().unwrap()),
                "{error}"
            );
        }
    }
    change("DELETE FROM facts WHERE seq = 3");
    let error = Store::open(dir.path())
        .unwrap()
        .load(trace)
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("fact 3 is missing"), "{error}");
}

#[test]
fn a_fact_that_cannot_follow_is_an_error_with_its_number() {
    let (dir, _) = with_facts(5);
    let store = Store::open(dir.path()).unwrap();
    let mut seen = 0;
    let result = store.load(|_, _, _| {
        seen += 1;
        if seen == 4 {
            Err("it cannot follow")
        } else {
            Ok(())
        }
    });
    assert!(
        matches!(result, Err(StoreError::BadFact { seq: 4, why, .. }) if why == "it cannot follow")
    );
}

#[test]
fn a_cut_log_loses_whole_appends_from_its_end_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live");
    let mut store = Store::open(&live).unwrap();
    let mut next = 1;
    for i in 0..20 {
        next = store
            .append(next, &[(at(i), mark("a")), (at(i), mark("b"))])
            .unwrap();
    }
    let log = fs::metadata(live.join("state.db-wal")).unwrap().len();
    let mut last = u64::MAX;
    for (i, length) in (0..=log).rev().step_by(3001).enumerate() {
        let copy = dir.path().join(format!("copy{i}"));
        copy_as_killed(&live, &copy);
        OpenOptions::new()
            .write(true)
            .open(copy.join("state.db-wal"))
            .unwrap()
            .set_len(length)
            .unwrap();
        fs::remove_file(copy.join("state.db-shm")).unwrap();
        let found = load(&Store::open(&copy).unwrap()).1;
        assert!(
            found % 2 == 1 && found <= last,
            "{found} facts after {last}"
        );
        last = found;
    }
    assert_eq!(last, 1);
}

#[test]
fn a_log_that_its_index_knows_more_of_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live");
    let mut store = Store::open(&live).unwrap();
    for next in 1..20 {
        store.append(next, &[(at(0), mark("a"))]).unwrap();
    }
    let whole = fs::metadata(live.join("state.db-wal")).unwrap().len();
    for (i, length) in (0..whole).rev().step_by(5003).enumerate() {
        let copy = dir.path().join(format!("copy{i}"));
        copy_as_killed(&live, &copy);
        OpenOptions::new()
            .write(true)
            .open(copy.join("state.db-wal"))
            .unwrap()
            .set_len(length)
            .unwrap();
        is_refused(&copy, "its log (`-wal`)");
        fs::remove_file(copy.join("state.db-wal")).unwrap();
        is_refused(&copy, "its log (`-wal`) is gone");
    }
    let copy = dir.path().join("whole");
    copy_as_killed(&live, &copy);
    assert_eq!(load(&Store::open(&copy).unwrap()).1, 20);
}

#[test]
fn aside_means_that_a_new_one_can_begin_and_the_old_one_is_kept() {
    let (dir, path) = with_facts(5);
    fs::write(&path, b"garbage").unwrap();
    fs::write(dir.path().join("state.db-wal"), b"log").unwrap();
    let moved = set_aside(dir.path(), "20270115").unwrap();
    assert_eq!(
        names(dir.path()),
        ["state.db-wal.20270115", "state.db.20270115"]
    );
    assert_eq!(moved.len(), 2);
    assert_eq!(
        fs::read(dir.path().join("state.db.20270115")).unwrap(),
        b"garbage"
    );
    made(dir.path(), &[(at(0), mark("new"))]).unwrap();
    let error = set_aside(dir.path(), "20270115").unwrap_err();
    assert!(error.to_string().contains("state.db.20270115"), "{error}");
    assert_eq!(Store::open(dir.path()).unwrap().next(), 2);
    assert_eq!(
        set_aside(&dir.path().join("none"), "x").unwrap(),
        Vec::<PathBuf>::new()
    );
}

#[test]
fn files_are_the_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("a/state");
    let mut store = Store::open(&state).unwrap();
    store.append(1, &[(at(0), mark("x"))]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    for name in names(&state) {
        assert_eq!(mode(&state.join(&name)), 0o600, "{name}");
    }
    assert_eq!(
        names(&state),
        ["reserve", "state.db", "state.db-shm", "state.db-wal"]
    );
    drop(store);
    assert_eq!(names(&state), ["reserve", "state.db"]);
}

#[test]
fn a_state_that_was_moved_away_takes_nothing_until_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (state, moved) = (dir.path().join("state"), dir.path().join("moved"));
    let mut store = Store::open(&state).unwrap();
    store.append(1, &[(at(0), mark("first"))]).unwrap();
    fs::rename(&state, &moved).unwrap();
    let is_gone = |store: &mut Store| {
        let error = store.append(2, &[(at(1), mark("second"))]).unwrap_err();
        assert!(matches!(error, StoreError::Gone { .. }), "{error:?}");
        assert!(error.is_transient());
        let text = error.to_string();
        assert!(
            text.contains(state.join("state.db").to_str().unwrap()),
            "{text}"
        );
    };
    is_gone(&mut store);
    // Another state in its place is none of this writer's.
    let other = Store::open(&state).unwrap();
    assert_eq!(other.next(), 1);
    is_gone(&mut store);
    drop(other);
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&moved, &state).unwrap();
    assert_eq!(store.append(2, &[(at(1), mark("second"))]).unwrap(), 3);
    drop(store);
    assert_eq!(load(&Store::open(&state).unwrap()).1, 3);
}

#[test]
fn a_damaged_file_is_left_as_it_is_with_the_log_beside_it() {
    let (dir, path) = with_facts(200);
    let killed = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.append(201, &[(at(0), mark("in the log"))]).unwrap();
    copy_as_killed(dir.path(), killed.path());
    drop(store);
    let copy = killed.path().join(path.file_name().unwrap());
    let log = killed.path().join("state.db-wal");
    let file = OpenOptions::new().write(true).open(&copy).unwrap();
    file.write_all_at(&[0xa5; 3000], 8 * 4096).unwrap();
    let before = (fs::read(&copy).unwrap(), fs::read(&log).unwrap());
    assert!(!before.1.is_empty());
    let error = Store::open(killed.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    let text = error.to_string();
    assert!(!text.contains('\n'), "one line is shown as one: {text:?}");
    assert!(
        before == (fs::read(&copy).unwrap(), fs::read(&log).unwrap()),
        "it was changed"
    );
}
