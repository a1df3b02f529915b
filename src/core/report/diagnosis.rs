//! Each part of the installation in one sentence.
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::when::{counted, relative, since, when};
use crate::core::calendar::{Freeze, Occurrence, Span, Window, Work, Zone, subtract};
use crate::core::notice::Progress;
use crate::core::policy::{Name, Policy};
use crate::core::state::{MailTrouble, ROOM_GIVEN, State, UNWRITABLE};

/// No more windows than this are described.
const WINDOWS: usize = 200;
/// How many spans of freezes are looked past: a night's for a year.
const LOOK_PAST: usize = 370;
/// A window that does not open within this is said not to open.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 366);

/// A part in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    pub ok: bool,
    pub text: String,
    /// The text for readers who are not known: without words from outside.
    #[serde(skip)]
    pub(super) public: String,
}

impl Diagnosis {
    /// One that anybody may read.
    fn open(ok: bool, text: String) -> Self {
        Self {
            ok,
            public: text.clone(),
            text,
        }
    }
}

/// Whether people are reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mail {
    pub ok: bool,
    pub text: String,
    /// The text for readers who are not known: without words from outside.
    #[serde(skip)]
    pub(super) public: String,
    /// Since when none was accepted, where one is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Notices that nobody has accepted yet.
    pub owed: usize,
    /// Notices among them that were tried already.
    pub retrying: usize,
    /// Notices that were refused for good, or given up, and are not forgotten yet.
    pub failed: usize,
    pub last_accepted: Option<Timestamp>,
    /// Since when the one that waits longest could have been sent.
    pub oldest: Option<Timestamp>,
    /// What the server said to the one that was owed first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// What may happen when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Windows {
    pub ok: bool,
    pub text: String,
    pub windows: Vec<WindowState>,
}

/// A window now: the occurrence that is open, or the next one, after freezes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowState {
    pub window: Name,
    pub open: bool,
    pub opens: Option<Timestamp>,
    pub closes: Option<Timestamp>,
    /// The freeze that keeps it closed now.
    pub frozen_by: Option<Name>,
    pub text: String,
}

pub(super) fn mail(zone: &Zone, state: &State, now: Timestamp) -> Mail {
    let (mut owed, mut retrying, mut failed) = (0, 0, 0);
    let mut last_accepted = state.mail_accepted;
    let mut answer = None;
    let mut oldest: Option<Timestamp> = None;
    for notice in state.notices.values() {
        match &notice.progress {
            Progress::Owed { .. } | Progress::Sending => {
                owed += 1;
                let since = match notice.progress {
                    Progress::Owed { not_before } if notice.attempts == 0 => not_before,
                    _ => notice.owed,
                };
                oldest = Some(oldest.map_or(since, |oldest| oldest.min(since)));
                if notice.attempts > 0 && notice.answer.is_some() {
                    retrying += 1;
                    answer = answer.or_else(|| notice.answer.clone());
                }
            }
            Progress::Accepted { at } => last_accepted = last_accepted.max(Some(*at)),
            Progress::Refused { .. } | Progress::GivenUp { .. } => failed += 1,
            Progress::Overtaken => {}
        }
    }
    // Of mail that nobody tries to send any more nothing is known.
    let trouble = state.mail_trouble.as_ref().filter(|_| retrying > 0);
    let mut parts = Vec::new();
    if owed > 0 {
        parts.push(format!("{} to be sent", counted(owed, "notice", "notices")));
    }
    if retrying > 0 {
        parts.push(format!("{retrying} not accepted so far"));
    }
    if failed > 0 {
        parts.push(format!("{failed} could not be delivered"));
    }
    let counts = match parts.is_empty() {
        true => "nothing waits to be sent".to_owned(),
        false => parts.join(", "),
    };
    let begun = trouble.map(|trouble| since(zone, trouble.since, now));
    let (text, public) = match (trouble, begun) {
        (Some(trouble), Some(begun)) => (
            format!("{}; {counts}", stays(trouble, &begun)),
            format!("no mail has been accepted since {begun}; {counts}"),
        ),
        _ => (counts.clone(), counts),
    };
    Mail {
        ok: retrying == 0 && failed == 0,
        text,
        public,
        failing_since: trouble.map(|trouble| trouble.since),
        owed,
        retrying,
        failed,
        last_accepted,
        oldest,
        answer,
    }
}

