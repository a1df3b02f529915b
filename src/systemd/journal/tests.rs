use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::mem::MaybeUninit;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::*;

/// An entry as the journal reads it.
fn fields(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|b| *b == b'\n').expect("a name");
        let name = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
        let (length, rest) = bytes[end + 1..].split_at(8);
        let length = u64::from_le_bytes(length.try_into().expect("eight")) as usize;
        let value = String::from_utf8(rest[..length].to_vec()).expect("UTF-8");
        assert_eq!(rest[length], b'\n');
        assert!(fields.insert(name, value).is_none(), "a name twice");
        bytes = &rest[length + 1..];
    }
    fields
}

fn journal() -> (tempfile::TempDir, UnixDatagram, Journal) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("socket");
    let listener = UnixDatagram::bind(&path).expect("bound");
    let journal = Journal::at(&path).expect("somebody listens");
    (dir, listener, journal)
}

#[test]
fn an_entry_has_fields_and_is_harmless() {
    let (_dir, listener, journal) = journal();
    let mut entry = Entry::new(Priority::Warning, "two\x1b[31m red\r\nlines");
    entry.field("exit-code", "1");
    entry.field("why", "a=b\nMESSAGE=forged");
    entry.field(&"x".repeat(100), "");
    journal.send(&entry).expect("sent");
    let mut bytes = vec![0; 4096];
    let length = listener.recv(&mut bytes).expect("received");
    let fields = fields(&bytes[..length]);
    assert_eq!(fields["MESSAGE"], "two red\nlines");
    assert_eq!(fields["PRIORITY"], "4");
    assert_eq!(fields["SYSLOG_IDENTIFIER"], "offhours");
    assert_eq!(fields["OFFHOURS_EXIT_CODE"], "1");
    assert_eq!(fields["OFFHOURS_WHY"], "a=b\nMESSAGE=forged");
    assert_eq!(fields.len(), 6, "{fields:?}");
    assert!(fields.keys().all(|name| name.len() <= 64), "{fields:?}");
    assert_eq!(entry.text(), "two red\nlines");
}

#[test]
fn what_fits_into_no_datagram_arrives_too() {
    let (_dir, listener, journal) = journal();
    let long = "ä".repeat(400 * 1024);
    let mut entry = Entry::new(Priority::Info, "mail payload");
    entry.field("payload", &long);
    journal.send(&entry).expect("sent");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&listener, &mut [], &mut beside, RecvFlags::empty()).expect("received");
    let file = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let mut file = std::fs::File::from(file.expect("a file"));
    let mut bytes = Vec::new();
    file.rewind().expect("from its begin");
    file.read_to_end(&mut bytes).expect("read");
    let value = &fields(&bytes)["OFFHOURS_PAYLOAD"];
    // Cut, between two characters.
    assert_eq!(value.len(), VALUE);
    assert!(long.starts_with(value));
}

#[test]
fn where_nobody_listens_there_is_no_journal() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(Journal::at(&dir.path().join("socket")).is_err());
    let (_dir, listener, journal) = journal();
    drop(listener);
    let entry = Entry::new(Priority::Error, "nobody hears it");
    assert!(journal.send(&entry).is_err());
}
