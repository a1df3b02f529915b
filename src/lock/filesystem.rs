//! Which file systems can carry locks.
use std::path::Path;

use super::LockError;

/// File systems whose locks may be another machine's business, or nobody's, by their magic numbers (statfs(2)).
const NETWORK: [(u32, &str); 11] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x517b, "SMB"),
    (0x7375_7245, "Coda"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x564c, "NCP"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
];

/// File systems whose folders name the inodes that the kernel's list of locks names. On others, such as overlayfs, the
/// two may differ.
const LISTING: [u32; 4] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // btrfs
    0x0102_1994, // tmpfs
];

/// Whether the inodes that reading this folder gives can be looked up in the kernel's list of locks.
pub(super) fn lists_lock_inodes(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|found| LISTING.contains(&(found.f_type as u32)))
}

/// Refuses a folder (or file) on a network file system.
pub fn refuse_network(path: &Path) -> Result<(), LockError> {
    let found = rustix::fs::statfs(path).map_err(|error| LockError::Read {
        path: path.to_owned(),
        source: error.into(),
    })?;
    // The kernel's type is a signed long here and an unsigned int there: the number fits 32 bits everywhere.
    match network(found.f_type as u32) {
        Some(kind) => Err(LockError::Network {
            path: path.to_owned(),
            kind,
        }),
        None => Ok(()),
    }
}

pub(super) fn network(magic: u32) -> Option<&'static str> {
    NETWORK
        .iter()
        .find(|(number, _)| *number == magic)
        .map(|(_, name)| *name)
}
