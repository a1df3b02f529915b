//! A launcher in a folder of its own, and words for what the tests wait for.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use offhours::process::{
    Cgroups, End, Launcher, LockWait, Run, RunEvent, RunResult, RunSpec, Setup,
};
use tempfile::TempDir;

/// Far beyond what anything here takes, also on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Lab {
    pub dir: TempDir,
    pub launcher: Launcher,
}

pub fn setup(dir: &Path) -> Setup {
    Setup {
        exe: env!("CARGO_BIN_EXE_offhours").into(),
        runs_lock: dir.join("runs.lock"),
        cgroups: Cgroups::Off,
    }
}

/// A run of a shell script in this folder: no lock, a long timeout, a short grace.
pub fn script(dir: &Path, text: &str) -> RunSpec {
    RunSpec {
        id: "test.1".into(),
        argv: vec!["/bin/sh".into(), "-c".into(), text.into()],
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        dir: dir.to_owned(),
        user: None,
        umask: None,
        locks: Vec::new(),
        lock_wait: LockWait::No,
        timeout: PATIENCE,
        grace: Duration::from_millis(300),
        log: Some(dir.join("logs/test.1.log")),
        log_limit: 1 << 20,
        holder: "run test.1".into(),
    }
}

impl Lab {
    pub async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let launcher = Launcher::start(setup(dir.path())).await.unwrap();
        Self { dir, launcher }
    }

    pub fn script(&self, text: &str) -> RunSpec {
        script(self.dir.path(), text)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs to the end, and returns the result.
    pub async fn run(&self, spec: RunSpec) -> RunResult {
        ended(&mut self.launcher.spawn(spec)).await
    }
}

pub async fn next(run: &mut Run) -> RunEvent {
    tokio::time::timeout(PATIENCE, run.recv())
        .await
        .expect("an event in time")
        .expect("an event")
}

pub async fn began(run: &mut Run) -> i32 {
    loop {
        match next(run).await {
            RunEvent::Began { pid } => return pid,
            RunEvent::Waiting { .. } => {}
            other => panic!("not begun: {other:?}"),
        }
    }
}

pub async fn ended(run: &mut Run) -> RunResult {
    loop {
        if let RunEvent::Ended(result) = next(run).await {
            assert_eq!(
                tokio::time::timeout(PATIENCE, run.recv())
                    .await
                    .expect("the end of events"),
                None
            );
            return result;
        }
    }
}

pub fn exited(code: i32) -> End {
    End::Exited(code)
}

/// Waits until something holds.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there and no zombie.
pub fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next())
        .is_some_and(|state| state != "Z")
}

/// Whether a process is there, zombies included.
pub fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

pub fn parent(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    after
        .split_whitespace()
        .nth(1)
        .and_then(|pid| pid.parse().ok())
        .unwrap_or(0)
}

/// The numbers that a job wrote into a file, one a line.
pub fn pids(path: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect()
}
