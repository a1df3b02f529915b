//! Hosts that are machines of their own: behind a jump host, with `sudo`, restarted, switched off.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::machine::Machine;
use crate::scene::{Scene, mail_without_lead, once, until};

/// A machine that is logged in to as `deploy`, who may become root.
struct Reached {
    machine: Machine,
    keys: TempDir,
}

impl Reached {
    fn new(machine: Machine) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let key = keys.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        let public = fs::read_to_string(keys.path().join("key.pub")).unwrap();
        machine.run(&["useradd", "-m", "-s", "/bin/bash", "deploy"]);
        let home = "install -d -o deploy -m 700 /home/deploy/.ssh && cat >/home/deploy/.ssh/authorized_keys";
        let word = format!("echo '{}' | {{ {home}; }}", public.trim());
        machine.run(&["sh", "-c", &word]);
        let sudoers = machine.file("etc/sudoers.d/deploy");
        fs::write(&sudoers, "deploy ALL=(ALL) NOPASSWD: ALL\n").unwrap();
        let host = fs::read_to_string(machine.file("etc/ssh/ssh_host_ed25519_key.pub")).unwrap();
        let known = format!("{} {host}", machine.address);
        fs::write(keys.path().join("known"), known).unwrap();
        Self { machine, keys }
    }

    /// Only through another machine from here on, whichever boot it is in.
    fn keep_apart(&self) {
        let drop = self.machine.file("etc/systemd/network/10-lab.network.d");
        fs::create_dir_all(&drop).unwrap();
        let route = "[Route]\nDestination=10.99.0.1/32\nType=prohibit\n";
        fs::write(drop.join("apart.conf"), route).unwrap();
        self.machine.run(&["networkctl", "reload"]);
        self.machine.run(&["networkctl", "reconfigure", "host0"]);
        let address = format!("{}:22", self.machine.address).parse().unwrap();
        until("it to be unreachable from here", || {
            TcpStream::connect_timeout(&address, Duration::from_millis(300))
                .is_err()
                .then_some(())
        });
    }

    /// What it wrote, in whichever boot.
    fn order(&self) -> Vec<String> {
        let text = fs::read_to_string(self.machine.file("var/order")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// The tables of a machine, and one behind it. Both take the key of both.
fn hosts(gate: &Reached, web: &Reached) -> String {
    let (known, config) = (web.keys.path().join("both"), web.keys.path().join("config"));
    let texts = [gate, web].map(|one| fs::read_to_string(one.keys.path().join("known")).unwrap());
    fs::write(&known, texts.concat()).unwrap();
    fs::write(&config, "GlobalKnownHostsFile /dev/null\n").unwrap();
    // One key for the whole way.
    let key = fs::read_to_string(web.keys.path().join("key.pub")).unwrap();
    let word = format!("echo '{}' >>/home/deploy/.ssh/authorized_keys", key.trim());
    gate.machine.run(&["sh", "-c", &word]);
    let common = format!(
        "identity = {:?}\nknown_hosts = {known:?}\nssh_config = {config:?}\nconnect_timeout = \"3s\"\n\
         alive_interval = \"1s\"\nbecome = \"sudo -n\"\n",
        web.keys.path().join("key"),
    );
    format!(
        "[host.gate]\nssh = \"deploy@{}\"\n{common}[host.web]\nssh = \"deploy@{}\"\njump = \"deploy@{}\"\n{common}",
        gate.machine.address, web.machine.address, gate.machine.address
    )
}

fn scene(gate: &Reached, web: &Reached, jobs: &str) -> Scene {
    let hook = |word: &str| {
        format!(
            "[{{ script = \"echo {word} $(id -un) >> /var/order\", hosts = [\"web\"], timeout = \"30s\" }}]"
        )
    };
    Scene::new(&format!(
        "{}\n{}\n{}\n[app.shop]\nwindow = \"now\"\nenter = {}\nleave = {}\n{jobs}",
        mail_without_lead(),
        // The questions are asked over SSH before it is announced.
        once(8, 600),
        hosts(gate, web),
        hook("enter"),
        hook("leave"),
    ))
}

fn two() -> Option<(Reached, Reached)> {
    let (gate, web) = (Machine::find()?, Machine::find()?);
    let (gate, web) = (Reached::new(gate), Reached::new(web));
    web.keep_apart();
    Some((gate, web))
}

/// A machine that restarts goes down by itself here; this is the power button of its next boot. Until it is told to stop.
fn press_the_button(machine: &Machine, stop: &AtomicBool) -> u32 {
    let boot = || machine.run(&["cat", "/proc/sys/kernel/random/boot_id"]);
    let (first, mut pressed) = (boot(), 0);
    assert!(!first.trim().is_empty());
    while !stop.load(Ordering::Relaxed) {
        if boot() != first && pressed == 0 {
            machine.up();
            pressed += 1;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    pressed
}

#[test]
fn a_host_behind_another_is_restarted_by_one_who_becomes_root_and_goes_on_when_it_is_well() {
    let Some((gate, web)) = two() else { return };
    let jobs = r#"
[maintenance.kernel]
app = "shop"
every = "window"
reboot = true
only_if = { run = ["test", "-e", "/run/reboot-required"], timeout = "20s" }
healthy = { run = ["systemctl", "is-system-running"], successes = 2, timeout = "1m" }
hosts = ["gate", "web"]
timeout = "2m"
[maintenance.after]
app = "shop"
every = "window"
script = "echo after $(systemctl is-system-running) >> /var/order; cat /proc/sys/kernel/random/boot_id"
hosts = ["web"]
after = ["kernel"]
timeout = "30s"
"#;
    let scene = scene(&gate, &web, jobs);
    let said = scene.offhours(&["doctor", "--json"]).expect(0).json();
    let findings = said.as_array().unwrap();
    let well = |name: &str| {
        findings
            .iter()
            .any(|f| f["part"] == "host" && f["name"] == name && f["level"] == "good")
    };
    assert!(well("gate") && well("web"), "{said}");

    // What Debian leaves behind where a restart is wanted; /run forgets it with the boot.
    web.machine.run(&["touch", "/run/reboot-required"]);
    let before = web.machine.run(&["cat", "/proc/sys/kernel/random/boot_id"]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let button = threads.spawn(|| press_the_button(&web.machine, &stop));
        let mut daemon = scene.up();
        let closed = daemon.wait("session_closed", &[]);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(closed["outcome"], "succeeded", "{}", daemon.story());
        // The one that needs none was not touched.
        let skipped = daemon.wait("step_ended", &[("job", "kernel"), ("host", "gate")]);
        assert_eq!(skipped["outcome"], "skipped");
        assert_eq!(daemon.stop(), 0);
        assert_eq!(button.join().unwrap(), 1);
    });
    assert_ne!(
        web.machine.run(&["cat", "/proc/sys/kernel/random/boot_id"]),
        before
    );
    assert_eq!(web.order(), ["enter root", "after running", "leave root"]);
    let seen = web.machine.run(&["journalctl", "-u", "ssh", "--no-pager"]);
    let way = format!(
        "Accepted publickey for deploy from {} ",
        gate.machine.address
    );
    assert!(seen.contains(&way), "{seen}");
    assert!(!seen.contains("from 10.99.0.1 "), "{seen}");
}

#[test]
fn a_host_that_loses_its_power_in_the_middle_is_asked_when_it_is_back_and_nothing_is_repeated() {
    let Some((gate, web)) = two() else { return };
    let jobs = r#"
[maintenance.work]
app = "shop"
every = "window"
user = "deploy"
script = "echo work $(id -un) | sudo -n tee -a /var/order; sync; sleep 1000"
hosts = ["web"]
timeout = "5m"
grace = "1s"
retry = { attempts = 3, backoff = "1s" }
"#;
    let scene = scene(&gate, &web, jobs);
    let mut daemon = scene.up();
    until("the job", || {
        (web.order().last().map(String::as_str) == Some("work deploy")).then_some(())
    });
    web.machine.call(&["reset", &web.machine.name]);
    // Nobody answers: nothing is decided.
    daemon.wait_err("the host is asked");
    assert!(daemon.find("run_ended", &[("job", "work")]).is_none());
    web.machine.up();
    let ended = daemon.wait("run_ended", &[("job", "work")]);
    assert_eq!(ended["outcome"], "interrupted", "{ended}");
    let closed = daemon.wait("session_closed", &[]);
    assert_ne!(closed["outcome"], "succeeded");
    assert_eq!(web.order(), ["enter root", "work deploy", "leave root"]);
    assert_eq!(daemon.stop(), 0);
    assert!(Path::new(&web.machine.file("home/deploy/.local/state/offhours/runs")).exists());
}
