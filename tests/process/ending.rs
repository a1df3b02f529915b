//! A timeout, or a stop, ends all of it.
use std::time::Duration;

use offhours::process::survivors::end_group;
use offhours::process::{Cgroups, Credentials, End, Launcher};
use tempfile::TempDir;

use crate::lab::{
    Lab, PATIENCE, began, ended, exists, exited, is_alive, parent as parent_pid, pids, script,
    setup, wait_until,
};

/// A daemon by the book: forks twice, starts a session, closes everything, ignores SIGTERM, and forks on.
pub const STUBBORN: &str = r#"
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def note():
    with open("pids", "a") as file: file.write("%d\n" % os.getpid())
note()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        note()
        if os.fork() == 0:
            os.setpgid(0, 0)
        note()
        open("ready.%d" % os.getpid(), "w")
        while True: time.sleep(1000)
    os._exit(0)
while True: time.sleep(1000)
"#;

pub fn stubborn(dir: &std::path::Path) -> offhours::process::RunSpec {
    let mut spec = script(dir, "");
    spec.argv = vec!["python3".into(), "-c".into(), STUBBORN.into()];
    spec
}

pub fn all_started(dir: &std::path::Path) -> bool {
    let ready = |entry: std::io::Result<std::fs::DirEntry>| {
        entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("ready.")
    };
    std::fs::read_dir(dir)
        .unwrap()
        .map(ready)
        .filter(|ready| *ready)
        .count()
        == 2
}

