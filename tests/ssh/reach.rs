//! One connection a host, and why there is none.
use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use offhours::ssh::{Destination, Masters};

use super::lab::{self, Lab, folder, kill, processes, until};

#[tokio::test]
async fn who_asks_at_the_same_time_shares_a_connection() {
    let Some(lab) = Lab::start("who_asks_at_the_same_time_shares_a_connection") else {
        return;
    };
    let Lab {
        dir,
        destination,
        masters,
        sshd,
    } = lab;
    let masters = Arc::new(masters);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (masters, destination) = (masters.clone(), destination.clone());
        asking.spawn(async move { masters.reach(&destination).await.unwrap() });
    }
    let mut paths = asking.join_all().await;
    paths.dedup();
    assert_eq!(paths.len(), 1, "{paths:?}");
    assert!(paths[0].as_os_str().len() < 100);
    let ssh = processes(dir.path().join("m").to_str().unwrap());
    assert_eq!(ssh.len(), 1);

    // One that died is replaced.
    kill(ssh[0], Signal::SIGKILL);
    let path = masters.reach(&destination).await.unwrap();
    assert_ne!(path, paths[0]);
    // One that hangs, too.
    let ssh = processes(dir.path().join("m").to_str().unwrap());
    kill(ssh[0], Signal::SIGSTOP);
    let began = Instant::now();
    assert_ne!(masters.reach(&destination).await.unwrap(), path);
    assert!(began.elapsed() < Duration::from_secs(20));

    masters.close().await;
    until("all are ended", || {
        processes(dir.path().join("m").to_str().unwrap()).is_empty()
    });
    assert_eq!(fs::read_dir(dir.path().join("m")).unwrap().count(), 0);
    assert!(masters.reach(&destination).await.is_err());
    drop(sshd);
}

#[tokio::test]
async fn dropping_ends_and_the_next_start_sweeps() {
    let Some(lab) = Lab::start("dropping_ends_and_the_next_start_sweeps") else {
        return;
    };
    lab.control().await;
    let dir = lab.path("m");
    let stale = dir.join("77/.ssh-connectionAbCdEf");
    fs::create_dir_all(&stale).unwrap();
    fs::write(stale.join("log"), "").unwrap();
    fs::write(dir.join("other"), "").unwrap();
    let Lab {
        dir: _dir,
        sshd: _sshd,
        masters,
        ..
    } = lab;
    assert_eq!(processes(dir.to_str().unwrap()).len(), 1);
    drop(masters);
    until("it is ended", || {
        processes(dir.to_str().unwrap()).is_empty()
    });
    fs::create_dir_all(&stale).unwrap();
    Masters::new(&dir).unwrap();
    let left: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["other"]);
    assert!(Masters::new(&dir.join("x".repeat(80))).is_err());
}

#[tokio::test]
async fn a_key_that_is_not_known_is_told_with_the_way_to_accept_it() {
    let Some(lab) = Lab::start("a_key_that_is_not_known_is_told_with_the_way_to_accept_it") else {
        return;
    };
    let known = fs::read_to_string(lab.path("known")).unwrap();
    fs::write(lab.path("known"), "").unwrap();
    let why = lab.masters.reach(&lab.destination).await.unwrap_err().why;
    let port = lab.destination.port.unwrap();
    assert!(
        why.contains("host1 is not known") && why.contains(&format!("ssh -p {port}")),
        "{why}"
    );
    assert!(
        why.ends_with(&format!("{} true", lab.destination.ssh)),
        "{why}"
    );

    let other = fs::read_to_string(lab.path("key.pub")).unwrap();
    let of = known.split(' ').next().unwrap();
    fs::write(lab.path("known"), format!("{of} {other}")).unwrap();
    let why = lab.masters.reach(&lab.destination).await.unwrap_err().why;
    assert!(
        why.contains("has changed") && why.contains("ssh-keygen"),
        "{why}"
    );
    assert!(why.ends_with(&format!("-R '{of}'")), "{why}");
    assert!(why.len() <= 300 && !why.contains(char::is_control));

    fs::write(lab.path("known"), known).unwrap();
    lab.masters.reach(&lab.destination).await.unwrap();
}

