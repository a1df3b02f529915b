//! SIGKILL to each of daemon, launcher and supervisor.
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use offhours::process::survivors::{SurvivorError, end_by_cookie, end_by_prefix, wait_gone};
use offhours::process::{End, Launcher};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::ending::{all_started, assert_gone, stubborn};
use crate::lab::{
    Lab, PATIENCE, began, ended, exists, exited, is_alive, parent, pids, script, setup, wait_until,
};

const FOLDER: &str = "OFFHOURS_TEST_FOLDER";

/// The daemon that the tests below kill: this program again, in a process of its own.
#[test]
#[ignore = "started by other tests"]
fn daemon() {
    let Some(dir) = std::env::var_os(FOLDER) else {
        return;
    };
    let dir = Path::new(&dir);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let launcher = Launcher::start(setup(dir)).await.unwrap();
        let mut spec = stubborn(dir);
        spec.locks = vec![dir.join("job.lock")];
        let mut run = launcher.spawn(spec);
        began(&mut run).await;
        std::fs::write(dir.join("began"), "").unwrap();
        ended(&mut run).await;
    });
}

fn start_daemon(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "crash::daemon", "--ignored"])
        .env(FOLDER, dir);
    let daemon = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the daemon's run has begun", || {
        dir.join("began").exists() && all_started(dir)
    });
    daemon
}

fn is_free(lock: &Path) -> bool {
    fs2::FileExt::try_lock_exclusive(&std::fs::File::open(lock).unwrap()).is_ok()
}

#[test]
fn nothing_outlives_the_daemon_and_the_lock_outlives_everything() {
    let dir = TempDir::new().unwrap();
    let lock = dir.path().join("job.lock");
    let mut daemon = start_daemon(dir.path());
    assert!(!is_free(&lock));
    let early = wait_gone(&dir.path().join("runs.lock"), Duration::from_millis(50));
    assert!(matches!(early, Err(SurvivorError::StillThere { .. })));
    let pids = pids(&dir.path().join("pids"));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    wait_until("the lock is released", || is_free(&lock));
    for pid in pids {
        assert!(!is_alive(pid), "{pid} runs without its lock");
    }
    wait_gone(&dir.path().join("runs.lock"), PATIENCE).unwrap();
    assert_gone(dir.path());
    assert_eq!(
        std::fs::read_to_string(lock).unwrap(),
        "",
        "nobody holds it, and it says so"
    );
}

#[test]
fn the_next_daemon_waits_for_the_last_supervisor() {
    let dir = TempDir::new().unwrap();
    let mut daemon = start_daemon(dir.path());
    daemon.kill().unwrap();
    wait_gone(&dir.path().join("runs.lock"), PATIENCE).unwrap();
    assert_gone(dir.path());
    daemon.wait().unwrap();
}

