//! Nights on hosts, over SSH, through a real sshd.

use crate::scene::{Scene, alive, mail_without_lead, once, until};
use crate::sshd::Sshd;

/// What is run says on which host, and stays while a file is there.
const STAGE: &str = "echo \"$OFFHOURS_HOST $1\" >> \"$SCENE/order\"; echo $$ > \"$SCENE/pid.$1\"\n\
     (setsid sleep 1000 &) ; while [ -e \"$SCENE/hold.$1\" ]; do sleep 0.05; done; pkill -P 1 -x sleepx; echo \"out of $1\"";

fn scene(sshd: &Sshd, job: &str) -> Scene {
    let toml = format!(
        r#"
{}
{}
{}
[app.shop]
window = "now"
enter = [{{ run = ["stage", "enter"], hosts = ["web1"], timeout = "20s", grace = "1s" }}]
leave = [{{ run = ["stage", "leave"], hosts = ["web1"], timeout = "20s", grace = "1s" }}]
[maintenance.work]
app = "shop"
every = "window"
run = ["stage", "work"]
hosts = ["@web", "local"]
grace = "1s"
{job}
"#,
        mail_without_lead(),
        once(1, 600),
        sshd.hosts(2)
    );
    let scene = Scene::new("");
    let env = format!(
        "env = {{ SCENE = {:?}, ODD = \"a'b\\\"$(id)\\nc\" }}\n",
        scene.dir.path()
    );
    // Every command is told where to write.
    let toml = toml.replace("grace = \"1s\"\n", &format!("grace = \"1s\"\n{env}"));
    let toml = toml.replace(
        "grace = \"1s\" }]",
        &format!("grace = \"1s\", {} }}]", env.trim_end()),
    );
    scene.write("windows.toml", &toml);
    let stage = STAGE
        .replace("(setsid sleep 1000 &) ; ", "")
        .replace("pkill -P 1 -x sleepx; ", "");
    scene.script(
        "stage",
        &format!("{stage}\nprintf '%s' \"$ODD\" > \"$SCENE/odd.$OFFHOURS_HOST\""),
    );
    scene
}

#[test]
fn hooks_and_jobs_run_on_hosts_one_after_another() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = scene(&sshd, "timeout = \"20s\"");
    scene.offhours(&["check"]).expect(0);
    let mut daemon = scene.up();
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    assert_eq!(
        scene.lines("order"),
        [
            "web1 enter",
            "web1 work",
            "web2 work",
            "local work",
            "web1 leave"
        ]
    );
    for host in ["web1", "web2", "local"] {
        assert_eq!(scene.read(&format!("odd.{host}")), "a'b\"$(id)\nc");
    }
    let history = scene.offhours(&["history", "--json"]).json();
    let runs = history.as_array().unwrap().iter();
    let hosts: Vec<&str> = runs
        .filter(|row| row["job"] == "work")
        .filter_map(|row| row["host"].as_str())
        .collect();
    assert_eq!(hosts, ["local", "web2", "web1"]);
    let log = scene.offhours(&["logs", "work"]).expect(0);
    assert!(log.out.contains("out of work"), "{}", log.out);
    assert_eq!(daemon.stop(), 0);
    assert_eq!(
        std::fs::read_dir(scene.path("state/verdicts"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn what_runs_on_a_host_ends_with_a_killed_daemon_and_the_app_comes_back() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = scene(&sshd, "timeout = \"60s\"");
    scene.write("hold.work", "");
    let mut daemon = scene.up();
    let pid = scene.wait_pid("pid.work");
    assert!(alive(pid));
    daemon.kill();
    until("the end of the job on the host", || {
        (!alive(pid)).then_some(())
    });
    std::fs::remove_file(scene.path("hold.work")).unwrap();
    let mut daemon = scene.up();
    daemon.wait("run_ended", &[("job", "work"), ("outcome", "interrupted")]);
    daemon.wait("leave_ended", &[("outcome", "succeeded")]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_timeout_ends_the_tree_on_the_host() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = scene(&sshd, "timeout = \"2s\"");
    scene.write("hold.work", "");
    let mut daemon = scene.up();
    let pid = scene.wait_pid("pid.work");
    let ended = daemon.wait("run_ended", &[("job", "work")]);
    assert_eq!(ended["outcome"], "timed_out", "{}", daemon.story());
    assert!(!alive(pid));
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "failed");
    // The first host that fails stops the rest.
    assert_eq!(
        scene.lines("order"),
        ["web1 enter", "web1 work", "web1 leave"]
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_host_that_cannot_be_reached_is_a_failure_that_says_why() {
    let Some(mut sshd) = Sshd::start() else {
        return;
    };
    let scene = scene(&sshd, "timeout = \"20s\"");
    let toml = scene
        .read("windows.toml")
        .replace("hosts = [\"web1\"], ", "");
    scene.write("windows.toml", &toml);
    sshd.stop();
    let mut daemon = scene.up();
    let ended = daemon.wait("run_ended", &[("job", "work")]);
    assert_eq!(ended["outcome"], "unreachable", "{}", daemon.story());
    daemon.wait("session_closed", &[("outcome", "failed")]);
    let history = scene.offhours(&["history", "--json"]).json();
    let rows = history.as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["outcome"] == "unreachable")
        .unwrap();
    assert!(row.to_string().contains("efused"), "{row}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_periodic_job_runs_on_each_of_its_hosts() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = Scene::new("");
    let toml = format!(
        "{}[periodic.tick]\nschedule = \"* * * * * *\"\nscript = \"echo $OFFHOURS_HOST >> {}/order\"\nhosts = [\"@web\"]\ntimeout = \"5s\"\n",
        sshd.hosts(2),
        scene.dir.path().display()
    );
    scene.write("windows.toml", &toml);
    let mut daemon = scene.up();
    scene.wait_line("order", "web1");
    scene.wait_line("order", "web2");
    daemon.wait(
        "run_ended",
        &[("job", "tick@web2"), ("outcome", "succeeded")],
    );
    assert_eq!(daemon.stop(), 0);
}
