//! How fast many runs that are due at once are started, beside a bare loop that does nothing else.
//!
//! `cargo bench --bench starts [-- RUNS ROUNDS PROGRAM ARGUMENT…]`; `{}` in an argument becomes the number of the run.
//! `OFFHOURS_BENCH_CGROUPS` names a folder of a cgroup v2 file system for the runs' groups.
//! One line of JSON a round: seconds from the due instant to the start of the last job, and to the end of the last.
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use offhours::process::{Cgroups, Launcher, LockWait, RunEvent, RunSpec, Setup};

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .peekable();
    let mut number = |default| match arguments.peek().map(|argument| argument.parse()) {
        Some(Ok(number)) => {
            arguments.next();
            number
        }
        _ => default,
    };
    let (runs, rounds): (usize, usize) = (number(1000), number(3));
    let mut command: Vec<String> = arguments.collect();
    if command.is_empty() {
        command.push("/bin/true".into());
    }
    let of_run = |run: usize| -> Vec<String> {
        command
            .iter()
            .map(|argument| argument.replace("{}", &format!("j{run}")))
            .collect()
    };
    let dir = tempfile::tempdir().expect("a folder for locks");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let setup = Setup {
        exe: env!("CARGO_BIN_EXE_offhours").into(),
        runs_lock: dir.path().join("runs.lock"),
        cgroups: std::env::var_os("OFFHOURS_BENCH_CGROUPS")
            .map_or(Cgroups::Off, |folder| Cgroups::Below(folder.into())),
    };
    let launcher = runtime
        .block_on(Launcher::start(setup))
        .expect("the launcher starts");
    for round in 0..rounds {
        let (bare, bare_all) = bare(runs, of_run);
        let specs: Vec<RunSpec> = (0..runs)
            .map(|run| spec(dir.path(), run, of_run(run)))
            .collect();
        let due = wall();
        let (last, all) = runtime.block_on(supervised(&launcher, specs));
        println!(
            "{{\"round\":{round},\"runs\":{runs},\"due_ns\":{due},\"bare_s\":{bare:.3},\"bare_all_s\":{bare_all:.3},\
             \"last_start_s\":{last:.3},\"all_s\":{all:.3},\"ratio\":{:.2}}}",
            last / bare
        );
    }
}

/// `posix_spawn` in a loop. Returns when the last was started, and when all had ended.
fn bare(runs: usize, of_run: impl Fn(usize) -> Vec<String>) -> (f64, f64) {
    let due = Instant::now();
    let mut children = Vec::with_capacity(runs);
    for run in 0..runs {
        let argv = of_run(run);
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).stdin(Stdio::inherit());
        children.push(command.spawn().expect("the program starts"));
    }
    let last = due.elapsed();
    for child in &mut children {
        child.wait().expect("the program ends");
    }
    (last.as_secs_f64(), due.elapsed().as_secs_f64())
}

async fn supervised(launcher: &Launcher, specs: Vec<RunSpec>) -> (f64, f64) {
    let due = Instant::now();
    let runs: Vec<_> = specs.into_iter().map(|spec| launcher.spawn(spec)).collect();
    let mut last = Duration::ZERO;
    for mut run in runs {
        while let Some(event) = run.recv().await {
            match event {
                RunEvent::Began { .. } => last = last.max(due.elapsed()),
                RunEvent::Ended(result) => {
                    assert!(!result.elapsed.is_zero(), "not started: {:?}", result.end)
                }
                other => panic!("{other:?}"),
            }
        }
    }
    (last.as_secs_f64(), due.elapsed().as_secs_f64())
}

fn spec(dir: &Path, run: usize, argv: Vec<String>) -> RunSpec {
    RunSpec {
        id: format!("bench.{run}"),
        argv: argv.into_iter().map(Into::into).collect(),
        env: vec![
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("OFFHOURS_RUN".into(), format!("bench.{run}")),
        ],
        dir: "/".into(),
        user: None,
        umask: None,
        locks: vec![dir.join(format!("bench.{run}.lock"))],
        lock_wait: LockWait::No,
        timeout: Duration::from_secs(60),
        grace: Duration::from_secs(1),
        log: Some(dir.join(format!("bench.{run}.log"))),
        log_limit: 1 << 20,
        holder: format!("run bench.{run}"),
    }
}

/// Nanoseconds of the wall clock, to be compared with what a program that prints its start says.
fn wall() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map(|since| since.as_nanos()).unwrap_or_default()
}
