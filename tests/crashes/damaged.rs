//! A state that is damaged where the daemon starts: whatever asks for it refuses it by its path with the way out,
//! nothing is begun, nothing replaces it, and `run --fresh-state` brings the apps back before anything else.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::scene::{STAGED_APP, Scene, mail_without_lead, once, until};
use crate::side_by_side;

/// What was done to the state; true where a command that reads may not come across it.
type Ruin = fn(&Path) -> bool;

const RUINS: &[(&str, Ruin)] = &[
    ("emptied", |dir| cut(dir, "", 0)),
    ("cut to 1", |dir| cut(dir, "", 1)),
    ("cut to 99", |dir| cut(dir, "", 99)),
    ("cut to 100", |dir| cut(dir, "", 100)),
    ("cut to 4095", |dir| cut(dir, "", 4095)),
    ("cut to a page", |dir| cut(dir, "", 4096)),
    ("cut in the middle", |dir| {
        cut(dir, "", length(dir, "") / 2 + 100)
    }),
    ("cut by a page", |dir| cut(dir, "", length(dir, "") - 4096)),
    ("cut by a byte", |dir| {
        cut(dir, "", length(dir, "") - 1) | true
    }),
    ("zeroed", |dir| {
        put(dir, "", 0, &vec![0; length(dir, "") as usize])
    }),
    ("without its first page", |dir| put(dir, "", 0, &[0; 4096])),
    ("noise in its first page", |dir| {
        put(dir, "", 100, &noise(1, 3996))
    }),
    ("noise in its second page", |dir| {
        put(dir, "", 4096, &noise(2, 4096)) | true
    }),
    ("noise in its last page", |dir| {
        put(dir, "", length(dir, "") - 4096, &noise(3, 4096)) | true
    }),
    ("noise everywhere", |dir| {
        put(dir, "", 0, &noise(4, length(dir, "") as usize))
    }),
    ("of a newer version", |dir| {
        put(dir, "", 60, &99_u32.to_be_bytes())
    }),
    ("of a much newer version", |dir| {
        put(dir, "", 60, &i32::MAX.to_be_bytes())
    }),
    ("of no version", |dir| put(dir, "", 60, &[0; 4])),
    ("of another program", |dir| put(dir, "", 68, b"cake")),
    ("a text", |dir| {
        fs::write(file(dir, ""), "name = \"production\"\n".repeat(900)).unwrap();
        false
    }),
    ("a database", |dir| {
        fs::remove_file(file(dir, "")).unwrap();
        let other = rusqlite::Connection::open(file(dir, "")).unwrap();
        other.execute_batch("CREATE TABLE a (b)").unwrap();
        false
    }),
    ("a folder", |dir| {
        fs::remove_file(file(dir, "")).unwrap();
        fs::create_dir(file(dir, "")).unwrap();
        false
    }),
    ("a pipe", |dir| {
        fs::remove_file(file(dir, "")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(file(dir, ""))
            .status();
        assert!(made.unwrap().success());
        false
    }),
    ("gone", |dir| {
        fs::remove_file(file(dir, "")).unwrap();
        false
    }),
];

/// Done to what a kill leaves, where the latest facts are in the log alone.
const LOG_RUINS: &[(&str, Ruin)] = &[
    ("its log gone", |dir| {
        fs::remove_file(file(dir, "-wal")).unwrap();
        false
    }),
    ("its log emptied", |dir| cut(dir, "-wal", 0)),
    ("its log cut to its head", |dir| cut(dir, "-wal", 32)),
    ("its log cut in the middle", |dir| {
        cut(dir, "-wal", length(dir, "-wal") / 2)
    }),
    ("its log zeroed", |dir| {
        put(dir, "-wal", 0, &vec![0; length(dir, "-wal") as usize])
    }),
    ("the head of its log zeroed", |dir| {
        put(dir, "-wal", 0, &[0; 32])
    }),
    ("noise at the head of its log", |dir| {
        put(dir, "-wal", 4, &noise(5, 28))
    }),
    ("noise in the middle of its log", |dir| {
        put(dir, "-wal", length(dir, "-wal") / 2, &noise(6, 300))
    }),
    ("its log another file", |dir| {
        fs::write(file(dir, "-wal"), "name = \"production\"\n".repeat(900)).unwrap();
        false
    }),
    ("noise in the middle of its log, after a boot", |dir| {
        let _ = fs::remove_file(file(dir, "-shm"));
        put(dir, "-wal", length(dir, "-wal") / 2, &noise(7, 300))
    }),
    ("its log a folder", |dir| {
        fs::remove_file(file(dir, "-wal")).unwrap();
        fs::create_dir(file(dir, "-wal")).unwrap();
        false
    }),
];

fn file(dir: &Path, end: &str) -> PathBuf {
    dir.join(format!("state.db{end}"))
}

fn length(dir: &Path, end: &str) -> u64 {
    fs::metadata(file(dir, end)).unwrap().len()
}

fn cut(dir: &Path, end: &str, length: u64) -> bool {
    let file = OpenOptions::new().write(true).open(file(dir, end)).unwrap();
    file.set_len(length).unwrap();
    false
}

fn put(dir: &Path, end: &str, at: u64, bytes: &[u8]) -> bool {
    let file = OpenOptions::new().write(true).open(file(dir, end)).unwrap();
    file.write_all_at(bytes, at).unwrap();
    false
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..length).map(|_| rng.u8(..)).collect()
}

