//! The built program is killed, or its disk fails, at every point of a whole night; after a restart what was promised holds.
//!
//! A sample by default. All of it: `tests/crashes/all`, which sets CRASHES=all (and KILLS=500 for the random part).
mod check;
#[path = "../nights/scene.rs"]
mod scene;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use scene::{FILE_MAIL, Scene, until};

/// Nights that are played side by side.
const BESIDE: usize = 6;

/// A night as short as it can be: announced at once, entered after three seconds.
pub struct Night {
    pub scene: Scene,
    pub opens: Timestamp,
    pub closes: Timestamp,
}

impl Night {
    fn new() -> Self {
        let now = Timestamp::now().as_second();
        let at = |seconds: i64| Timestamp::from_second(now + seconds).unwrap();
        let (opens, closes) = (at(4), at(24));
        let scene = Scene::new(&format!(
            r#"
{FILE_MAIL}
[window.now]
from = "{opens}"
until = "{closes}"
[app.shop]
window = "now"
enter = [{{ run = ["stage", "enter"], timeout = "5s", grace = "1s" }}]
leave = [{{ run = ["stage", "leave"], timeout = "3s", grace = "1s" }}]
[maintenance.again]
app = "shop"
every = "window"
run = ["stage", "again"]
on_interrupt = "repeat"
timeout = "5s"
estimate = "1s"
grace = "1s"
[maintenance.once]
app = "shop"
every = "window"
run = ["stage", "once"]
after = ["again"]
timeout = "5s"
estimate = "1s"
grace = "1s"
[periodic.tick]
schedule = "*/2 * * * * *"
run = ["stage", "tick"]
timeout = "5s"
grace = "1s"
"#
        ));
        // Two of one kind at once would meet at its own lock.
        scene.script(
            "stage",
            "exec 9>>\"twice.$1\"; flock -n 9 || echo \"twice $1 $OFFHOURS_RUN\" >> log\n\
             echo \"begin $1 $OFFHOURS_RUN $(date +%s%3N)\" >> log\n\
             sleep 0.3\n\
             echo \"end $1 $OFFHOURS_RUN $(date +%s%3N)\" >> log",
        );
        Self {
            scene,
            opens,
            closes,
        }
    }

    /// The daemon under strace, which does something to its n-th sync.
    fn strace(&self, inject: &str) -> Straced {
        self.straced(&[
            "-e",
            &format!("inject=fsync,fdatasync:{inject}"),
            "-o",
            "/dev/null",
        ])
    }

