//! Windows against a clock that is read minute by minute: open or not.
use jiff::{SignedDuration, civil};
use offhours::core::calendar::{CronExpr, Days, End, LONGEST, Occurrence, Rule, Window, Zone};
use proptest::prelude::*;

use crate::brute::{CHANGES, Clock, DAY, MINUTE, at};
use crate::expression::{Expression, nightly};

#[derive(Clone, Debug)]
enum Drawn {
    Days {
        weekdays: Vec<usize>,
        start: i64,
        end: i64,
    },
    For {
        weekdays: Vec<usize>,
        start: i64,
        minutes: i64,
    },
    Cron {
        expression: Box<Expression>,
        minutes: i64,
    },
    Once {
        start: i64,
        minutes: i64,
    },
}

const NAMES: [&str; 7] = ["Mon", "tuesday", "WED", "Thu", "Friday", "sat", "Sun"];

fn drawn() -> impl Strategy<Value = Drawn> {
    let weekdays = || prop::sample::subsequence((0..7).collect::<Vec<_>>(), 1..=4);
    // Times near midnight and in the small hours, where the clocks change.
    let time = || prop_oneof![0..1440i64, 0..240i64];
    prop_oneof![
        4 => (weekdays(), time(), time()).prop_map(|(weekdays, start, end)| Drawn::Days { weekdays, start, end }),
        2 => (weekdays(), time(), 1..2000i64).prop_map(|(weekdays, start, minutes)| Drawn::For { weekdays, start, minutes }),
        1 => (nightly().prop_map(Box::new), 1..90i64).prop_map(|(expression, minutes)| Drawn::Cron { expression, minutes }),
        1 => (-4000..4000i64, 1..3000i64).prop_map(|(start, minutes)| Drawn::Once { start, minutes }),
    ]
}

fn time(minute: i64) -> civil::Time {
    civil::Time::midnight() + SignedDuration::from_mins(minute)
}

fn rule(drawn: &Drawn, middle: i64) -> Rule {
    let named = |days: &[usize]| {
        Days::parse(
            &days
                .iter()
                .map(|d| NAMES[*d])
                .collect::<Vec<_>>()
                .join(", "),
        )
        .unwrap()
    };
    match drawn {
        Drawn::Days {
            weekdays,
            start,
            end,
        } => Rule::Days {
            days: named(weekdays),
            start: time(*start),
            end: End::At(time(*end)),
        },
        Drawn::For {
            weekdays,
            start,
            minutes,
        } => Rule::Days {
            days: named(weekdays),
            start: time(*start),
            end: End::After(SignedDuration::from_mins(*minutes)),
        },
        Drawn::Cron {
            expression,
            minutes,
        } => Rule::Cron {
            expr: CronExpr::parse(&expression.text()).unwrap(),
            duration: SignedDuration::from_mins(*minutes),
        },
        Drawn::Once { start, minutes } => Rule::Once {
            from: at(middle + start * MINUTE),
            until: at(middle + (start + minutes) * MINUTE),
        },
    }
}

/// The spans a rule opens, from the definition.
fn spans(drawn: &Drawn, clock: &Clock, middle: i64) -> Vec<(i64, i64)> {
    let last = clock.ticks.len() - 1;
    let days = clock.ticks[0].1 / DAY + 1..clock.ticks[last].1 / DAY - 2;
    let on =
        |weekdays: &[usize], day: i64| weekdays.contains(&usize::try_from((day + 3) % 7).unwrap());
    match drawn {
        Drawn::Days {
            weekdays,
            start,
            end,
        } => days
            .filter(|day| on(weekdays, *day))
            .map(|day| {
                let end = if end <= start { end + 1440 } else { *end };
                (
                    clock.first_at(day * DAY + start * MINUTE),
                    clock.first_at(day * DAY + end * MINUTE),
                )
            })
            .collect(),
        Drawn::For {
            weekdays,
            start,
            minutes,
        } => days
            .filter(|day| on(weekdays, *day))
            .map(|day| clock.first_at(day * DAY + start * MINUTE))
            .map(|opens| (opens, opens + minutes * MINUTE))
            .collect(),
        Drawn::Cron {
            expression: e,
            minutes,
        } => {
            let fires = if e.real_clock() {
                clock.real(|w| e.matches(w))
            } else {
                clock.fixed(|w| e.matches(w))
            };
            fires
                .into_iter()
                .map(|opens| (opens, opens + minutes * MINUTE))
                .collect()
        }
        Drawn::Once { start, minutes } => {
            vec![(middle + start * MINUTE, middle + (start + minutes) * MINUTE)]
        }
    }
}

/// Runs of minutes in which at least one rule is open.
fn merged(drawn: &[Drawn], clock: &Clock, middle: i64) -> Vec<Occurrence> {
    let first = clock.ticks[0].0;
    let mut open = vec![false; clock.ticks.len() + 4000];
    for (opens, closes) in drawn.iter().flat_map(|d| spans(d, clock, middle)) {
        for minute in (opens - first) / MINUTE..(closes - first) / MINUTE {
            if let Some(minute) = usize::try_from(minute).ok().and_then(|m| open.get_mut(m)) {
                *minute = true;
            }
        }
    }
    let mut runs = Vec::new();
    let mut start = None;
    for (minute, open) in open.iter().chain([&false]).enumerate() {
        let now = first + i64::try_from(minute).unwrap() * MINUTE;
        match (start, open) {
            (None, true) => start = Some(now),
            (Some(opens), false) => {
                runs.push(Occurrence {
                    opens: at(opens),
                    closes: at(now),
                });
                start = None;
            }
            _ => {}
        }
    }
    runs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn opens_and_closes_as_a_clock_on_the_wall_says(
        drawn in prop::collection::vec(drawn(), 1..4),
        change in 0..CHANGES.len(),
        (from, length) in (-3000..3000i64, 1..6000i64),
    ) {
        let (name, change) = CHANGES[change];
        let clock = Clock::around(name, change, 16);
        let middle = clock.ticks[clock.ticks.len() / 2].0;
        let rules = drawn.iter().map(|d| rule(d, middle)).collect();
        let zone = Zone::named(name).unwrap();
        let window = Window { name: "w".into(), zone, rules, cutoff: SignedDuration::ZERO };
        let (from, until) = (at(middle + from * MINUTE), at(middle + (from + length) * MINUTE));

        let touching = |o: &Occurrence| o.opens < until && o.closes > from;
        let expected: Vec<Occurrence> = merged(&drawn, &clock, middle).into_iter().filter(touching).collect();
        if expected.iter().any(|o| o.length() > LONGEST) {
            prop_assert!(window.never_closes(from, until).is_some());
            return Ok(());
        }
        let got: Vec<Occurrence> = window.occurrences(from, until).collect();
        prop_assert_eq!(&got, &expected, "{:?} in {}", drawn, name);
        prop_assert_eq!(window.never_closes(from, until), None);
        prop_assert_eq!(window.open_at(from), expected.iter().copied().find(|o| o.contains(from)));
        if let Some(next) = expected.iter().copied().find(|o| o.opens >= from) {
            prop_assert_eq!(window.next_opening(from), Some(next));
        }
    }
}
