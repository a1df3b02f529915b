use super::*;
use crate::core::calendar::{Occurrence, Pattern, YearDay, parse_open};
use jiff::civil;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn named(except: &[&str], apps: &[&str], windows: &[&str]) -> Freeze {
    let names = |all: &[&str]| all.iter().map(|&name| name.into()).collect();
    let once = Frozen::Once {
        from: at("2026-12-18T00:00:00Z"),
        until: at("2027-01-02T00:00:00Z"),
    };
    let mut freeze = Freeze::new("christmas".into(), Zone::utc(), once, Timestamp::UNIX_EPOCH);
    freeze.except_labels = names(except);
    freeze.apps = names(apps);
    freeze.windows = names(windows);
    freeze
}

fn of(frozen: Frozen) -> Freeze {
    let now = at("2026-11-20T12:00:00Z");
    Freeze::new(
        "f".into(),
        Zone::named("Europe/Berlin").unwrap(),
        frozen,
        now,
    )
}

fn rules(lines: &[&str]) -> Frozen {
    let rules = lines.iter().map(|line| parse_open(line).unwrap());
    Frozen::Rules(Box::new(Window {
        name: "f".into(),
        zone: Zone::named("Europe/Berlin").unwrap(),
        rules: rules.collect(),
        cutoff: SignedDuration::ZERO,
    }))
}

fn yearly(from: (i8, i8), until: (i8, i8)) -> Frozen {
    let day = |(month, day)| YearDay::new(month, day, civil::Time::midnight()).unwrap();
    Frozen::Yearly(Yearly::new(day(from), day(until)).unwrap())
}

fn work<'a>(window: &'a str, app: Option<&'a str>, labels: &'a [Arc<str>]) -> Work<'a> {
    Work {
        app,
        labels,
        ..Work::of_window(window)
    }
}

#[test]
fn without_lists_it_means_everything() {
    let all = named(&[], &[], &[]);
    assert!(all.applies(&work("night", Some("shop"), &[])));
    assert!(all.applies(&work("night", None, &["security".into()])));
}

#[test]
fn lists_narrow_it() {
    let of_shop = named(&[], &["shop"], &[]);
    assert!(of_shop.applies(&work("night", Some("shop"), &[])));
    assert!(!of_shop.applies(&work("night", Some("blog"), &[])));
    assert!(!of_shop.applies(&work("night", None, &[])));
    let of_night = named(&[], &[], &["night"]);
    assert!(of_night.applies(&work("night", None, &[])));
    assert!(!of_night.applies(&work("weekend", Some("shop"), &[])));
}

#[test]
fn an_exempt_label_may_run() {
    let christmas = named(&["security"], &[], &[]);
    assert!(christmas.applies(&work("night", None, &["routine".into()])));
    let both = ["routine".into(), "security".into()];
    assert!(!christmas.applies(&work("night", None, &both)));
}

#[test]
fn a_host_may_be_exempt() {
    let mut christmas = named(&["staging"], &[], &["night"]);
    christmas.except_hosts = ["s1".into()].into();
    let labels = ["staging".into()];
    let with_it = Work {
        host_labels: &labels,
        ..work("night", Some("shop"), &[])
    };
    // The job may run, and only there.
    assert!(!christmas.applies(&with_it));
    assert!(!christmas.applies_on("s1", &with_it));
    assert!(christmas.applies_on("p1", &with_it));
    assert!(christmas.applies(&work("night", Some("shop"), &[])));
    assert!(!christmas.applies_on("p1", &work("weekend", Some("shop"), &[])));
    // Of the hosts that are named, too.
    christmas.hosts = ["s1".into(), "p1".into()].into();
    assert!(!christmas.applies_on("s1", &with_it));
    assert!(christmas.applies_on("p1", &with_it));
    assert!(!christmas.applies_on("p2", &with_it));
    let security = work("night", None, &labels);
    assert!(!christmas.applies_on("p1", &security));
}

