use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A folder with `a/b/file`, all of it trusted.
fn scene() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a/b/file");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "text").unwrap();
    mode(dir.path(), 0o755);
    mode(&dir.path().join("a"), 0o755);
    mode(&dir.path().join("a/b"), 0o755);
    mode(&file, 0o644);
    (dir, file)
}

fn read(path: &Path) -> Result<String, Untrusted> {
    Trust::default().read(path, 100)
}

#[test]
fn what_only_the_owner_can_write_is_read() {
    let (_dir, file) = scene();
    assert_eq!(read(&file).unwrap(), "text");
}

#[test]
fn what_others_can_write_is_refused() {
    let (_dir, file) = scene();
    for bits in [0o664, 0o646] {
        mode(&file, bits);
        assert!(matches!(read(&file), Err(Untrusted::Writable { mode, .. }) if mode == bits));
    }
}

#[test]
fn a_folder_that_others_can_write_is_refused_unless_sticky() {
    let (dir, file) = scene();
    let folder = dir.path().join("a");
    mode(&folder, 0o777);
    assert!(matches!(read(&file), Err(Untrusted::Writable { path, .. }) if path.ends_with("a")));
    mode(&folder, 0o1777);
    assert_eq!(read(&file).unwrap(), "text");
}

#[test]
fn a_link_is_followed_and_both_ends_are_checked() {
    let (dir, file) = scene();
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    let link = open.join("link");
    symlink("../a/b/file", &link).unwrap();
    assert_eq!(read(&link).unwrap(), "text");
    mode(&open, 0o777);
    assert!(matches!(read(&link), Err(Untrusted::Writable { path, .. }) if path == open));
    mode(&open, 0o755);
    mode(file.parent().unwrap(), 0o777);
    assert!(matches!(read(&link), Err(Untrusted::Writable { path, .. }) if path.ends_with("a/b")));
}

#[test]
fn links_in_a_circle_end() {
    let (dir, _) = scene();
    symlink("two", dir.path().join("one")).unwrap();
    symlink("one", dir.path().join("two")).unwrap();
    assert!(matches!(
        read(&dir.path().join("one")),
        Err(Untrusted::Links { .. })
    ));
}

#[test]
fn only_regular_files_of_bounded_size_are_read() {
    let (dir, file) = scene();
    assert!(matches!(read(dir.path()), Err(Untrusted::Kind { .. })));
    assert!(matches!(
        Trust::default().read(&file, 3),
        Err(Untrusted::Large { .. })
    ));
    fs::write(&file, b"ab\xff").unwrap();
    assert!(matches!(
        read(&file),
        Err(Untrusted::Encoding { at: 2, .. })
    ));
    assert!(read(&dir.path().join("none")).unwrap_err().is_missing());
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let (_dir, file) = scene();
    assert!(matches!(
        Trust::default().read_secret(&file, 100),
        Err(Untrusted::Readable { .. })
    ));
    mode(&file, 0o640);
    assert_eq!(Trust::default().read_secret(&file, 100).unwrap(), "text");
}
