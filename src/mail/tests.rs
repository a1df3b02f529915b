//! Letters as messages, looked at from outside.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn from() -> Mailbox {
    "Operations <ops@example.org>".parse().unwrap()
}

fn letter(kind: LetterKind, language: Language) -> Letter {
    Letter {
        kind,
        message_id: "shop.night.2026-11-17.1@example.org".into(),
        in_reply_to: None,
        date: at("2026-11-17T08:00:00Z"),
        installation: "production".into(),
        app: "shop".into(),
        app_description: Some("Web shop, with checkout".into()),
        window: "night".into(),
        session: "shop/night/2026-11-17".into(),
        uid: "shop.night.2026-11-17@example.org".into(),
        sequence: 0,
        opens: at("2026-11-17T21:00:00Z"),
        closes: at("2026-11-18T04:00:00Z"),
        longer: SignedDuration::ZERO,
        starts: at("2026-11-17T21:00:00Z"),
        expected: SignedDuration::from_mins(45),
        jobs: vec![
            LetterJob {
                name: "backup".into(),
                description: Some("Backup of the database".into()),
                hosts: vec!["db1".into()],
                ..LetterJob::default()
            },
            LetterJob {
                name: "os-updates".into(),
                description: Some("Security updates of the operating system".into()),
                hosts: vec!["web1".into(), "web2".into()],
                if_needed: true,
                ..LetterJob::default()
            },
        ],
        reason: None,
        next: None,
        early: false,
        contact: vec![
            "Operations <ops@example.org>".into(),
            "+49 30 000000".into(),
        ],
        recipient: Recipient {
            email: "support@example.org".into(),
            name: Some("Zoë Support".into()),
            language,
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            zone_name: "Europe/Berlin".into(),
        },
        text: Vec::new(),
        parts: Vec::new(),
    }
}

fn message(letter: &Letter) -> String {
    String::from_utf8(compose(&from(), letter).unwrap().bytes).unwrap()
}

/// Header lines of the message itself, unfolded.
fn headers(message: &str) -> Vec<String> {
    let head = message.split("\r\n\r\n").next().unwrap();
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded.split("\r\n").map(str::to_owned).collect()
}

fn header<'a>(headers: &'a [String], name: &str) -> Vec<&'a str> {
    headers
        .iter()
        .filter_map(|line| line.split_once(": "))
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

