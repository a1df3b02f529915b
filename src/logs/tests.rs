use std::time::Duration;

use super::*;

fn step(job: &str) -> What {
    What::Step {
        session: "shop/night/2026-11-21".into(),
        step: 0,
        job: job.into(),
        host: "local".into(),
    }
}

fn write(dir: &Path, what: &What, run: RunId, attempt: u32, bytes: usize) -> PathBuf {
    let path = log_path(dir, what, run, attempt);
    fs::create_dir_all(path.parent().expect("folder")).expect("folder");
    fs::write(&path, vec![b'x'; bytes]).expect("file");
    // Ages that do not depend on how fast the files were written.
    let age = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + run);
    fs::File::options()
        .write(true)
        .open(&path)
        .expect("open")
        .set_modified(age)
        .expect("age");
    path
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let dir = Path::new("/state");
    for name in [
        "..",
        ".",
        "",
        "a/b",
        "/etc",
        "a\0b",
        ".hidden",
        &"ä".repeat(500),
    ] {
        let path = log_path(dir, &step(name), 1, 1);
        let inside: Vec<_> = path
            .strip_prefix("/state/logs")
            .expect("inside")
            .components()
            .collect();
        assert_eq!(inside.len(), 2, "{name:?}: {path:?}");
        assert!(
            inside
                .iter()
                .all(|c| matches!(c, std::path::Component::Normal(_))),
            "{path:?}"
        );
        assert!(inside[0].as_os_str().len() < 256);
    }
    assert_eq!(
        log_path(dir, &step("os-updates"), 42, 2),
        Path::new("/state/logs/os-updates/42.2.log")
    );
}

#[test]
fn hooks_have_the_folder_of_their_app() {
    let leave = What::Leave {
        session: "shop/night/2026-11-21".into(),
        hook: 0,
        host: "local".into(),
    };
    assert_eq!(
        log_path(Path::new("s"), &leave, 7, 1),
        Path::new("s/logs/leave@shop/7.1.log")
    );
}

#[test]
fn runs_are_found_by_number_and_by_job() {
    let dir = tempfile::tempdir().expect("folder");
    assert_eq!(find(dir.path(), 1).expect("no logs yet"), []);
    write(dir.path(), &step("a"), 9, 1, 1);
    write(dir.path(), &step("a"), 10, 1, 1);
    let second = write(dir.path(), &step("a"), 10, 2, 1);
    write(dir.path(), &step("b"), 11, 1, 1);
    assert_eq!(
        of_run(dir.path(), &step("a"), 10).expect("read"),
        find(dir.path(), 10).expect("read")
    );
    assert_eq!(of_run(dir.path(), &step("b"), 10).expect("read"), []);
    assert_eq!(of_run(dir.path(), &step("c"), 10).expect("read"), []);
    let attempts: Vec<_> = find(dir.path(), 10)
        .expect("read")
        .iter()
        .map(|f| f.attempt)
        .collect();
    assert_eq!(attempts, [1, 2]);
    assert_eq!(
        latest(dir.path(), "a").expect("read").map(|f| f.path),
        Some(second)
    );
    assert_eq!(latest(dir.path(), "c").expect("read"), None);
}

#[test]
fn the_oldest_go_first_and_no_more_than_asked() {
    let dir = tempfile::tempdir().expect("folder");
    for run in 1..=10 {
        write(
            dir.path(),
            &step(if run % 2 == 0 { "a" } else { "b" }),
            run,
            1,
            100,
        );
    }
    let keep = |run| {
        dir.path().join(format!(
            "logs/{}/{run}.1.log",
            if run % 2 == 0 { "a" } else { "b" }
        ))
    };
    // A short file takes a block all the same.
    let blocks = |bytes, deleted, more| Pruned {
        bytes: bytes * BLOCK,
        deleted,
        more,
    };
    let prune = |limit, most| prune(dir.path(), limit, most).expect("pruned");
    assert_eq!(prune(10 * BLOCK, 100), blocks(10, 0, false));
    assert_eq!(prune(0, 3), blocks(7, 3, true));
    assert_eq!(prune(5 * BLOCK - 1, 100), blocks(4, 3, false));
    let left: Vec<_> = (1..=10).filter(|run| keep(*run).exists()).collect();
    assert_eq!(left, [7, 8, 9, 10]);
}

#[test]
fn a_backlog_longer_than_a_round_is_worked_off() {
    let dir = tempfile::tempdir().expect("folder");
    for run in 1..=10 {
        write(dir.path(), &step("a"), run, 1, 5000);
    }
    assert_eq!(room(5000), 2 * BLOCK);
    let mut rounds = 1;
    while prune(dir.path(), 4 * BLOCK, 3).expect("pruned").more {
        rounds += 1;
    }
    assert_eq!(rounds, 3);
    let bounded = bound(dir.path(), 2 * BLOCK).expect("bounded");
    assert_eq!((bounded.bytes, bounded.deleted), (2 * BLOCK, 1));
    assert_eq!(find(dir.path(), 10).expect("read").len(), 1);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let dir = tempfile::tempdir().expect("folder");
    let log = write(dir.path(), &step("a"), 1, 1, 10);
    let note = log.with_file_name("note.txt");
    fs::write(&note, "mine").expect("file");
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).expect("folder");
    fs::write(outside.join("5.1.log"), "mine").expect("file");
    std::os::unix::fs::symlink(&outside, dir.path().join("logs/link")).expect("link");
    prune(dir.path(), 0, 100).expect("pruned");
    assert!(!log.exists() && note.exists() && outside.join("5.1.log").exists());
}