#[tokio::test]
async fn a_host_that_takes_the_connection_and_is_silent_costs_a_bounded_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = lab::folder();
    let masters = Arc::new(Masters::new(&dir.path().join("m")).unwrap());
    let destination = Destination {
        port: Some(silent.local_addr().unwrap().port()),
        connect_timeout: Duration::from_secs(1),
        ..Destination::new("mute", "nobody@127.0.0.1")
    };
    let began = Instant::now();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (masters, destination) = (masters.clone(), destination.clone());
        asking.spawn(async move { masters.reach(&destination).await.unwrap_err() });
    }
    let errors = asking.join_all().await;
    // One attempt for all of them.
    assert!(began.elapsed() < Duration::from_secs(12), "{errors:?}");
    until("nothing is left", || {
        processes(dir.path().to_str().unwrap()).is_empty()
    });

    drop(silent);
    let why = masters.reach(&destination).await.unwrap_err().why;
    assert!(why.contains("Connection refused"), "{why}");
    let hostile = Destination::new("host1", "-oProxyCommand=touch /tmp/x");
    assert!(
        masters
            .reach(&hostile)
            .await
            .unwrap_err()
            .why
            .contains("refused")
    );
}

#[tokio::test]
async fn one_who_may_not_get_in_is_told_so() {
    let Some(lab) = Lab::start("one_who_may_not_get_in_is_told_so") else {
        return;
    };
    fs::write(lab.path("authorized"), "").unwrap();
    let why = lab.masters.reach(&lab.destination).await.unwrap_err().why;
    assert!(why.contains("Permission denied"), "{why}");
}

#[tokio::test]
async fn a_folder_that_somebody_else_made_or_could_change_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let make = |name: &str, mode: u32| {
        fs::create_dir(at(name)).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    make("open", 0o777);
    make("own", 0o700);
    symlink(at("own"), at("link")).unwrap();
    make("theirs", 0o700);
    if nix::unistd::geteuid().is_root() {
        let nobody = nix::unistd::Uid::from_raw(65_534);
        nix::unistd::chown(&at("theirs"), Some(nobody), None).unwrap();
        assert!(Masters::new(&at("theirs")).is_err());
    }
    assert!(Masters::new(&at("open")).is_err());
    assert!(Masters::new(&at("link")).is_err());
    assert!(Masters::new(&at("own")).is_ok());
    assert!(Masters::new(&at("new")).is_ok());
}

#[tokio::test]
async fn who_could_change_a_link_on_the_way_to_a_program_is_told() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let Some(lab) = Lab::start("who_could_change_a_link_on_the_way_to_a_program_is_told") else {
        return;
    };
    let open = lab.path("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    symlink("/usr/bin/true", open.join("second")).unwrap();
    symlink("open/second", lab.path("first")).unwrap();
    symlink("/usr/bin/true", lab.path("fine")).unwrap();
    let wanted = ["first", "fine"].map(|name| offhours::ssh::Wanted {
        program: Some(lab.path(name).display().to_string()),
        ..Default::default()
    });
    let control = lab.control().await;
    let flaws = offhours::ssh::programs(&control, &[], &wanted)
        .await
        .unwrap();
    let [(0, offhours::ssh::Flaw::Open(how))] = &flaws[..] else {
        panic!("{flaws:?}");
    };
    assert!(how.contains("open can be written by others"), "{how}");
}

#[tokio::test]
async fn a_connection_survives_who_gives_up_looking_at_it() {
    let Some(lab) = Lab::start("a_connection_survives_who_gives_up_looking_at_it") else {
        return;
    };
    let control = lab.control().await;
    let mark = lab.path("m").display().to_string();
    let masters = processes(&mark);
    assert!(!masters.is_empty());
    for pid in &masters {
        kill(*pid, Signal::SIGSTOP);
    }
    // It does not answer now; who asked is stopped in the middle.
    let reached = lab.masters.reach(&lab.destination);
    let given_up = tokio::time::timeout(Duration::from_millis(300), reached).await;
    assert!(given_up.is_err());
    for pid in &masters {
        kill(*pid, Signal::SIGCONT);
    }
    assert_eq!(lab.control().await, control);
    assert_eq!(processes(&mark), masters);
}
