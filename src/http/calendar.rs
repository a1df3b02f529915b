//! The feed of maintenance, as an iCalendar object (RFC 5545) that calendar programs ask for again and again.
//!
//! Its entries have the UID and SEQUENCE of the invitations in the mails. DTSTAMP and LAST-MODIFIED say when an entry
//! last changed, as far as this daemon has seen: an answer without news is the same, octet for octet.
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use icalendar::{Calendar as Ical, Component, Event, Property};
use jiff::{SignedDuration, Timestamp};

use super::access::Reader;
use crate::core::decide;
use crate::core::policy::{Name, Policy};
use crate::core::report::{Entry, EntryJob, Feed, Standing, feed, feed_plan};
use crate::core::run::SessionId;
use crate::core::state::State;
use crate::mail::{Mailbox, entry_end, fold_calendar, organizer, uid, utc};
use crate::text::clean;

pub const CONTENT_TYPE: &str = "text/calendar; charset=utf-8";
/// How often programs are told to look again.
const REFRESH: &str = "PT1H";
/// Where no mail is configured there is no domain; this one never exists (RFC 2606).
const NO_DOMAIN: &str = "offhours.invalid";
/// Where nothing is planned: a calendar has at least one component (RFC 5545, 3.6), and this one shows nothing.
const UNIVERSAL_TIME: &str = "BEGIN:VTIMEZONE\r\nTZID:Etc/UTC\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
    TZOFFSETFROM:+0000\r\nTZOFFSETTO:+0000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
/// Octets of a description, about: folding takes long on very long text.
const LONGEST: usize = 4_000;
/// Hosts of a job that are named.
const HOSTS: usize = 12;

/// What the loop knows of what calendars show.
#[derive(Clone, Debug)]
pub struct Calendar {
    feed: Feed,
    /// Of the invitations.
    sender: Option<Mailbox>,
}

impl Calendar {
    /// Takes it; `sender` is that of the mails.
    pub fn new(policy: &Policy, state: &State, sender: Option<Mailbox>, now: Timestamp) -> Self {
        let plan = feed_plan(policy, state, now);
        Self {
            feed: feed(policy, state, &plan, now),
            sender,
        }
    }
}

/// The same, with the instant at which each entry last changed.
#[derive(Debug)]
pub(super) struct Dated {
    calendar: Calendar,
    changed: Vec<Timestamp>,
}

/// When entries were last seen to change. As large as the feed.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<SessionId, (u64, Timestamp)>);

impl Changes {
    pub fn date(&mut self, calendar: Calendar) -> Dated {
        let mut seen = HashMap::with_capacity(calendar.feed.entries.len());
        let changed = calendar.feed.entries.iter().map(|entry| {
            let mut hasher = DefaultHasher::new();
            entry.hash(&mut hasher);
            let content = hasher.finish();
            let told = entry.told.unwrap_or(calendar.feed.now);
            let at = match self.0.get(&entry.session) {
                Some((known, at)) if *known == content => *at,
                // What is newer must be seen to be so, also where it was put into words before it was asked for.
                Some((_, at)) if told <= *at => calendar.feed.now.max(later(*at)),
                _ => told,
            };
            seen.insert(entry.session.clone(), (content, at));
            at
        });
        let changed = changed.collect();
        self.0 = seen;
        Dated { calendar, changed }
    }
}

fn later(at: Timestamp) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(1))
        .unwrap_or(at)
}

impl Dated {
    /// Whether one can ask for this app.
    pub fn has(&self, app: &str) -> bool {
        self.calendar.feed.apps.contains(app)
    }

