//! Freezes in words: when they hold next, whom they hold back.
use jiff::Timestamp;
use serde::Serialize;

use super::when::{counted, span, when};
use crate::core::calendar::{Freeze, Frozen, Span};
use crate::core::policy::{Name, Policy};

/// How many times to come are named.
const NEXT: usize = 3;

/// How many windows, apps or hosts are.
const NAMED: usize = 20;

/// What `check` says of a freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreezeView {
    pub freeze: Name,
    /// The next ones, also one that holds now.
    pub spans: Vec<SpanView>,
    pub text: String,
}

/// Half-open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SpanView {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// All freezes as they look from `now` on, in the order of the file.
pub fn freezes(policy: &Policy, now: Timestamp) -> Vec<FreezeView> {
    policy
        .freezes
        .iter()
        .map(|freeze| view(freeze, now))
        .collect()
}

fn view(freeze: &Freeze, now: Timestamp) -> FreezeView {
    let coming = freeze.coming(now);
    let mut text = times(freeze, coming, now);
    let hosts: Vec<_> = freeze.hosts.iter().cloned().collect();
    for (one, many, names) in [
        ("window", "windows", &freeze.windows),
        ("app", "apps", &freeze.apps),
        ("host", "hosts", &hosts),
    ] {
        if !names.is_empty() {
            let noun = if names.len() == 1 { one } else { many };
            let named = &names[..names.len().min(NAMED)];
            let more = match names.len() - named.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            text += &format!("; only {noun} {}{more}", list(named));
        }
    }
    if !freeze.except_labels.is_empty() {
        text += &format!("; jobs labelled {} may run", list(&freeze.except_labels));
        text += &match freeze.except_hosts.len() {
            0 => String::new(),
            few => format!(", and all on {}", counted(few, "host", "hosts")),
        };
    }
    if let Some(description) = &freeze.description {
        text += &format!("; {description}");
    }
    let spans = coming.iter().take(NEXT);
    FreezeView {
        freeze: freeze.name.clone(),
        spans: spans
            .map(|&(from, until)| SpanView { from, until })
            .collect(),
        text,
    }
}

fn times(freeze: &Freeze, coming: &[Span], now: Timestamp) -> String {
    let zone = &freeze.zone;
    let Some((first, later)) = coming.split_first() else {
        return match freeze.ends() {
            Some(ends) if ends <= now => format!("over since {}", when(zone, ends)),
            Some(_) => "in more than twelve years".to_owned(),
            None if matches!(freeze.frozen(), Frozen::Listed(_)) => "never".to_owned(),
            None => "not within twelve years".to_owned(),
        };
    };
    let mut text = if first.0 <= now { "now, " } else { "" }.to_owned();
    text += &format!(
        "{} until {} ({})",
        when(zone, first.0),
        when(zone, first.1),
        span(first.1.duration_since(first.0))
    );
    let named: Vec<String> = later
        .iter()
        .take(NEXT - 1)
        .map(|next| zone.date(next.0).to_string())
        .collect();
    if !named.is_empty() {
        text += &format!(", then from {}", list(&named));
    }
    // What recurs goes on in any case; of a calendar it matters how far it goes.
    let more = later.len().saturating_sub(named.len());
    if let (Frozen::Listed(_), Some(last), 1..) = (freeze.frozen(), later.last(), more) {
        let spans = counted(more, "more span", "more spans");
        text += &format!(", {spans} until {}", zone.date(last.1));
    }
    text
}

/// `a`, `a and b`, `a, b and c`.
fn list(names: &[impl AsRef<str>]) -> String {
    let mut text = String::new();
    for (place, name) in names.iter().enumerate() {
        if place > 0 {
            let last = place + 1 == names.len();
            text += if last { " and " } else { ", " };
        }
        text += name.as_ref();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::calendar::{Spans, Window, YearDay, Yearly, Zone, parse_open};
    use jiff::{SignedDuration, civil};

    const NOW: &str = "2026-11-20T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn text(frozen: Frozen, more: impl FnOnce(&mut Freeze)) -> String {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let mut freeze = Freeze::new("f".into(), zone, frozen, at(NOW));
        more(&mut freeze);
        let view = view(&freeze, at(NOW));
        assert!(view.spans.len() <= NEXT);
        view.text
    }

    fn once(from: &str, until: &str) -> Frozen {
        Frozen::Once {
            from: at(from),
            until: at(until),
        }
    }

    #[test]
    fn once_it_is_ahead_now_or_over() {
        for (from, until, said) in [
            (
                "2026-12-17T23:00:00Z",
                "2027-01-01T23:00:00Z",
                "Fri 2026-12-18 00:00 +01:00 until Sat 2027-01-02 00:00 +01:00 (15 d)",
            ),
            (
                "2026-11-20T00:00:00Z",
                "2026-11-21T00:00:00Z",
                "now, Fri 2026-11-20 01:00 +01:00 until Sat 2026-11-21 01:00 +01:00 (1 d)",
            ),
            (
                "2026-11-19T00:00:00Z",
                NOW,
                "over since Fri 2026-11-20 13:00 +01:00",
            ),
        ] {
            assert_eq!(text(once(from, until), |_| {}), said);
        }
    }

    #[test]
    fn what_comes_again_is_named_three_times() {
        let day = |month, day| YearDay::new(month, day, civil::Time::midnight()).unwrap();
        let yearly = Frozen::Yearly(Yearly::new(day(12, 18), day(1, 2)).unwrap());
        assert_eq!(
            text(yearly, |f| {
                f.description = Some("nobody is here".into());
                f.except_labels = vec!["security".into()];
                f.windows = vec!["night".into()];
                f.apps = vec!["shop".into(), "wiki".into(), "blog".into()];
            }),
            "Fri 2026-12-18 00:00 +01:00 until Sat 2027-01-02 00:00 +01:00 (15 d), \
             then from 2027-12-18 and 2028-12-18; only window night; only apps shop, wiki and blog; \
             jobs labelled security may run; nobody is here"
        );
        let rules = Frozen::Rules(Box::new(Window {
            name: "f".into(),
            zone: Zone::named("Europe/Berlin").unwrap(),
            rules: vec![parse_open("last Fri 00:00-24:00").unwrap()],
            cutoff: SignedDuration::ZERO,
        }));
        assert_eq!(
            text(rules, |_| {}),
            "Fri 2026-11-27 00:00 +01:00 until Sat 2026-11-28 00:00 +01:00 (1 d), then from 2026-12-25 and 2027-01-29"
        );
    }

    #[test]
    fn of_a_calendar_the_end_is_named() {
        let days = |from: i64, count: i64| {
            let of = |n| {
                let day = |n| Timestamp::from_second((20_500 + from + n) * 86_400).unwrap();
                (day(n * 2), day(n * 2 + 1))
            };
            Frozen::Listed(Spans::of((0..count).map(of).collect()))
        };
        assert_eq!(
            text(days(300, 5), |_| {}),
            "Sun 2026-12-13 01:00 +01:00 until Mon 2026-12-14 01:00 +01:00 (1 d), \
             then from 2026-12-15 and 2026-12-17, 2 more spans until 2026-12-22"
        );
        assert_eq!(text(days(0, 0), |_| {}), "never");
        assert_eq!(
            text(days(0, 1), |_| {}),
            "over since Tue 2026-02-17 01:00 +01:00"
        );
    }
}
