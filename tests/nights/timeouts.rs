//! A time-out, and the death of the daemon, end everything that a run has started.

use std::fs;

use crate::scene::{Daemon, FILE_MAIL, Scene, alive, once, until};

/// A tree that does not want to end: deaf to SIGTERM, in sessions of its own, with no pipe left to anybody.
const TREE: &str = r#"trap '' TERM
echo $$ > pid.parent
( trap '' TERM; echo $(exec sh -c 'echo $PPID') > pid.child; while :; do sleep 0.1; done ) &
setsid sh -c 'trap "" TERM; ( setsid sh -c "trap \"\" TERM; exec </dev/null >/dev/null 2>&1; echo \$\$ > pid.daemonised; while :; do sleep 0.1; done" & ) ; exit 0' </dev/null >/dev/null 2>&1 &
while [ ! -s pid.daemonised ]; do sleep 0.05; done
exec >/dev/null 2>&1
while :; do sleep 0.1; done"#;

fn scene(timeout: &str) -> Scene {
    let scene = Scene::new(&format!(
        r#"
[periodic.stubborn]
schedule = "* * * * * *"
run = ["tree"]
timeout = "{timeout}"
grace = "1s"
overlap = "skip"
"#
    ));
    scene.script("tree", TREE);
    scene
}

fn pids(scene: &Scene) -> Vec<i32> {
    ["pid.parent", "pid.child", "pid.daemonised"]
        .iter()
        .map(|name| scene.wait_pid(name))
        .collect()
}

/// All processes below one.
fn below(pid: i32) -> Vec<(i32, char)> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(child) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{child}/stat")) else {
            continue;
        };
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        let mut words = rest.split(' ');
        let state = words.next().and_then(|s| s.chars().next()).unwrap_or('?');
        if words.next().and_then(|p| p.parse::<i32>().ok()) == Some(pid) {
            all.push((child, state));
            all.extend(below(child));
        }
    }
    all
}

fn no_zombies(daemon: &Daemon) {
    until("the zombies to be gone", || {
        below(daemon.pid())
            .iter()
            .all(|(_, state)| *state != 'Z')
            .then_some(())
    });
}

#[test]
fn a_time_out_ends_all_of_it() {
    let scene = scene("2s");
    let mut daemon = scene.up();
    let all = pids(&scene);
    let ended = daemon.wait("run_ended", &[("job", "stubborn")]);
    assert_eq!(ended["outcome"], "timed_out");
    for pid in all {
        assert!(!alive(pid), "{pid} is left");
    }
    no_zombies(&daemon);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_daemons_death_ends_all_of_it() {
    let scene = scene("5m");
    let mut daemon = scene.up();
    let all = pids(&scene);
    daemon.kill();
    until("the end of the tree", || {
        all.iter().all(|pid| !alive(*pid)).then_some(())
    });
    // Nothing of it is in the way of the next one.
    let mut daemon = scene.up();
    let ended = daemon.wait("run_ended", &[("job", "stubborn")]);
    assert_eq!(ended["outcome"], "interrupted");
    assert_eq!(daemon.stop(), 0, "{}", daemon.story());
}

#[test]
fn a_stop_ends_all_of_it() {
    let scene = scene("5m");
    let mut daemon = scene.up();
    let all = pids(&scene);
    assert_eq!(daemon.stop(), 0, "{}", daemon.story());
    for pid in all {
        assert!(!alive(pid), "{pid} is left");
    }
    let ended = daemon.find("run_ended", &[("job", "stubborn")]).unwrap();
    assert_eq!(ended["outcome"], "interrupted");
}

#[test]
fn a_job_outlives_idle_threads() {
    // The parent-death signal follows the thread: one that idles out after ten seconds must not take the job along.
    let scene = Scene::new(
        "[periodic.long]\nschedule = \"* * * * * *\"\nrun = [\"sleep\", \"13\"]\ntimeout = \"1m\"\n",
    );
    let mut daemon = scene.up();
    let ended = daemon.wait("run_ended", &[("job", "long")]);
    assert_eq!(ended["outcome"], "succeeded", "{ended}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_app_is_back_when_the_window_closes() {
    let scene = Scene::new(&format!(
        r#"
{FILE_MAIL}
{}
[app.shop]
window = "now"
enter = [{{ run = ["true"], timeout = "2s", grace = "1s" }}]
leave = [{{ script = "date +%s > left", timeout = "3s" }}]
[maintenance.endless]
app = "shop"
every = "window"
run = ["tree"]
timeout = "8s"
estimate = "2s"
grace = "1s"
"#,
        once(4, 12)
    ));
    scene.script("tree", TREE);
    let mut daemon = scene.up();
    let all = pids(&scene);
    let ended = daemon.wait("run_ended", &[("job", "endless")]);
    assert_eq!(ended["outcome"], "timed_out", "{ended}");
    for pid in all {
        assert!(!alive(pid), "{pid} is left");
    }
    let opened = daemon.wait("session_closed", &[]);
    assert_eq!(opened["outcome"], "failed", "{}", daemon.story());
    let closes = scene
        .offhours(&["windows", "--json", "--count", "1"])
        .json()[0]["closes"]
        .clone();
    let closes: jiff::Timestamp = closes.as_str().unwrap().parse().unwrap();
    let ended_at: jiff::Timestamp = ended["at"].as_str().unwrap().parse().unwrap();
    // The time kept for leaving is three seconds; a loaded machine needs a moment to say it.
    assert!(closes.duration_since(ended_at) >= jiff::SignedDuration::from_millis(2_000));
    let left: i64 = scene.read("left").trim().parse().unwrap();
    assert!(left <= closes.as_second(), "{}", daemon.story());
    assert_eq!(daemon.stop(), 0);
}
