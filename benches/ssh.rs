//! `true` on 200 hosts, 50 at a time: offhours beside bare `ssh` under `xargs -P 50`, and Ansible where it is there.
//!
//!     sh benches/ansible.sh; cargo bench --bench ssh -- [RUNS] [HOSTS] [PARALLEL] [work]
//!
//! With `work` it is `sleep 1` instead of `true`: how much longer a rollout takes for it whose work takes a second.
//!
//! Every host is an sshd at 127.1.x.y with throwaway keys; for root each has processes of its own (a PID namespace), so
//! that no host looks through those of all others. Cold means that every connection is made anew, warm that they are
//! there. A run of ours is the whole of it: a supervisor and a client here, as the daemon starts
//! them, the runner with its marker, bound and sweep on the host, and a verdict in a file; that of `ssh` is `true`.
//! What all hosts do is done by this machine's processors as well, so that times say little about what is waited for
//! where hosts are machines of their own. What this machine has to do for them is told apart: processor time of
//! everything that is started here, masters and this program included, by a cgroup of its own (needs root and cgroup v2).
//! Medians and ranges; compare ratios, not times.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhours::process::{Cgroups, Launcher, LockWait, RunEvent, RunSpec, Setup};
use offhours::ssh::{Destination, Masters, Order, Verdict, order};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Where `benches/ansible.sh` puts it.
const ANSIBLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/lab/ansible/bin/ansible"
);

struct Hosts(Vec<Child>);

impl Drop for Hosts {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Two cgroups: this program with all it starts, and the hosts.
#[derive(Default)]
struct Groups {
    here: Option<PathBuf>,
    hosts: Option<PathBuf>,
    /// Where this program was.
    before: PathBuf,
}

impl Groups {
    fn make() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let mount = mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            (fields.get(2) == Some(&"cgroup2")).then(|| PathBuf::from(fields[1]))
        })?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let group = |name: &str| {
            let path = mount.join(format!("offhours-bench-{}-{name}", std::process::id()));
            fs::create_dir(&path).ok()?;
            fs::read(path.join("cpu.stat")).ok().map(|_| path)
        };
        let groups = Self {
            here: group("here"),
            hosts: group("hosts"),
            before: mount.join(own),
        };
        fs::write(groups.here.as_ref()?.join("cgroup.procs"), "0").ok()?;
        Some(groups)
    }

    /// Seconds of processor time: here, of the hosts.
    fn seconds(&self) -> Option<[f64; 2]> {
        let of = |path: &Option<PathBuf>| {
            let text = fs::read_to_string(path.as_ref()?.join("cpu.stat")).ok()?;
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("usage_usec "))?;
            line.parse::<f64>().ok().map(|micros| micros / 1e6)
        };
        Some([of(&self.here)?, of(&self.hosts)?])
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let _ = fs::write(self.before.join("cgroup.procs"), "0");
        for path in [&self.here, &self.hosts].into_iter().flatten() {
            let _ = fs::write(path.join("cgroup.kill"), "1");
            let end = Instant::now() + Duration::from_secs(10);
            while fs::remove_dir(path).is_err() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// One kind of pass: seconds it took, and of processor time here and of the hosts.
struct Figures<'a> {
    name: &'a str,
    passes: Vec<[f64; 3]>,
}

struct Bench<'a> {
    dir: &'a Path,
    groups: &'a Groups,
    parallel: usize,
    all: Vec<Figures<'a>>,
}

impl<'a> Bench<'a> {
    fn pass(&mut self, name: &'a str, pass: impl FnOnce()) {
        let before = self.groups.seconds();
        let began = Instant::now();
        pass();
        let took = began.elapsed().as_secs_f64();
        let after = self.groups.seconds();
        let used = |at: usize| Some(after?[at] - before?[at]);
        let figures = [0, 1].map(|at| used(at).unwrap_or(f64::NAN));
        let row = [took, figures[0], figures[1]];
        match self.all.iter_mut().find(|figures| figures.name == name) {
            Some(figures) => figures.passes.push(row),
            None => self.all.push(Figures {
                name,
                passes: vec![row],
            }),
        }
    }

