//! The plan of a year: how long it takes, how much memory it needs, and how both grow.
//!
//! `cargo bench --bench plan` prints a table. Each row is planned in a process of its own, so that its peak of memory is
//! its own; beside it stands what the bare list of its occurrences costs, the least that any planner must look at.

use std::fmt::Write as _;
use std::io::BufWriter;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use offhours::config::{Env, Purpose, load};
use offhours::core::plan::plan;
use offhours::core::policy::{Name, Policy};
use offhours::core::report::PlanView;
use offhours::core::state::State;

/// One installation: an app for each window, its jobs, and hosts that belong to one app each.
#[derive(Clone, Copy)]
struct Size {
    windows: usize,
    jobs: usize,
    hosts: usize,
    days: i64,
    /// Whether every job is due every night; else one is weekly and the others are monthly.
    nightly: bool,
}

const ROWS: &[Size] = &[
    size(10, 100, 50, 365, false),
    size(100, 1_000, 500, 365, false),
    size(1_000, 10_000, 5_000, 30, false),
    size(1_000, 10_000, 5_000, 90, false),
    size(1_000, 10_000, 5_000, 365, false),
    size(2_000, 20_000, 10_000, 365, false),
    size(100, 1_000, 0, 365, true),
    size(1_000, 10_000, 0, 365, true),
];

const fn size(windows: usize, jobs: usize, hosts: usize, days: i64, nightly: bool) -> Size {
    Size {
        windows,
        jobs,
        hosts,
        days,
        nightly,
    }
}

const FROM: &str = "2027-01-11T08:00:00Z";

fn text(size: Size) -> String {
    let mut text = String::from(
        "time_zone = \"Europe/Berlin\"\n[notice]\nto = [\"team@example.org\"]\noperators = [\"ops@example.org\"]\n\
         [freeze.sale]\nfrom = \"2027-11-22\"\nuntil = \"2027-11-30\"\n",
    );
    for n in 0..size.windows {
        let (hour, minute) = (20 + n % 4, n % 60);
        write!(
            text,
            "[window.w{n}]\nopen = \"daily {hour}:{minute:02}-05:00\"\n[app.a{n}]\nwindow = \"w{n}\"\n"
        )
        .expect("text");
    }
    for n in 0..size.jobs {
        let (app, place) = (n % size.windows, n / size.windows);
        let when = match place {
            _ if size.nightly => "every = \"window\"".to_owned(),
            0 => format!("schedule = \"0 12 * * {}\"", app % 7),
            _ => format!("schedule = \"0 12 {} * *\"", 1 + (app + place * 3) % 28),
        };
        write!(
            text,
            "[maintenance.j{n}]\napp = \"a{app}\"\n{when}\nrun = [\"true\"]\nestimate = \"10m\"\ntimeout = \"30m\"\n"
        )
        .expect("text");
    }
    text
}

fn policy(size: Size) -> (Policy, Duration) {
    let dir = std::env::temp_dir().join(format!("offhours-plan-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    let file = dir.join("windows.toml");
    std::fs::write(&file, text(size)).expect("a file");
    let env = Env::from_iter([("STATE_DIRECTORY", "/var/lib/offhours")]);
    let now = FROM.parse().expect("an instant");
    let began = Instant::now();
    let loaded = load(&file, &env, now, Purpose::Read);
    let took = began.elapsed();
    let mut policy = loaded.unwrap_or_else(|e| panic!("{e:?}")).policy;
    let _ = std::fs::remove_dir_all(&dir);
    // Two of an app's jobs go to all its hosts.
    let own = size.hosts / size.windows;
    for (n, job) in policy.maintenance.values_mut().enumerate() {
        if own > 0 && n / size.windows < 2 {
            let app = n % size.windows;
            job.hosts = (0..own)
                .map(|host| Name::from(format!("h{app}-{host}")))
                .collect();
        }
    }
    (policy, took)
}

/// The peak of this process so far, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn row(size: Size) {
    let (policy, loading) = policy(size);
    let state = State::default();
    let now: Timestamp = FROM.parse().expect("an instant");
    let until = now + SignedDuration::from_hours(24 * size.days);
    let began = Instant::now();
    let occurrences: usize = policy
        .windows
        .values()
        .map(|window| window.occurrences(now, until).count())
        .sum();
    let bare = began.elapsed();
    let before = peak();
    let mut best = Duration::MAX;
    for _ in 0..2 {
        let began = Instant::now();
        let planned = plan(&policy, &state, now, until);
        best = best.min(began.elapsed());
        drop(planned);
    }
    let planned = plan(&policy, &state, now, until);
    let memory = peak();
    let steps: usize = planned
        .sessions
        .iter()
        .map(|session| session.steps.len())
        .sum();
    let began = Instant::now();
    let view = PlanView {
        policy: &policy,
        plan: &planned,
        limit: usize::MAX,
    };
    let mut counted = Counted(0);
    serde_json::to_writer(BufWriter::new(&mut counted), &view).expect("written");
    let writing = began.elapsed();
    println!(
        "{:>7} {:>6} {:>6} {:>4} {:>7} {:>8} {:>9} {:>6} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>7} {:>6}",
        size.windows,
        size.jobs,
        size.hosts,
        size.days,
        if size.nightly { "nightly" } else { "mixed" },
        planned.sessions.len(),
        steps,
        occurrences / 1000,
        loading.as_secs_f64(),
        bare.as_secs_f64(),
        best.as_secs_f64(),
        writing.as_secs_f64(),
        memory.saturating_sub(before),
        counted.0 / 1_000_000,
    );
}

struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn main() {
    let mut args = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"));
    if let Some(number) = args.next().and_then(|arg| arg.parse::<usize>().ok()) {
        return row(ROWS[number]);
    }
    println!(
        "windows   jobs  hosts days     due sessions     steps  occ.k load s  bare s  plan s  json s  MiB + JSON MB"
    );
    let own = std::env::current_exe().expect("this program");
    for number in 0..ROWS.len() {
        let done = Command::new(&own).arg(number.to_string()).status();
        assert!(done.expect("started").success());
    }
}
