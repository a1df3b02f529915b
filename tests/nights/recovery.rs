//! Killed or stopped anywhere in a session: the app comes back, and what was cut off is said.

use crate::scene::{Daemon, STAGED_APP, Scene, alive, mail_without_lead, once, until};

/// Enter, one job, leave; each waits as long as a file `hold.NAME` is there, and writes its pid.
fn scene(job: &str) -> Scene {
    let mail = mail_without_lead();
    let scene = Scene::new(&format!(
        r#"
[limits]
stop_timeout = "20s"
{mail}{}{STAGED_APP}
[maintenance.update]
app = "shop"
every = "window"
run = ["stage", "job"]
timeout = "30s"
estimate = "1s"
grace = "1s"
{job}
"#,
        once(3, 120)
    ));
    scene.script(
        "stage",
        r#"echo "$1 $OFFHOURS_RESULT" >> order
echo $$ > pid.$1
while [ -e hold.$1 ]; do sleep 0.05; done
if [ -e exit.$1 ]; then exit "$(cat exit.$1)"; fi"#,
    );
    scene
}

/// The stages so far, without what the leave hook was told.
fn stages(scene: &Scene) -> Vec<String> {
    let first = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
    scene.lines("order").iter().map(first).collect()
}

fn place(daemon: &Daemon, event: &str) -> usize {
    let names = daemon.names();
    let found = names.iter().position(|name| name == event);
    found.unwrap_or_else(|| panic!("no {event}\n{}", daemon.story()))
}

/// Holds a stage, waits until it is there, and kills the daemon. Nothing of the stage is left.
fn killed_in(scene: &Scene, stage: &str) {
    scene.write(&format!("hold.{stage}"), "");
    let mut daemon = scene.up();
    let pid = scene.wait_pid(&format!("pid.{stage}"));
    assert!(alive(pid));
    daemon.kill();
    until("the end of what the daemon had started", || {
        (!alive(pid)).then_some(())
    });
    std::fs::remove_file(scene.path(&format!("hold.{stage}"))).unwrap();
}

