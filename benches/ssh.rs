//! `true` on 200 hosts, 50 at a time, beside bare `ssh` under `xargs -P 50` and, where it is, `ansible`, in the same run.
//!
//!     cargo bench --bench ssh -- [RUNS] [HOSTS] [PARALLEL]
//!
//! One sshd with throwaway keys is all hosts: every 127.1.x.y is one. Cold means that every connection is made anew,
//! warm that they are there. A run of ours is the whole of it: a client process, the runner with its marker, bound and
//! sweep on the host, and a verdict in a file; that of `ssh` is `true`. Medians and ranges; compare ratios, not times.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhours::ssh::{Destination, Masters, Order, Verdict, order};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|n| n.parse().ok()).collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let (runs, hosts, parallel) = (number(0, 3), number(1, 200), number(2, 50));
    let dir = tempfile::Builder::new()
        .prefix("b")
        .tempdir_in("/tmp")
        .unwrap();
    let (sshd, port) = serve(dir.path());
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let user = user.unwrap().unwrap().name;
    let addresses: Vec<String> = (0..hosts)
        .map(|n| format!("{user}@127.1.{}.{}", n / 100, n % 100 + 1))
        .collect();
    fs::write(dir.path().join("hosts"), addresses.join("\n") + "\n").unwrap();
    let destinations: Vec<Destination> = addresses
        .iter()
        .map(|ssh| Destination {
            port: Some(port),
            config_file: Some(dir.path().join("config")),
            connect_timeout: Duration::from_secs(60),
            ..Destination::new(ssh, ssh)
        })
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();

    println!("{hosts} hosts, {parallel} at a time, {runs} runs");
    let mut figures: [(&str, Vec<f64>); 6] = [
        ("ssh, cold, no master", Vec::new()),
        ("ssh, cold, ControlMaster", Vec::new()),
        ("ssh, warm", Vec::new()),
        ("offhours, connections alone", Vec::new()),
        ("offhours, cold", Vec::new()),
        ("offhours, warm", Vec::new()),
    ];
    for _ in 0..runs {
        figures[0].1.push(bare(dir.path(), parallel, false));
        figures[1].1.push(bare(dir.path(), parallel, true));
        figures[2].1.push(bare(dir.path(), parallel, true));
        forget(dir.path());

        let made = || Arc::new(Masters::new(&dir.path().join("m")).unwrap());
        let ours = |masters: &Arc<Masters>, run| {
            let fan = fan(masters, &destinations, parallel, dir.path(), run);
            let began = Instant::now();
            runtime.block_on(fan);
            began.elapsed().as_secs_f64()
        };
        let masters = made();
        figures[3].1.push(ours(&masters, false));
        drop(masters);
        let masters = made();
        figures[4].1.push(ours(&masters, true));
        figures[5].1.push(ours(&masters, true));
    }
    let ansible = [
        ansible(dir.path(), port, parallel),
        ansible(dir.path(), port, parallel),
    ];
    drop(sshd);
    match ansible {
        [Some(cold), Some(warm)] => {
            println!("ansible ad-hoc, {cold:.2} s cold, {warm:.2} s warm, once")
        }
        _ => println!("ansible is not there: pip install ansible-core into target/lab/ansible"),
    }
    for (name, mut seconds) in figures {
        seconds.sort_by(f64::total_cmp);
        let (least, most) = (seconds[0], seconds[seconds.len() - 1]);
        let median = seconds[seconds.len() / 2];
        println!("{name:30} {median:6.2} s  ({least:.2} to {most:.2})");
    }
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program}: {said}");
}

fn serve(dir: &Path) -> (Sshd, u16) {
    let at = |name: &str| dir.join(name).display().to_string();
    for key in ["host", "key"] {
        run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", &at(key)],
        );
    }
    fs::create_dir(dir.join("c")).unwrap();
    if nix::unistd::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let text = format!(
        "Port {port}\nListenAddress 0.0.0.0\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\n\
         UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\nMaxStartups 500:30:1000\nMaxSessions 100\nUseDNS no\nLogLevel ERROR\n\
         KexAlgorithms curve25519-sha256\nSetEnv HOME={} XDG_STATE_HOME={}\n",
        at("host"),
        at("key.pub"),
        // Whatever the login shell of this user does elsewhere, it does not do here.
        dir.display(),
        at("state"),
    );
    fs::write(dir.join("sshd_config"), text).unwrap();
    let key = fs::read_to_string(dir.join("host.pub")).unwrap();
    fs::write(dir.join("known"), format!("[127.1.*]:{port} {key}")).unwrap();
    let client = format!(
        "Port {port}\nIdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n\
         StrictHostKeyChecking yes\nBatchMode yes\nLogLevel ERROR\nKexAlgorithms curve25519-sha256\n",
        at("key"),
        at("known"),
    );
    let shared = format!(
        "{client}ControlMaster auto\nControlPersist 120\nControlPath {}/%h\n",
        at("c")
    );
    fs::write(dir.join("config"), client).unwrap();
    fs::write(dir.join("shared"), shared).unwrap();
    let child = Command::new("/usr/sbin/sshd")
        .args(["-D", "-f", &at("sshd_config")])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "sshd does not answer");
        std::thread::sleep(Duration::from_millis(10));
    }
    (Sshd(child), port)
}

