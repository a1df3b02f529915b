use std::path::Path;
use std::time::{Duration, Instant};

use super::filesystem::network;
use super::listing::{holder_in, list, locked_inodes};
use super::*;

#[test]
fn a_daemon_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("instance.lock");
    let first = acquire(&path, Kind::Daemon, Duration::ZERO).unwrap();
    let before = Instant::now();
    let refused = acquire(&path, Kind::Daemon, Duration::from_secs(600)).unwrap_err();
    assert!(before.elapsed() < Duration::from_secs(300));
    let LockError::Held { holder, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!(
        (holder.kind, holder.pid),
        (Some(Kind::Daemon), Some(std::process::id()))
    );
    assert!(refused.to_string().contains(&format!(
        "held by a daemon, pid {}, since 2",
        std::process::id()
    )));
    drop(first);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    acquire(&path, Kind::Command, Duration::ZERO).unwrap();
}

#[test]
fn a_command_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("instance.lock");
    let command = acquire(&path, Kind::Command, Duration::ZERO).unwrap();
    let refused = acquire(&path, Kind::Daemon, Duration::from_millis(20)).unwrap_err();
    assert!(
        refused.to_string().contains("held by a command"),
        "{refused}"
    );
    let (path_of_daemon, (sender, receiver)) = (path.clone(), std::sync::mpsc::channel());
    let daemon = std::thread::spawn(move || {
        let daemon = acquire(&path_of_daemon, Kind::Daemon, Duration::from_secs(600));
        sender.send(()).unwrap();
        daemon
    });
    assert!(
        receiver.recv_timeout(Duration::from_millis(50)).is_err(),
        "two hold it"
    );
    drop(command);
    let daemon = daemon.join().unwrap().unwrap();
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("daemon ")
    );
    drop(daemon);
}

#[test]
fn a_lock_file_that_is_removed_lets_nobody_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("instance.lock");
    let first = acquire(&path, Kind::Daemon, Duration::ZERO).unwrap();
    std::fs::remove_file(&path).unwrap();
    let refused = acquire(&path, Kind::Daemon, Duration::from_millis(60)).unwrap_err();
    let text = refused.to_string();
    let pid = format!("pid {}", std::process::id());
    assert!(matches!(refused, LockError::Held { .. }), "{text}");
    assert!(text.contains(&pid), "{text}");
    drop(first);
    acquire(&path, Kind::Daemon, Duration::ZERO).unwrap();
}

#[test]
fn a_holder_that_writes_nonsense_is_another_program() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("instance.lock");
    let mut held = Candidate::open(&path).unwrap().try_hold().unwrap().unwrap();
    held.describe("\u{1b}[2J nonsense\nand more").unwrap();
    let refused = acquire(&path, Kind::Command, Duration::ZERO)
        .unwrap_err()
        .to_string();
    assert!(refused.ends_with("is held by another program"), "{refused}");
}

#[test]
fn the_holder_line_is_one_line_whatever_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.lock");
    let mut held = Candidate::open(&path).unwrap().try_hold().unwrap().unwrap();
    held.describe(&"a long line\n".repeat(200)).unwrap();
    held.describe("short\nline").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "short line\n");
    let holder = Candidate::open(&path).unwrap().holder();
    assert_eq!(holder.as_deref(), Some("short line"));
}

#[test]
fn a_symbolic_link_is_no_lock_file() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("target", dir.path().join("x.lock")).unwrap();
    assert!(matches!(
        Candidate::open(&dir.path().join("x.lock")),
        Err(LockError::Open { .. })
    ));
    assert!(!dir.path().join("target").exists());
}

#[test]
fn the_kernels_list_is_read_as_it_is_written() {
    let list = "\
1: POSIX  ADVISORY  WRITE 11 fe:00:77 0 EOF
2: FLOCK  ADVISORY  WRITE 4711 fe:00:77 0 EOF
2: -> FLOCK  ADVISORY  WRITE 4712 fe:00:78 0 EOF
3: FLOCK  ADVISORY  READ -1 00:2a:79 0 EOF
";
    assert_eq!(holder_in(list, "fe:00:77"), Some(4711));
    assert_eq!(holder_in(list, "fe:00:78"), None, "waiting is not holding");
    assert_eq!(holder_in(list, "00:2a:79"), Some(-1));
    assert_eq!(holder_in(list, "fe:00:7"), None);
    let mut inodes: Vec<u64> = locked_inodes(list).into_iter().collect();
    inodes.sort_unstable();
    assert_eq!(inodes, [77, 78, 79]);
    assert!(locked_inodes("nonsense 1:2 a:b:c :::\n").is_empty());
}

#[test]
fn of_many_lock_files_those_that_are_held_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = |n: u32| dir.path().join(format!("{n:03}.lock"));
    for n in 0..200 {
        std::fs::write(file(n), "left by a holder that was killed").unwrap();
    }
    std::os::unix::fs::symlink(file(0), file(200)).unwrap();
    std::fs::write(dir.path().join("note"), "no lock").unwrap();
    let hold = |n| Candidate::open(&file(n)).unwrap().try_hold().unwrap();
    let mut held: Vec<_> = [3, 77, 199].map(|n| hold(n).unwrap()).into();
    for lock in &mut held {
        lock.describe("run 7 of backup").unwrap();
    }
    let states = list(dir.path()).unwrap();
    assert_eq!(states.len(), 200, "a link is no lock file");
    assert!(states.is_sorted_by(|a, b| a.name < b.name));
    for state in &states {
        let is_held = ["003", "077", "199"].contains(&&*state.name);
        let holder = is_held.then_some("run 7 of backup");
        assert_eq!((state.held, state.holder.as_deref()), (is_held, holder));
        assert_eq!(state.pid, is_held.then(std::process::id));
    }
}

#[test]
fn network_file_systems_are_refused() {
    assert_eq!(network(0x6969), Some("NFS"));
    assert_eq!(network(0xff53_4d42), Some("CIFS"));
    assert_eq!(network(0xef53), None, "ext4");
    refuse_network(Path::new("/")).unwrap();
    assert!(matches!(
        refuse_network(Path::new("/no/such/folder")),
        Err(LockError::Read { .. })
    ));
}
