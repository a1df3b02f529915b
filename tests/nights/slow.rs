//! What stands around the daemon and does not work must not keep it from its own work.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{Kept, Scene, free_port, get, mail_without_lead, once, until};

#[test]
fn readers_that_stand_still_hold_up_nothing() {
    use std::fmt::Write;
    let mut toml = String::new();
    for n in 0..40 {
        writeln!(
            toml,
            "[periodic.tick-{n}]\nschedule = \"* * * * * *\"\nscript = \"echo {n} >> ticks\"\ntimeout = \"5s\""
        )
        .unwrap();
    }
    let scene = Scene::new(&toml);
    // Pipes that nobody reads: 64 KiB, and then every write waits.
    let child = scene
        .command(&["run", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Kept(child);
    until("ticks", || (scene.lines("ticks").len() > 40).then_some(()));
    // Each reload says at length what is wrong.
    for n in 0..200 {
        writeln!(
            toml,
            "[periodic.tick-{n}-wrong]\nschedul = \"{}\"",
            "x".repeat(80)
        )
        .unwrap();
    }
    scene.write("windows.toml", &toml);
    for round in 1..=3 {
        kill_process(Pid::from_child(&child.0), Signal::HUP).unwrap();
        until("more ticks", || {
            (scene.lines("ticks").len() > 40 + 80 * round).then_some(())
        });
    }
    kill_process(Pid::from_child(&child.0), Signal::TERM).unwrap();
    let status = until("the end", || child.0.try_wait().unwrap().map(Some)).unwrap();
    assert_eq!(status.code(), Some(0));
}

/// An app whose update goes on until the daemon is killed.
fn updating(begin: &str) -> Scene {
    Scene::new(&format!(
        r#"
{begin}{}
[app.shop]
window = "now"
enter = [{{ run = ["true"], timeout = "5s", grace = "1s" }}]
leave = [{{ script = "echo leave >> order", timeout = "5s" }}]
[maintenance.update]
app = "shop"
every = "window"
script = "echo update >> order; sleep 600"
timeout = "10m"
estimate = "1s"
grace = "1s"
"#,
        once(3, 120)
    ))
}

#[test]
fn an_address_that_is_taken_does_not_keep_the_app_in_maintenance() {
    let port = free_port();
    let http = format!("[http]\nlisten = [\"127.0.0.1:{port}\"]\n");
    let scene = updating(&(http + &mail_without_lead()));
    let mut daemon = scene.up();
    scene.wait_line("order", "update");
    daemon.kill();
    let taken = until("the port", || {
        std::net::TcpListener::bind(("127.0.0.1", port)).ok()
    });
    let mut daemon = scene.up();
    daemon.wait("session_left", &[]);
    daemon.wait_err("no page is served");
    drop(taken);
    until("the page", || {
        get(port, "localhost", "/livez", "").filter(|(code, _)| *code == 200)
    });
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_folder_of_mails_that_cannot_be_made_does_not_keep_the_app_in_maintenance() {
    let elsewhere = mail_without_lead().replace("dir = \"mail\"", "dir = \"out/mail\"");
    let scene = updating(&elsewhere);
    let mut daemon = scene.up();
    scene.wait_line("order", "update");
    daemon.kill();
    std::fs::remove_dir_all(scene.path("out")).unwrap();
    scene.write("out", "no folder");
    let mut daemon = scene.up();
    daemon.wait_err("cannot make the folder");
    daemon.wait("session_left", &[]);
    daemon.wait("notice_delayed", &[]);
    // A reload does not take what could never work.
    daemon.signal("HUP");
    daemon.wait_err("the configuration stays as it was");
    std::fs::remove_file(scene.path("out")).unwrap();
    assert_eq!(daemon.stop(), 0);
    let mut daemon = scene.up();
    until("a mail", || {
        (!scene.mails("out/mail").is_empty()).then_some(())
    });
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_launcher_that_is_killed_is_replaced() {
    let scene = Scene::new(
        "[periodic.tick]\nschedule = \"* * * * * *\"\nrun = [\"true\"]\ntimeout = \"5s\"\n",
    );
    let mut daemon = scene.up();
    daemon.wait("run_ended", &[("outcome", "succeeded")]);
    let pid = daemon.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let mut killed = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let path = task.unwrap().path().join("children");
        for child in std::fs::read_to_string(path)
            .unwrap_or_default()
            .split_whitespace()
        {
            let child = Pid::from_raw(child.parse().unwrap()).unwrap();
            killed += u32::from(kill_process(child, Signal::KILL).is_ok());
        }
    }
    assert!(killed > 0, "{children}");
    let before = daemon.all("run_ended", &[("outcome", "succeeded")]).len();
    daemon.wait_nth("run_ended", &[("outcome", "succeeded")], before + 2);
    assert_eq!(daemon.stop(), 0);
}
