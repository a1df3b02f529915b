//! A connection that is cut in the middle of a run, between two network namespaces of the test's own.
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use offhours::ssh::{Fate, Masters, Verdict};

use super::lab::{self, Guard, Lab, SSHD, processes, start, until};

const HERE: &str = "10.99.0.1";
const THERE: &str = "10.99.0.2";
const PORT: u16 = 2222;

#[test]
fn a_cut_connection_is_unknown_and_the_host_tells_the_truth_later() {
    // Everything that this thread starts is in its namespace.
    let thread = std::thread::spawn(|| {
        let test = "a_cut_connection_is_unknown_and_the_host_tells_the_truth_later";
        let there = ["ip", "unshare", "nsenter"].iter().all(|tool| {
            let found = Command::new("which").arg(tool).output();
            found.is_ok_and(|found| found.status.success())
        });
        if !there || !Path::new(SSHD).exists() {
            return lab::skip(
                test,
                "openssh-server or iproute2 is not installed: run tests/lab/setup.sh",
            );
        }
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            return lab::skip(test, "no network namespace can be made");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(cut());
    });
    thread.join().unwrap();
}

async fn cut() {
    let holder = Command::new("unshare")
        .args(["-n", "sleep", "1000"])
        .spawn()
        .unwrap();
    let holder = Guard(holder);
    let pid = holder.0.id().to_string();
    until("the namespace is there", || {
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
        of(&pid) != of("thread-self")
    });
    let ip = |line: &str| lab::run("ip", &line.split(' ').collect::<Vec<_>>());
    let inside = ["-t", pid.as_str(), "-n"];
    let ip_there = |line: &str| {
        lab::run(
            "nsenter",
            &[&inside[..], &["ip"], &line.split(' ').collect::<Vec<_>>()].concat(),
        );
    };
    ip(&format!(
        "link add here type veth peer name there netns {pid}"
    ));
    ip(&format!("addr add {HERE}/24 dev here"));
    ip("link set here up");
    ip_there(&format!("addr add {THERE}/24 dev there"));
    ip_there("link set there up");

    let dir = lab::folder();
    let mut destination = lab::prepare(dir.path(), THERE, PORT, "");
    destination.alive_interval = Duration::from_secs(1);
    destination.connect_timeout = Duration::from_secs(2);
    let sshd = Command::new("nsenter")
        .args(inside)
        .args([SSHD, "-D", "-f"])
        .arg(dir.path().join("sshd_config"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let sshd = Some(Guard(sshd.unwrap()));
    until("sshd answers", || {
        std::net::TcpStream::connect((THERE, PORT)).is_ok()
    });
    let masters = Masters::new(&dir.path().join("m")).unwrap();
    let lab = Lab {
        dir,
        destination,
        masters,
        sshd,
    };

    // One that its bound has to end, and one that ends by itself.
    let mark = format!("5{}", fastrand::u32(..));
    let mut endless = lab.order(&["sleep", &mark]).await;
    endless.timeout_s = 10;
    endless.grace_s = 1;
    let go = lab.path("go");
    let short = lab
        .shell(&format!(
            "until [ -e {} ]; do sleep .1; done; exit 7",
            go.display()
        ))
        .await;
    let clients = [start(endless.clone()), start(short.clone())];
    until("both run", || {
        processes(&mark).len() > 1 && !processes(go.to_str().unwrap()).is_empty()
    });
    ip("link set here down");
    for client in clients {
        let done = client.done();
        assert_eq!(done.status, Some(70));
        assert!(
            matches!(done.verdict, Verdict::Unknown { .. }),
            "{:?}",
            done.verdict
        );
    }
    let why = lab.masters.reach(&lab.destination).await.unwrap_err().why;
    assert!(!why.is_empty());
    // Nobody has told the host.
    assert!(!processes(go.to_str().unwrap()).is_empty());
    std::fs::write(&go, "").unwrap();
    until("its bound has ended it", || {
        processes(&mark).is_empty() && processes(go.to_str().unwrap()).is_empty()
    });
    ip("link set here up");
    let bounded = Fate::Ended {
        verdict: Verdict::TimedOut,
    };
    let ended = Fate::Ended {
        verdict: Verdict::Exited { code: 7 },
    };
    assert_eq!(lab.end(&endless).await, bounded);
    assert_eq!(lab.end(&short).await, ended);
}