    fn tell(&self) {
        println!(
            "{:28}{:>27}{:>8}{:>27}{:>8}{:>27}",
            "", "seconds", "ratio", "CPU s here", "ratio", "CPU s of the hosts"
        );
        for figures in &self.all {
            // Beside bare ssh, cold beside cold.
            let word = if figures.name.ends_with("warm") {
                "ssh, warm"
            } else {
                "ssh, cold"
            };
            let base = self.all.iter().find(|other| other.name == word);
            print!("{:28}", figures.name);
            for column in 0..3 {
                let [least, median, most] = spread(&figures.passes, column);
                print!("{:>27}", format!("{median:.2} ({least:.2} to {most:.2})"));
                if let (Some(base), 0 | 1) = (base, column) {
                    print!("{:8.2}", median / spread(&base.passes, column)[1]);
                }
            }
            println!();
        }
    }
}

fn spread(passes: &[[f64; 3]], column: usize) -> [f64; 3] {
    let mut values: Vec<f64> = passes.iter().map(|row| row[column]).collect();
    values.sort_by(f64::total_cmp);
    [
        values[0],
        values[values.len() / 2],
        values[values.len() - 1],
    ]
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').next().unwrap().to_owned()
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|n| n.parse().ok()).collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let (runs, hosts, parallel) = (number(0, 3), number(1, 200), number(2, 50));
    let work = std::env::args().any(|word| word == "work");
    let command: &[&str] = if work { &["sleep", "1"] } else { &["true"] };
    let groups = Groups::make().unwrap_or_default();
    let dir = tempfile::Builder::new()
        .prefix("b")
        .tempdir_in("/tmp")
        .unwrap();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let user = user.unwrap().unwrap().name;
    let numbers = (0..hosts).map(|n| format!("127.1.{}.{}", n / 100, n % 100 + 1));
    let (sshd, port) = serve(dir.path(), &groups, &numbers.clone().collect::<Vec<_>>());
    let addresses: Vec<String> = numbers.map(|number| format!("{user}@{number}")).collect();
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
    let ansible = Path::new(ANSIBLE).exists();
    if ansible {
        prepare_ansible(dir.path(), &addresses, parallel);
    } else {
        println!("no Ansible: sh benches/ansible.sh installs it below target/");
    }
    if groups.seconds().is_none() {
        println!("no cgroup can be made: processor time is not told");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let launcher = runtime.block_on(Launcher::start(Setup {
        exe: env!("CARGO_BIN_EXE_offhours").into(),
        runs_lock: dir.path().join("runs.lock"),
        cgroups: Cgroups::Off,
    }));
    let ours = Arc::new(Ours {
        launcher: launcher.unwrap(),
        dir: dir.path().to_owned(),
        destinations,
    });
    let made = || Arc::new(Masters::new(&dir.path().join("m")).unwrap());

    println!(
        "{hosts} hosts, {parallel} at a time, {runs} runs; load before it {}",
        load()
    );
    let mut bench = Bench {
        dir: dir.path(),
        groups: &groups,
        parallel,
        all: Vec::new(),
    };
    for _ in 0..runs {
        for name in ["ssh, cold", "ssh, warm"] {
            let (dir, parallel) = (bench.dir, bench.parallel);
            bench.pass(name, || bare(dir, parallel, &command.join(" ")));
        }
        forget(dir.path());
        let masters = made();
        bench.pass("offhours, connections alone", || {
            runtime.block_on(ours.clone().fan(&masters, parallel, None));
        });
        drop(masters);
        let masters = made();
        for name in ["offhours, cold", "offhours, warm"] {
            bench.pass(name, || {
                runtime.block_on(ours.clone().fan(&masters, parallel, Some(command)));
            });
        }
        drop(masters);
        if ansible {
            for name in ["ansible, cold", "ansible, warm"] {
                bench.pass(name, || run_ansible(dir.path(), &command.join(" ")));
            }
            forget(dir.path());
        }
    }
    bench.tell();
    println!("load after it {}", load());

    println!(
        "\n{hosts} sessions open at once: MiB of memory (RSS, and PSS: shared parts counted once), descriptors"
    );
    let until = dir.path().join("until");
    let word = format!("until [ -e {} ]; do sleep 5; done", until.display());
    let masters = made();
    let fan = runtime.spawn({
        let (ours, masters, word) = (ours.clone(), masters.clone(), word.clone());
        async move { ours.fan(&masters, hosts, Some(&["sh", "-c", &word])).await }
    });
    wait_for(hosts, || shells(&word));
    hold("offhours", dir.path());
    fs::write(&until, "").unwrap();
    runtime.block_on(fan).unwrap();
    drop(masters);
    fs::remove_file(&until).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| bare(dir.path(), hosts, &word));
        wait_for(hosts, || shells(&word));
        hold("ssh", dir.path());
        fs::write(&until, "").unwrap();
    });
    forget(dir.path());
    drop(ours);
    drop(sshd);
}

