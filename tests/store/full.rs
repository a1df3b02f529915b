//! A full disk: nothing is lost, the reserve helps, and it goes on when there is room.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use offhours::store::{Facts, Store, StoreError};

use super::support::{at, load, mark, read};

/// A small disk; gone with the value.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    /// None, and a word about it, where this user may not mount.
    fn of(kib: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|done| done.status.success());
        if !mounted {
            eprintln!("SKIPPED: a full disk was not tested, because this user cannot mount one");
            return None;
        }
        Some(Self { dir })
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(self.dir.path())
            .status();
        assert!(done.unwrap().success());
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let path = self.dir.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.dir.path())
            .status();
    }
}

/// Appends until there is no room; the next number.
fn until_full(store: &mut Store) -> u64 {
    for _ in 0..100_000 {
        let next = store.next();
        let facts: Vec<_> = (0..8).map(|i| (at(i), mark("x".repeat(500)))).collect();
        if let Err(error) = store.append(next, &facts) {
            assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
            assert!(error.is_transient());
            assert_eq!(store.next(), next);
            return next;
        }
    }
    panic!("the disk does not fill up");
}

#[test]
fn a_disk_of_one_mebibyte_fills_up_and_nothing_is_lost() {
    let Some(disk) = Disk::of(1024) else { return };
    let mut store = Store::open(&disk.state()).unwrap();
    assert!(
        !store.release_reserve().unwrap(),
        "there was no room for a reserve"
    );
    let next = until_full(&mut store);
    assert!(next > 100, "{next}");
    assert_eq!(load(&store).1, next);
    assert_eq!(read(&disk.state()).1, next);
    drop(store);
    assert_eq!(load(&Store::open(&disk.state()).unwrap()).1, next);
}

#[test]
fn the_reserve_carries_on_and_comes_back() {
    let Some(disk) = Disk::of(16 * 1024) else {
        return;
    };
    let mut store = Store::open(&disk.state()).unwrap();
    assert_eq!(
        fs::metadata(disk.state().join("reserve")).unwrap().len(),
        4 * 1024 * 1024
    );
    store.append(1, &[(at(0), mark("first"))]).unwrap();
    let filler = disk.fill();
    let next = until_full(&mut store);
    assert!(store.release_reserve().unwrap());
    assert!(
        !store.restore_reserve().unwrap(),
        "what was given up is not taken back while the disk is full"
    );
    for i in 0..100 {
        assert_eq!(
            store.append(next + i, &[(at(0), mark("leave"))]).unwrap(),
            next + i + 1
        );
    }
    fs::remove_file(filler).unwrap();
    assert!(store.restore_reserve().unwrap());
    assert!(store.restore_reserve().unwrap());
    assert_eq!(
        fs::metadata(disk.state().join("reserve")).unwrap().len(),
        4 * 1024 * 1024
    );
    let facts: Vec<_> = (0..5_000).map(|i| (at(i), mark("again"))).collect();
    assert_eq!(store.append(next + 100, &facts).unwrap(), next + 5_100);
    drop(store);
    assert_eq!(names_without_reserve(&disk.state()), ["state.db"]);
    assert_eq!(load(&Store::open(&disk.state()).unwrap()).1, next + 5_100);
}

#[test]
fn a_state_is_opened_on_a_full_disk_as_far_as_it_can_be_read() {
    for reserve in [true, false] {
        let Some(disk) = Disk::of(16 * 1024) else {
            return;
        };
        super::support::made(&disk.state(), &[(at(0), mark("first"))]).unwrap();
        if !reserve {
            fs::remove_file(disk.state().join("reserve")).unwrap();
        }
        let filler = disk.fill();
        let mut store = Store::open(&disk.state()).unwrap();
        // The reserve is for this, too.
        assert_eq!(store.room_was_given(), reserve);
        assert_eq!(store.can_write(), reserve);
        assert_eq!((store.next(), load(&store).1), (2, 2));
        let appended = store.append(2, &[(at(1), mark("second"))]);
        if !reserve {
            let error = appended.unwrap_err();
            assert!(error.is_transient(), "{error}");
            assert_eq!(load(&store).1, 2);
            fs::remove_file(filler).unwrap();
            store.append(2, &[(at(1), mark("second"))]).unwrap();
            assert!(store.can_write());
        }
        assert_eq!(load(&store).1, 3);
    }
}

#[test]
fn a_state_that_may_only_be_read_is_opened_all_the_same() {
    let Some(disk) = Disk::of(16 * 1024) else {
        return;
    };
    super::support::made(&disk.state(), &[(at(0), mark("first"))]).unwrap();
    disk.remount("ro");
    let mut store = Store::open(&disk.state()).unwrap();
    assert_eq!((store.next(), load(&store).1), (2, 2));
    let error = store.append(2, &[(at(1), mark("second"))]).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    disk.remount("rw");
    assert_eq!(store.append(2, &[(at(1), mark("second"))]).unwrap(), 3);
    assert_eq!(load(&store).1, 3);
}

#[test]
fn a_state_that_is_damaged_is_not_taken_for_good_when_it_can_be_written_again() {
    let Some(disk) = Disk::of(16 * 1024) else {
        return;
    };
    let facts: Vec<_> = (0..400)
        .map(|i| (at(i), mark(format!("{i} {}", "x".repeat(300)))))
        .collect();
    super::support::made(&disk.state(), &facts).unwrap();
    let path = disk.state().join("state.db");
    let length = fs::metadata(&path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // Of an index: nothing that is read to load the state.
    let mut page = length;
    while page > 0 {
        page -= 4096;
        let mut kind = [0];
        std::os::unix::fs::FileExt::read_at(&fs::File::open(&path).unwrap(), &mut kind, page)
            .unwrap();
        if kind[0] == 10 {
            break;
        }
    }
    assert!(page > 0, "no page of an index");
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xa5; 4096], page).unwrap();
    drop(file);
    disk.remount("ro");
    let mut store = Store::open(&disk.state()).unwrap();
    disk.remount("rw");
    let error = store.append(401, &[(at(1), mark("more"))]).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

#[test]
fn a_state_of_an_earlier_version_is_taken_over_on_a_full_disk() {
    let Some(disk) = Disk::of(16 * 1024) else {
        return;
    };
    let dir = disk.state();
    drop(Store::open(&dir).unwrap());
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state-v1.db");
    fs::copy(old, dir.join("state.db")).unwrap();
    disk.fill();
    let mut store = Store::open(&dir).unwrap();
    assert!(!dir.join("reserve").exists(), "there was no other room");
    let next = store.next();
    assert_eq!(store.append(next, &[(at(0), mark("x"))]).unwrap(), next + 1);
}

fn names_without_reserve(dir: &Path) -> Vec<String> {
    super::support::names(dir)
        .into_iter()
        .filter(|name| name != "reserve")
        .collect()
}