pub fn assert_gone(dir: &std::path::Path) {
    let pids = pids(&dir.join("pids"));
    assert!(pids.len() >= 3, "{pids:?}");
    for pid in pids {
        assert!(!exists(pid), "{pid} is there, or was not collected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_ends_what_ignores_it_and_hides() {
    let lab = Lab::new().await;
    let mut spec = stubborn(lab.dir.path());
    spec.timeout = Duration::from_secs(2);
    let (timeout, grace) = (spec.timeout, spec.grace);
    let result = lab.run(spec).await;
    assert_eq!(result.end, End::TimedOut { exit: None });
    assert!(result.elapsed >= timeout + grace);
    assert_gone(lab.dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_it_too() {
    let lab = Lab::new().await;
    let mut run = lab.launcher.spawn(stubborn(lab.dir.path()));
    began(&mut run).await;
    wait_until("all of it has started", || all_started(lab.dir.path()));
    run.stop();
    assert_eq!(ended(&mut run).await.end, End::Stopped { exit: None });
    assert_gone(lab.dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_at_once_ends_at_once() {
    let lab = Lab::new().await;
    let mut first = lab.launcher.spawn(lab.script("exit 0"));
    let mut run = lab.launcher.spawn(lab.script("sleep 1000"));
    run.stop();
    assert_eq!(ended(&mut run).await.end, End::Stopped { exit: None });
    assert_eq!(ended(&mut first).await.end, exited(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_a_sigterm_to_the_supervisor() {
    let lab = Lab::new().await;
    let mut run = lab.launcher.spawn(stubborn(lab.dir.path()));
    let pid = began(&mut run).await;
    wait_until("all of it has started", || all_started(lab.dir.path()));
    let supervisor = rustix::process::Pid::from_raw(parent_pid(pid)).unwrap();
    rustix::process::kill_process(supervisor, rustix::process::Signal::TERM).unwrap();
    assert_eq!(ended(&mut run).await.end, End::Stopped { exit: None });
    assert_gone(lab.dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_heeds_sigterm_needs_no_grace_and_keeps_its_code() {
    let lab = Lab::new().await;
    let mut spec =
        lab.script("trap 'echo cleaning; exit 9' TERM; touch ready; while :; do sleep 0.02; done");
    spec.grace = PATIENCE;
    let mut run = lab.launcher.spawn(spec.clone());
    began(&mut run).await;
    wait_until("the trap is set", || lab.path("ready").exists());
    run.stop();
    run.stop();
    let result = ended(&mut run).await;
    assert_eq!(result.end, End::Stopped { exit: Some(9) });
    assert!(result.tail.ends_with("cleaning\n"), "{}", result.tail);
    spec.timeout = Duration::from_millis(500);
    assert_eq!(lab.run(spec).await.end, End::TimedOut { exit: Some(9) });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_is_ended_gently_as_well() {
    let lab = Lab::new().await;
    let mut spec = lab.script("trap 'exit 9' TERM; kill -STOP $$; sleep 1000");
    spec.grace = PATIENCE;
    spec.timeout = Duration::from_millis(300);
    assert_eq!(lab.run(spec).await.end, End::TimedOut { exit: Some(9) });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_not_over_before_what_it_left_behind() {
    let lab = Lab::new().await;
    let result = lab
        .run(lab.script("(sleep 0.5; echo late; touch done) & exit 6"))
        .await;
    assert_eq!(
        (result.end, result.left_behind, result.tail.as_str()),
        (exited(6), 0, "late\n")
    );
    assert!(lab.path("done").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_behind_ends_at_the_timeout_and_the_code_is_kept() {
    let lab = Lab::new().await;
    let mut spec = lab.script("sleep 1000 & setsid sleep 1000 & sleep 0.1; exit 6");
    spec.timeout = Duration::from_secs(1);
    let result = lab.run(spec).await;
    assert_eq!(
        (result.end, result.left_behind),
        (End::TimedOut { exit: Some(6) }, 2)
    );
    assert!(result.elapsed >= Duration::from_secs(1) && result.elapsed < PATIENCE / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_is_held_elsewhere_holds_up_nothing() {
    let lab = Lab::new().await;
    // This process, outside the run, opens the run's pipe through /proc and keeps it.
    let mut spec = lab.script("echo out; echo $$ > pid; while test ! -e held; do sleep 0.01; done");
    spec.id = "held.1".into();
    let mut run = lab.launcher.spawn(spec);
    let pid = began(&mut run).await;
    wait_until("the job runs", || lab.path("pid").exists());
    let held = std::fs::File::options()
        .write(true)
        .open(format!("/proc/{pid}/fd/1"))
        .unwrap();
    std::fs::write(lab.path("held"), "").unwrap();
    assert_eq!(ended(&mut run).await.end, exited(0));
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_forks_without_end_is_ended() {
    let lab = Lab::new().await;
    // Every generation leaves its parent, and a sleeper behind.
    let mut spec = lab.script("cat > chain <<'X'\nsleep 1000 &\nsh ./chain &\nX\nsh ./chain");
    spec.timeout = Duration::from_millis(500);
    spec.grace = Duration::from_millis(50);
    assert!(matches!(lab.run(spec).await.end, End::TimedOut { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_is_ended() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let lab = Lab::new().await;
    let mut spec = lab.script("ulimit -u 200; bomb() { bomb | bomb & }; bomb; sleep 1000");
    spec.dir = "/".into();
    // A user of its own: the limit counts all processes of a user.
    spec.user = Some(Credentials {
        uid: 64_001,
        gid: 64_001,
        groups: Vec::new(),
    });
    spec.timeout = Duration::from_millis(500);
    spec.grace = Duration::from_millis(50);
    assert!(matches!(lab.run(spec).await.end, End::TimedOut { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_listens_to_goes_on() {
    let lab = Lab::new().await;
    drop(lab.launcher.spawn(lab.script("sleep 0.2; touch done")));
    wait_until("the job ends by itself", || lab.path("done").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_group_is_used_where_there_is_one() {
    let unified = std::path::Path::new("/sys/fs/cgroup");
    let parent = [unified.join("unified"), unified.to_owned()]
        .into_iter()
        .find(|folder| {
            folder.join("cgroup.procs").exists() && folder.join("cgroup.controllers").exists()
        });
    let Some(parent) =
        parent.map(|parent| parent.join(format!("offhours-test-{}", std::process::id())))
    else {
        return;
    };
    if std::fs::create_dir(&parent).is_err() {
        return;
    }
    std::fs::create_dir(parent.join("run-stale.1")).unwrap();
    let dir = TempDir::new().unwrap();
    let mut setup = setup(dir.path());
    setup.cgroups = Cgroups::Below(parent.clone());
    let launcher = Launcher::start(setup).await.unwrap();
    assert!(!parent.join("run-stale.1").exists());
    let mut spec = stubborn(dir.path());
    spec.timeout = Duration::from_secs(2);
    let mut run = launcher.spawn(spec);
    let pid = began(&mut run).await;
    let procs = std::fs::read_to_string(parent.join("run-test.1/cgroup.procs")).unwrap();
    assert!(
        procs.lines().any(|line| line == pid.to_string()),
        "{pid} is not in {procs:?}"
    );
    assert_eq!(ended(&mut run).await.end, End::TimedOut { exit: None });
    assert_gone(dir.path());
    let mut failing = script(dir.path(), "");
    failing.argv = vec!["no-such-program".into()];
    let result = ended(&mut launcher.spawn(failing)).await;
    assert!(matches!(result.end, End::SpawnFailed(reason) if reason.contains("no-such-program")));
    assert!(!is_alive(pid));
    let mut hidden = script(
        dir.path(),
        "(echo $$ > hidden; exec env -i setsid sleep 1000) & wait",
    );
    hidden.id = "hidden.1".into();
    let mut run = launcher.spawn(hidden);
    let supervisor = parent_pid(began(&mut run).await);
    let sleeper = || {
        pids(&parent.join("run-hidden.1/cgroup.procs"))
            .into_iter()
            .find(|pid| {
                std::fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line.starts_with(b"sleep"))
            })
    };
    wait_until("it hides", || sleeper().is_some());
    let sleeper = sleeper().unwrap();
    let supervisor = rustix::process::Pid::from_raw(supervisor).unwrap();
    rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).unwrap();
    assert_eq!(ended(&mut run).await.end, End::SupervisorDied);
    end_group(&Cgroups::Below(parent.clone()), "hidden.1");
    wait_until("it is killed", || !is_alive(sleeper));
    wait_until("the group is empty", || {
        std::fs::remove_dir(parent.join("run-hidden.1")).is_ok()
    });
    std::fs::remove_dir(&parent).expect("the runs' groups are gone");
}
