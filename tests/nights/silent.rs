//! Hosts that fall silent in the middle of something.
use crate::hosts::scene;
use crate::scene::{alive, until};
use crate::sshd::Sshd;

/// To all of these processes; there are some.
fn signal(of: &[i32], signal: &str) {
    assert!(!of.is_empty());
    for pid in of {
        let sent = std::process::Command::new("kill")
            .args([signal, &pid.to_string()])
            .status();
        assert!(sent.unwrap().success());
    }
}

#[test]
fn a_run_as_somebody_else_is_asked_for_where_it_ran() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = scene(&sshd, "timeout = \"60s\"");
    // Who is become has a home of his own.
    let sudo = "shift; [ \"$1\" = -u ] && shift 2 && export XDG_STATE_HOME=\"$(dirname \"$0\")/other\"\nexec \"$@\"";
    std::fs::create_dir(scene.path("bin")).unwrap();
    scene.script("bin/sudo", sudo);
    let r#become = format!("become = [{:?}, \"-n\"]\n", scene.path("bin/sudo"));
    let toml = scene.read("windows.toml");
    let toml = toml.replace(
        "groups = [\"web\"]\n",
        &format!("groups = [\"web\"]\n{become}"),
    );
    let toml = toml.replace(
        "hosts = [\"@web\", \"local\"]",
        "hosts = [\"web1\"]\nuser = \"app-on-web\"",
    );
    let toml = toml.replace("run = [\"stage\", \"work\"]", "run = [\"slow\"]");
    scene.write("windows.toml", &toml);
    scene.script(
        "slow",
        "echo begun >> \"$SCENE/order\"; trap \"exit 7\" TERM; echo $$ > \"$SCENE/pid.new\"
         mv \"$SCENE/pid.new\" \"$SCENE/pid.slow\"; sleep 1000 & wait",
    );
    let mut daemon = scene.up();
    scene.wait_pid("pid.slow");
    // The host's end of the connection: nobody hears of the end.
    signal(&sshd.sessions(), "-KILL");
    let ended = daemon.wait("run_ended", &[("job", "work")]);
    assert_eq!(ended["exit_code"], 7, "{ended}");
    daemon.wait("session_closed", &[]);
    assert_eq!(scene.lines("order"), ["web1 enter", "begun", "web1 leave"]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_is_locked_for_a_run_stays_locked_until_it_is_known_that_it_has_ended() {
    let Some(mut sshd) = Sshd::start() else {
        return;
    };
    let scene = scene(&sshd, "timeout = \"60s\"\nlocks = [\"database\"]");
    scene.write("hold.work", "");
    let mut daemon = scene.up();
    let pid = scene.wait_pid("pid.work");
    // The connection is silent, and what runs behind it goes on.
    let sessions = sshd.sessions();
    signal(&sessions, "-STOP");
    daemon.wait_err("the host is asked");
    let status = until("that its end is not known", || {
        let status = scene.offhours(&["status", "--json"]).expect(0).json();
        let unheard = &status["running"][0]["unheard"];
        unheard["until"].is_string().then_some(status)
    });
    let words = scene.offhours(&["status"]).expect(0).out;
    assert!(
        words.contains("how it ended is not known, the host is asked until"),
        "{words}"
    );
    let lock = format!("{}/database.lock", status["lock_dir"].as_str().unwrap());
    let free = || {
        std::process::Command::new("flock")
            .args(["-n", &lock, "true"])
            .status()
            .unwrap()
            .success()
    };
    // Asked again and again, it runs.
    let asked = std::time::Instant::now();
    until("some questions", || {
        assert!(!free(), "{}", daemon.story());
        (asked.elapsed() > std::time::Duration::from_secs(3)).then_some(())
    });
    assert!(alive(pid));
    assert!(daemon.find("run_ended", &[("job", "work")]).is_none());
    // Nor does a daemon that is killed meanwhile let go of it for longer than it is away; the host does not answer now.
    sshd.stop();
    daemon.kill();
    let mut daemon = scene.up();
    daemon.wait_err("the host is asked");
    let asked = std::time::Instant::now();
    until("some questions", || {
        assert!(!free(), "{}", daemon.story());
        (asked.elapsed() > std::time::Duration::from_secs(2)).then_some(())
    });
    assert!(
        !daemon.err().contains("locks are not kept"),
        "{}",
        daemon.err()
    );
    signal(&sessions, "-KILL");
    assert!(sshd.up());
    daemon.wait("run_ended", &[("job", "work")]);
    assert!(!alive(pid));
    daemon.wait("session_closed", &[]);
    until("the lock to be free", || free().then_some(()));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_lock_that_is_waited_for_on_a_host_is_shown_and_so_is_that_it_was_got() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = scene(&sshd, "timeout = \"60s\"");
    let held = scene.path("held.lock");
    let toml = scene.read("windows.toml");
    let locks = format!("groups = [\"web\"]\nhost_locks = [{held:?}]\n");
    let toml = toml.replace("groups = [\"web\"]\n", &locks);
    let toml = toml.replace("hosts = [\"@web\", \"local\"]", "hosts = [\"web1\"]");
    scene.write("windows.toml", &toml);
    std::fs::write(&held, "the nightly copy\n").unwrap();
    let mut holder = std::process::Command::new("flock")
        .args([held.to_str().unwrap(), "sleep", "1000"])
        .spawn()
        .unwrap();
    until("the lock to be held", || {
        let free = std::process::Command::new("flock")
            .args(["-n", held.to_str().unwrap(), "true"])
            .status();
        (!free.unwrap().success()).then_some(())
    });
    scene.write("hold.work", "");
    let mut daemon = scene.up();
    let waiting = |scene: &crate::scene::Scene| {
        let status = scene.offhours(&["status", "--json"]).json();
        status["running"][0]["waiting"].as_str().map(str::to_owned)
    };
    let said = until("somebody who waits", || waiting(&scene));
    assert_eq!(said, "held.lock the nightly copy on web1");
    // The shell has handed the lock to what it runs.
    let children = std::process::Command::new("pkill")
        .args(["-P", &holder.id().to_string()])
        .status();
    assert!(children.unwrap().success());
    holder.wait().unwrap();
    scene.wait_pid("pid.work");
    until("nobody who waits", || {
        waiting(&scene).is_none().then_some(())
    });
    std::fs::remove_file(scene.path("hold.work")).unwrap();
    daemon.wait("session_closed", &[]);
    assert_eq!(daemon.stop(), 0);
}

/// A disk of its own in this place, which takes nothing more; it goes with this.
struct Full(std::path::PathBuf);

impl Full {
    fn mount(place: std::path::PathBuf) -> Self {
        std::fs::create_dir_all(&place).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(&place)
            .status();
        assert!(mounted.unwrap().success());
        let full = Self(place);
        for folder in ["locks", "runs", "tmp"] {
            std::fs::create_dir_all(full.0.join("offhours").join(folder)).unwrap();
        }
        assert!(std::fs::write(full.0.join("rest"), vec![1; 1 << 20]).is_err());
        full
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}

#[test]
fn an_app_comes_back_on_a_host_whose_disk_is_full() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("\n*** SKIPPED: only root can mount a disk ***\n");
    }
    let Some(sshd) = Sshd::start() else { return };
    let scene = scene(&sshd, "timeout = \"60s\"");
    let toml = scene.read("windows.toml");
    let toml = toml.replace(
        "hosts = [\"@web\", \"local\"]",
        "hosts = [\"web1\", \"web2\"]",
    );
    scene.write("windows.toml", &toml);
    scene.write("hold.work", "");
    let mut daemon = scene.up();
    scene.wait_pid("pid.work");
    let full = Full::mount(sshd.state(1));
    let other = Full::mount(sshd.state(2));
    std::fs::remove_file(scene.path("hold.work")).unwrap();
    daemon.wait("session_closed", &[]);
    // The second host's work was not begun, and the app is back all the same.
    let refused = daemon.wait("run_ended", &[("job", "work"), ("host", "web2")]);
    assert_eq!(refused["outcome"], "spawn_failed", "{refused}");
    assert!(
        refused["text"]
            .to_string()
            .contains("No space left on device"),
        "{refused}"
    );
    assert_eq!(
        scene.lines("order"),
        ["web1 enter", "web1 work", "web1 leave"]
    );
    drop((full, other));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_host_that_restarts_while_the_daemon_is_killed_has_not_succeeded() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = scene(&sshd, "timeout = \"60s\"\nreboot = true");
    // The command comes to its end, and the machine does not go down.
    let toml = scene.read("windows.toml");
    let toml = toml.replace("hosts = [\"@web\", \"local\"]", "hosts = [\"web1\"]");
    scene.write("windows.toml", &toml);
    let mut daemon = scene.up();
    scene.wait_line("order", "web1 work");
    let state = scene.offhours(&["status", "--json"]).expect(0).json();
    let verdicts = std::path::Path::new(state["lock_dir"].as_str().unwrap()).join("../verdicts");
    until("what the client heard", || {
        let all = std::fs::read_dir(&verdicts).ok()?.flatten();
        let mut texts = all.map(|entry| std::fs::read_to_string(entry.path()).unwrap_or_default());
        texts.any(|text| text.contains("exited")).then_some(())
    });
    daemon.kill();
    let mut daemon = scene.up();
    let ended = daemon.wait("run_ended", &[("job", "work")]);
    assert_eq!(
        (&ended["outcome"], &ended["reason"]),
        (&"interrupted".into(), &"end_unknown".into())
    );
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "failed");
    assert_eq!(
        scene.lines("order"),
        ["web1 enter", "web1 work", "web1 leave"]
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_connection_that_breaks_in_the_middle_is_asked_about_and_repeated_by_nobody() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = scene(&sshd, "timeout = \"60s\"");
    scene.write("hold.work", "");
    let mut daemon = scene.up();
    let pid = scene.wait_pid("pid.work");
    // The host's end of the connection: with it the lifeline is cut, and nobody is told of the end.
    signal(&sshd.sessions(), "-KILL");
    let ended = daemon.wait("run_ended", &[("job", "work")]);
    assert!(
        ["signalled", "interrupted"].contains(&ended["outcome"].as_str().unwrap()),
        "{ended}"
    );
    assert!(!alive(pid));
    assert!(
        daemon.err().contains("the host is asked"),
        "{}",
        daemon.err()
    );
    daemon.wait("session_closed", &[]);
    let work = scene.lines("order");
    assert_eq!(
        work.iter().filter(|line| line.ends_with("work")).count(),
        1,
        "{work:?}"
    );
    assert_eq!(work.last().map(String::as_str), Some("web1 leave"));
    assert_eq!(daemon.stop(), 0);
}
