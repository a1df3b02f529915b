//! What a job is given, and what it is not.
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use offhours::process::{Credentials, End, RunEvent, lookup_user};

use crate::lab::{Lab, ended, exited, next};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_and_its_code_is_told() {
    let lab = Lab::new().await;
    assert_eq!(lab.run(lab.script("exit 0")).await.end, exited(0));
    assert_eq!(lab.run(lab.script("exit 75")).await.end, exited(75));
    assert_eq!(
        lab.run(lab.script("kill -KILL $$")).await.end,
        End::Signalled(9)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_what_was_given_and_nothing_else() {
    let lab = Lab::new().await;
    let mut spec = lab.script("");
    spec.argv = vec!["env".into()];
    spec.env.push(("OFFHOURS_RUN".into(), "test.1".into()));
    spec.env.push(("EMPTY".into(), String::new()));
    let result = lab.run(spec).await;
    assert_eq!(
        result.tail,
        "PATH=/usr/bin:/bin\nOFFHOURS_RUN=test.1\nEMPTY=\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_three_standard_descriptors_are_open() {
    let lab = Lab::new().await;
    std::fs::write(lab.path("l.lock"), "").unwrap();
    let mut spec = lab.script("");
    // The fourth is that of the folder being listed.
    spec.argv = vec!["ls".into(), "-l".into(), "/proc/self/fd".into()];
    spec.locks = vec![lab.path("l.lock")];
    let result = lab.run(spec).await;
    let open: Vec<&str> = result
        .tail
        .lines()
        .filter_map(|line| line.split(" -> ").nth(1))
        .collect();
    assert_eq!(open.len(), 4, "{}", result.tail);
    assert_eq!(open[0], "/dev/null");
    assert!(
        open[1].starts_with("pipe:") && open[1] == open[2],
        "{}",
        result.tail
    );
    assert!(open[3].starts_with("/proc/"), "{}", result.tail);
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_are_neither_ignored_nor_blocked() {
    let lab = Lab::new().await;
    let mut spec = lab.script("");
    // Not grep, which catches some itself.
    let wanted = "/^Sig\\(Blk\\|Ign\\|Cgt\\|Pnd\\)\\|^ShdPnd/p";
    spec.argv = vec![
        "sed".into(),
        "-n".into(),
        wanted.into(),
        "/proc/self/status".into(),
    ];
    let result = lab.run(spec).await;
    assert_eq!(result.tail.lines().count(), 5, "{}", result.tail);
    for line in result.tail.lines() {
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_has_a_session_and_a_supervisor_of_its_own() {
    let lab = Lab::new().await;
    // Fields of stat: pid, name, state, parent, group, session.
    let spec = lab.script("cut -d' ' -f1,4,5,6 /proc/$$/stat; cut -d' ' -f1,5,6 /proc/$PPID/stat");
    let result = lab.run(spec).await;
    let lines: Vec<Vec<&str>> = result
        .tail
        .lines()
        .map(|line| line.split(' ').collect())
        .collect();
    let (job, supervisor) = (&lines[0], &lines[1]);
    assert_eq!((job[0], job[0]), (job[2], job[3]), "{}", result.tail);
    assert_eq!(
        (job[1], supervisor[0]),
        (supervisor[0], supervisor[1]),
        "{}",
        result.tail
    );
    assert_eq!(supervisor[0], supervisor[2], "{}", result.tail);
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_umask_and_user_are_what_was_asked_for() {
    let lab = Lab::new().await;
    std::fs::create_dir(lab.path("work")).unwrap();
    let mut spec = lab.script("pwd -P; umask; touch made");
    spec.dir = lab.path("work");
    spec.umask = Some(0o027);
    let result = lab.run(spec).await;
    let work = lab.path("work").canonicalize().unwrap();
    assert_eq!(result.tail, format!("{}\n0027\n", work.display()));
    assert_eq!(
        lab.path("work/made")
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o640
    );
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut spec = lab.script("grep -E '^(Uid|Gid|Groups|CapEff)' /proc/self/status");
    spec.dir = "/".into();
    spec.user = Some(Credentials {
        uid: 1234,
        gid: 2345,
        groups: vec![2345, 3456],
    });
    let result = lab.run(spec).await;
    let words: Vec<&str> = result.tail.split_whitespace().collect();
    let expected = "Uid: 1234 1234 1234 1234 Gid: 2345 2345 2345 2345 Groups: 2345 3456 CapEff: 0000000000000000";
    assert_eq!(words.join(" "), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_the_user_may_not_enter_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let lab = Lab::new().await;
    std::fs::create_dir(lab.path("private")).unwrap();
    std::fs::set_permissions(lab.path("private"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(lab.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut spec = lab.script("true");
    spec.dir = lab.path("private");
    spec.user = Some(Credentials {
        uid: 1234,
        gid: 1234,
        groups: vec![],
    });
    let End::SpawnFailed(reason) = lab.run(spec).await.end else {
        panic!("it started")
    };
    assert!(
        reason.contains("private") && reason.contains("Permission denied"),
        "{reason}"
    );
}

#[test]
fn users_are_found_by_name_and_number() {
    let root = lookup_user("root", None).unwrap();
    assert_eq!((root.credentials.uid, root.credentials.gid), (0, 0));
    assert_eq!(lookup_user("0", None).unwrap(), root);
    assert!(root.home.metadata().unwrap().is_dir());
    let refused = lookup_user("no-such-user", None).unwrap_err().to_string();
    assert!(refused.contains("no-such-user"), "{refused}");
    assert!(lookup_user("root", Some("no-such-group")).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_says_why() {
    let lab = Lab::new().await;
    std::fs::write(lab.path("plain"), "#!/bin/sh\n").unwrap();
    let reason = async |program: &str, dir: &str| {
        let mut spec = lab.script("");
        spec.argv = vec![program.into()];
        spec.dir = dir.into();
        let mut run = lab.launcher.spawn(spec);
        let RunEvent::Ended(result) = next(&mut run).await else {
            panic!("it began")
        };
        let End::SpawnFailed(reason) = result.end else {
            panic!("it started")
        };
        assert_eq!((result.output_bytes, result.log_written), (0, false));
        reason
    };
    let missing = reason("no-such-program", "/").await;
    assert!(
        missing.contains("no-such-program") && missing.contains("No such file"),
        "{missing}"
    );
    assert!(
        reason("/no/such/program", "/")
            .await
            .contains("/no/such/program")
    );
    assert!(
        reason("true", "/no/such/folder")
            .await
            .contains("/no/such/folder")
    );
    let plain = reason(lab.path("plain").to_str().unwrap(), "/").await;
    assert!(plain.contains("Permission denied"), "{plain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_without_a_first_line_is_run_by_the_shell() {
    let lab = Lab::new().await;
    std::fs::write(lab.path("bare"), "echo $# \"$1\"\n").unwrap();
    std::fs::set_permissions(lab.path("bare"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut spec = lab.script("");
    spec.argv = vec!["./bare".into(), "a b".into(), "c".into()];
    assert_eq!(lab.run(spec).await.tail, "2 a b\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_argument_lists_arrive_whole() {
    let lab = Lab::new().await;
    let mut spec = lab.script("for a; do printf %s \"$a\"; done | wc -c; echo $#");
    spec.argv.push("sh".into());
    spec.argv
        .extend((0..2000).map(|number| format!("{number:0>400}").into()));
    assert_eq!(
        lab.run(spec)
            .await
            .tail
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["800000", "2000"]
    );
    let mut spec = lab.script("");
    spec.argv = vec!["true".into(), "x".repeat(200 << 10).into()];
    let End::SpawnFailed(reason) = lab.run(spec).await.end else {
        panic!("longer than the kernel takes")
    };
    assert!(reason.contains("too long"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_at_once_do_not_disturb_each_other() {
    let lab = Lab::new().await;
    let mut runs: Vec<_> = (0..200)
        .map(|number| {
            let mut spec = lab.script(&format!("echo {number}; exit {}", number % 100));
            spec.id = format!("many.{number}");
            spec.locks = vec![lab.path(&format!("many.{number}.lock"))];
            spec.log = Some(lab.path(&format!("logs/{number}.log")));
            lab.launcher.spawn(spec)
        })
        .collect();
    for (number, run) in runs.iter_mut().enumerate() {
        let result = ended(run).await;
        assert_eq!(
            (result.end, result.tail),
            (exited(number as i32 % 100), format!("{number}\n"))
        );
        let log = lab.path(&format!("logs/{number}.log")).metadata().unwrap();
        assert_eq!(log.mode() & 0o777, 0o600);
    }
}

#[test]
fn a_job_outlives_the_thread_that_asked_for_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_keep_alive(std::time::Duration::from_millis(1))
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let lab = std::sync::Arc::new(Lab::new().await);
        let asked = std::sync::Arc::clone(&lab);
        let (mut run, thread) = tokio::task::spawn_blocking(move || {
            let run = asked
                .launcher
                .spawn(asked.script("while test ! -e go; do sleep 0.01; done; exit 7"));
            (run, rustix::thread::gettid())
        })
        .await
        .unwrap();
        let thread = format!("/proc/self/task/{thread}");
        crate::lab::wait_until("the thread ends", || {
            !std::path::Path::new(&thread).exists()
        });
        std::fs::write(lab.path("go"), "").unwrap();
        assert_eq!(ended(&mut run).await.end, exited(7));
    });
}