    fn straced(&self, args: &[&str]) -> Straced {
        let plain = self.scene.command(&["run", "--json"]);
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-e", "trace=fsync,fdatasync"])
            .args(args)
            .arg(plain.get_program())
            .args(plain.get_args())
            .current_dir(self.scene.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        Straced(command.spawn().expect("strace is there"))
    }

    /// Whether the night is over: the app is back, and nothing is under way.
    fn at_rest(&self) -> bool {
        if Timestamp::now() < self.opens + SignedDuration::from_millis(1500) {
            return false;
        }
        let status = self.scene.offhours(&["status", "--json"]).json();
        let back = |app: &serde_json::Value| app["state"] == "in_service";
        let apps = status["apps"].as_array().cloned().unwrap_or_default();
        let running = status["running"].as_array().cloned().unwrap_or_default();
        let busy = running.iter().any(|run| run["job"] != "tick");
        let soon = status["next"].as_array().into_iter().flatten();
        let soon = soon.filter(|next| {
            next["starts"]
                .as_str()
                .is_some_and(|at| at <= self.closes.to_string().as_str())
        });
        !apps.is_empty() && apps.iter().all(back) && !busy && soon.count() == 0
    }

    /// Starts the daemon as it is, waits until the night is over, stops it, and checks everything.
    fn recover_and_check(&self) -> Vec<String> {
        let mut daemon = self.scene.up();
        until("the night to be over", || self.at_rest().then_some(()));
        let code = daemon.stop();
        let mut bad = check::check(self);
        if code != 0 {
            bad.push(format!("the last stop ended with {code}"));
        }
        if !bad.is_empty() {
            bad.push(daemon.story());
        }
        bad
    }
}

/// A traced daemon. It does not outlive its test: strace alone would let it go.
struct Straced(std::process::Child);

impl Drop for Straced {
    fn drop(&mut self) {
        let strace = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{strace}/task/{strace}/children"));
        for pid in children.unwrap_or_default().split_whitespace() {
            let _ = Command::new("kill").args(["-KILL", pid]).status();
            // It holds its lock until it is really gone.
            let end = Instant::now() + scene::PATIENCE;
            while pid.parse().is_ok_and(scene::alive) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn all() -> bool {
    std::env::var("CRASHES").is_ok_and(|all| all == "all")
}

/// Plays these nights side by side; what was wrong in each.
fn side_by_side(tries: &[String], play: impl Fn(&str) -> Vec<String> + Sync) {
    let (next, bad) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..BESIDE {
            scope.spawn(|| {
                while let Some(name) = tries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // One that waits in vain does not keep the others from being played.
                    let found = catch_unwind(AssertUnwindSafe(|| play(name)))
                        .unwrap_or_else(|_| vec!["waited in vain (see above)".into()]);
                    if !found.is_empty() {
                        let text = format!("{name}:\n  {}", found.join("\n  "));
                        bad.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let bad = bad.into_inner().unwrap();
    println!("{} nights, {} with a finding", tries.len(), bad.len());
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}

/// Waits for the end of a process, or ends it.
fn within(kept: &mut Straced, patience: Duration) -> bool {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        if kept.0.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// How many syncs a night has: counted once, with nothing injected.
fn syncs() -> u32 {
    let night = Night::new();
    let log = night.scene.path("strace");
    let strace = night.straced(&["-o", log.to_str().expect("a plain path")]);
    until("a whole night", || night.at_rest().then_some(()));
    drop(strace);
    let lines = night.scene.read("strace");
    let count = lines.lines().filter(|line| line.contains("sync(")).count();
    u32::try_from(count).unwrap()
}

#[test]
fn killed_at_a_sync_nothing_is_lost() {
    let count = syncs();
    assert!(count > 20, "only {count} syncs in a night");
    let step = if all() { 1 } else { 6 };
    let tries: Vec<String> = (1..=count).step_by(step).map(|n| n.to_string()).collect();
    side_by_side(&tries, |n| {
        let night = Night::new();
        let mut strace = night.strace(&format!("signal=KILL:when={n}"));
        // The last ones may lie beyond the night, which is never the same twice.
        let killed = within(&mut strace, Duration::from_secs(14));
        drop(strace);
        let mut bad = night.recover_and_check();
        if !killed && bad.is_empty() && n.parse::<u32>().unwrap() < count / 2 {
            bad.push("it was not killed".into());
        }
        bad
    });
}

#[test]
fn killed_at_random_nothing_is_lost() {
    let kills: u64 = std::env::var("KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(12);
    let first: u64 = std::env::var("CRASH_SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let tries: Vec<String> = (first..first + kills.div_ceil(2))
        .map(|n| n.to_string())
        .collect();
    side_by_side(&tries, |seed| {
        // Two kills a night: one before or while it begins, one while it goes on or is recovered from.
        let mut rng = fastrand::Rng::with_seed(seed.parse().unwrap());
        let night = Night::new();
        for span in [6_000, 3_000] {
            let mut daemon = night.scene.run();
            let end = Instant::now() + Duration::from_millis(rng.u64(0..span));
            while Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            daemon.kill();
        }
        night.recover_and_check()
    });
}

#[test]
fn a_disk_that_fails_to_sync_loses_nothing() {
    let count = syncs();
    let step = if all() { 1 } else { 9 };
    let mut tries: Vec<String> = Vec::new();
    for n in (2..=count).step_by(step) {
        tries.push(format!("{n}"));
        tries.push(format!("{n}+"));
    }
    side_by_side(&tries, |when| {
        let night = Night::new();
        let mut strace = night.strace(&format!("error=EIO:when={when}"));
        // What can be done without a disk is done; then the machine is started again, with a good one.
        within(&mut strace, Duration::from_secs(12));
        drop(strace);
        night.recover_and_check()
    });
}
