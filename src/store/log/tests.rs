use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rusqlite::Connection;

use super::*;

/// A log of transactions of one to five pages, as a kill leaves it; its folder, and the frames that end a transaction.
fn killed(transactions: usize) -> (tempfile::TempDir, PathBuf, Vec<u32>) {
    let live = tempfile::tempdir().expect("a folder");
    let conn = Connection::open(live.path().join("a.db")).expect("a database");
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .expect("a log");
    conn.pragma_update(None, "synchronous", "OFF").expect("set");
    conn.pragma_update(None, "wal_autocheckpoint", 0)
        .expect("set");
    conn.execute_batch("CREATE TABLE t (x)").expect("a table");
    let frames = || {
        let log = fs::metadata(live.path().join("a.db-wal")).expect("a log");
        ((log.len() as usize - HEAD) / (FRAME_HEAD + 4096)) as u32
    };
    let mut ends = vec![frames()];
    for n in 0..transactions {
        let size = 3000 * (n % 5) + 100;
        conn.execute("INSERT INTO t VALUES (randomblob(?1))", [size as i64])
            .expect("a row");
        ends.push(frames());
    }
    let dir = tempfile::tempdir().expect("a folder");
    for end in ["", "-wal", "-shm"] {
        let name = format!("a.db{end}");
        fs::copy(live.path().join(&name), dir.path().join(&name)).expect("copied");
    }
    let state = dir.path().join("a.db");
    (dir, state, ends)
}

fn log_of(state: &Path) -> PathBuf {
    beside(state, "-wal")
}

fn found(state: &Path) -> Option<&'static str> {
    missing(state, &log_of(state)).expect("it can be read")
}

fn change(state: &Path, at: u64, bytes: &[u8]) {
    let log = File::options()
        .write(true)
        .open(log_of(state))
        .expect("a log");
    log.write_all_at(bytes, at).expect("written");
}

fn at(frame: u32) -> u64 {
    HEAD as u64 + u64::from(frame) * (FRAME_HEAD as u64 + 4096)
}

fn without_index(state: &Path) {
    fs::remove_file(beside(state, "-shm")).expect("an index");
}

#[test]
fn a_log_as_it_should_be() {
    for transactions in [0, 1, 2, 7, 60] {
        let (_dir, state, ends) = killed(transactions);
        assert_eq!(found(&state), None, "{transactions}");
        let mut log = Log::open(&log_of(&state)).expect("read").expect("a log");
        let scan = log.scan().expect("read");
        assert_eq!(Some(&scan.whole), ends.last());
        without_index(&state);
        assert_eq!(found(&state), None, "{transactions}");
    }
}

#[test]
fn an_index_tells_of_a_log_that_is_gone_or_cut_off() {
    let (_dir, state, ends) = killed(20);
    let whole = fs::read(log_of(&state)).expect("a log");
    for frame in 0..*ends.last().expect("some") {
        for more in [0, 10, 2000] {
            let length = (at(frame) + more) as usize;
            fs::write(log_of(&state), &whole[..length]).expect("cut");
            assert!(found(&state).is_some(), "cut to frame {frame} and {more}");
        }
    }
    for length in [0, 1, 31] {
        fs::write(log_of(&state), &whole[..length]).expect("cut");
        assert!(found(&state).is_some(), "cut to {length}");
    }
    fs::remove_file(log_of(&state)).expect("a log");
    assert!(found(&state).is_some());
    let error = check(&state).expect_err("it is gone");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

#[test]
fn an_index_tells_of_any_byte_of_the_log() {
    let (_dir, state, ends) = killed(6);
    let end = at(*ends.last().expect("some"));
    let whole = fs::read(log_of(&state)).expect("a log");
    for place in (0..end).step_by(61) {
        // What is a salt belongs to another log, of which the index says nothing.
        if (16..24).contains(&place) {
            continue;
        }
        change(&state, place, &[whole[place as usize] ^ 0x10]);
        assert!(found(&state).is_some(), "byte {place}");
        change(&state, place, &[whole[place as usize]]);
    }
    assert_eq!(found(&state), None);
}

#[test]
fn without_an_index_what_follows_tells() {
    let (_dir, state, ends) = killed(12);
    without_index(&state);
    let whole = fs::read(log_of(&state)).expect("a log");
    // Where a sum is lost itself it takes one transaction more.
    for (byte, behind) in [(3, 2), (18, 3), (24, 2), (3000, 2)] {
        for frame in 0..ends[ends.len() - behind] {
            let place = at(frame) + byte;
            change(&state, place, &[whole[place as usize] ^ 0x10]);
            assert!(found(&state).is_some(), "frame {frame}, byte {byte}");
            change(&state, place, &[whole[place as usize]]);
        }
    }
    assert_eq!(found(&state), None);
}

/// Whatever a power loss leaves of the last transaction, in whatever order its pages came to the disk.
#[test]
fn a_power_loss_leaves_no_damage() {
    let (_dir, state, ends) = killed(10);
    without_index(&state);
    let whole = fs::read(log_of(&state)).expect("a log");
    let (from, until) = (ends[ends.len() - 2], ends[ends.len() - 1]);
    assert!(until - from > 2, "several pages");
    for lost in 1_u32..1 << (until - from) {
        let mut bytes = whole.clone();
        for frame in (from..until).filter(|frame| lost >> (frame - from) & 1 == 1) {
            let (from, until) = (at(frame) as usize, at(frame + 1) as usize);
            bytes[from..until].fill(0);
        }
        fs::write(log_of(&state), &bytes).expect("written");
        assert_eq!(found(&state), None, "{lost:b}");
    }
    // An index from some time before.
    let (_dir, older, _) = killed(3);
    fs::copy(beside(&older, "-shm"), beside(&state, "-shm")).expect("copied");
    assert_eq!(found(&state), None);
}

/// What a longer transaction left that never ended, under a shorter one.
#[test]
fn what_was_never_ended_is_no_damage() {
    let dir = tempfile::tempdir().expect("a folder");
    let state = dir.path().join("a.db");
    let mut conn = Connection::open(&state).expect("a database");
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .expect("a log");
    conn.pragma_update(None, "cache_size", 3).expect("set");
    conn.execute_batch("CREATE TABLE t (x)").expect("a table");
    for round in 0..4 {
        let spilled = conn.transaction().expect("begun");
        for _ in 0..30 {
            spilled
                .execute("INSERT INTO t VALUES (randomblob(3000))", [])
                .expect("a row");
        }
        spilled.rollback().expect("given up");
        conn.execute("INSERT INTO t VALUES (randomblob(9000))", [])
            .expect("a row");
        assert_eq!(found(&state), None, "round {round}");
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .expect("written back");
        assert_eq!(found(&state), None, "round {round}, written back");
    }
}

#[test]
fn an_index_of_noise_says_nothing() {
    let (_dir, state, _) = killed(5);
    fs::remove_file(log_of(&state)).expect("a log");
    for bytes in [Vec::new(), vec![0; 32_768], vec![0xa5; 32_768], vec![1; 10]] {
        fs::write(beside(&state, "-shm"), bytes).expect("written");
        assert_eq!(found(&state), None);
    }
}
