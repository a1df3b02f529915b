//! What is run, with what, and what is heard of it.
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use offhours::process::{Cgroups, End, Launcher, LockWait, RunEvent, RunSpec, Setup};
use offhours::ssh::{Fate, Order, Verdict, order, probe};

use super::lab::{Lab, PATIENCE, finish, processes, start, until};

#[tokio::test]
async fn exit_codes_and_signals_are_those_of_the_program() {
    let Some(lab) = Lab::start("exit_codes_and_signals_are_those_of_the_program") else {
        return;
    };
    // What a shell has for signals, a program may return as well.
    for code in [0, 1, 69, 75, 124, 127, 137, 255] {
        let order = lab.shell(&format!("exit {code}")).await;
        let done = finish(order.clone());
        let verdict = Verdict::Exited { code };
        assert_eq!((done.status, &done.verdict), (Some(code), &verdict));
        assert_eq!(lab.fate(&order).await, Fate::Ended { verdict });
    }
    for signal in [9, 15] {
        let order = lab.shell(&format!("kill -{signal} $$")).await;
        let done = finish(order.clone());
        let verdict = Verdict::Signalled { signal };
        assert_eq!((done.status, &done.verdict), (Some(128 + signal), &verdict));
        assert_eq!(lab.fate(&order).await, Fate::Ended { verdict });
    }
}