    /// The iCalendar object: CRLF lines, folded. Of these apps only, or of all where none is named.
    pub fn render(&self, apps: &[Name], reader: Reader) -> String {
        let Calendar { feed, sender } = &self.calendar;
        let mut calendar = Ical::empty();
        let name = clean(&feed.installation);
        for (key, value) in [
            ("VERSION", "2.0"),
            ("PRODID", "-//offhours//offhours//EN"),
            ("CALSCALE", "GREGORIAN"),
            ("METHOD", "PUBLISH"),
            // Not known to the library as text.
            ("NAME", escaped(&name).as_str()),
            ("X-WR-CALNAME", &name),
            ("X-PUBLISHED-TTL", REFRESH),
        ] {
            calendar.append_property((key, value));
        }
        let mut refresh = Property::new("REFRESH-INTERVAL", REFRESH);
        refresh.add_parameter("VALUE", "DURATION");
        calendar.append_property(refresh);
        let host = sender
            .as_ref()
            .map_or(NO_DOMAIN, |sender| sender.email.domain());
        let caller = match (sender, reader) {
            (Some(sender), Reader::Known) => organizer(sender),
            _ => nobody(&name),
        };
        let mut empty = true;
        for (entry, changed) in feed.entries.iter().zip(&self.changed) {
            if !apps.is_empty() && !apps.contains(&entry.app) {
                continue;
            }
            empty = false;
            let id = uid(&decide::uid(&feed.nonce, &entry.session), host);
            calendar.push(event(entry, &id, *changed, caller.clone(), reader));
        }
        let mut text = calendar.to_string();
        if empty {
            text = text.replace("END:VCALENDAR", &format!("{UNIVERSAL_TIME}END:VCALENDAR"));
        }
        fold_calendar(&text)
    }
}

fn event(entry: &Entry, id: &str, changed: Timestamp, caller: Property, reader: Reader) -> Event {
    let mut event = Event::new();
    let app = clean(&entry.app);
    event
        .uid(id)
        .sequence(entry.sequence)
        .add_property("DTSTAMP", utc(changed))
        .add_property("LAST-MODIFIED", utc(changed))
        .add_property("DTSTART", utc(entry.starts))
        .add_property("DTEND", utc(entry_end(entry.starts, entry.ends)))
        .add_property("TRANSP", "TRANSPARENT")
        .summary(&match entry.standing {
            Standing::Planned | Standing::Told => format!("Maintenance: {app}"),
            Standing::Cancelled => format!("Cancelled: Maintenance: {app}"),
        })
        .description(&description(entry, reader));
    event.add_property(
        "STATUS",
        match entry.standing {
            Standing::Planned => "TENTATIVE",
            Standing::Told => "CONFIRMED",
            Standing::Cancelled => "CANCELLED",
        },
    );
    event.append_property(caller);
    event
}

/// A feed has an organizer (RFC 5546, 3.2.1), and strangers are told no addresses.
fn nobody(installation: &str) -> Property {
    let mut property = Property::new("ORGANIZER", format!("mailto:nobody@{NO_DOMAIN}"));
    property.add_parameter("CN", &installation.replace('"', "'"));
    property
}

fn description(entry: &Entry, reader: Reader) -> String {
    let known = reader == Reader::Known;
    let mut lines = vec![match &entry.app_description {
        Some(description) if known => format!("{} – {}", clean(&entry.app), clean(description)),
        _ => clean(&entry.app).into_owned(),
    }];
    match (entry.standing, entry.next) {
        (Standing::Planned, _) => lines.push("Not announced yet: it may still move.".into()),
        (Standing::Told, _) => {}
        (Standing::Cancelled, None) => lines.push("It does not take place.".into()),
        (Standing::Cancelled, Some(next)) => lines.push(format!(
            "It does not take place; the next chance is {} UTC.",
            next.strftime("%Y-%m-%d %H:%M")
        )),
    }
    lines.extend(entry.jobs.iter().map(|job| line_of(job, known)));
    if known && !entry.contact.is_empty() {
        let contact: Vec<_> = entry.contact.iter().map(|line| clean(line)).collect();
        lines.push(format!("Contact: {}", contact.join(", ")));
    }
    lines.push(format!("Window: {}", clean(&entry.window)));
    lines.push(format!("Session: {}", clean(&entry.session)));
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() > LONGEST {
            text.push_str("\n…");
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

fn line_of(job: &EntryJob, known: bool) -> String {
    let mut line = format!("- {}", clean(&job.name));
    if known {
        if let Some(description) = &job.description {
            line = format!("{line} – {}", clean(description));
        }
        let hosts: Vec<_> = job
            .hosts
            .iter()
            .take(HOSTS)
            .map(|host| clean(host))
            .collect();
        line = format!("{line}, on {}", hosts.join(", "));
        if job.hosts.len() > HOSTS {
            line = format!("{line} and {} more", job.hosts.len() - HOSTS);
        }
    }
    if job.if_needed {
        line.push_str(" (if needed)");
    }
    line
}

/// A text as RFC 5545, 3.3.11 writes it. There are no line ends in it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | ';' | ',') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
