//! Locks on a host are plain flocks: both sides honour them.
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;
use offhours::ssh::{Fate, Verdict};

use super::lab::{Guard, Lab, PATIENCE, finish, kill, processes, start, until};

fn is_free(lock: &Path) -> bool {
    let mut command = Command::new("flock");
    let tried = command.arg("-n").arg(lock).arg("true").status();
    tried.unwrap().success()
}

/// Somebody who holds a lock until they are ended.
fn hold(lock: &Path) -> Guard {
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let child = Command::new("flock")
        .arg("-F")
        .arg(lock)
        .args(["sleep", "1000"])
        .spawn();
    let guard = Guard(child.unwrap());
    until("it is locked", || lock.exists() && !is_free(lock));
    guard
}

#[tokio::test]
async fn ours_are_held_to_the_end_and_by_no_job() {
    let Some(lab) = Lab::start("ours_are_held_to_the_end_and_by_no_job") else {
        return;
    };
    let mark = format!("7{}", fastrand::u32(..));
    let elsewhere = lab.path("shared.lock");
    fs::write(&elsewhere, "not ours\n").unwrap();
    let mut order = lab
        .shell(&format!(
            "(env -i setsid sleep {mark} >/dev/null 2>&1 &); sleep {mark}"
        ))
        .await;
    order.lock = vec!["apt.lock".into(), elsewhere.display().to_string()];
    let run = order.run.clone();
    let client = start(order);
    until("it runs", || processes(&mark).len() >= 3);
    let lock = lab.state("locks/apt.lock");
    assert!(!is_free(&lock) && !is_free(&elsewhere));
    assert_eq!(fs::read_to_string(&lock).unwrap(), format!("run {run}\n"));

    let mut second = lab.order(&["true"]).await;
    second.lock = vec!["apt.lock".into()];
    let done = finish(second.clone());
    let Verdict::Busy { holder } = done.verdict else {
        panic!("{:?}", done.verdict);
    };
    assert!(
        holder.contains("apt.lock") && holder.contains(&run),
        "{holder}"
    );
    assert_eq!(done.status, Some(69));
    assert_eq!(lab.fate(&second).await, Fate::NeverBegan);

    client.signal(Signal::SIGTERM);
    client.done();
    // What got away has no lock.
    assert_eq!(processes(&mark).len(), 1);
    assert!(is_free(&lock) && is_free(&elsewhere));
    assert_eq!(fs::read_to_string(&lock).unwrap(), "");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "not ours\n");
    kill(processes(&mark)[0], Signal::SIGKILL);
    assert_eq!(
        finish(second_try(&lab).await).verdict,
        Verdict::Exited { code: 0 }
    );
}

async fn second_try(lab: &Lab) -> offhours::ssh::Order {
    let mut order = lab.order(&["true"]).await;
    order.lock = vec!["apt.lock".into()];
    order
}

#[tokio::test]
async fn those_of_others_are_waited_for_as_long_as_was_ordered() {
    let Some(lab) = Lab::start("those_of_others_are_waited_for_as_long_as_was_ordered") else {
        return;
    };
    let lock = lab.state("locks/apt.lock");
    let holder = hold(&lock);
    let mut order = second_try(&lab).await;
    order.lock_wait_s = 1;
    assert!(matches!(finish(order).verdict, Verdict::Busy { .. }));

    let mut order = second_try(&lab).await;
    order.lock_wait_s = PATIENCE.as_secs();
    let client = start(order.clone());
    until("it waits", || {
        fs::read_to_string(lab.state("runs").join(&order.run))
            .is_ok_and(|text| text.ends_with('\n'))
    });
    // It may still begin.
    assert!(matches!(lab.fate(&order).await, Fate::Running { .. }));
    drop(holder);
    assert_eq!(client.done().verdict, Verdict::Exited { code: 0 });
}

#[tokio::test]
async fn who_waits_for_a_lock_can_be_stopped() {
    let Some(lab) = Lab::start("who_waits_for_a_lock_can_be_stopped") else {
        return;
    };
    let _holder = hold(&lab.state("locks/apt.lock"));
    let mut order = second_try(&lab).await;
    order.lock_wait_s = 1000;
    let client = start(order.clone());
    until("it waits", || {
        fs::read_to_string(lab.state("runs").join(&order.run))
            .is_ok_and(|text| text.ends_with('\n'))
    });
    let began = Instant::now();
    client.signal(Signal::SIGTERM);
    let done = client.done();
    assert!(
        matches!(done.verdict, Verdict::NotStarted { .. }),
        "{:?}",
        done.verdict
    );
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(lab.end(&order).await, Fate::NeverBegan);
}

#[tokio::test]
async fn as_many_as_there_may_be_are_held_and_nothing_is_left() {
    let Some(lab) = Lab::start("as_many_as_there_may_be_are_held_and_nothing_is_left") else {
        return;
    };
    let locks: Vec<String> = (0..6).map(|number| format!("{number}.lock")).collect();
    let paths: Vec<_> = locks
        .iter()
        .map(|name| lab.state("locks").join(name))
        .collect();
    // The last of them have the descriptors that are needed for something else where there are fewer.
    for count in [4, 5, 6] {
        let mark = format!("7{}", fastrand::u32(..));
        let script =
            format!("(setsid sleep {mark} &); ls /proc/self/fd | tr '\\n' ' '; sleep {mark}");
        let mut order = lab.shell(&script).await;
        order.lock = locks[..count].to_vec();
        let client = start(order);
        until("it runs", || processes(&mark).len() >= 3);
        assert!(paths[..count].iter().all(|path| !is_free(path)));
        client.signal(Signal::SIGTERM);
        let done = client.done();
        assert_eq!(done.verdict, Verdict::Signalled { signal: 15 });
        assert_eq!(
            done.output.split(' ').take(5).collect::<Vec<_>>(),
            ["0", "1", "2", "3", ""]
        );
        assert_eq!(processes(&mark), [0i32; 0]);
        assert!(paths[..count].iter().all(|path| is_free(path)));
    }
    assert_eq!(fs::read_dir(lab.state("tmp")).unwrap().count(), 0);
}
