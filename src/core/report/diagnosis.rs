//! Each part of the installation in one sentence.
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::when::{counted, relative, when};
use crate::core::calendar::{Freeze, Occurrence, Span, Window, subtract};
use crate::core::notice::Progress;
use crate::core::policy::{Name, Policy};
use crate::core::state::State;

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
}

/// Whether people are reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mail {
    pub ok: bool,
    pub text: String,
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

pub(super) fn mail(state: &State) -> Mail {
    let (mut owed, mut retrying, mut failed) = (0, 0, 0);
    let mut last_accepted = None;
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
    let text = match parts.is_empty() {
        true => "nothing waits to be sent".to_owned(),
        false => parts.join(", "),
    };
    Mail {
        ok: retrying == 0 && failed == 0,
        text,
        owed,
        retrying,
        failed,
        last_accepted,
        oldest,
        answer,
    }
}

pub(super) fn state_of(state: &State) -> Diagnosis {
    let open = state
        .sessions
        .values()
        .filter(|s| s.closed.is_none())
        .count();
    match &state.live.unwritable {
        Some(why) => Diagnosis {
            ok: false,
            text: format!("the state cannot be written, nothing new is started: {why}"),
        },
        None if state.next_run == 0 && state.nonce.is_empty() => Diagnosis {
            ok: true,
            text: "nothing is recorded yet".to_owned(),
        },
        None => Diagnosis {
            ok: true,
            text: format!(
                "recorded: {}, {}",
                counted(open, "open session", "open sessions"),
                counted(
                    state.running.len(),
                    "attempt under way",
                    "attempts under way"
                ),
            ),
        },
    }
}

pub(super) fn hosts() -> Diagnosis {
    Diagnosis {
        ok: true,
        text: "all work is done on this machine".to_owned(),
    }
}

pub(super) fn windows(policy: &Policy, now: Timestamp) -> Windows {
    let windows: Vec<WindowState> = policy
        .windows
        .values()
        .take(WINDOWS)
        .map(|w| window(policy, w, now))
        .collect();
    let open = windows.iter().filter(|w| w.open).count();
    let first = windows
        .iter()
        .filter(|w| !w.open)
        .filter_map(|w| w.opens.map(|opens| (opens, w)))
        .min_by_key(|(opens, _)| *opens);
    let text = match (policy.windows.len(), open, first) {
        (0, ..) => "no windows".to_owned(),
        (_, 0, None) => "no window opens within a year".to_owned(),
        (_, 0, Some((opens, w))) => {
            format!(
                "all windows are closed, {} opens {}",
                w.window,
                when(&policy.zone, opens)
            )
        }
        (all, open, _) => format!("{open} of {all} windows are open"),
    };
    Windows {
        ok: open > 0 || first.is_some() || windows.is_empty(),
        text,
        windows,
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
        .filter(|f| f.applies(&window.name, None, &[]))
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
mod tests {
    use super::*;
    use crate::core::calendar::{Frozen, Zone, parse_open};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn open(line: &str) -> Window {
        Window {
            name: "night".into(),
            zone: Zone::utc(),
            rules: vec![parse_open(line).unwrap()],
            cutoff: SignedDuration::ZERO,
        }
    }

    fn freeze(frozen: Frozen, now: Timestamp) -> Freeze {
        Freeze::new("f".into(), Zone::utc(), frozen, now)
    }

    #[test]
    fn a_long_freeze_is_looked_past() {
        let now = at("2026-11-20T12:00:00Z");
        let (night, hours) = (open("daily 22:00-02:00"), open("daily 00:00-01:00"));
        let months = Frozen::Once {
            from: at("2026-11-01T00:00:00Z"),
            until: at("2027-05-01T00:30:00Z"),
        };
        let months = freeze(months, now);
        let opens =
            |window: &Window, freezes: &[&Freeze]| next(window, freezes, now).map(|o| o.opens);
        // In the middle of an occurrence that began while it was frozen.
        assert_eq!(opens(&night, &[&months]), Some(at("2027-05-01T00:30:00Z")));
        assert_eq!(opens(&hours, &[&months]), Some(at("2027-05-01T00:30:00Z")));
        assert_eq!(opens(&night, &[]), Some(at("2026-11-20T22:00:00Z")));
        // Night after night, and then for ever.
        let nights = freeze(Frozen::Rules(Box::new(open("Mon-Sat 20:00-04:00"))), now);
        assert_eq!(
            opens(&night, &[&nights, &months]),
            Some(at("2027-05-02T22:00:00Z"))
        );
        let always = freeze(Frozen::Rules(Box::new(open("daily 21:00-03:00"))), now);
        assert_eq!(opens(&night, &[&always]), None);
    }
}