fn launcher_of(supervisor: i32) -> Pid {
    Pid::from_raw(parent(supervisor)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launcher_that_dies_is_replaced_and_no_run_notices() {
    let lab = Lab::new().await;
    let mut run = lab
        .launcher
        .spawn(lab.script("while test ! -e go; do sleep 0.01; done; exit 8"));
    let supervisor = parent(began(&mut run).await);
    let launcher = launcher_of(supervisor);
    kill_process(launcher, Signal::KILL).unwrap();
    wait_until("the launcher is gone", || {
        !exists(launcher.as_raw_nonzero().get())
    });
    let mut other = lab.launcher.spawn(lab.script("echo $PPID"));
    let result = ended(&mut other).await;
    assert_eq!(result.end, exited(0));
    std::fs::write(lab.path("go"), "").unwrap();
    assert_eq!(ended(&mut run).await.end, exited(8));
    wait_until("the orphaned supervisor is gone", || !is_alive(supervisor));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_being_started_when_the_launcher_dies_all_get_an_end() {
    let lab = Lab::new().await;
    let mut probe = lab.launcher.spawn(lab.script("sleep 0.1"));
    let launcher = launcher_of(parent(began(&mut probe).await));
    let mut runs: Vec<_> = (0..300)
        .map(|number| {
            let mut spec = lab.script(&format!("echo > ran.{number}"));
            spec.locks = vec![lab.path(&format!("{number}.lock"))];
            lab.launcher.spawn(spec)
        })
        .collect();
    began(&mut runs[20]).await;
    kill_process(launcher, Signal::KILL).unwrap();
    let mut lost = 0;
    for (number, run) in runs.iter_mut().enumerate() {
        if number == 20 {
            continue;
        }
        match ended(run).await.end {
            End::Exited(0) => assert!(lab.path(&format!("ran.{number}")).exists()),
            End::SupervisorDied => {
                lost += 1;
                assert!(
                    !lab.path(&format!("ran.{number}")).exists(),
                    "{number} ran, and nobody was told"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        lost <= offhours::process::child::BATCH,
        "more than were in its hands: {lost}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_launcher_leaves_with_its_owner_and_runs_do_not() {
    let lab = Lab::new().await;
    let mut run = lab
        .launcher
        .spawn(lab.script("while test ! -e go; do sleep 0.01; done; exit 8"));
    let launcher = launcher_of(parent(began(&mut run).await))
        .as_raw_nonzero()
        .get();
    let Lab {
        dir,
        launcher: owner,
    } = lab;
    drop(owner);
    wait_until("the launcher is gone", || !is_alive(launcher));
    std::fs::write(dir.path().join("go"), "").unwrap();
    assert_eq!(ended(&mut run).await.end, exited(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launcher_that_cannot_start_says_why() {
    let dir = TempDir::new().unwrap();
    let mut missing = setup(dir.path());
    missing.exe = "/no/such/program".into();
    assert!(
        Launcher::start(missing)
            .await
            .unwrap_err()
            .to_string()
            .contains("/no/such/program")
    );
    let mut unlockable = setup(dir.path());
    unlockable.runs_lock = "/no/such/folder/runs.lock".into();
    assert!(
        Launcher::start(unlockable)
            .await
            .unwrap_err()
            .to_string()
            .contains("/no/such/folder")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_supervisors_are_collected() {
    let lab = Lab::new().await;
    let mut run = lab.launcher.spawn(lab.script("exit 0"));
    let supervisor = parent(began(&mut run).await);
    ended(&mut run).await;
    wait_until("nothing of the supervisor is left", || {
        supervisor == 0 || !exists(supervisor)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_supervisor_left_is_found_by_its_cookie() {
    let lab = Lab::new().await;
    let cookie = format!("OFFHOURS_RUN=crash.{}", std::process::id());
    let (name, value) = cookie.split_once('=').unwrap();
    let mut spec = stubborn(lab.dir.path());
    spec.env.push((name.into(), value.into()));
    let mut other = script(lab.dir.path(), "while test ! -e go; do sleep 0.01; done");
    other.env.push((name.into(), format!("{value}0")));
    let mut other = lab.launcher.spawn(other);
    let mut run = lab.launcher.spawn(spec);
    let supervisor = Pid::from_raw(parent(began(&mut run).await)).unwrap();
    wait_until("all of it has started", || all_started(lab.dir.path()));
    kill_process(supervisor, Signal::KILL).unwrap();
    assert_eq!(ended(&mut run).await.end, End::SupervisorDied);
    let grace = Duration::from_millis(50);
    assert!(end_by_cookie(&["OTHER=1", &cookie], &[], grace).unwrap() >= 2);
    for pid in pids(&lab.path("pids")) {
        assert!(!is_alive(pid), "{pid} is still there");
    }
    assert_eq!(end_by_cookie(&["OTHER=1", &cookie], &[], grace).unwrap(), 0);
    assert_eq!(
        end_by_cookie(&[&format!("{cookie}0")], &["OTHER=1"], grace).unwrap(),
        0
    );
    std::fs::write(lab.path("go"), "").unwrap();
    assert_eq!(
        ended(&mut other).await.end,
        exited(0),
        "a run with a longer name was spared"
    );
}

#[test]
fn survivors_are_found_by_a_prefix_and_below_a_cleared_environment() {
    let prefix = format!("OFFHOURS_RUN=prefix.{}.", std::process::id());
    let dir = TempDir::new().unwrap();
    let mut command = Command::new("/bin/sh");
    command
        .current_dir(dir.path())
        .env("OFFHOURS_RUN", format!("prefix.{}.7", std::process::id()));
    command.args([
        "-c",
        "env -i sh -c 'echo $$ > pids; sleep 1000; true'; true",
    ]);
    let mut child = command.spawn().unwrap();
    wait_until("it has started", || {
        pids(&dir.path().join("pids")).len() == 1
    });
    let collector = std::thread::spawn(move || child.wait().unwrap());
    assert!(end_by_prefix(&prefix, PATIENCE).unwrap() >= 3);
    collector.join().unwrap();
    assert!(!is_alive(pids(&dir.path().join("pids"))[0]));
}