/// What the mail server said, with the time in its middle: `cannot reach mail.example.org:587 since 21:04: connection
/// refused`.
fn stays(trouble: &MailTrouble, since: &str) -> String {
    match trouble.why.split_once(": ") {
        Some((what, why)) => format!("{what} since {since}: {why}"),
        None => format!("{} since {since}", trouble.why),
    }
}

pub(super) fn state_of(zone: &Zone, state: &State, now: Timestamp) -> Diagnosis {
    let open = state
        .sessions
        .values()
        .filter(|s| s.closed.is_none())
        .count();
    let begun = |key: &str| {
        let matter = state.attention.get(key)?;
        Some(since(zone, matter.since, now))
    };
    if let Some(why) = &state.live.unwritable {
        let begun = begun(UNWRITABLE).map(|begun| format!(" since {begun}"));
        let begun = begun.unwrap_or_default();
        let public = format!("the state cannot be written{begun}, nothing new is started");
        return Diagnosis {
            ok: false,
            text: format!("{public}: {why}"),
            public,
        };
    }
    if state.next_run == 0 && state.nonce.is_empty() {
        return Diagnosis::open(true, "nothing is recorded yet".to_owned());
    }
    let mut text = format!(
        "recorded: {}, {}",
        counted(open, "open session", "open sessions"),
        counted(
            state.running.len(),
            "attempt under way",
            "attempts under way"
        ),
    );
    if let Some(begun) = begun(ROOM_GIVEN) {
        text.push_str(&format!(
            "; the disk is full since {begun}, and what was kept for that is in use"
        ));
    }
    Diagnosis::open(true, text)
}

/// `remote`: how many are configured. Their names, and those who hold locks, are not for everybody.
pub(super) fn hosts(zone: &Zone, remote: usize, state: &State, now: Timestamp) -> Diagnosis {
    let mut text = match remote {
        0 => "all work is done on this machine".to_owned(),
        some => counted(
            some,
            "host is reached over SSH",
            "hosts are reached over SSH",
        ),
    };
    let mut public = text.clone();
    let mut waiting = state.running.values().filter_map(|r| r.waiting.as_ref());
    if let Some(holder) = waiting.next() {
        let count = 1 + waiting.count();
        let wait = counted(count, "attempt waits", "attempts wait");
        public.push_str(&format!(", {wait} for a lock"));
        text.push_str(&format!(", {wait} for a lock"));
        if !holder.is_empty() {
            text.push_str(&format!(" (held by {holder})"));
        }
    }
    let unheard = state.running.values().filter_map(|r| {
        let (why, until) = r.unheard.as_ref()?;
        Some((r.what.host(), why, until))
    });
    if let Some((host, why, until)) = unheard.clone().min_by_key(|(_, _, until)| *until) {
        let count = counted(unheard.count(), "attempt", "attempts");
        let asked = format!("{} ({})", when(zone, *until), relative(*until, now));
        public.push_str(&format!(", how {count} ended is not known"));
        text.push_str(&format!(
            ", how {count} ended is not known: {host} is asked until {asked}, {why}"
        ));
    }
    Diagnosis {
        ok: true,
        text,
        public,
    }
}

pub(super) fn windows(policy: &Policy, now: Timestamp) -> Windows {
    let windows: Vec<WindowState> = policy
        .windows
        .values()
        .take(WINDOWS)
        .map(|w| window(policy, w, now))
        .collect();
    let opens = windows.iter().any(|w| w.open || w.opens.is_some());
    Windows {
        ok: opens || windows.is_empty(),
        text: windows_words(&policy.zone, &windows),
        windows,
    }
}