/// `ssh` alone, under `xargs`.
fn bare(dir: &Path, parallel: usize, shared: bool) -> f64 {
    let config = dir.join(if shared { "shared" } else { "config" });
    let began = Instant::now();
    let status = Command::new("xargs")
        .args([&format!("-P{parallel}"), "-I@", "ssh", "-n", "-F"])
        .arg(config)
        .args(["@", "true"])
        .stdin(fs::File::open(dir.join("hosts")).unwrap())
        // A master keeps it open.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    began.elapsed().as_secs_f64()
}

/// The module `command` of Ansible, with pipelining and connections that persist; none where it is not installed.
fn ansible(dir: &Path, port: u16, parallel: usize) -> Option<f64> {
    let program = Path::new("target/lab/ansible/bin/ansible");
    if !program.exists() {
        return None;
    }
    let hosts = fs::read_to_string(dir.join("hosts")).unwrap();
    let python = "ansible_python_interpreter=/usr/bin/python3";
    let line = |host: &str| {
        let (user, host) = host.split_once('@').unwrap();
        format!("{host} ansible_user={user} ansible_port={port} {python}\n")
    };
    fs::write(
        dir.join("inventory"),
        hosts.lines().map(line).collect::<String>(),
    )
    .unwrap();
    let config = dir.join("config").display().to_string();
    fs::create_dir_all(dir.join("a")).unwrap();
    let began = Instant::now();
    let status = Command::new(program)
        .args(["all", "-m", "command", "-a", "true", "-f"])
        .arg(parallel.to_string())
        .arg("-i")
        .arg(dir.join("inventory"))
        .env("ANSIBLE_PIPELINING", "True")
        .env("ANSIBLE_LOCAL_TEMP", dir.join("at"))
        .env("ANSIBLE_SSH_CONTROL_PATH_DIR", dir.join("a"))
        .env(
            "ANSIBLE_SSH_ARGS",
            format!("-F {config} -o ControlMaster=auto -o ControlPersist=120"),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    Some(began.elapsed().as_secs_f64())
}

/// Ends the masters of bare `ssh`.
fn forget(dir: &Path) {
    for socket in fs::read_dir(dir.join("c")).unwrap() {
        let socket = socket.unwrap().path();
        let done = Command::new("ssh")
            .args(["-O", "exit", "-F", "/dev/null", "-S"])
            .arg(&socket)
            .arg("any")
            .stderr(Stdio::null())
            .status();
        assert!(done.unwrap().success());
    }
}

/// Reaches all hosts, and has `true` run on each if that is wanted.
async fn fan(masters: &Arc<Masters>, to: &[Destination], parallel: usize, dir: &Path, run: bool) {
    let places = Arc::new(Semaphore::new(parallel));
    let mut all = JoinSet::new();
    for destination in to {
        let (masters, destination) = (masters.clone(), destination.clone());
        let (places, dir) = (places.clone(), dir.to_owned());
        all.spawn(async move {
            let _place = places.acquire().await.unwrap();
            let control = masters.reach(&destination).await.unwrap();
            if run {
                let name = format!("bench.{}", fastrand::u64(..));
                let verdict = dir.join(&name);
                let order = order(control, name, verdict);
                assert_eq!(client(&order).await, Verdict::Exited { code: 0 });
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}

fn order(control: std::path::PathBuf, run: String, verdict: std::path::PathBuf) -> Order {
    Order {
        control,
        run,
        argv: vec!["true".into()],
        script: None,
        env: Vec::new(),
        dir: None,
        r#become: Vec::new(),
        lock: Vec::new(),
        lock_wait_s: 0,
        timeout_s: 600,
        grace_s: 10,
        umask: None,
        verdict,
    }
}

async fn client(order: &Order) -> Verdict {
    let status = tokio::process::Command::new(env!("CARGO_BIN_EXE_offhours"))
        .arg("internal-ssh")
        .env(order::VARIABLE, order.to_variable().unwrap())
        .stdin(Stdio::null())
        .status();
    status.await.unwrap();
    Verdict::read(&order.verdict).unwrap()
}
