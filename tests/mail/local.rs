//! Delivery to files and programs, and what an independent reader makes of the messages.

use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use offhours::mail::{Language, LetterKind, MailSettings, Mailer, Tls, Transport, compose};
use serde_json::Value;

use super::*;

fn to_folder(dir: PathBuf) -> MailSettings {
    MailSettings {
        transport: Transport::File { dir },
        ..settings(0, Tls::None)
    }
}

#[tokio::test]
async fn files_are_whole_private_and_one_a_notice() {
    let dir = tempfile::tempdir().unwrap();
    let mailer = Mailer::new(&to_folder(dir.path().into())).unwrap();
    let mut notice = message("support@example.org");
    accepted(&mailer.send(&notice).await);
    accepted(&mailer.send(&notice).await);
    let names = || -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names().len(), 1, "{:?}", names());
    let name = names().remove(0);
    assert!(
        name.starts_with("20261117T080000Z-advance-support@example.org-"),
        "{name}"
    );
    assert!(name.ends_with(".eml"), "{name}");
    let path = dir.path().join(&name);
    assert_eq!(fs::read(&path).unwrap(), notice.bytes);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    notice.message_id = "another@example.org".into();
    accepted(&mailer.send(&notice).await);
    notice.envelope_to = "\"../../x y\"@example.org".parse().unwrap();
    accepted(&mailer.send(&notice).await);
    assert_eq!(names().len(), 3, "{:?}", names());
    assert!(names().iter().all(|name| !name.contains(['/', ' ', '"'])));
}

#[tokio::test]
async fn a_folder_that_takes_nothing_is_temporary() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let mailer = Mailer::new(&to_folder(file.join("missing"))).unwrap();
    let why = temporary(&mailer.send(&message("a@example.org")).await);
    assert!(why.contains("missing"), "{why}");
    // It is made as soon as it can be.
    fs::remove_file(&file).unwrap();
    accepted(&mailer.send(&message("a@example.org")).await);
    let file = dir.path().join("another");
    fs::write(&file, "").unwrap();
    temporary(
        &Mailer::new(&to_folder(file))
            .unwrap()
            .send(&message("a@example.org"))
            .await,
    );
}

/// A file system of its own, gone with this value.
struct Mount(tempfile::TempDir);

impl Mount {
    /// `None` where mounting is not allowed.
    fn new(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(dir.path())
            .output();
        mount
            .is_ok_and(|output| output.status.success())
            .then_some(Self(dir))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A lazy unmount cannot fail for a file that is still open; nothing else could be done about it anyway.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_is_temporary_and_leaves_nothing_behind() {
    let Some(mount) = Mount::new("size=8k") else {
        println!(
            "*** SKIPPED a_full_disk_is_temporary_and_leaves_nothing_behind: mounting is not allowed ***"
        );
        return;
    };
    let dir = mount.0.path();
    let mailer = Mailer::new(&to_folder(dir.into())).unwrap();
    let mut notice = message("support@example.org");
    notice.bytes.resize(20_000, b'x');
    let why = temporary(&mailer.send(&notice).await);
    assert!(why.contains("space"), "{why}");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
    notice.bytes.truncate(4_000);
    accepted(&mailer.send(&notice).await);
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1);
}

fn program(dir: &tempfile::TempDir, script: &str) -> MailSettings {
    let program = dir.path().join("sendmail");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o700)
        .open(&program)
        .unwrap();
    writeln!(file, "#!/bin/sh\n{script}").unwrap();
    MailSettings {
        transport: Transport::Sendmail { program },
        timeout: Duration::from_secs(10),
        ..settings(0, Tls::None)
    }
}

