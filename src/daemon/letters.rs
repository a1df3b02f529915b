//! From what the core says to what is mailed: ids get their domain, people their zone.

use jiff::tz::TimeZone;

use crate::core::letter as said;
use crate::core::policy::Person;
use crate::mail;

/// The mail of a letter, as the daemon sends it.
///
/// # Errors
/// What no message can carry.
pub fn compose(
    templates: &mail::Templates,
    from: &mail::Mailbox,
    letter: said::Letter,
) -> Result<mail::Composed, mail::ComposeError> {
    let domain = from.email.domain().to_string();
    mail::compose_with(templates, from, &self::letter(letter, &domain))
}

/// The letter as it is composed; `domain` is the sender's.
fn letter(letter: said::Letter, domain: &str) -> mail::Letter {
    let mut letter = letter.to(&recipient);
    complete(&mut letter, domain);
    letter
}

fn complete(letter: &mut mail::Letter, domain: &str) {
    for id in std::iter::once(&mut letter.message_id).chain(&mut letter.in_reply_to) {
        *id = format!("{id}@{domain}");
    }
    letter.uid = mail::uid(&letter.uid, domain);
    for part in &mut letter.parts {
        complete(part, domain);
    }
}

/// Checked when the file was read; a zone that vanished since is told in UTC rather than not at all.
fn recipient(person: Person) -> mail::Recipient {
    let (zone, zone_name) = match TimeZone::get(&person.time_zone) {
        Ok(zone) => (zone, person.time_zone.to_string()),
        Err(_) => (TimeZone::UTC, "UTC".into()),
    };
    mail::Recipient {
        email: person.email,
        name: person.name,
        language: person.language,
        zone,
        zone_name,
    }
}