#[tokio::test]
async fn arguments_and_variables_arrive_as_they_are() {
    let Some(lab) = Lab::start("arguments_and_variables_arrive_as_they_are") else {
        return;
    };
    let values = [
        "",
        " a  b ",
        "it's \"quoted\"",
        "$(id) `id` $HOME \\n \\",
        "two\nlines\n\n",
        "für 日本 🦀",
        "-n",
        "*",
        "%s%b",
        "\u{1b}[31m",
        "a=b",
    ];
    let mut order = lab
        .order(&["sh", "-c", r#"printf '%s\0' "$@" "$A" "$B""#, "name"])
        .await;
    order.argv.extend(values.iter().map(|v| (*v).to_owned()));
    order.env.push(("A".into(), values[4].into()));
    order.env.push(("B".into(), values[3].into()));
    let done = finish(order);
    let printed: Vec<&str> = done.output.split_terminator('\0').collect();
    assert_eq!(printed, [&values[..], &[values[4], values[3]]].concat());
    assert_eq!(done.verdict, Verdict::Exited { code: 0 });
}

#[tokio::test]
async fn a_job_has_what_was_ordered_and_nothing_else() {
    let Some(lab) = Lab::start("a_job_has_what_was_ordered_and_nothing_else") else {
        return;
    };
    let mut order = lab
        .shell(
            "env -0 | tr '\\0\\n' '\\n?'; echo; pwd; umask; ls /proc/self/fd | tr '\\n' ' '; cat",
        )
        .await;
    order.env.push(("A".into(), "1".into()));
    order.dir = Some("/usr".into());
    order.umask = Some(0o027);
    let run = order.run.clone();
    let done = finish(order);
    let (variables, rest) = done.output.split_once("\n\n").unwrap();
    let mut names: Vec<&str> = variables
        .lines()
        .map(|line| line.split_once('=').unwrap().0)
        .filter(|name| !["PWD", "SHLVL", "_"].contains(name))
        .collect();
    names.sort_unstable();
    let all = [
        "A",
        "HOME",
        "LANG",
        "OFFHOURS_REMOTE",
        "OFFHOURS_RUN",
        "PATH",
        "USER",
    ];
    assert_eq!(names, all);
    assert!(variables.contains(&format!("OFFHOURS_RUN={run}")));
    // The fourth descriptor is that of `ls`.
    assert_eq!(rest, "/usr\n0027\n0 1 2 3 ");
}

#[tokio::test]
async fn a_script_is_sent_along_and_removed() {
    let Some(lab) = Lab::start("a_script_is_sent_along_and_removed") else {
        return;
    };
    let script = lab.path("job");
    let text = "#!/bin/sh\necho \"$1 it's\"; exit 7\n#".to_owned() + &"x".repeat(200_000);
    fs::write(&script, text).unwrap();
    let mut order = lab.order(&["job", "here"]).await;
    order.script = Some(script.clone());
    let done = finish(order);
    assert_eq!(done.output, "here it's\n");
    assert_eq!(done.verdict, Verdict::Exited { code: 7 });
    assert_eq!(fs::read_dir(lab.state("tmp")).unwrap().count(), 0);

    let mut order = lab.order(&["job"]).await;
    order.script = Some(lab.path("nowhere"));
    let done = finish(order);
    assert_eq!(done.status, Some(127));
    assert!(matches!(done.verdict, Verdict::NotStarted { .. }));
}

#[tokio::test]
async fn what_cannot_be_started_is_told_as_not_started() {
    let Some(lab) = Lab::start("what_cannot_be_started_is_told_as_not_started") else {
        return;
    };
    let mut orders = vec![
        (lab.order(&["no-such-program"]).await, "no-such-program"),
        (lab.order(&["/etc/passwd"]).await, "/etc/passwd"),
        (lab.order(&["true"]).await, "/no/such/folder"),
        (lab.order(&["true"]).await, "not allowed"),
    ];
    orders[2].0.dir = Some("/no/such/folder".into());
    let refusing = ["sh", "-c", "echo not allowed >&2; exit 1", "sudo"];
    orders[3].0.r#become = refusing.map(Into::into).to_vec();
    for (order, part) in orders {
        let done = finish(order.clone());
        let Verdict::NotStarted { why } = done.verdict else {
            panic!("{order:?}: {:?}", done.verdict);
        };
        assert!(why.contains(part), "{why}");
        assert_eq!(done.status, Some(127));
        assert_eq!(
            lab.fate(&Order {
                r#become: vec![],
                ..order
            })
            .await,
            Fate::NeverBegan
        );
    }
}

#[tokio::test]
async fn somebody_else_is_become_with_all_of_the_run() {
    let Some(lab) = Lab::start("somebody_else_is_become_with_all_of_the_run") else {
        return;
    };
    let other = lab.path("other");
    let mut order = lab.shell("echo ran").await;
    let state = format!("XDG_STATE_HOME={}", other.display());
    order.r#become = vec!["env".into(), state, "USER=else".into()];
    let done = finish(order.clone());
    assert_eq!(done.output, "ran\n");
    let marker = other.join("offhours/runs").join(&order.run);
    assert!(
        fs::read_to_string(marker)
            .unwrap()
            .ends_with("end exit 0\n")
    );
    let ended = Fate::Ended {
        verdict: Verdict::Exited { code: 0 },
    };
    assert_eq!(lab.fate(&order).await, ended);

    let control = lab.control().await;
    let found = probe(&control, &order.r#become).await.unwrap();
    assert_eq!(found.may_become, Some(true));
    assert_eq!((found.missing.len(), found.clock_ahead_s), (0, 0));
    assert!(found.free.unwrap() > 0 && found.boot_id.len() == 36);
    let found = probe(&control, &["false".into()]).await.unwrap();
    assert_eq!(found.may_become, Some(false));
}

#[tokio::test]
async fn much_output_needs_little_memory() {
    let Some(lab) = Lab::start("much_output_needs_little_memory") else {
        return;
    };
    let size = 100 << 20;
    let order = lab
        .shell(&format!("head -c {size} /dev/zero; echo end"))
        .await;
    let mut client = start(order);
    let mut stdout = client.guard.0.stdout.take().unwrap();
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        match stdout.read(&mut buffer).unwrap() {
            0 => break,
            length => total += length,
        }
    }
    assert_eq!(total, size + "end\n".len());
    // SAFETY: both are local; the child has not been waited for.
    let usage = unsafe {
        let mut status = 0;
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(
            libc::wait4(client.pid(), &raw mut status, 0, &raw mut usage),
            client.pid()
        );
        usage
    };
    assert!(usage.ru_maxrss < 48 << 10, "{} KiB", usage.ru_maxrss);
    let verdict = Verdict::read(&client.order.verdict).unwrap();
    assert_eq!(verdict, Verdict::Exited { code: 0 });
}

#[tokio::test]
async fn nobody_on_the_host_can_read_a_secret_off_a_command_line() {
    let Some(lab) = Lab::start("nobody_on_the_host_can_read_a_secret_off_a_command_line") else {
        return;
    };
    let secret = format!("secret{}", fastrand::u64(..));
    let mark = format!("/tmp/mark.{}", fastrand::u64(..));
    let mut order = lab
        .shell(&format!(
            "test -n \"$S\" || exit 9; echo up; sleep 1000; : {mark}"
        ))
        .await;
    order.env.push(("S".into(), secret.clone()));
    let verdict = order.verdict.clone();
    let client = start(order);
    until("the job runs", || !processes(&mark).is_empty());
    assert_eq!(processes(&secret), [0i32; 0]);
    client.signal(nix::sys::signal::Signal::SIGTERM);
    client.done();
    let mode = fs::metadata(&verdict).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supervisor_runs_it_as_every_run() {
    let Some(lab) = Lab::start("the_supervisor_runs_it_as_every_run") else {
        return;
    };
    let launcher = Launcher::start(Setup {
        exe: env!("CARGO_BIN_EXE_offhours").into(),
        runs_lock: lab.path("runs.lock"),
        cgroups: Cgroups::Off,
    });
    let launcher = launcher.await.unwrap();
    let mark = format!("8{}", fastrand::u32(..));
    let order = lab
        .shell(&format!(
            "echo printed; (setsid sleep {mark} &); sleep {mark}"
        ))
        .await;
    let mut run = launcher.spawn(RunSpec {
        id: order.run.clone(),
        argv: vec![env!("CARGO_BIN_EXE_offhours").into(), "internal-ssh".into()],
        env: vec![
            (order::VARIABLE.into(), order.to_variable().unwrap()),
            ("OFFHOURS_RUN".into(), order.run.clone()),
        ],
        dir: lab.dir.path().to_owned(),
        user: None,
        umask: None,
        locks: Vec::new(),
        lock_wait: LockWait::No,
        timeout: PATIENCE,
        grace: PATIENCE,
        log: Some(lab.path("run.log")),
        log_limit: 1 << 20,
        holder: "test".into(),
    });
    until("the job and its daemon run", || processes(&mark).len() >= 3);
    run.stopper().stop();
    let result = loop {
        match tokio::time::timeout(PATIENCE, run.recv()).await.unwrap() {
            Some(RunEvent::Ended(result)) => break result,
            Some(_) => {}
            None => panic!("no end"),
        }
    };
    assert_eq!(result.end, End::Stopped { exit: Some(143) });
    assert_eq!(processes(&mark), [0i32; 0]);
    let log = fs::read_to_string(lab.path("run.log")).unwrap();
    assert!(log.contains("printed"), "{log}");
    let verdict = Verdict::read(&order.verdict).unwrap();
    assert_eq!(verdict, Verdict::Signalled { signal: 15 });
}

#[tokio::test]
async fn noise_without_an_end_of_its_line_hides_nothing() {
    let test = "noise_without_an_end_of_its_line_hides_nothing";
    // As one who sets the title of a terminal does it, whoever logs in.
    let noisy = "\nForceCommand printf title >&2; eval \"$SSH_ORIGINAL_COMMAND\"";
    let Some(lab) = Lab::start_with(test, noisy, &[]) else {
        return;
    };
    let done = finish(lab.shell("echo out; exit 3").await);
    assert_eq!(done.verdict, Verdict::Exited { code: 3 });
    assert_eq!(done.output, "out\n");
}