#[test]
fn killed_while_entering() {
    let scene = scene("");
    killed_in(&scene, "enter");
    let mut daemon = scene.up();
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    assert_eq!(stages(&scene), ["enter", "leave", "enter", "job", "leave"]);
    assert_eq!(scene.lines("order")[1], "leave interrupted");
    let cut_off = daemon.find("enter_ended", &[]).unwrap();
    assert_eq!(cut_off["outcome"], "interrupted");
    assert!(place(&daemon, "enter_ended") < place(&daemon, "leave_started"));
    assert!(place(&daemon, "session_reopened") > place(&daemon, "session_left"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn killed_while_a_job_runs() {
    let scene = scene("");
    killed_in(&scene, "job");
    let mut daemon = scene.up();
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "interrupted", "{}", daemon.story());
    // A job that does not say that it may be repeated is not.
    assert_eq!(stages(&scene), ["enter", "job", "leave"]);
    let cut_off = daemon.find("run_ended", &[("job", "update")]).unwrap();
    assert_eq!(cut_off["outcome"], "interrupted");
    assert!(place(&daemon, "run_ended") < place(&daemon, "leave_started"));
    let status = scene.offhours(&["status", "--json"]).expect(1).json();
    assert_eq!(status["attention"][0]["kind"], "interrupted", "{status}");
    let history = scene.offhours(&["history", "--json"]).expect(0).json();
    let runs = history.as_array().unwrap();
    let run = runs.iter().find(|run| run["job"] == "update").unwrap();
    assert_eq!(run["outcome"], "interrupted");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn killed_while_a_repeatable_job_runs() {
    let scene = scene("on_interrupt = \"repeat\"");
    killed_in(&scene, "job");
    let mut daemon = scene.up();
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    assert_eq!(
        stages(&scene),
        ["enter", "job", "leave", "enter", "job", "leave"]
    );
    assert_eq!(daemon.all("session_reopened", &[]).len(), 1);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn killed_again_in_the_second_round() {
    let scene = scene("on_interrupt = \"repeat\"");
    killed_in(&scene, "job");
    std::fs::remove_file(scene.path("pid.job")).unwrap();
    killed_in(&scene, "job");
    let mut daemon = scene.up();
    let closed = daemon.wait("session_closed", &[]);
    // There is no third.
    assert_eq!(closed["outcome"], "interrupted", "{}", daemon.story());
    assert_eq!(
        stages(&scene),
        ["enter", "job", "leave", "enter", "job", "leave"]
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn killed_between_two_attempts() {
    let scene = scene("retry = { attempts = 3, backoff = \"20s\" }");
    scene.write("exit.job", "1");
    let mut daemon = scene.up();
    let failed = daemon.wait("run_ended", &[("outcome", "failed")]);
    assert!(failed["next"].is_string(), "{failed}");
    daemon.kill();
    std::fs::remove_file(scene.path("exit.job")).unwrap();
    let mut daemon = scene.up();
    daemon.wait("session_closed", &[]);
    let names = daemon.names();
    let next = names.iter().position(|n| n == "leave_started").unwrap();
    assert!(!names[..next].contains(&"run_started".to_owned()));
    let stages = stages(&scene);
    assert_eq!(stages[..3], ["enter", "job", "leave"], "{}", daemon.story());
    assert_eq!(stages.last().unwrap(), "leave");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn killed_while_leaving() {
    let scene = scene("");
    killed_in(&scene, "leave");
    let mut daemon = scene.up();
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    assert_eq!(stages(&scene), ["enter", "job", "leave", "leave"]);
    assert_eq!(scene.lines("order")[3], "leave success");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn killed_while_leaving_fails() {
    let scene = scene("");
    scene.write("exit.leave", "1");
    let mut daemon = scene.up();
    daemon.wait_nth("leave_ended", &[("outcome", "failed")], 2);
    daemon.kill();
    let mut daemon = scene.up();
    daemon.wait("leave_ended", &[("outcome", "failed")]);
    let status = scene.offhours(&["status", "--json"]).expect(1).json();
    assert_eq!(status["apps"][0]["state"], "leaving", "{status}");
    std::fs::remove_file(scene.path("exit.leave")).unwrap();
    daemon.wait("session_left", &[]);
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn stopped_while_entering() {
    let scene = scene("");
    scene.write("hold.enter", "");
    let mut daemon = scene.up();
    let pid = scene.wait_pid("pid.enter");
    assert_eq!(daemon.stop(), 0, "{}", daemon.story());
    assert!(!alive(pid));
    assert_eq!(stages(&scene), ["enter", "leave"]);
    let status = scene.offhours(&["status", "--json"]).json();
    assert_eq!(status["apps"][0]["state"], "in_service", "{status}");
    // There is room: what was not begun is done when it is started again.
    std::fs::remove_file(scene.path("hold.enter")).unwrap();
    let mut daemon = scene.up();
    daemon.wait("session_closed", &[("outcome", "succeeded")]);
    assert_eq!(stages(&scene), ["enter", "leave", "enter", "job", "leave"]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn stopped_while_a_job_runs() {
    let scene = scene("");
    scene.write("hold.job", "");
    let mut daemon = scene.up();
    let pid = scene.wait_pid("pid.job");
    assert_eq!(daemon.stop(), 0, "{}", daemon.story());
    assert!(!alive(pid));
    assert_eq!(stages(&scene), ["enter", "job", "leave"]);
    assert_eq!(scene.lines("order")[2], "leave interrupted");
    let ended = daemon.find("run_ended", &[("job", "update")]).unwrap();
    assert_eq!(ended["outcome"], "interrupted");
}

#[test]
fn stopped_while_leaving() {
    let scene = scene("");
    scene.write("hold.leave", "");
    let mut daemon = scene.up();
    scene.wait_pid("pid.leave");
    daemon.signal("TERM");
    // Bringing the app back is not cut short.
    std::fs::remove_file(scene.path("hold.leave")).unwrap();
    assert_eq!(daemon.ended(), 0, "{}", daemon.story());
    assert_eq!(stages(&scene), ["enter", "job", "leave"]);
}

#[test]
fn stopped_while_leaving_fails() {
    let scene = scene("");
    let file = scene.read("windows.toml");
    scene.write("windows.toml", &file.replace("\"20s\"", "\"2s\""));
    scene.write("exit.leave", "1");
    let mut daemon = scene.up();
    daemon.wait("leave_ended", &[("outcome", "failed")]);
    assert_eq!(daemon.stop(), 1, "{}", daemon.story());
    let status = scene.offhours(&["status", "--json"]).expect(1).json();
    assert_eq!(status["apps"][0]["state"], "leaving", "{status}");
    std::fs::remove_file(scene.path("exit.leave")).unwrap();
    let mut daemon = scene.up();
    daemon.wait("session_left", &[]);
    assert_eq!(daemon.stop(), 0, "{}", daemon.story());
}

#[test]
fn a_configuration_that_is_refused_keeps_no_app_in_maintenance() {
    let scene = scene("on_interrupt = \"repeat\"");
    killed_in(&scene, "job");
    let whole = scene.read("windows.toml");
    scene.write("windows.toml", &format!("{whole}\nthis is no TOML\n"));
    let said = scene.offhours(&["run"]).expect(3);
    assert!(said.err.contains("brought back"), "{}", said.err);
    assert_eq!(stages(&scene), ["enter", "job", "leave"]);
    // Once it is mended the night goes on: no job was forgotten.
    scene.write("windows.toml", &whole);
    let mut daemon = scene.up();
    daemon.wait("session_closed", &[]);
    assert_eq!(daemon.stop(), 0);
    // Nothing is left to be brought back: it is only refused.
    scene.write("windows.toml", &format!("{whole}\nthis is no TOML\n"));
    let said = scene.offhours(&["run"]).expect(3);
    assert!(!said.err.contains("brought back"), "{}", said.err);
}