fn wait_for(hosts: usize, count: impl Fn() -> usize) {
    let end = Instant::now() + Duration::from_secs(120);
    while count() < hosts {
        assert!(Instant::now() < end, "{} of {hosts} have begun", count());
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn command_line(pid: i32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = line.split(|byte| *byte == 0);
    words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Shells that execute this.
fn shells(word: &str) -> usize {
    let asked = |pid: i32| {
        let line = command_line(pid);
        line[0].ends_with("sh") && line[0] != "ssh" && line.iter().any(|other| other == word)
    };
    pids().filter(|pid| asked(*pid)).count()
}

/// What is held while all sessions are open: of everything that was started here, by what it is.
fn hold(name: &str, dir: &Path) {
    let mut kinds: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let below = dir.display().to_string();
    for pid in pids() {
        let line = command_line(pid);
        let ours = line.iter().any(|word| word.contains(&below));
        let kind = match (line[0].as_str(), line.get(1).map_or("", String::as_str)) {
            (_, "internal-ssh") => "clients",
            (first, second)
                if name == "offhours"
                    && first.contains("offhours")
                    && second.starts_with("internal-") =>
            {
                "supervisors"
            }
            // What `ssh` calls itself in the background; with the crate it keeps its name.
            (first, _) if first.starts_with("ssh:") && first.contains(&below) => "masters",
            ("ssh", _) if ours && name == "offhours" => "masters",
            ("ssh", _) if ours => "clients",
            _ => continue,
        };
        let figures = kinds.entry(kind).or_default();
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let kib = |field: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(field));
            let value = line.and_then(|line| line.trim().strip_suffix(" kB"));
            value.map_or(0, |value| value.trim().parse::<usize>().unwrap())
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        for (sum, value) in figures.iter_mut().zip([1, kib("Rss:"), kib("Pss:"), files]) {
            *sum += value;
        }
    }
    for (kind, [count, rss, pss, files]) in kinds {
        let (rss, pss) = (rss as f64 / 1024.0, pss as f64 / 1024.0);
        println!("{name:9}{count:5} {kind:12}{rss:8.1} RSS{pss:8.1} PSS{files:7} descriptors");
    }
    if name == "offhours" {
        let files = fs::read_dir("/proc/self/fd").unwrap().count();
        println!("{name:9}    1 this program, in the daemon's place{files:15} descriptors");
    }
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program}: {said}");
}

fn serve(dir: &Path, groups: &Groups, addresses: &[String]) -> (Hosts, u16) {
    let at = |name: &str| dir.join(name).display().to_string();
    for key in ["host", "key"] {
        run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", &at(key)],
        );
    }
    fs::create_dir(dir.join("c")).unwrap();
    let mut apart = "";
    let mut listening = vec!["0.0.0.0".to_owned()];
    if nix::unistd::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").unwrap();
        apart = "unshare --pid --fork --kill-child --mount-proc";
        listening = addresses.to_vec();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let text = format!(
        "Port {port}\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\n\
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
    // Into its group before it starts anything.
    let entering = "[ -z \"$1\" ] || echo 0 >\"$1/cgroup.procs\"\n\
                    exec $2 /usr/sbin/sshd -D -f \"$3\" -o \"ListenAddress=$4\"";
    let start = |address: &String| {
        let mut command = Command::new("sh");
        command.args(["-c", entering, "sh"]);
        command.arg(groups.hosts.as_deref().unwrap_or(Path::new("")));
        command.args([apart, &at("sshd_config"), address]);
        command.stdin(Stdio::null()).spawn().unwrap()
    };
    let hosts = Hosts(listening.iter().map(start).collect());
    let end = Instant::now() + Duration::from_secs(60);
    for address in addresses {
        while TcpStream::connect((address.as_str(), port)).is_err() {
            assert!(Instant::now() < end, "{address} does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    (hosts, port)
}

/// `ssh` alone, under `xargs`.
fn bare(dir: &Path, parallel: usize, word: &str) {
    let status = Command::new("xargs")
        .args([&format!("-P{parallel}"), "-I@", "ssh", "-n", "-F"])
        .arg(dir.join("shared"))
        .args(["@", word])
        .stdin(fs::File::open(dir.join("hosts")).unwrap())
        // A master keeps it open.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

/// Ends the masters of bare `ssh` and of Ansible.
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

fn prepare_ansible(dir: &Path, addresses: &[String], parallel: usize) {
    let python = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    let python = String::from_utf8(python.unwrap().stdout).unwrap();
    let lines = addresses
        .iter()
        .map(|address| format!("{address} ansible_python_interpreter={python}"));
    fs::write(dir.join("inventory"), lines.collect::<String>()).unwrap();
    let at = |name: &str| dir.join(name).display().to_string();
    let text = format!(
        "[defaults]\ninventory={}\nforks={parallel}\nlocal_tmp={}\n[ssh_connection]\npipelining=True\n\
         ssh_args=-F {} -o ControlMaster=auto -o ControlPersist=120\ncontrol_path_dir={}\n",
        at("inventory"),
        at("local"),
        at("config"),
        at("c"),
    );
    fs::write(dir.join("ansible.cfg"), text).unwrap();
}

fn run_ansible(dir: &Path, command: &str) {
    let log = fs::File::create(dir.join("ansible.log")).unwrap();
    let status = Command::new(ANSIBLE)
        .args(["all", "-m", "command", "-a", command])
        .env("ANSIBLE_CONFIG", dir.join("ansible.cfg"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .status();
    let said = || fs::read_to_string(dir.join("ansible.log")).unwrap();
    assert!(status.unwrap().success(), "{}", said());
}

/// What the daemon has for hosts.
struct Ours {
    launcher: Launcher,
    dir: PathBuf,
    destinations: Vec<Destination>,
}

impl Ours {
    /// Reaches all hosts, and has this run on each if that is wanted.
    async fn fan(self: Arc<Self>, masters: &Arc<Masters>, parallel: usize, argv: Option<&[&str]>) {
        let places = Arc::new(Semaphore::new(parallel));
        let argv: Option<Vec<String>> =
            argv.map(|argv| argv.iter().map(|word| (*word).to_owned()).collect());
        let mut all = JoinSet::new();
        for number in 0..self.destinations.len() {
            let (ours, masters) = (self.clone(), masters.clone());
            let (places, argv) = (places.clone(), argv.clone());
            all.spawn(async move {
                let _place = places.acquire().await.unwrap();
                let control = masters.reach(&ours.destinations[number]).await.unwrap();
                if let Some(argv) = argv {
                    let name = format!("bench.{}", fastrand::u64(..));
                    let order = order(control, name.clone(), argv, ours.dir.join(name));
                    assert_eq!(ours.run(&order).await, Verdict::Exited { code: 0 });
                }
            });
        }
        while let Some(done) = all.join_next().await {
            done.unwrap();
        }
    }

    async fn run(&self, order: &Order) -> Verdict {
        let mut run = self.launcher.spawn(RunSpec {
            id: order.run.clone(),
            argv: vec![env!("CARGO_BIN_EXE_offhours").into(), "internal-ssh".into()],
            env: vec![
                (order::VARIABLE.into(), order.to_variable().unwrap()),
                ("OFFHOURS_RUN".into(), order.run.clone()),
            ],
            dir: "/".into(),
            user: None,
            umask: None,
            locks: Vec::new(),
            lock_wait: LockWait::No,
            timeout: Duration::from_secs(3600),
            grace: Duration::from_secs(60),
            log: Some(self.dir.join("log").join(&order.run)),
            log_limit: 1 << 20,
            holder: "bench".into(),
        });
        while let Some(event) = run.recv().await {
            if let RunEvent::Ended(_) = event {
                break;
            }
        }
        Verdict::read(&order.verdict).unwrap()
    }
}

fn order(control: PathBuf, run: String, argv: Vec<String>, verdict: PathBuf) -> Order {
    Order {
        control,
        run,
        argv,
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
        tell: None,
        regardless: false,
    }
}
