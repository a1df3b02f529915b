//! The one-line form of a window, to its occurrences.

use jiff::SignedDuration;
use offhours::core::calendar::{Rule, Window, Zone, parse_open};

use super::fixture::now;
use super::safe;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let rules: Vec<Rule> = text.split('\n').take(10).filter_map(rule).collect();
    if rules.is_empty() {
        return;
    }
    for zone in ["UTC", "Europe/Berlin", "Australia/Lord_Howe"] {
        let window = Window {
            name: "w".into(),
            zone: Zone::named(zone).expect("a zone"),
            rules: rules.clone(),
            cutoff: SignedDuration::ZERO,
        };
        occurrences(&window);
    }
}

fn rule(text: &str) -> Option<Rule> {
    match parse_open(text) {
        Ok(rule) => Some(rule),
        Err(error) => {
            assert!(text.get(error.range.clone()).is_some(), "{error:?}");
            safe::line(&error.message, 20_000);
            safe::line(&error.hint, 20_000);
            None
        }
    }
}

fn occurrences(window: &Window) {
    let year = now() + SignedDuration::from_hours(24 * 366);
    let mut last = None;
    for occurrence in window.occurrences(now(), year).take(400) {
        assert!(occurrence.opens < occurrence.closes && occurrence.opens < year);
        assert!(occurrence.closes > now());
        // One that never closes comes in pieces.
        let endless = occurrence.length() > offhours::core::calendar::LONGEST;
        let apart =
            |(closed, piece)| closed < occurrence.opens || piece && closed == occurrence.opens;
        assert!(last.is_none_or(apart), "{occurrence:?} after {last:?}");
        if !endless {
            assert_eq!(window.open_at(occurrence.opens), Some(occurrence));
        }
        last = Some((occurrence.closes, endless));
    }
    let next = window.next_opening(now());
    assert!(next.is_none_or(|next| next.opens >= now()));
    window.emptied(now(), year);
}
