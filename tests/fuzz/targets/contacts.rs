//! `contacts.toml`, to the message that each of its people gets.

use jiff::tz::TimeZone;
use offhours::config::{self, Env, Purpose};
use offhours::core::policy::Person;
use offhours::mail::{Mailbox, Recipient, compose};

use super::fixture::{self, now};
use super::safe;

const FILE: &str = r#"
time_zone = "UTC"
contacts_file = "contacts.toml"
[notice]
to = ["technical"]
operators = ["support"]
[mail]
transport = "file"
from = "Operations <ops@example.org>"
"#;

pub fn run(data: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = {
            let folder = fixture::folder();
            fixture::write(&folder.path().join("windows.toml"), FILE.as_bytes());
            folder
        };
    }
    FOLDER.with(|folder| {
        fixture::write(&folder.path().join("contacts.toml"), data);
        let file = folder.path().join("windows.toml");
        let loaded = config::load(&file, &Env::default(), now(), Purpose::Check);
        let (problems, sources) = match &loaded {
            Ok(loaded) => (&loaded.warnings, &loaded.sources),
            Err(refused) => (&refused.problems, &refused.sources),
        };
        safe::lines(&config::render(problems, sources, false));
        let Ok(loaded) = &loaded else { return };
        let operators = loaded.policy.notice.operators.iter();
        for person in operators.flat_map(|audience| audience.people.iter()) {
            written(person);
        }
    });
}

/// No name, and no address, may become a header or a line of its own.
fn written(person: &Person) {
    safe::line(&person.email, 1_000);
    safe::line(person.name.as_deref().unwrap_or_default(), 1_000);
    let zone = TimeZone::get(&person.time_zone).expect("a zone that was checked");
    let recipient = Recipient {
        email: person.email.clone(),
        name: person.name.clone(),
        language: person.language,
        zone,
        zone_name: person.time_zone.to_string(),
    };
    let from: Mailbox = "Operations <ops@example.org>".parse().expect("an address");
    let letter = fixture::letter(recipient);
    let message = compose(&from, &letter).expect("whoever was accepted can be written to");
    let text = String::from_utf8(message.bytes).expect("ASCII");
    assert!(text.is_ascii());
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let names: Vec<String> = head
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split(':').next().unwrap_or_default().to_owned())
        .collect();
    let known = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "MIME-Version",
        "Content-Type",
    ];
    for name in &names {
        assert!(known.contains(&name.as_str()), "{name:?} in {head}");
        assert_eq!(names.iter().filter(|other| *other == name).count(), 1);
    }
    assert!(!head.contains('\0') && !head.replace("\r\n", "").contains(['\r', '\n']));
}
