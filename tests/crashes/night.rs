//! A whole night in seconds, its state on a disk of its own where that is wanted, and the daemon that plays it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::check;
use crate::disk::{Disk, living_in};
use crate::scene::{self, Daemon, FILE_MAIL, Said, Scene, until};

/// A night as short as it can be: announced at once, entered after three seconds.
pub struct Night {
    /// Unmounted before the folder goes.
    pub disk: Option<Disk>,
    pub scene: Scene,
    pub opens: Timestamp,
    pub closes: Timestamp,
}

impl Night {
    /// The state lies beside everything else.
    pub fn new() -> Self {
        Self::in_scene(Scene::new(""), None, 4, 20)
    }

    /// The same, with so many seconds until the window opens.
    pub fn opening_in(seconds: i64) -> Self {
        Self::in_scene(Scene::new(""), None, seconds, 60)
    }

    /// The state alone lies on a small disk; what hooks, jobs and mails leave as evidence does not. None, and a word
    /// about it, where this user may not mount.
    pub fn on_disk(opens_in: i64, open_for: i64) -> Option<Self> {
        let scene = Scene::new("");
        let disk = Disk::of(&scene.path("disk"))?;
        Some(Self::in_scene(scene, Some(disk), opens_in, open_for))
    }

    fn in_scene(scene: Scene, disk: Option<Disk>, opens_in: i64, open_for: i64) -> Self {
        let now = Timestamp::now().as_second();
        let at = |seconds: i64| Timestamp::from_second(now + seconds).unwrap();
        let (opens, closes) = (at(opens_in), at(opens_in + open_for));
        // After a crash nobody is called: the alarm command would be one process more to wait for.
        let alarm = "to = [\"technical\"]\nalarm = { run = [\"alarm\"], timeout = \"5s\" }";
        let (state, mail) = match disk {
            None => ("state", FILE_MAIL.to_owned()),
            Some(_) => (
                "disk/state",
                FILE_MAIL.replace("to = [\"technical\"]", alarm),
            ),
        };
        let toml = format!(
            r#"
[state]
dir = "{state}"
{mail}
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
timeout = "20s"
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
        );
        scene.write("windows.toml", &toml);
        // Two of one kind at once would meet at its own lock.
        scene.script(
            "stage",
            "exec 9>>\"twice.$1\"; flock -n 9 || echo \"twice $1 $OFFHOURS_RUN\" >> log\n\
             echo \"begin $1 $OFFHOURS_RUN $(date +%s%3N)\" >> log\n\
             sleep 0.3\n\
             while [ -e \"hold.$1\" ]; do sleep 0.05; done\n\
             echo \"end $1 $OFFHOURS_RUN $(date +%s%3N)\" >> log",
        );
        scene.script(
            "alarm",
            "echo \"$OFFHOURS_ALARM: $OFFHOURS_TEXT\" >> alarms",
        );
        Self {
            disk,
            scene,
            opens,
            closes,
        }
    }

    /// What a hook or a job wrote, without waiting for it: `begin enter`, `end leave`.
    pub fn wrote(&self, what: &str) -> usize {
        let what = format!("{what} ");
        let lines = self.scene.lines("log");
        lines.iter().filter(|line| line.starts_with(&what)).count()
    }

    pub fn wait_wrote(&self, what: &str) {
        until(what, || (self.wrote(what) > 0).then_some(()));
    }

    /// Waits until the session was announced; none where the machine was too slow for that.
    pub fn announced(&self, daemon: &Daemon) -> Option<()> {
        let seen = |event| daemon.find(event, &[]).is_some();
        until("an announcement, or none", || {
            (seen("session_announced") || seen("session_closed")).then_some(())
        });
        self.is_to_come().filter(|()| seen("session_announced"))
    }

    /// Whether the window is still to open, with some time to do something before.
    pub fn is_to_come(&self) -> Option<()> {
        (Timestamp::now() + SignedDuration::from_secs(1) < self.opens).then_some(())
    }

    /// Keeps a hook or a job from ending.
    pub fn hold(&self, name: &str) {
        self.scene.write(&format!("hold.{name}"), "");
    }

    pub fn let_go(&self, name: &str) {
        std::fs::remove_file(self.scene.path(&format!("hold.{name}"))).unwrap();
    }

    /// The state folder.
    pub fn state(&self) -> std::path::PathBuf {
        match self.disk {
            Some(_) => self.scene.path("disk/state"),
            None => self.scene.path("state"),
        }
    }

    /// The daemon under strace, which does something to its n-th sync.
    pub fn strace(&self, inject: &str) -> Straced {
        self.straced(&[
            "-e",
            "trace=fsync,fdatasync",
            "-e",
            &format!("inject=fsync,fdatasync:{inject}"),
            "-o",
            "/dev/null",
        ])
    }

