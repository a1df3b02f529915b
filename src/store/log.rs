//! Whether the log beside the file is whole.
//!
//! SQLite takes of a log what it can read and forgets the rest without a word. That is right after a power loss: the
//! rest was never said to be durable. But of a log that somebody removed or cut off, or that lost a page, it forgets
//! facts that had their effects, such as that an app was taken out of service. Two things show it:
//!
//! - the index of the log, which a kill leaves behind, counts frames that are not there. A power loss may leave an older
//!   index, never one that counts frames which were not durable before;
//! - behind a frame that cannot be read there is one that ends a transaction, and another that follows it. A transaction
//!   is durable before the next begins, so no power loss leaves that.
//!
//! Both formats are documented: <https://www.sqlite.org/walformat.html>.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use super::error::StoreError;
use super::files::beside;

const HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
/// Of the head of a log, without its last bit: that tells the order of the words that are summed up.
const MAGIC: u32 = 0x377f_0682;
/// Two copies of the index's head, and what follows them: how many frames were written back.
const INDEX: usize = 2 * INDEX_HEAD + 4;
const INDEX_HEAD: usize = 48;
/// The log of a live daemon changes while it is looked at: what does not stay so is no damage.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// # Errors
///
/// [`StoreError::Damaged`] where facts are known to be missing.
pub(super) fn check(state: &Path) -> Result<(), StoreError> {
    let log = beside(state, "-wal");
    if fs::metadata(&log).is_ok_and(|about| !about.is_file()) {
        return Err(StoreError::damaged(state, "its log is not a file"));
    }
    let mut found = None;
    for look in 0..LOOKS {
        if look > 0 {
            std::thread::sleep(PAUSE);
        }
        found = missing(state, &log).map_err(|e| StoreError::io(&log, "read", e))?;
        if found.is_none() {
            return Ok(());
        }
    }
    found.map_or(Ok(()), |what| Err(StoreError::damaged(state, what)))
}

/// What shows that facts are missing.
fn missing(state: &Path, path: &Path) -> io::Result<Option<&'static str>> {
    // First, so that what it counts has been written when the log is read.
    let index = Index::of(&beside(state, "-shm"))?;
    let counted = index.filter(|index| index.frames > index.written_back);
    let Some(mut log) = Log::open(path)? else {
        return Ok(counted.map(|_| "its log (`-wal`) is gone, or its beginning is"));
    };
    let scan = log.scan()?;
    if Log::open(path)?.is_none_or(|now| now.salts != log.salts) {
        // It was begun anew meanwhile.
        return Ok(None);
    }
    if counted.is_some_and(|index| index.salts == log.salts && index.frames > scan.whole) {
        return Ok(Some("a part of its log (`-wal`) is gone or cannot be read"));
    }
    Ok(scan
        .more_behind
        .then_some("its log (`-wal`) cannot be read in the middle"))
}

/// What the index says of the log.
struct Index {
    /// Up to the end of the last transaction.
    frames: u32,
    written_back: u32,
    salts: [u8; 8],
}

impl Index {
    /// None where there is none, or it cannot be relied on: it is made anew then.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let mut bytes = [0; INDEX];
        if !read(path, &mut bytes)? {
            return Ok(None);
        }
        let (head, copy) = (&bytes[..INDEX_HEAD], &bytes[INDEX_HEAD..2 * INDEX_HEAD]);
        let word = |at: usize| native(&bytes[at..]);
        let sum = sum(&head[..40], [0, 0], native);
        if head != copy || bytes[12] != 1 || sum != [word(40), word(44)] {
            return Ok(None);
        }
        let mut salts = [0; 8];
        salts.copy_from_slice(&head[32..40]);
        Ok(Some(Self {
            frames: word(16),
            written_back: word(2 * INDEX_HEAD),
            salts,
        }))
    }
}

struct Log {
    file: File,
    page: usize,
    salts: [u8; 8],
    sum: [u32; 2],
    word: fn(&[u8]) -> u32,
}

/// What there is of it.
#[derive(Default)]
struct Scan {
    /// Frames up to the end of the last transaction that can be read.
    whole: u32,
    /// Behind what can be read a transaction ends, and another one follows.
    more_behind: bool,
}

impl Log {
    /// None where there is none, or none that SQLite would read.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut head = [0; HEAD];
        if !fill(&mut file, &mut head)? {
            return Ok(None);
        }
        let (magic, page) = (big(&head), big(&head[8..]));
        let word = if magic & 1 == 1 { big } else { little };
        let sum = sum(&head[..24], [0, 0], word);
        let good = magic & !1 == MAGIC
            && page.is_power_of_two()
            && (512..=65_536).contains(&page)
            && sum == [big(&head[24..]), big(&head[28..])];
        let mut salts = [0; 8];
        salts.copy_from_slice(&head[16..24]);
        Ok(good.then_some(Self {
            file,
            page: page as usize,
            salts,
            sum,
            word,
        }))
    }

    /// Reads it to its end.
    fn scan(&mut self) -> io::Result<Scan> {
        let mut scan = Scan::default();
        let mut frame = vec![0; FRAME_HEAD + self.page];
        let (mut before, mut count) = (self.sum, 0_u32);
        let (mut broken, mut ended) = (false, false);
        while fill(&mut self.file, &mut frame)? {
            count = count.saturating_add(1);
            let (head, body) = frame.split_at(FRAME_HEAD);
            let said = [big(&head[16..]), big(&head[20..])];
            let ours = head[8..16] == self.salts;
            let found = sum(body, sum(&head[..8], before, self.word), self.word);
            let follows = ours && big(head) != 0 && found == said;
            if broken && ended && follows {
                scan.more_behind = true;
                break;
            }
            broken |= !follows;
            ended = ours && big(&head[4..]) != 0;
            if !broken && ended {
                scan.whole = count;
            }
            // Behind a frame that cannot be read the next one is held against what it says of itself.
            before = said;
        }
        Ok(scan)
    }
}

/// SQLite's sum over words, two at a time.
fn sum(bytes: &[u8], before: [u32; 2], word: fn(&[u8]) -> u32) -> [u32; 2] {
    bytes.chunks_exact(8).fold(before, |[a, b], pair| {
        let a = a.wrapping_add(word(pair)).wrapping_add(b);
        [a, b.wrapping_add(word(&pair[4..])).wrapping_add(a)]
    })
}

fn four(bytes: &[u8]) -> [u8; 4] {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[..4]);
    four
}

fn big(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(four(bytes))
}

fn little(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(four(bytes))
}

fn native(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(four(bytes))
}

/// Whether the file is there and long enough.
fn read(path: &Path, bytes: &mut [u8]) -> io::Result<bool> {
    if fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        return Ok(false);
    }
    match File::open(path) {
        Ok(mut file) => fill(&mut file, bytes),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Reads so many bytes; false where the file ends before.
fn fill(file: &mut File, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests;