/// An app in maintenance, its daemon killed.
fn entered() -> Scene {
    let mail = mail_without_lead();
    let scene = Scene::new(&format!(
        r#"
{mail}{}{STAGED_APP}
[maintenance.update]
app = "shop"
every = "window"
run = ["stage", "update"]
timeout = "50s"
estimate = "1s"
grace = "1s"
[periodic.tick]
schedule = "* * * * * *"
run = ["stage", "tick"]
timeout = "5s"
"#,
        once(3, 600)
    ));
    scene.script(
        "stage",
        "echo \"$1\" >> order; echo \"did $1\"\nif [ $1 = update ]; then sleep 60; fi",
    );
    let mut daemon = scene.up();
    scene.wait_line("order", "update");
    daemon.kill();
    until("the end of what it had started", || {
        crate::disk::living_in(scene.dir.path())
            .is_empty()
            .then_some(())
    });
    scene
}

/// The log is written back and gone, as a clean end leaves it.
fn without_log(dir: &Path) {
    let conn = rusqlite::Connection::open(file(dir, "")).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(conn);
    assert!(!file(dir, "-wal").exists());
}

/// The state and its log, whatever they are now.
fn contents(dir: &Path) -> Vec<Option<Vec<u8>>> {
    ["", "-wal"]
        .iter()
        .map(|end| {
            let path = file(dir, end);
            let plain = fs::symlink_metadata(&path).is_ok_and(|about| about.is_file());
            plain.then(|| fs::read(path).unwrap())
        })
        .collect()
}

/// What is wrong with how the commands refuse it.
fn refused(scene: &Scene, partly: bool) -> Vec<String> {
    let dir = scene.path("state");
    let before = (contents(&dir), scene.lines("order"));
    let path = file(&dir, "").to_string_lossy().into_owned();
    let reading = [
        &["status"][..],
        &["status", "--json"],
        &["history"],
        &["plan", "--days", "1"],
        &["logs", "999"],
        &["run", "--dry-run"],
    ];
    let writing = [
        &["run"][..],
        &["rehearse", "shop", "--yes", "--reason", "to see"],
    ];
    let mut bad = Vec::new();
    for (args, reads) in reading
        .iter()
        .map(|a| (a, true))
        .chain(writing.iter().map(|a| (a, false)))
    {
        let said = if args[..] == ["run"] {
            let mut daemon = scene.run();
            let code = daemon.ended();
            (code, daemon.err())
        } else {
            // A dry run that is not refused would go on.
            let mut command = std::process::Command::new("timeout");
            let plain = scene.command(args);
            command
                .arg("20")
                .arg(plain.get_program())
                .args(plain.get_args())
                .current_dir(scene.dir.path())
                .env("OFFHOURS_CONFIG", scene.path("windows.toml"));
            let output = command.output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code().unwrap_or(-1), err)
        };
        match said {
            (5, err) if err.contains(&path) && err.contains("--fresh-state") => {}
            (0 | 1 | 124, _) if partly && reads => {}
            (code, err) => bad.push(format!("{args:?} ended with {code}: {err}")),
        }
    }
    if (contents(&dir), scene.lines("order")) != before {
        bad.push("something was changed or begun".into());
    }
    bad
}