/// The body of the part with this type, as a person or calendar reads it.
fn part(message: &str, kind: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let start = message.find(&format!("Content-Type: {kind}")).unwrap();
    let rest = &message[start..];
    let (head, rest) = rest.split_once("\r\n\r\n").unwrap();
    let body = rest.split("\r\n--=_").next().unwrap();
    if head.contains("base64") {
        let bytes = STANDARD.decode(body.replace("\r\n", "")).unwrap();
        return String::from_utf8(bytes).unwrap();
    }
    assert!(head.contains("quoted-printable"), "{head}");
    let body = body.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = body.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

fn calendar(message: &str) -> String {
    part(message, "text/calendar")
}

/// Everything a reader gets, decoded: what the snapshots hold.
fn decoded(letter: &Letter) -> String {
    let composed = compose(&from(), letter).unwrap();
    let message = String::from_utf8(composed.bytes).unwrap();
    let mut text = format!("subject: {}\n", composed.subject);
    for line in headers(&message) {
        text.push_str(&format!("{line}\n"));
    }
    text.push_str(&format!("\n=== text\n{}", part(&message, "text/plain")));
    text.push_str(&format!("\n=== html\n{}", part(&message, "text/html")));
    if message.contains("text/calendar") {
        let calendar = calendar(&message).replace("\r\n", "\n");
        text.push_str(&format!("\n=== calendar\n{calendar}"));
    }
    text
}

#[test]
fn advance_in_english() {
    insta::assert_snapshot!(decoded(&letter(LetterKind::Advance, Language::En)));
}

#[test]
fn a_clock_change_is_told_beside_the_window() {
    let text = |longer, kind, language| {
        let mut letter = letter(kind, language);
        letter.longer = longer;
        part(&message(&letter), "text/plain")
    };
    let (hour, half) = (
        SignedDuration::from_hours(1),
        SignedDuration::from_mins(-30),
    );
    let english = text(half, LetterKind::Advance, Language::En);
    let told = "05:00 (UTC+01:00, 04:00 UTC)\n\nClock change:\n  this window is 30 minutes shorter than usual\n\nTime zone:";
    assert!(english.contains(told), "{english}");
    let german = text(hour, LetterKind::Changed, Language::De);
    let told = "\nZeitumstellung:\n  dieses Fenster ist 1 Stunde länger als sonst\n";
    assert!(german.contains(told), "{german}");
    for (longer, kind) in [
        (SignedDuration::ZERO, LetterKind::Advance),
        (hour, LetterKind::Cancelled),
    ] {
        assert!(!text(longer, kind, Language::En).contains("Clock"));
    }
}

#[test]
fn advance_in_german() {
    insta::assert_snapshot!(decoded(&letter(LetterKind::Advance, Language::De)));
}

#[test]
fn postponed_is_a_cancellation_in_the_thread() {
    let mut letter = letter(LetterKind::Postponed, Language::En);
    letter.message_id = "shop.night.2026-11-17.2@example.org".into();
    letter.in_reply_to = Some("shop.night.2026-11-17.1@example.org".into());
    letter.sequence = 1;
    letter.reason = Some("the backup did not finish in time".into());
    letter.next = Some(at("2026-11-18T21:00:00Z"));
    insta::assert_snapshot!(decoded(&letter));
}

#[test]
fn failed_has_outcomes_and_no_calendar() {
    let mut letter = letter(LetterKind::Failed, Language::De);
    letter.reason = Some("os-updates failed on web2".into());
    letter.jobs[0].outcome = Some("succeeded".into());
    letter.jobs[1].outcome = Some("failed".into());
    letter.jobs[1].detail =
        Some("exit code 100: \u{1b}[31mE: <dpkg> lock\u{1b}[0m\r\nX-Evil: 1\u{202e}".into());
    insta::assert_snapshot!(decoded(&letter));
    assert!(!message(&letter).contains("text/calendar"));
}

#[test]
fn operators_read_what_is_the_matter() {
    let mut letter = letter(LetterKind::Operators, Language::En);
    letter.text = vec![
        "shop is still in maintenance".into(),
        "its leave hook failed 12 times".into(),
    ];
    let composed = compose(&from(), &letter).unwrap();
    assert_eq!(
        composed.subject,
        "[production] Needs attention: shop: shop is still in maintenance"
    );
    let text = part(std::str::from_utf8(&composed.bytes).unwrap(), "text/plain");
    assert!(text.contains("its leave hook failed 12 times"), "{text}");
    letter.app.clear();
    letter.window.clear();
    letter.text.clear();
    assert_eq!(
        compose(&from(), &letter).unwrap().subject,
        "[production] Needs attention"
    );
}

#[test]
fn the_same_letter_gives_the_same_bytes() {
    let letter = letter(LetterKind::Changed, Language::De);
    assert_eq!(message(&letter), message(&letter));
}

#[test]
fn methods_match_and_only_plans_go_into_calendars() {
    use LetterKind::*;
    for (kind, method) in [
        (Advance, Some("REQUEST")),
        (Changed, Some("REQUEST")),
        (Cancelled, Some("CANCEL")),
        (Postponed, Some("CANCEL")),
        (Started, None),
        (Finished, None),
        (Failed, None),
        (Operators, None),
    ] {
        let message = message(&letter(kind, Language::En));
        match method {
            Some(method) => {
                let parameter = format!("text/calendar; method={method}; charset=utf-8");
                assert_eq!(message.matches(&parameter).count(), 2, "{kind:?}");
                let calendar = calendar(&message);
                assert!(calendar.contains(&format!("METHOD:{method}\r\n")));
                assert_eq!(
                    calendar.contains("STATUS:CANCELLED\r\n"),
                    method == "CANCEL"
                );
                assert!(calendar.contains("UID:shop.night.2026-11-17@example.org\r\n"));
            }
            None => assert!(!message.contains("text/calendar"), "{kind:?}"),
        }
    }
}

#[test]
fn nothing_in_a_letter_can_add_a_header() {
    let evil = "x\r\nBcc: evil@example.org\r\n\r\nbody\0\n.\r\n--=_mixed_0";
    let mut letter = letter(LetterKind::Advance, Language::En);
    letter.installation = evil.into();
    letter.app = evil.into();
    letter.app_description = Some(evil.into());
    letter.window = evil.into();
    letter.session = evil.into();
    letter.uid = evil.into();
    letter.reason = Some(evil.into());
    letter.contact = vec![evil.into()];
    letter.jobs[0].name = evil.into();
    letter.jobs[0].hosts = vec![evil.into()];
    letter.recipient.name = Some(evil.into());
    letter.recipient.zone_name = evil.into();
    let from = Mailbox::new(Some(evil.into()), "ops@example.org".parse().unwrap());
    let bytes = compose(&from, &letter).unwrap().bytes;
    let message = String::from_utf8(bytes).unwrap();
    let headers = headers(&message);
    for once in [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
    ] {
        assert_eq!(header(&headers, once).len(), 1, "{once}: {headers:#?}");
    }
    assert!(header(&headers, "Bcc").is_empty());
    for line in calendar(&message).split("\r\n") {
        assert!(!line.starts_with("Bcc"), "{line}");
    }
}

#[test]
fn lines_are_ascii_and_short_and_end_in_crlf() {
    let mut letter = letter(LetterKind::Advance, Language::De);
    letter.app = "Ä".repeat(500);
    letter.app_description = Some("ß€😀".repeat(500));
    letter.in_reply_to = Some(format!("{}@example.org", "a".repeat(150)));
    let message = message(&letter);
    assert!(message.is_ascii());
    assert!(!message.replace("\r\n", "").contains(['\r', '\n']));
    for line in message.split("\r\n") {
        assert!(line.len() <= 998, "{} octets: {line}", line.len());
    }
}

#[test]
fn the_calendar_is_folded_by_octets_and_escaped() {
    let mut letter = letter(LetterKind::Advance, Language::De);
    letter.app = "a,b;c\\d\"e äöü".into();
    letter.app_description = Some("€uro 😀 ".repeat(100));
    letter.recipient.name = Some("Doe, \"Jo\"; x:y".into());
    let calendar = calendar(&message(&letter));
    for line in calendar.split("\r\n") {
        assert!(line.len() <= 75, "{} octets: {line}", line.len());
        assert!(!line.contains('\n'));
    }
    let unfolded = calendar.replace("\r\n ", "");
    let summary = unfolded
        .split("\r\n")
        .find(|line| line.starts_with("SUMMARY:"))
        .unwrap();
    assert!(summary.contains(r#"a\,b\;c\\d"e äöü"#), "{summary}");
    assert!(unfolded.contains("CN=\"Doe, 'Jo'; x:y\""), "{unfolded}");
}

/// A job over many hosts that did not end alike.
fn parted(language: Language) -> Letter {
    let ends = |outcome: &str, first: usize, count: usize, bad| LetterEnd {
        outcome: outcome.into(),
        hosts: (first..first + count).map(|n| format!("h{n:03}")).collect(),
        bad,
    };
    let mut letter = letter(LetterKind::Failed, language);
    letter.jobs = vec![LetterJob {
        name: "up".into(),
        hosts: (1..=99).map(|n| format!("h{n:03}")).collect(),
        outcome: Some("failed".into()),
        detail: Some("h020: exit code 1".into()),
        ends: vec![
            ends("succeeded", 1, 74, false),
            ends("failed", 75, 13, true),
            ends("not_begun", 88, 12, false),
        ],
        ask_again: true,
        ..LetterJob::default()
    }];
    letter
}

#[test]
fn hosts_that_did_not_end_alike_are_counted() {
    for (language, line) in [
        (
            Language::En,
            "up: 74 succeeded, 13 failed (h075, h076, h077, h078, h079, h080 and 7 more), 12 not begun \
             – h020: exit code 1 (what is left of it has to be requested again)",
        ),
        (
            Language::De,
            "up: 74 gelungen, 13 fehlgeschlagen (h075, h076, h077, h078, h079, h080 und 7 weitere), 12 nicht begonnen \
             – h020: exit code 1 (der Rest muss neu angefordert werden)",
        ),
    ] {
        let text = part(&message(&parted(language)), "text/plain");
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn what_was_ended_early_did_take_place() {
    for (language, subject, opening) in [
        (
            Language::En,
            "Ended early: maintenance of shop",
            "was ended early. Not all of it was done.",
        ),
        (
            Language::De,
            "Vorzeitig beendet: Wartung von shop",
            "wurde vorzeitig beendet. Nicht alles ist getan.",
        ),
    ] {
        let mut letter = parted(language);
        letter.early = true;
        let mail = compose(&from(), &letter).unwrap();
        assert!(mail.subject.contains(subject), "{}", mail.subject);
        assert!(mail.text.contains(opening), "{}", mail.text);
        assert!(!message(&letter).contains("text/calendar"));
    }
}

#[test]
fn html_shows_markup_as_text() {
    let mut letter = letter(LetterKind::Finished, Language::En);
    letter.jobs[0].detail = Some("<script>alert(1)</script> & \"more\"".into());
    let message = message(&letter);
    let html = part(&message, "text/html");
    assert!(!html.contains("<script>"), "{html}");
    assert!(html.contains("&lt;script&gt;"), "{html}");
    assert!(part(&message, "text/plain").contains("<script>alert(1)</script> & \"more\""));
}

#[test]
fn five_hundred_hosts_are_counted() {
    let mut letter = letter(LetterKind::Advance, Language::En);
    letter.jobs = vec![LetterJob {
        name: "rollout".into(),
        hosts: (0..500).map(|n| format!("node{n}.example.org")).collect(),
        ..LetterJob::default()
    }];
    let text = part(&message(&letter), "text/plain");
    assert!(text.contains("node11.example.org and 488 more"), "{text}");
    assert!(!text.contains("node12.example.org"));
}

#[test]
fn a_huge_letter_stays_a_mail() {
    let huge = "x y ".repeat(1000);
    let mut letter = letter(LetterKind::Operators, Language::En);
    letter.text = vec![huge.clone(); 100];
    letter.contact = vec![huge.clone(); 100];
    letter.reason = Some(huge.clone());
    letter.jobs = (0..100)
        .map(|n| LetterJob {
            name: format!("job{n}"),
            description: Some(huge.clone()),
            hosts: vec![huge.clone(); 20],
            detail: Some(huge.clone()),
            ..LetterJob::default()
        })
        .collect();
    let length = message(&letter).len();
    assert!(length < 200_000, "{length}");
}

#[test]
fn what_no_message_can_carry_is_refused() {
    let good = letter(LetterKind::Advance, Language::En);
    for email in [
        "",
        "nobody",
        "a@b\r\nBcc: c@example.org",
        "zoë@example.org",
        "a b@example.org",
    ] {
        let mut letter = good.clone();
        letter.recipient.email = email.into();
        assert!(
            matches!(compose(&from(), &letter), Err(ComposeError::Recipient(_))),
            "{email:?}"
        );
    }
    for id in [
        "",
        "no-at",
        "a@",
        "@b",
        "a@b@c",
        "a b@c",
        "<a@b>",
        "a@b\r\nBcc: c",
    ] {
        let mut letter = good.clone();
        letter.message_id = id.into();
        assert!(
            matches!(compose(&from(), &letter), Err(ComposeError::MessageId(_))),
            "{id:?}"
        );
        let mut letter = good.clone();
        letter.in_reply_to = Some(id.into());
        assert!(
            matches!(compose(&from(), &letter), Err(ComposeError::MessageId(_))),
            "{id:?}"
        );
    }
    let mut letter = good.clone();
    letter.expected = SignedDuration::MAX;
    assert!(matches!(compose(&from(), &letter), Err(ComposeError::Time)));
    let mut letter = good.clone();
    letter.date = at("1969-12-31T00:00:00Z");
    assert!(matches!(compose(&from(), &letter), Err(ComposeError::Time)));
    let mut letter = good;
    letter.date = Timestamp::MAX;
    compose(&from(), &letter).unwrap();
}

#[test]
fn the_thread_and_the_machine_headers() {
    let mut letter = letter(LetterKind::Changed, Language::En);
    letter.in_reply_to = Some("first@example.org".into());
    let headers = headers(&message(&letter));
    assert_eq!(
        header(&headers, "Message-ID"),
        ["<shop.night.2026-11-17.1@example.org>"]
    );
    assert_eq!(header(&headers, "In-Reply-To"), ["<first@example.org>"]);
    assert_eq!(header(&headers, "References"), ["<first@example.org>"]);
    assert_eq!(header(&headers, "Auto-Submitted"), ["auto-generated"]);
    assert_eq!(header(&headers, "X-Auto-Response-Suppress"), ["All"]);
    assert_eq!(
        header(&headers, "Date"),
        ["Tue, 17 Nov 2026 08:00:00 +0000"]
    );
}

proptest::proptest! {
    /// Whatever the texts are, the message has exactly the headers it should have, and the calendar its lines.
    #[test]
    fn any_text_leaves_the_shape_alone(
        app in "\\PC{0,40}|[\\x00-\\x7f]{0,200}|.{0,40}",
        name in "\\PC{0,40}|[\\x00-\\x7f]{0,200}",
        detail in "(?s).{0,400}",
    ) {
        let mut letter = letter(LetterKind::Advance, Language::De);
        letter.app = app.clone();
        letter.installation = detail.clone();
        letter.uid = detail.clone();
        letter.recipient.name = Some(name);
        letter.jobs[0].detail = Some(detail);
        letter.jobs[0].hosts = vec![app];
        let message = message(&letter);
        assert!(message.is_ascii());
        let names: Vec<String> = headers(&message)
            .iter()
            .map(|line| line.split_once(':').unwrap().0.to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
                "MIME-Version", "Content-Type"
            ]
        );
        let calendar = calendar(&message);
        let unfolded = calendar.replace("\r\n ", "");
        let keys: Vec<&str> = unfolded
            .trim_end()
            .split("\r\n")
            .map(|line| line.split([':', ';']).next().unwrap())
            .collect();
        assert_eq!(
            keys,
            [
                "BEGIN", "VERSION", "PRODID", "CALSCALE", "METHOD", "BEGIN", "DESCRIPTION", "DTEND", "DTSTAMP",
                "DTSTART", "ORGANIZER", "SEQUENCE", "STATUS", "SUMMARY", "TRANSP", "UID", "ATTENDEE", "END", "END"
            ]
        );
        assert!(calendar.split("\r\n").all(|line| line.len() <= 75));
    }
}

/// Three sessions of two apps in one mail.
fn digest(language: Language) -> Letter {
    let part = |day: i64, app: &str| {
        let mut part = letter(LetterKind::Advance, language);
        let later = SignedDuration::from_hours(24 * day);
        for at in [&mut part.opens, &mut part.closes, &mut part.starts] {
            *at = at.checked_add(later).unwrap();
        }
        part.app = app.into();
        part.session = format!("{app}/night/{day}");
        part.uid = format!("offhours-{app}-{day}@example.org");
        part
    };
    let parts = vec![part(0, "shop"), part(1, "shop"), part(1, "wiki")];
    Letter {
        kind: LetterKind::Digest,
        parts,
        ..letter(LetterKind::Advance, language)
    }
}

#[test]
fn a_digest_names_every_session() {
    for language in [Language::En, Language::De] {
        let name = format!("digest_{language:?}").to_lowercase();
        insta::assert_snapshot!(name, part(&message(&digest(language)), "text/plain"));
    }
}

#[test]
fn a_digest_has_one_calendar_entry_a_session() {
    let message = message(&digest(Language::En));
    for name in [
        "maintenance-1.ics",
        "maintenance-2.ics",
        "maintenance-3.ics",
    ] {
        assert!(
            message.contains(&format!("filename=\"{name}\"")),
            "{name}\n{message}"
        );
    }
    assert!(!message.contains("maintenance-4.ics"));
    assert_eq!(
        message
            .matches("Content-Type: text/calendar; method=REQUEST")
            .count(),
        3
    );
}
