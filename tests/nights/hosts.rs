//! Nights on hosts, over SSH, through a real sshd.

use serde_json::Value;

use crate::scene::{Scene, alive, mail_without_lead, once, until};
use crate::sshd::Sshd;

/// What is run says on which host, and stays while a file is there.
const STAGE: &str = "echo \"$OFFHOURS_HOST $1\" >> \"$SCENE/order\"; echo $$ > \"$SCENE/pid.$1\"\n\
     (setsid sleep 1000 &) ; while [ -e \"$SCENE/hold.$1\" ]; do sleep 0.05; done; pkill -P 1 -x sleepx; echo \"out of $1\"";

pub fn scene(sshd: &Sshd, job: &str) -> Scene {
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

/// A job over so many hosts, which says when it begins and ends.
fn rollout(sshd: &Sshd, hosts: usize, job: &str) -> Scene {
    let scene = Scene::new("");
    let dir = scene.dir.path().display().to_string();
    let toml = format!(
        r#"
{}
{}
{}
[app.shop]
window = "now"
[maintenance.roll]
app = "shop"
every = "window"
hosts = ["@web"]
script = """
cd {dir}
echo "begin $OFFHOURS_HOST" >> order
while [ -e hold ]; do sleep 0.05; done
echo "end $OFFHOURS_HOST" >> order
[ ! -e "bad.$OFFHOURS_HOST" ]
"""
timeout = "30s"
grace = "1s"
{}
"#,
        mail_without_lead(),
        once(1, 600),
        sshd.hosts(hosts),
        job.replace("DIR", &dir)
    );
    scene.write("windows.toml", &toml);
    scene
}

fn count(scene: &Scene, what: &str) -> usize {
    let lines = scene.lines("order");
    lines.iter().filter(|line| line.starts_with(what)).count()
}

#[test]
fn a_job_goes_over_its_hosts_first_one_then_several_at_once() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = rollout(&sshd, 5, "canary = 1\nwait = \"1s\"\nparallel = 2");
    scene.write("hold", "");
    let mut daemon = scene.up();
    scene.wait_line("order", "begin web1");
    // The first one alone: nothing else begins while it runs.
    let status = scene.offhours(&["status", "--json"]).json();
    assert_eq!(
        status["running"].as_array().map(Vec::len),
        Some(1),
        "{status}"
    );
    std::fs::remove_file(scene.path("hold")).unwrap();
    scene.wait_line("order", "end web1");
    scene.write("hold", "");
    until("two at once", || {
        (count(&scene, "begin") == 3).then_some(())
    });
    assert_eq!(count(&scene, "end"), 1);
    let status = scene.offhours(&["status"]);
    let words = "roll: 1 of 5 hosts done, 2 at work";
    assert!(status.out.contains(words), "{}", status.out);
    std::fs::remove_file(scene.path("hold")).unwrap();
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    assert_eq!((count(&scene, "begin"), count(&scene, "end")), (5, 5));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn as_many_hosts_may_fail_as_was_said_and_no_more() {
    let Some(sshd) = Sshd::start() else { return };
    for (may_fail, worked_on) in [(0, 1), (1, 3), (2, 5)] {
        let scene = rollout(&sshd, 5, &format!("max_failures = {may_fail}"));
        scene.write("bad.web1", "");
        scene.write("bad.web3", "");
        let mut daemon = scene.up();
        let closed = daemon.wait("session_closed", &[]);
        assert_eq!(closed["outcome"], "failed");
        assert_eq!(count(&scene, "begin"), worked_on, "{}", daemon.story());
        assert_eq!(daemon.stop(), 0);
    }
}

#[test]
fn the_next_host_waits_until_the_one_before_is_well() {
    let Some(sshd) = Sshd::start() else { return };
    let healthy = "healthy = { script = \"echo asked >> DIR/order; test -e DIR/up\", successes = 2, timeout = \"30s\" }";
    let scene = rollout(&sshd, 2, healthy);
    let mut daemon = scene.up();
    scene.wait_line("order", "asked");
    assert_eq!(count(&scene, "begin"), 1);
    scene.write("up", "");
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
    let order = scene.lines("order");
    let second = order.iter().position(|line| line == "begin web2").unwrap();
    let asked = order[..second]
        .iter()
        .filter(|line| *line == "asked")
        .count();
    assert!(asked >= 3, "{order:?}");
    assert_eq!(daemon.stop(), 0);

    let scene = rollout(&sshd, 2, &healthy.replace("30s", "3s"));
    let mut daemon = scene.up();
    let closed = daemon.wait("session_closed", &[]);
    assert_eq!(closed["outcome"], "failed");
    assert_eq!(count(&scene, "begin"), 1);
    let history = scene.offhours(&["history"]).expect(0);
    assert!(
        history.out.contains("the host is not well"),
        "{}",
        history.out
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn doctor_says_what_a_night_would_miss() {
    let Some(mut sshd) = Sshd::start() else {
        return;
    };
    let scene = scene(&sshd, "timeout = \"20s\"");
    let finding = |said: &Value, part: &str, name: &str| {
        let findings = said.as_array().unwrap();
        let found = findings
            .iter()
            .find(|f| f["part"] == part && f["name"] == name);
        found
            .cloned()
            .unwrap_or_else(|| panic!("{part} {name} in {said}"))
    };
    let well = scene.offhours(&["doctor", "--json"]).expect(0).json();
    for host in ["web1", "web2"] {
        assert_eq!(finding(&well, "host", host)["level"], "good", "{well}");
    }
    let mails = scene.path("mail").display().to_string();
    assert_eq!(finding(&well, "mail", &mails)["level"], "good", "{well}");
    sshd.stop();
    let toml = scene.read("windows.toml");
    let smtp = toml.replace(
        "transport = \"file\"",
        "transport = \"smtp\"\nhost = \"127.0.0.1:1\"\ntls = \"none\"",
    );
    scene.write("windows.toml", &smtp);
    let said = scene.offhours(&["doctor", "--json"]).expect(1).json();
    let host = finding(&said, "host", "web1");
    assert_eq!(host["level"], "failure");
    assert!(host["text"].to_string().contains("efused"), "{host}");
    let mail = finding(&said, "mail", "127.0.0.1:1");
    assert_eq!(mail["level"], "failure", "{mail}");
    let words = scene.offhours(&["doctor", "--hosts", "web1"]).expect(1);
    assert!(words.out.contains("FAILED   host web1: "), "{}", words.out);
    assert!(!words.out.contains("web2"), "{}", words.out);
    let words = scene.offhours(&["doctor", "--hosts", "@web"]).expect(1);
    assert_eq!(
        words.out.matches("FAILED   host web").count(),
        2,
        "{}",
        words.out
    );
    for none in ["web9", "@wep"] {
        let words = scene.offhours(&["doctor", "--hosts", none]).expect(1);
        assert!(words.out.contains("no such host"), "{}", words.out);
    }
}

#[test]
fn doctor_looks_for_what_is_to_run_on_a_host() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = scene(&sshd, "timeout = \"20s\"");
    scene.script("well", "true");
    let path = |name: &str| scene.path(name).display().to_string();
    scene.write("open", "#!/bin/sh\n");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(scene.path("open"), open).unwrap();
    let job = |name: &str, program: &str, more: &str| {
        format!(
            "[periodic.{name}]\nschedule = \"0 5 * * *\"\nrun = [\"{program}\"]\nhosts = [\"web1\"]\n\
             timeout = \"5s\"\n{more}\n"
        )
    };
    // Through a link, too.
    std::os::unix::fs::symlink(scene.path("open"), scene.path("link")).unwrap();
    let jobs = [
        job("well", &path("well"), ""),
        job("known", "true", "dir = \"/\""),
        job("gone", "/nowhere/x", ""),
        job("unknown", "no-such-program", "env = { PATH = \"/bin\" }"),
        job("lost", "true", "dir = \"/nowhere\""),
        job("open", &path("link"), ""),
    ];
    let toml = scene.read("windows.toml") + &jobs.concat();
    scene.write("windows.toml", &toml);
    let texts = |level: &str| {
        let said = scene.offhours(&["doctor", "--json"]).expect(1).json();
        let of = |f: &&Value| f["part"] == "host" && f["level"] == level;
        let texts = said.as_array().unwrap().iter().filter(of);
        texts
            .map(|f| format!("{} {}", f["name"], f["text"]))
            .collect::<Vec<_>>()
    };
    let failed = texts("failure").join("\n");
    for words in [
        "no program /nowhere/x that may be executed (periodic.gone)",
        "no program no-such-program that may be executed (periodic.unknown)",
        "the folder /nowhere cannot be entered (periodic.lost)",
    ] {
        assert!(failed.contains(words), "{failed}");
    }
    assert_eq!(failed.lines().count(), 3, "{failed}");
    let warned = texts("warning").join("\n");
    assert!(
        warned.contains("open can be written by others (-rwxrwxrwx) (periodic.open)"),
        "{warned}"
    );
    assert_eq!(warned.lines().count(), 1, "{warned}");
    assert!(texts("good")[0].contains("web2"), "{:?}", texts("good"));
    // Not as a hook.
    let toml = toml.replace(
        "leave = [{ run = [\"stage\"",
        &format!("leave = [{{ run = [\"{}\"", path("link")),
    );
    scene.write("windows.toml", &toml);
    let failed = texts("failure").join("\n");
    assert!(
        failed.contains("can be written by others (-rwxrwxrwx) (leave hook of shop"),
        "{failed}"
    );
}

#[test]
fn a_host_is_touched_while_the_other_is_well_and_else_waits_for_another_night() {
    let Some(sshd) = Sshd::start() else { return };
    let scene = scene(&sshd, "timeout = \"20s\"");
    let toml = scene.read("windows.toml");
    // What it does makes the host well that is not.
    let toml = toml.replace(
        "hosts = [\"@web\", \"local\"]",
        &format!(
            "hosts = [\"@web\"]\nin_service = [\"@web\"]\nat_least = 1\nhealthy = {{ script = \"test ! -e $SCENE/ill.$OFFHOURS_HOST\", successes = 2, timeout = \"30s\", env = {{ SCENE = {:?} }} }}",
            scene.dir.path()
        ),
    );
    scene.write("windows.toml", &toml);
    scene.script(
        "stage",
        "rm -f \"$SCENE/ill.$OFFHOURS_HOST\"; echo \"$OFFHOURS_HOST $1\" >> \"$SCENE/order\"",
    );
    scene.write("ill.web2", "");
    let mut daemon = scene.up();
    daemon.wait("session_closed", &[]);
    assert_eq!(
        scene.lines("order"),
        ["web1 enter", "web2 work", "web1 leave"],
        "{}",
        daemon.story()
    );
    let history = scene.offhours(&["history", "--json"]).json();
    let rows = history.as_array().unwrap().iter();
    let put_off: Vec<&Value> = rows.filter(|row| row["outcome"] == "postponed").collect();
    assert_eq!(put_off.len(), 1, "{history:#}");
    assert_eq!(put_off[0]["host"], "web1");
    assert_eq!(put_off[0]["reason"], "too_few_in_service", "{history:#}");
    assert_eq!(daemon.stop(), 0);
}
