use super::super::fixture::{at, loaded, printed};
use super::*;

fn wanted(from: &str, until: &str) -> Wanted {
    Wanted {
        from: at(from),
        until: at(until),
        count: usize::MAX,
    }
}

#[test]
fn a_freeze_shortens_and_splits() {
    let loaded = loaded();
    let span = wanted("2026-11-24T12:00:00Z", "2026-11-25T12:00:00Z");
    let found = list(&loaded.policy, &["night".into()], span).expect("listed");
    let json = serde_json::to_value(&found).expect("json");
    assert_eq!(
        json,
        serde_json::json!([
            {
                "window": "night", "opens": "2026-11-24T21:00:00Z", "closes": "2026-11-24T23:00:00Z",
                "time_zone": "Europe/Berlin", "local_opens": "2026-11-24T22:00:00+01:00",
                "local_closes": "2026-11-25T00:00:00+01:00", "clock_change_s": 0, "shortened_by": ["inventory"],
            },
            {
                "window": "night", "opens": "2026-11-25T01:00:00Z", "closes": "2026-11-25T04:00:00Z",
                "time_zone": "Europe/Berlin", "local_opens": "2026-11-25T02:00:00+01:00",
                "local_closes": "2026-11-25T05:00:00+01:00", "clock_change_s": 0, "shortened_by": ["inventory"],
            },
        ])
    );
}

#[test]
fn what_is_open_at_the_beginning_is_listed_whole() {
    let loaded = loaded();
    let span = wanted("2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z");
    let found = list(&loaded.policy, &[], span).expect("listed");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].opens, at("2026-11-23T21:00:00Z"));
    // Half-open: what closes at the beginning does not touch the span.
    let span = wanted("2026-11-24T04:00:00Z", "2026-11-24T05:00:00Z");
    assert!(list(&loaded.policy, &[], span).expect("listed").is_empty());
}

#[test]
fn the_count_is_of_each_window() {
    let loaded = loaded();
    let span = Wanted {
        count: 2,
        ..wanted("2026-11-23T12:00:00Z", "2027-11-23T12:00:00Z")
    };
    let found = list(&loaded.policy, &[], span).expect("listed");
    let of = |name| found.iter().filter(|f| f.window == name).count();
    assert_eq!((of("night"), of("weekly")), (2, 2));
    assert!(found.is_sorted_by_key(|f| f.opens));
}

#[test]
fn an_unknown_name_is_refused() {
    let span = wanted("2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z");
    let loaded = loaded();
    let refused = list(&loaded.policy, &["nigth".into()], span).expect_err("refused");
    assert!(refused.to_string().contains("nigth"));
}

#[test]
fn the_clock_change_is_named() {
    let loaded = loaded();
    let span = wanted("2027-03-26T12:00:00Z", "2027-03-29T12:00:00Z");
    let found = list(&loaded.policy, &[], span).expect("listed");
    insta::assert_snapshot!(printed(None, |out| out
        .table(&table(&found))
        .expect("printed")));
}
