//! Locks of runs, with others and with `flock FILE CMD`.
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use offhours::lock::{Candidate, list};
use offhours::process::{End, LockWait, Run, RunEvent, RunSpec};

use crate::lab::{Lab, PATIENCE, began, ended, exited, next, wait_until};

fn locked(lab: &Lab, text: &str, wait: LockWait) -> RunSpec {
    let mut spec = lab.script(text);
    spec.locks = vec![lab.path("locks/job.lock")];
    spec.lock_wait = wait;
    spec.holder = "run job.1, job rotate, since 2026-11-21T00:00:00Z".into();
    spec
}

async fn lab() -> Lab {
    let lab = Lab::new().await;
    std::fs::create_dir(lab.path("locks")).unwrap();
    lab
}

const UNTIL_TOLD: &str = "while test ! -e go; do sleep 0.01; done";

/// A job that holds the lock until it is told to end.
async fn holder(lab: &Lab) -> Run {
    let mut run = lab.launcher.spawn(locked(lab, UNTIL_TOLD, LockWait::No));
    began(&mut run).await;
    run
}

async fn release(lab: &Lab, holder: &mut Run) {
    std::fs::write(lab.path("go"), "").unwrap();
    assert_eq!(ended(holder).await.end, exited(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_waiting_a_held_lock_is_told_with_its_holder() {
    let lab = lab().await;
    let mut first = holder(&lab).await;
    let mut second = lab.launcher.spawn(locked(&lab, "touch ran", LockWait::No));
    let RunEvent::Busy { lock, holder } = next(&mut second).await else {
        panic!("not busy")
    };
    assert_eq!(lock, lab.path("locks/job.lock"));
    assert!(
        holder
            .unwrap()
            .starts_with("run job.1, job rotate, since 2026-11-21T00:00:00Z, pid ")
    );
    assert_eq!(second.recv().await, None);
    assert!(!lab.path("ran").exists());
    release(&lab, &mut first).await;
    assert_eq!(
        lab.run(locked(&lab, "true", LockWait::No)).await.end,
        exited(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_is_free_as_soon_as_the_end_is_told() {
    let lab = lab().await;
    for _ in 0..50 {
        assert_eq!(
            lab.run(locked(&lab, "true", LockWait::No)).await.end,
            exited(0)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_with_a_bound_gives_up_or_gets_it() {
    let lab = lab().await;
    let mut first = holder(&lab).await;
    let short = LockWait::For(Duration::from_millis(200));
    let mut second = lab.launcher.spawn(locked(&lab, "touch ran", short));
    assert!(matches!(
        next(&mut second).await,
        RunEvent::Waiting {
            holder: Some(_),
            ..
        }
    ));
    assert!(matches!(
        next(&mut second).await,
        RunEvent::Busy {
            holder: Some(_),
            ..
        }
    ));
    assert!(!lab.path("ran").exists());
    let mut third = lab
        .launcher
        .spawn(locked(&lab, "touch ran", LockWait::For(PATIENCE)));
    assert!(matches!(next(&mut third).await, RunEvent::Waiting { .. }));
    release(&lab, &mut first).await;
    assert_eq!(ended(&mut third).await.end, exited(0));
    assert!(lab.path("ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_without_a_bound_ends_when_it_is_stopped() {
    let lab = lab().await;
    let mut first = holder(&lab).await;
    let mut second = lab
        .launcher
        .spawn(locked(&lab, "touch ran", LockWait::UntilStopped));
    assert!(matches!(next(&mut second).await, RunEvent::Waiting { .. }));
    second.stop();
    assert_eq!(ended(&mut second).await.end, End::Stopped { exit: None });
    let mut third = lab
        .launcher
        .spawn(locked(&lab, "exit 3", LockWait::UntilStopped));
    assert!(matches!(next(&mut third).await, RunEvent::Waiting { .. }));
    release(&lab, &mut first).await;
    assert_eq!(ended(&mut third).await.end, exited(3));
    assert!(!lab.path("ran").exists());
}

fn shell_holds(lock: &Path) -> std::process::Child {
    let mut shell = Command::new("flock");
    let shell = shell.arg(lock).args(["sh", "-c", "echo held; read line"]);
    let mut child = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut word = [0; 5];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut word).unwrap();
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flock_command_is_honoured_and_honours() {
    let lab = lab().await;
    let lock = lab.path("locks/job.lock");
    let mut shell = shell_holds(&lock);
    let mut run = lab.launcher.spawn(locked(&lab, "true", LockWait::No));
    assert!(matches!(
        next(&mut run).await,
        RunEvent::Busy { holder: None, .. }
    ));
    let mut waiting = lab
        .launcher
        .spawn(locked(&lab, UNTIL_TOLD, LockWait::UntilStopped));
    assert!(matches!(
        next(&mut waiting).await,
        RunEvent::Waiting { holder: None, .. }
    ));
    let states = list(&lab.path("locks")).unwrap();
    assert_eq!((states[0].held, &states[0].holder), (true, &None));
    drop(shell.stdin.take());
    shell.wait().unwrap();
    began(&mut waiting).await;
    let refused = Command::new("flock")
        .arg("-n")
        .arg(&lock)
        .arg("true")
        .status()
        .unwrap();
    assert_eq!(refused.code(), Some(1));
    release(&lab, &mut waiting).await;
    assert!(
        Command::new("flock")
            .arg("-n")
            .arg(&lock)
            .arg("true")
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_locks_are_taken_in_one_order() {
    let lab = lab().await;
    let locks = ["a", "b", "c"].map(|name| lab.path(&format!("locks/{name}.lock")));
    let mut runs: Vec<Run> = (0..12)
        .map(|number| {
            let mut spec = locked(
                &lab,
                "test ! -e inside && touch inside && rm inside",
                LockWait::UntilStopped,
            );
            spec.locks = locks.to_vec();
            spec.locks.rotate_left(number % 3);
            lab.launcher.spawn(spec)
        })
        .collect();
    for run in &mut runs {
        assert_eq!(ended(run).await.end, exited(0), "two were inside at once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_held_until_what_was_left_behind_is_dead() {
    let lab = lab().await;
    let mut run = lab.launcher.spawn(locked(
        &lab,
        &format!("(touch bg; {UNTIL_TOLD}) & echo $$ > main"),
        LockWait::No,
    ));
    let main = began(&mut run).await;
    wait_until("the main process is gone", || {
        lab.path("bg").exists() && !crate::lab::exists(main)
    });
    let lock = File::open(lab.path("locks/job.lock")).unwrap();
    assert!(fs2::FileExt::try_lock_exclusive(&lock).is_err());
    release(&lab, &mut run).await;
    assert!(fs2::FileExt::try_lock_exclusive(&lock).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_file_that_was_removed_while_waiting_guards_nothing() {
    let lab = lab().await;
    let path = lab.path("locks/job.lock");
    let held = Candidate::open(&path).unwrap().try_hold().unwrap().unwrap();
    let mut run = lab
        .launcher
        .spawn(locked(&lab, UNTIL_TOLD, LockWait::UntilStopped));
    assert!(matches!(next(&mut run).await, RunEvent::Waiting { .. }));
    std::fs::remove_file(&path).unwrap();
    drop(held);
    began(&mut run).await;
    assert!(Candidate::open(&path).unwrap().try_hold().unwrap().is_err());
    release(&lab, &mut run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_cannot_be_opened_keeps_the_job_from_starting() {
    let lab = lab().await;
    let mut spec = locked(&lab, "touch ran", LockWait::UntilStopped);
    spec.locks.push("/no/such/folder/x.lock".into());
    let End::SpawnFailed(reason) = lab.run(spec).await.end else {
        panic!("it ran")
    };
    assert!(reason.contains("/no/such/folder/x.lock"), "{reason}");
    assert!(!lab.path("ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_locks_names_the_holder_and_takes_none() {
    let lab = lab().await;
    let mut run = holder(&lab).await;
    std::fs::write(lab.path("locks/free.lock"), "left by a crash\n").unwrap();
    std::fs::write(lab.path("locks/other.txt"), "").unwrap();
    let states = list(&lab.path("locks")).unwrap();
    let short: Vec<_> = states
        .iter()
        .map(|state| (state.name.as_str(), state.held))
        .collect();
    assert_eq!(short, [("free", false), ("job", true)]);
    assert_eq!((&states[0].holder, states[0].since), (&None, None));
    let line = states[1].holder.as_deref().unwrap();
    assert!(line.starts_with("run job.1, job rotate"), "{line}");
    assert!(
        line.ends_with(&format!("pid {}", states[1].pid.unwrap())),
        "{line} and {:?}",
        states[1].pid
    );
    assert!(states[1].since.is_some());
    release(&lab, &mut run).await;
    assert!(
        list(&lab.path("locks"))
            .unwrap()
            .iter()
            .all(|state| !state.held)
    );
    assert_eq!(list(&lab.path("none")).unwrap(), []);
}
