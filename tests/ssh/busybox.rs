//! A host with nothing but busybox.
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::signal::Signal;
use offhours::ssh::{Fate, Verdict, probe};

use super::lab::{Lab, finish, folder, processes, skip, start, until};

const BUSYBOX: &str = "/bin/busybox";

#[tokio::test]
async fn a_host_with_busybox_alone_does_the_same() {
    let test = "a_host_with_busybox_alone_does_the_same";
    if !Path::new(BUSYBOX).exists() {
        return skip(test, "busybox is not installed: run tests/lab/setup.sh");
    }
    let mut unshare = std::process::Command::new("unshare");
    if !unshare
        .args(["-m", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        return skip(test, "no mount namespace can be made");
    }
    let tools = folder();
    let applets = std::process::Command::new(BUSYBOX)
        .arg("--list")
        .output()
        .unwrap();
    let applets = String::from_utf8(applets.stdout).unwrap();
    for tool in [
        "sh", "setsid", "timeout", "flock", "mkfifo", "mkdir", "rm", "head", "tr", "sed", "sleep",
        "wc", "chmod", "date", "sync", "env", "id", "find", "df", "printf", "kill", "cat", "true",
    ] {
        // Debian's has no flock.
        let its_own = applets.lines().any(|applet| applet == tool);
        let program = if its_own { BUSYBOX } else { "/usr/bin/flock" };
        assert!(its_own || tool == "flock", "busybox has no {tool}");
        symlink(program, tools.path().join(tool)).unwrap();
    }
    let path = tools.path().display().to_string();
    let under = [
        "unshare",
        "-m",
        "sh",
        "-c",
        "mount --bind \"$0\" /bin/sh && exec \"$@\"",
        BUSYBOX,
    ];
    let Some(lab) = Lab::start_with(test, &format!(" PATH={path}"), &under) else {
        return;
    };
    let told = finish(
        lab.shell("readlink -f /proc/$$/exe 2>/dev/null || echo none")
            .await,
    );
    assert_eq!(told.output, "none\n", "it is not busybox alone");

    for code in [0, 3, 137] {
        let order = lab.shell(&format!("echo printed; exit {code}")).await;
        let done = finish(order.clone());
        let verdict = Verdict::Exited { code };
        assert_eq!(
            (done.output.as_str(), &done.verdict),
            ("printed\n", &verdict)
        );
        assert_eq!(lab.fate(&order).await, Fate::Ended { verdict });
    }
    let done = finish(lab.shell("kill -9 $$").await);
    assert_eq!(done.verdict, Verdict::Signalled { signal: 9 });

    let mark = format!("6{}", fastrand::u32(..));
    let mut order = lab
        .shell(&format!(
            "(setsid sleep {mark} &); (trap '' TERM; setsid sleep {mark} &); sleep {mark}"
        ))
        .await;
    order.lock = vec!["apt.lock".into()];
    let client = start(order);
    until("all of it runs", || processes(&mark).len() > 3);
    let mut second = lab.order(&["true"]).await;
    second.lock = vec!["apt.lock".into()];
    assert!(matches!(finish(second).verdict, Verdict::Busy { .. }));
    client.signal(Signal::SIGTERM);
    let done = client.done();
    assert_eq!(done.verdict, Verdict::Signalled { signal: 15 });
    assert_eq!(processes(&mark), [0i32; 0]);

    let script = lab.path("job");
    fs::write(&script, "#!/bin/sh\necho \"$1\"\n").unwrap();
    let mut order = lab.order(&["job", "it's\n$(id)"]).await;
    order.script = Some(script);
    assert_eq!(finish(order).output, "it's\n$(id)\n");

    let found = probe(&lab.control().await, &["env".into()]).await.unwrap();
    assert_eq!((found.missing.len(), found.may_become), (0, Some(true)));
    assert!(found.free.is_some() && found.clock_ahead_s == 0);
    // What only says that all went well becomes nobody.
    let found = probe(&lab.control().await, &["true".into()]).await.unwrap();
    assert_eq!(found.may_become, Some(false), "{found:?}");
}
