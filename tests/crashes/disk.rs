//! A small disk of its own for the state: ext4 in a file. As root only.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const MIB: u64 = 48;

/// linux/ext4.h: the file system goes down at once.
const EXT4_IOC_SHUTDOWN: u32 = 0x8004_587d;
/// What was not written is lost.
const NO_FLUSH: u32 = 2;

/// The disk, mounted; unmounted with the value.
pub struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    /// None, and a word about it, where this user may not mount.
    pub fn of(at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let image = at.with_extension("img");
        File::create(&image).unwrap().set_len(MIB << 20).unwrap();
        let made = Command::new("mkfs.ext4")
            // Nothing is kept for root, whom tests run as.
            .args(["-q", "-F", "-b", "4096", "-m", "0"])
            .arg(&image)
            .status()
            .expect("e2fsprogs are there");
        assert!(made.success(), "mkfs.ext4");
        let disk = Self {
            image,
            at: at.to_owned(),
        };
        if !disk.try_mount() {
            eprintln!(
                "SKIPPED: a disk that fails was not tested, because this user cannot mount one"
            );
            return None;
        }
        Some(disk)
    }

    fn try_mount(&self) -> bool {
        let done = Command::new("mount")
            .args(["-o", "loop,errors=remount-ro"])
            .args([&self.image, &self.at])
            .output();
        done.is_ok_and(|done| done.status.success())
    }

    pub fn mount(&self) {
        // Loop devices may be scarce for a moment where many nights are played; and one that somebody still holds on
        // to is the old one, which takes nothing.
        let probe = self.at.join("probe");
        crate::scene::until("the disk", || {
            if !self.try_mount() {
                return None;
            }
            if fs::write(&probe, "x").is_ok() && fs::remove_file(&probe).is_ok() {
                return Some(());
            }
            self.unmount();
            None
        });
    }

    pub fn unmount(&self) {
        crate::scene::until("the disk to be let go", || {
            let done = Command::new("umount").arg(&self.at).output();
            done.is_ok_and(|done| done.status.success()).then_some(())
        });
    }

    /// Mounted for reading only, or for writing again. Nothing on it is open for writing.
    pub fn remount(&self, how: &str) {
        crate::scene::until("the disk to be mounted anew", || {
            let done = Command::new("mount")
                .args(["-o", &format!("remount,{how}")])
                .arg(&self.at)
                .output();
            done.is_ok_and(|done| done.status.success()).then_some(())
        });
    }

    /// As a power loss leaves it: what was synced is there, the rest is gone.
    pub fn cut_off(&self) {
        let folder = File::open(&self.at).unwrap();
        // SAFETY: the descriptor is open, and the call reads one number from where it points.
        let done = unsafe { libc::ioctl(folder.as_raw_fd(), EXT4_IOC_SHUTDOWN.into(), &NO_FLUSH) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }

    /// What was written so far comes to the disk, as it does by itself now and then.
    pub fn sync(&self) {
        let done = Command::new("sync").arg("-f").arg(&self.at).status();
        assert!(done.unwrap().success());
    }

    /// The kernel finds an error on the disk, and takes nothing more: what a failing disk ends in.
    pub fn break_down(&self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let at = self.at.to_string_lossy();
        let line = mounts
            .lines()
            .find(|line| line.split(' ').nth(1) == Some(&*at))
            .expect("it is mounted");
        let device = line.split(' ').next().unwrap_or_default();
        let device = device.trim_start_matches("/dev/");
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        fs::write(trigger, "a test").unwrap();
    }

    /// Checked and repaired, as a boot does it; it is not mounted.
    pub fn repair(&self) {
        let done = Command::new("e2fsck")
            .args(["-f", "-y"])
            .arg(&self.image)
            .output()
            .unwrap();
        assert!(done.status.code().is_some_and(|code| code < 4), "{done:?}");
    }

    /// Takes all the room there is.
    pub fn fill(&self, appetite: Appetite) -> Filler {
        Filler::start(self.at.join("filler"), appetite)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).output();
    }
}

/// Whether what becomes free is taken too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    Once,
    Endless,
}

/// A file that fills the disk; gone with the value.
pub struct Filler {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    eater: Option<JoinHandle<()>>,
}

impl Filler {
    fn start(path: PathBuf, appetite: Appetite) -> Self {
        let mut file = File::create(&path).unwrap();
        let mut eat = move || {
            for piece in [1 << 20, 4096] {
                while file.write_all(&vec![1; piece]).is_ok() {}
            }
        };
        eat();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let eater = (appetite == Appetite::Endless).then(|| {
            std::thread::spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    eat();
                    std::thread::sleep(Duration::from_millis(2));
                }
            })
        });
        Self { path, stop, eater }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(eater) = self.eater.take() {
            let _ = eater.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// The processes that name this folder in their command line, or work in it.
pub fn living_in(folder: &Path) -> Vec<i32> {
    let name = folder.to_string_lossy().into_owned();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    all.filter(|pid| {
        let works_there =
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|at| at.starts_with(folder));
        works_there
            || fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&name))
    })
    .filter(|pid| crate::scene::alive(*pid))
    .collect()
}