fn windows_words(zone: &Zone, windows: &[WindowState]) -> String {
    let open = windows.iter().filter(|w| w.open).count();
    let first = windows
        .iter()
        .filter(|w| !w.open)
        .filter_map(|w| w.opens.map(|opens| (opens, w)))
        .min_by_key(|(opens, _)| *opens);
    let mut text = match (windows.len(), open, first) {
        (0, ..) => return "no windows".to_owned(),
        (_, 0, None) => return "no window opens within a year".to_owned(),
        (_, 0, Some((opens, w))) => {
            format!(
                "all windows are closed, {} opens {}",
                w.window,
                when(zone, opens)
            )
        }
        (all, open, _) => format!("{open} of {all} windows are open"),
    };
    let frozen = named(windows.iter().filter(|w| !w.open).filter_map(|w| {
        let by = w.frozen_by.as_ref()?;
        Some(format!("{} ({by})", w.window))
    }));
    let never = windows.iter().filter(|w| w.opens.is_none());
    let never = named(never.map(|w| w.window.to_string()));
    for (words, names) in [
        ("held back by a freeze", frozen),
        ("not to open within a year", never),
    ] {
        if !names.is_empty() {
            text.push_str(&format!("; {words}: {names}"));
        }
    }
    text
}

/// No more names than this in one sentence.
const NAMED: usize = 5;

fn named(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>();
    match names.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The first piece of an occurrence that freezes leave and that is not over.
fn next(window: &Window, freezes: &[&Freeze], now: Timestamp) -> Option<Occurrence> {
    let horizon = now.saturating_add(HORIZON).unwrap_or(Timestamp::MAX);
    let mut from = now;
    for _ in 0..LOOK_PAST {
        let o = window.occurrences(from, horizon).next()?;
        let spans: Vec<Span> = freezes
            .iter()
            .flat_map(|f| f.spans(o.opens, o.closes).into_owned())
            .collect();
        let mut pieces = subtract(o, &spans).into_iter();
        if let Some(piece) = pieces.find(|piece| piece.closes > now) {
            return Some(piece);
        }
        // Not one by one through all that a freeze holds back.
        from = spans
            .iter()
            .map(|span| span.1)
            .fold(o.closes, Timestamp::max);
    }
    None
}

fn window(policy: &Policy, window: &Window, now: Timestamp) -> WindowState {
    let freezes: Vec<_> = policy
        .freezes
        .iter()
        .filter(|f| f.applies(&Work::of_window(&window.name)))
        .collect();
    let next = next(window, &freezes, now);
    let frozen_by = freezes
        .iter()
        .find(|f| f.holds(now))
        .filter(|_| window.open_at(now).is_some());
    let open = next.is_some_and(|o| o.contains(now));
    let text = match next {
        None => format!("{} does not open within a year", window.name),
        Some(o) if open => format!(
            "{} is open, closes {} ({})",
            window.name,
            when(&window.zone, o.closes),
            relative(o.closes, now)
        ),
        Some(o) => {
            let closed = match &frozen_by {
                Some(Freeze {
                    name, description, ..
                }) => {
                    let why = description.as_ref().map(|why| format!(" ({why})"));
                    format!("closed by freeze {name}{}", why.unwrap_or_default())
                }
                None => "closed".to_owned(),
            };
            format!(
                "{} is {closed}, opens {} ({})",
                window.name,
                when(&window.zone, o.opens),
                relative(o.opens, now)
            )
        }
    };
    WindowState {
        window: window.name.clone(),
        open,
        opens: next.map(|o| o.opens),
        closes: next.map(|o| o.closes),
        frozen_by: frozen_by.map(|f| f.name.clone()),
        text,
    }
}

#[cfg(test)]
mod tests;