#[test]
fn each_form_has_its_spans() {
    let once = of(Frozen::Once {
        from: at("2030-01-01T00:00:00Z"),
        until: at("2030-02-01T00:00:00Z"),
    });
    assert!(once.holds(at("2030-01-01T00:00:00Z")));
    assert!(!once.holds(at("2030-02-01T00:00:00Z")));
    assert_eq!(once.ends(), Some(at("2030-02-01T00:00:00Z")));

    let christmas = of(yearly((12, 18), (1, 2)));
    let found = christmas.spans(at("2026-12-31T00:00:00Z"), at("2027-12-20T00:00:00Z"));
    assert_eq!(
        *found,
        [
            (at("2026-12-17T23:00:00Z"), at("2027-01-01T23:00:00Z")),
            (at("2027-12-17T23:00:00Z"), at("2028-01-01T23:00:00Z"))
        ]
    );
    assert_eq!(christmas.ends(), None);

    let last_friday = of(rules(&["last Fri 00:00-24:00"]));
    let found = last_friday.spans(at("2026-11-27T12:00:00Z"), at("2026-12-25T00:00:00Z"));
    assert_eq!(
        *found,
        [
            (at("2026-11-26T23:00:00Z"), at("2026-11-27T23:00:00Z")),
            (at("2026-12-24T23:00:00Z"), at("2026-12-25T23:00:00Z"))
        ]
    );

    let listed = Spans::of(vec![(
        at("2026-12-25T00:00:00Z"),
        at("2026-12-27T00:00:00Z"),
    )]);
    let listed = of(Frozen::Listed(listed));
    assert!(listed.touches(at("2026-12-26T23:00:00Z"), at("2026-12-28T00:00:00Z")));
    assert!(!listed.touches(at("2026-12-27T00:00:00Z"), at("2026-12-28T00:00:00Z")));
    assert_eq!(listed.ends(), Some(at("2026-12-27T00:00:00Z")));
    assert_eq!(of(Frozen::Listed(Spans::of(Vec::new()))).ends(), None);
}

/// What is looked up and what is worked out anew are the same.
#[test]
fn far_away_it_is_worked_out() {
    let forms = [
        yearly((12, 18), (1, 2)),
        yearly((2, 29), (3, 2)),
        rules(&["last Fri 00:00-24:00", "1st Mon 20:00-02:00"]),
        rules(&["Mon-Sat 00:00-24:00"]),
    ];
    for frozen in forms {
        let near = of(frozen.clone());
        let elsewhere = Freeze::new(
            "f".into(),
            near.zone.clone(),
            frozen,
            at("2066-01-01T00:00:00Z"),
        );
        let mut from = at("2026-01-01T00:00:00Z");
        while from < at("2029-01-01T00:00:00Z") {
            let until = from + SignedDuration::from_hours(50);
            assert_eq!(
                near.spans(from, until),
                elsewhere.spans(from, until),
                "{from}"
            );
            assert!(matches!(near.spans(from, until), Cow::Borrowed(_)));
            from += SignedDuration::from_hours(31);
        }
        assert_eq!(
            near.coming(at("2026-11-20T12:00:00Z")).first(),
            elsewhere
                .spans(at("2026-11-20T12:00:00Z"), at("2028-11-20T12:00:00Z"))
                .first()
        );
    }
}

#[test]
fn what_comes_very_often_is_known_for_less_time() {
    let often = rules(&["daily 00:00-00:01"; 1]);
    let Frozen::Rules(window) = often else {
        unreachable!()
    };
    let minute = crate::core::calendar::CronExpr::parse("*/2 * * * *").unwrap();
    let often = of(Frozen::Rules(Box::new(Window {
        rules: vec![
            Pattern::Cron {
                expr: minute,
                duration: SignedDuration::from_secs(30),
            }
            .into(),
        ],
        ..*window
    })));
    assert!(often.coming(Timestamp::MIN).len() <= MOST_SPANS);
    // Beyond what is known it is the same.
    let (from, until) = (at("2027-06-01T00:00:00Z"), at("2027-06-01T00:10:00Z"));
    assert!(matches!(often.spans(from, until), Cow::Owned(_)));
    assert_eq!(often.spans(from, until).len(), 5);
}

#[test]
fn a_freeze_that_goes_on_holds_at_every_moment() {
    let always = of(rules(&["daily 00:00-24:00"]));
    let (from, until) = (at("2026-11-20T12:00:00Z"), at("2027-11-20T12:00:00Z"));
    let found = always.spans(from, until);
    assert_eq!(found.len(), 1);
    assert!(found[0].0 <= from && until <= found[0].1);
    // Ten days a month, longer than any window may be open.
    let expr = crate::core::calendar::CronExpr::parse("0 0 1-10 * *").unwrap();
    let Frozen::Rules(window) = rules(&["daily 00:00-24:00"]) else {
        unreachable!()
    };
    let days = of(Frozen::Rules(Box::new(Window {
        rules: vec![
            Pattern::Cron {
                expr,
                duration: SignedDuration::from_hours(24),
            }
            .into(),
        ],
        ..*window
    })));
    let found = days.spans(at("2027-01-01T00:00:00Z"), at("2027-02-01T00:00:00Z"));
    assert_eq!(
        found[0],
        (at("2026-12-31T23:00:00Z"), at("2027-01-10T23:00:00Z"))
    );
}

#[test]
fn a_window_is_cut_by_what_comes_every_month() {
    let last_friday = of(rules(&["last Fri 00:00-24:00"]));
    let night = Occurrence {
        opens: at("2026-11-26T21:00:00Z"),
        closes: at("2026-11-27T04:00:00Z"),
    };
    let spans = last_friday.spans(night.opens, night.closes);
    let left = crate::core::calendar::subtract(night, &spans);
    assert_eq!(
        left,
        [Occurrence {
            closes: at("2026-11-26T23:00:00Z"),
            ..night
        }]
    );
}
