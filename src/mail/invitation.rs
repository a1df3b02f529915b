//! The calendar entry of a session.
//!
//! `TRANSP:TRANSPARENT`: maintenance of an application does not take the reader's own time, so it must not show them
//! as busy or clash with their appointments.

use icalendar::{Calendar, Component, Event, Property};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use lettre::Address;

use super::{ComposeError, Letter, LetterKind, Mailbox, clean, content, content::Content};

/// Octets of a line, without its end.
const MAX_LINE: usize = 75;
/// Calendars show nothing shorter.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
/// Characters.
const MAX_UID: usize = 250;
/// Octets.
const MAX_DESCRIPTION: usize = 8000;

/// The calendar method of a letter, where it has a calendar part at all.
pub(super) fn method(kind: LetterKind) -> Option<&'static str> {
    match kind {
        LetterKind::Advance | LetterKind::Changed => Some("REQUEST"),
        LetterKind::Cancelled | LetterKind::Postponed => Some("CANCEL"),
        // Each of its parts has one.
        LetterKind::Digest => None,
        LetterKind::Started
        | LetterKind::Finished
        | LetterKind::Failed
        | LetterKind::Operators
        | LetterKind::Test => None,
    }
}

/// The UID of a calendar entry, the same in every mail and in the feed; `left` is that of the core.
pub fn uid(left: &str, domain: &str) -> String {
    clean::line(&format!("{left}@{domain}"), MAX_UID)
}

/// The iCalendar object: CRLF lines, folded by octets.
pub(super) fn invitation(
    from: &Mailbox,
    to: &Mailbox,
    letter: &Letter,
    content: &Content,
    method: &str,
) -> Result<String, ComposeError> {
    let mut event = Event::new();
    event
        .uid(&clean::line(&letter.uid, MAX_UID))
        .sequence(letter.sequence)
        .add_property("DTSTAMP", utc(letter.date))
        .add_property("DTSTART", utc(letter.starts))
        .add_property(
            "DTEND",
            utc(entry_end(letter.starts, content::ends(letter)?)),
        )
        .add_property("TRANSP", "TRANSPARENT")
        .add_property(
            "STATUS",
            if method == "CANCEL" {
                "CANCELLED"
            } else {
                "CONFIRMED"
            },
        )
        .summary(&content.subject)
        .description(&description(content));
    event.append_property(organizer(from));
    let mut attendee = person("ATTENDEE", to);
    attendee
        .add_parameter("ROLE", "OPT-PARTICIPANT")
        .add_parameter("PARTSTAT", "NEEDS-ACTION")
        .add_parameter("RSVP", "FALSE");
    event.append_multi_property(attendee);

    let mut calendar = Calendar::empty();
    calendar.append_property(("VERSION", "2.0"));
    calendar.append_property(("PRODID", "-//offhours//offhours//EN"));
    calendar.append_property(("CALSCALE", "GREGORIAN"));
    calendar.append_property(("METHOD", method));
    calendar.push(event);
    Ok(fold_calendar(&calendar.to_string()))
}

/// Folds again what the `icalendar` crate has written (any calendar, CRLF lines): the last piece of a line it folds can
/// have 76 octets, one more than allowed.
pub fn fold_calendar(calendar: &str) -> String {
    let mut out = String::with_capacity(calendar.len() + 16);
    for line in calendar.replace("\r\n ", "").split_terminator("\r\n") {
        let mut room = MAX_LINE;
        for c in line.chars() {
            if c.len_utf8() > room {
                out.push_str("\r\n ");
                room = MAX_LINE - 1;
            }
            out.push(c);
            room -= c.len_utf8();
        }
        out.push_str("\r\n");
    }
    out
}

/// When an entry ends: after it begins, however short the work (RFC 5545, 3.8.2.2).
pub fn entry_end(starts: Timestamp, ends: Timestamp) -> Timestamp {
    let least = starts.saturating_add(SHORTEST).unwrap_or(starts);
    ends.max(least)
}

/// `DATE-TIME` in UTC.
pub fn utc(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

/// The rows of the letter, as far as they fit: calendars show little, and folding takes long on very long text.
fn description(content: &Content) -> String {
    let mut text = content.opening.clone();
    for row in &content.rows {
        let row = format!("\n{}: {}", row.label, row.lines.join("\n  "));
        if text.len() + row.len() > MAX_DESCRIPTION {
            text.push_str("\n…");
            break;
        }
        text.push_str(&row);
    }
    text
}

/// Who calls in: the sender of the mails.
pub fn organizer(mailbox: &Mailbox) -> Property {
    person("ORGANIZER", mailbox)
}

fn person(role: &str, mailbox: &Mailbox) -> Property {
    let mut property = Property::new(role, mailto(&mailbox.email));
    if let Some(name) = &mailbox.name {
        // A parameter value can carry no double quote, not even escaped.
        let name = clean::line(name, 100).replace('"', "'");
        property.add_parameter("CN", &name);
    }
    property
}

/// RFC 6068: what has a meaning in a URI is percent-encoded.
fn mailto(address: &Address) -> String {
    let mut uri = String::from("mailto:");
    for byte in address.to_string().bytes() {
        if byte.is_ascii_alphanumeric() || b"@.-_~+!$'*=&".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_folded_within_the_bound_and_unfolds_to_itself() {
        for unit in ["x", "ä", "€", "😀", "a ä"] {
            for count in 0..240 {
                let line = format!("SUMMARY:{}\r\n", unit.repeat(count));
                let folded = fold_calendar(&line);
                assert!(
                    folded.split("\r\n").all(|line| line.len() <= 75),
                    "{folded}"
                );
                assert_eq!(folded.replace("\r\n ", ""), line);
            }
        }
    }

    #[test]
    fn addresses_become_uris() {
        let uri = |address: &str| mailto(&address.parse().unwrap());
        assert_eq!(uri("ops+night@example.org"), "mailto:ops+night@example.org");
        assert_eq!(
            uri("\"a b,c\"@example.org"),
            "mailto:%22a%20b%2Cc%22@example.org"
        );
    }
}