/// What is wrong with how it is begun anew.
fn begun_anew(scene: &Scene) -> Vec<String> {
    let before = contents(&scene.path("state"));
    scene.write("order", "");
    let mut daemon = scene.run_with(&["--fresh-state"], &[]);
    until("the app to be left, and then a tick", || {
        let order = scene.lines("order");
        (order.iter().any(|l| l == "leave") && order.iter().any(|l| l == "tick")).then_some(())
    });
    let mut bad = Vec::new();
    let order = scene.lines("order");
    if order.first().is_none_or(|first| first != "leave") {
        bad.push(format!("begun anew: {order:?}"));
    }
    if daemon.stop() != 0 {
        bad.push(daemon.story());
    }
    let kept: Vec<Vec<u8>> = fs::read_dir(scene.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| fs::symlink_metadata(path).is_ok_and(|about| about.is_file()))
        .filter_map(|path| fs::read(path).ok())
        .collect();
    for old in before.into_iter().flatten() {
        if !kept.contains(&old) {
            bad.push("the old state was not kept".into());
        }
    }
    bad
}

fn ruined(ruins: &[(&str, Ruin)], log: bool) {
    let pristine = entered();
    if log {
        assert!(length(&pristine.path("state"), "-wal") > 10 * 4096);
    } else {
        without_log(&pristine.path("state"));
    }
    let names: Vec<String> = ruins.iter().map(|(name, _)| (*name).to_owned()).collect();
    side_by_side(&names, |name| {
        let (_, ruin) = ruins.iter().find(|(known, _)| *known == name).unwrap();
        let scene = Scene::new(&pristine.read("windows.toml"));
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .args([pristine.path("state"), pristine.path("stage")])
            .arg(scene.dir.path())
            .status();
        assert!(copied.unwrap().success());
        let partly = ruin(&scene.path("state"));
        let mut bad = refused(&scene, partly);
        bad.extend(begun_anew(&scene));
        bad
    });
}

#[test]
fn a_damaged_state_is_refused_by_every_command_and_kept() {
    ruined(RUINS, false);
}

#[test]
fn a_state_whose_log_is_damaged_is_refused_by_every_command_and_kept() {
    ruined(LOG_RUINS, true);
}

/// The index of the log is made anew from the log: without it nothing is lost, and nothing is refused.
#[test]
fn the_index_of_the_log_may_go() {
    for ruin in [
        |dir: &Path| fs::remove_file(file(dir, "-shm")).unwrap(),
        |dir: &Path| fs::write(file(dir, "-shm"), b"").unwrap(),
        |dir: &Path| fs::write(file(dir, "-shm"), noise(8, 32_768)).unwrap(),
        |dir: &Path| fs::write(file(dir, "-shm"), vec![0; 32_768]).unwrap(),
    ] {
        let scene = entered();
        ruin(&scene.path("state"));
        let status = scene.offhours(&["status", "--json"]).expect(1).json();
        assert_eq!(status["apps"][0]["state"], "in_maintenance", "{status}");
        let mut daemon = scene.up();
        daemon.wait("session_left", &[]);
        assert_eq!(daemon.stop(), 0);
    }
}
