//! From what the core says to what is mailed: addresses get their domain, people their zone.

use jiff::tz::TimeZone;

use crate::core::letter as said;
use crate::core::policy::Language;
use crate::mail;

/// The letter as it is composed; `domain` is the sender's.
pub(super) fn letter(letter: &said::Letter, domain: &str) -> mail::Letter {
    let id = |left: &str| format!("{left}@{domain}");
    let person = &letter.recipient;
    // Checked when the file was read; a zone that vanished since is told in UTC rather than not at all.
    let zone = TimeZone::get(&person.time_zone);
    let (zone, zone_name) = match zone {
        Ok(zone) => (zone, person.time_zone.to_string()),
        Err(_) => (TimeZone::UTC, "UTC".into()),
    };
    mail::Letter {
        kind: match letter.kind {
            said::LetterKind::Advance => mail::LetterKind::Advance,
            said::LetterKind::Changed => mail::LetterKind::Changed,
            said::LetterKind::Cancelled => mail::LetterKind::Cancelled,
            said::LetterKind::Postponed => mail::LetterKind::Postponed,
            said::LetterKind::Failed => mail::LetterKind::Failed,
            said::LetterKind::Finished => mail::LetterKind::Finished,
            said::LetterKind::Started => mail::LetterKind::Started,
            said::LetterKind::Operators => mail::LetterKind::Operators,
        },
        message_id: id(&letter.message_id),
        in_reply_to: letter.in_reply_to.as_deref().map(id),
        date: letter.date,
        installation: letter.installation.clone(),
        app: letter.app.clone(),
        app_description: letter.app_description.clone(),
        window: letter.window.clone(),
        session: letter.session.clone(),
        uid: id(&letter.uid),
        sequence: letter.sequence,
        opens: letter.opens,
        closes: letter.closes,
        starts: letter.starts,
        expected: letter.expected,
        jobs: letter
            .jobs
            .iter()
            .map(|job| mail::LetterJob {
                name: job.name.clone(),
                description: job.description.clone(),
                hosts: job.hosts.clone(),
                if_needed: job.if_needed,
                outcome: job.outcome.clone(),
                detail: job.detail.clone(),
            })
            .collect(),
        reason: letter.reason.clone(),
        next: letter.next,
        contact: letter.contact.clone(),
        recipient: mail::Recipient {
            email: person.email.clone(),
            name: person.name.clone(),
            language: match person.language {
                Language::En => mail::Language::En,
                Language::De => mail::Language::De,
            },
            zone,
            zone_name,
        },
        text: letter.text.clone(),
    }
}
