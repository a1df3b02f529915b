use super::*;

fn spec() -> RunSpec {
    RunSpec {
        id: "rotate.1".into(),
        argv: vec!["/bin/echo".into(), "".into(), "a b".into()],
        env: vec![
            ("PATH".into(), "/bin".into()),
            ("EMPTY".into(), String::new()),
        ],
        dir: "/srv/shop".into(),
        user: Some(Credentials {
            uid: 33,
            gid: 34,
            groups: vec![34, 35],
        }),
        umask: Some(0o027),
        locks: vec!["/l/b.lock".into(), "/l/a.lock".into(), "/l/b.lock".into()],
        lock_wait: LockWait::For(Duration::from_secs(3)),
        timeout: Duration::from_secs(60),
        grace: Duration::from_millis(10),
        log: Some("/log/x".into()),
        log_limit: 1000,
        holder: "run rotate.1".into(),
    }
}

#[test]
fn a_request_arrives_as_it_was_sent() {
    let bytes = encode_request(&spec()).unwrap();
    let request = decode_request(&bytes[PREFIX..]).unwrap();
    assert_eq!(request.argv, [c"/bin/echo", c"", c"a b"]);
    assert_eq!(request.env, [c"PATH=/bin", c"EMPTY="]);
    assert_eq!(
        (request.id, request.dir, request.holder),
        (c"rotate.1", c"/srv/shop", c"run rotate.1")
    );
    assert_eq!(request.user, spec().user);
    assert_eq!(request.umask, Some(0o027));
    assert_eq!(request.lock_wait, LockWait::For(Duration::from_secs(3)));
    assert_eq!(
        (request.timeout, request.grace),
        (Duration::from_secs(60), Duration::from_millis(10))
    );
    assert_eq!(
        (request.log, request.log_limit),
        (Some(Path::new("/log/x")), 1000)
    );
}

#[test]
fn locks_are_sorted_and_asked_for_once() {
    let bytes = encode_request(&spec()).unwrap();
    let request = decode_request(&bytes[PREFIX..]).unwrap();
    assert_eq!(
        request.locks,
        [Path::new("/l/a.lock"), Path::new("/l/b.lock")]
    );
}

#[test]
fn what_execve_cannot_take_is_refused_before_anything_is_started() {
    let refused = |change: fn(&mut RunSpec)| {
        let mut spec = spec();
        change(&mut spec);
        encode_request(&spec).unwrap_err()
    };
    assert_eq!(refused(|spec| spec.argv.clear()), Malformed::NoProgram);
    assert_eq!(
        refused(|spec| spec.argv[0] = "".into()),
        Malformed::NoProgram
    );
    assert_eq!(refused(|spec| spec.argv[1] = "a\0b".into()), Malformed::Nul);
    assert_eq!(refused(|spec| spec.env[0].1 = "\0".into()), Malformed::Nul);
    assert_eq!(
        refused(|spec| spec.argv[1] = "x".repeat(MAX_REQUEST).into()),
        Malformed::TooLong
    );
    assert_eq!(
        refused(|spec| spec.id = "../x".into()),
        Malformed::Id("../x".into())
    );
}

#[test]
fn a_request_cut_off_anywhere_is_malformed() {
    let bytes = encode_request(&spec()).unwrap();
    for end in PREFIX..bytes.len() {
        assert!(
            decode_request(&bytes[PREFIX..end]).is_err(),
            "cut off at {end}"
        );
    }
}

#[test]
fn events_arrive_as_they_were_sent() {
    let ended = |end| {
        RunEvent::Ended(RunResult {
            end,
            output_bytes: 7,
            log_written: true,
            log_error: Some("no space".into()),
            elapsed: Duration::from_nanos(12),
            left_behind: 2,
            tail: "done\n".into(),
        })
    };
    let events = [
        RunEvent::Waiting {
            lock: "/l/a".into(),
            holder: Some("run 1".into()),
        },
        RunEvent::Busy {
            lock: "/l/a".into(),
            holder: None,
        },
        RunEvent::Began { pid: 4711 },
        ended(End::Exited(0)),
        ended(End::Signalled(9)),
        ended(End::TimedOut { exit: None }),
        ended(End::TimedOut { exit: Some(3) }),
        ended(End::Stopped { exit: Some(0) }),
        ended(End::SpawnFailed("no such file".into())),
        ended(End::SupervisorDied),
    ];
    for event in events {
        let bytes = encode_event(&event);
        assert_eq!(decode_event(&bytes[PREFIX..]), Ok(event));
        for end in PREFIX..bytes.len() {
            assert!(decode_event(&bytes[PREFIX..end]).is_err());
        }
    }
}