    pub fn straced(&self, args: &[&str]) -> Straced {
        let plain = self.scene.command(&["run", "--json"]);
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq"])
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

    /// The files that are written for every transition, as strace is told of them.
    pub fn state_files(&self) -> Vec<String> {
        let state = self.state();
        let ends = ["state.db", "state.db-wal", "state.db-shm"];
        let mut args = Vec::new();
        for end in ends {
            let path = state.join(end);
            args.extend(["-P".to_owned(), path.to_string_lossy().into_owned()]);
        }
        args
    }

    pub fn status(&self) -> Said {
        self.scene.offhours(&["status", "--json"])
    }

    /// Whether the night is over: the app is back, and nothing is under way.
    pub fn at_rest(&self) -> bool {
        if Timestamp::now() < self.opens + SignedDuration::from_millis(1500) {
            return false;
        }
        let status = self.status().json();
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

    /// Waits until the night is over, stops the daemon, and checks everything.
    pub fn end_and_check(&self, daemon: &mut Daemon) -> Vec<String> {
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

    /// Starts the daemon as it is, and plays the night to its end.
    pub fn recover_and_check(&self) -> Vec<String> {
        self.end_and_check(&mut self.scene.up())
    }

    /// The same in another boot of the machine: with a number of boots that the kernel did not give, in a mount
    /// namespace of its own, so that nobody else sees it.
    pub fn up_after_reboot(&self, boot: &str) -> Daemon {
        self.scene.write("boot_id", &format!("{boot}\n"));
        let plain = self.scene.command(&["run", "--json"]);
        let mut command = Command::new("unshare");
        // Disks of nights that are played beside this one are not held on to.
        let enter = "own=$2; mount --bind \"$1\" /proc/sys/kernel/random/boot_id && shift 2 || exit 1\n\
             while read -r _ at _; do\n\
                 case $at in \"$own\") ;; */disk) umount \"$at\" ;; esac\n\
             done </proc/self/mounts\n\
             exec \"$@\"";
        command
            .args(["--mount", "sh", "-c", enter, "sh"])
            .args([self.scene.path("boot_id"), self.scene.path("disk")])
            .arg(plain.get_program())
            .args(plain.get_args())
            .current_dir(self.scene.dir.path())
            .env_clear()
            .stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let daemon = Daemon::start(command);
        daemon.wait("daemon_started", &[]);
        daemon
    }

    /// The power goes: nothing more is written, everything that ran is gone, and the disk is there again.
    pub fn power_loss(&self, daemon: &mut Daemon) {
        let disk = self.disk.as_ref().expect("a disk of its own");
        daemon.signal("STOP");
        disk.cut_off();
        self.end_everything(daemon);
        disk.unmount();
        disk.mount();
    }

    /// Kills the daemon and everything it started, at once.
    pub fn end_everything(&self, daemon: &mut Daemon) {
        let all = living_in(self.scene.dir.path());
        let pids: Vec<String> = all.iter().map(ToString::to_string).collect();
        let _ = Command::new("kill")
            .arg("-KILL")
            .args(&pids)
            .stderr(Stdio::null())
            .status();
        daemon.kill();
        // What was being forked meanwhile.
        until("the end of everything", || {
            let left = living_in(self.scene.dir.path());
            for pid in &left {
                let _ = Command::new("kill")
                    .args(["-KILL", &pid.to_string()])
                    .stderr(Stdio::null())
                    .status();
            }
            left.is_empty().then_some(())
        });
    }
}

/// Plays it with more and more time before the window opens, until the machine is quick enough: `play` gives none where
/// it was not. Where `night` gives none nothing is played.
pub fn in_time(night: impl Fn(i64) -> Option<Night>, play: impl Fn(&Night) -> Option<()>) {
    for opens_in in [6, 20, 60] {
        match night(opens_in) {
            Some(night) if play(&night).is_none() => {}
            _ => return,
        }
    }
    panic!("the machine is too slow");
}

/// A traced daemon. It does not outlive its test: strace alone would let it go.
pub struct Straced(pub std::process::Child);

impl Straced {
    /// Whether the traced process ends by itself in this time.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if self.0.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

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

/// A fault that begins while the daemon runs, and ends with this value: strace is attached to it, and let go again.
pub struct Attached(std::process::Child);

impl Attached {
    pub fn to(daemon: &Daemon, args: &[String]) -> Self {
        let mut command = Command::new("strace");
        command
            .args([
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-p",
                &daemon.pid().to_string(),
            ])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let attached = Self(command.spawn().expect("strace is there"));
        let strace = attached.0.id().to_string();
        until("strace at every thread", || {
            let threads = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).ok()?;
            threads
                .flatten()
                .all(|thread| traced_by(&thread.path(), &strace))
                .then_some(())
        });
        attached
    }
}

fn traced_by(thread: &Path, tracer: &str) -> bool {
    let status = std::fs::read_to_string(thread.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("TracerPid:"));
    line.is_none_or(|pid| pid.trim() == tracer)
}

impl Drop for Attached {
    fn drop(&mut self) {
        // Asked to end, it lets go of what it traces.
        let _ = Command::new("kill")
            .args(["-TERM", &self.0.id().to_string()])
            .status();
        let _ = self.0.wait();
    }
}