#[tokio::test]
async fn sendmail_gets_the_message_and_its_exit_code_counts() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let script = format!("echo \"$@\" >{0}.args; cat >{0}", out.display());
    accepted(&send(&program(&dir, &script), "support@example.org").await);
    assert_eq!(
        fs::read(&out).unwrap(),
        message("support@example.org").bytes
    );
    let args = fs::read_to_string(dir.path().join("out.args")).unwrap();
    assert_eq!(args.trim(), "-oi -f ops@example.org -- support@example.org");

    let why = permanent(
        &send(
            &program(&dir, "cat >/dev/null; echo no such user >&2; exit 67"),
            "a@example.org",
        )
        .await,
    );
    assert!(why.contains("no such user"), "{why}");
    temporary(&send(&program(&dir, "cat >/dev/null; exit 75"), "a@example.org").await);
    temporary(&send(&program(&dir, "exit 1"), "a@example.org").await);
    temporary(&send(&program(&dir, "yes >&2; exit 1"), "a@example.org").await);

    let mut hanging = program(&dir, "cat >/dev/null; exec sleep 600");
    hanging.timeout = Duration::from_secs(1);
    unknown(&send(&hanging, "a@example.org").await);
    let mut missing = program(&dir, "");
    missing.transport = Transport::Sendmail {
        program: dir.path().join("nothing"),
    };
    temporary(&send(&missing, "a@example.org").await);
}

/// Python's mail and calendar parsers, which share no code with ours, read what a reader is meant to read.
#[test]
fn an_independent_reader_finds_the_same_facts() {
    let lab = lab!("an_independent_reader_finds_the_same_facts");
    use LetterKind::*;
    let dir = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    for kind in [
        Advance, Changed, Cancelled, Postponed, Started, Finished, Failed, Operators,
    ] {
        for language in [Language::En, Language::De] {
            let letter = letter(kind, "support@example.org", language);
            let composed = compose(&FROM.parse().unwrap(), &letter).unwrap();
            let path = dir.path().join(format!("{}-{language:?}.eml", kind.word()));
            fs::write(&path, &composed.bytes).unwrap();
            cases.push((letter, composed, path));
        }
    }
    let output = Command::new(&lab.python)
        .arg(lab.scripts.join("check_mail.py"))
        .args(cases.iter().map(|(_, _, path)| path))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(found.len(), cases.len());
    for ((letter, composed, path), found) in cases.iter().zip(&found) {
        let path = path.display();
        assert_eq!(
            found["problems"],
            serde_json::json!([]),
            "{path}: {found:#}"
        );
        let headers = &found["headers"];
        assert_eq!(headers["subject"], composed.subject.as_str(), "{path}");
        assert_eq!(headers["message-id"], format!("<{}>", letter.message_id));
        assert_eq!(headers["in-reply-to"], "<shop.night.first@example.org>");
        assert_eq!(headers["auto-submitted"], "auto-generated");
        assert_eq!(found["to_name"], "Doe, \"Zoë\"");
        let text = found["text"].as_str().unwrap();
        for fact in [
            letter.app.as_str(),
            "os-updates",
            "web1",
            "Europe/Berlin",
            "because",
            FROM,
            "night",
        ] {
            assert!(text.contains(fact), "{path} does not say {fact}: {text}");
        }
        let entry = &found["entry"];
        if !matches!(letter.kind, Advance | Changed | Cancelled | Postponed) {
            assert!(entry.is_null(), "{path}");
            continue;
        }
        let cancel = matches!(letter.kind, Cancelled | Postponed);
        assert_eq!(
            entry["method"],
            if cancel { "CANCEL" } else { "REQUEST" },
            "{path}"
        );
        assert_eq!(
            entry["status"],
            if cancel { "CANCELLED" } else { "CONFIRMED" }
        );
        assert_eq!(entry["uid"], letter.uid.as_str());
        assert_eq!(entry["sequence"], letter.sequence);
        assert_eq!(entry["summary"], composed.subject.as_str());
        assert_eq!(entry["starts"], "2026-11-17T21:00:00+00:00");
        assert_eq!(entry["ends"], "2026-11-17T21:45:00+00:00");
        assert_eq!(entry["organizer"], "mailto:ops@example.org");
        assert_eq!(entry["attendee"], "mailto:support@example.org");
        assert_eq!(entry["attendee_name"], "Doe, 'Zoë'");
        assert_eq!(entry["rsvp"], "FALSE");
        assert!(
            entry["description"]
                .as_str()
                .unwrap()
                .contains(letter.app.as_str())
        );
        assert_eq!(
            found["parts"],
            serde_json::json!([
                "multipart/mixed",
                "multipart/alternative",
                "text/plain",
                "text/html",
                "text/calendar",
                "text/calendar"
            ])
        );
    }
}
