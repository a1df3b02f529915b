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
