use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;
use crate::core::calendar::month::date_of;

/// The days of November 2026, which begins on a Sunday and has five Sundays and Mondays.
fn november(text: &str) -> Vec<i8> {
    let days = Days::parse(text).unwrap();
    (1..=30)
        .filter(|day| days.contains(date(2026, 11, *day)))
        .collect()
}

#[test]
fn lists_and_ranges() {
    assert_eq!(november("Sat,Sun"), [1, 7, 8, 14, 15, 21, 22, 28, 29]);
    assert_eq!(
        november("fri-MON"),
        [
            1, 2, 6, 7, 8, 9, 13, 14, 15, 16, 20, 21, 22, 23, 27, 28, 29, 30
        ]
    );
    assert_eq!(november("Mon - Tue, thursday").len(), 5 + 4 + 4);
    assert_eq!(november("Daily").len(), 30);
    assert_eq!(november("Mon-Sun").len(), 30);
    assert_eq!(november("Wed-Tue").len(), 30);
    assert_eq!(november("Wed-wed"), [4, 11, 18, 25]);
}

#[test]
fn the_nth_of_a_month() {
    assert_eq!(november("1st Sun"), [1]);
    assert_eq!(november("2nd tuesday, 3RD  Tue"), [10, 17]);
    assert_eq!(november("5th Mon"), [30]);
    assert_eq!(november("5th Tue"), [0; 0]);
    assert_eq!(november("last Fri, LAST Mon"), [27, 30]);
    assert_eq!(november("4th Sat,Wed"), [4, 11, 18, 25, 28]);
}

#[test]
fn mistakes_have_a_place_and_a_hint() {
    let wrong = |text: &str| {
        let error = Days::parse(text).unwrap_err();
        (
            text[error.range.clone()].to_owned(),
            error.message,
            error.hint,
        )
    };
    let (place, message, hint) = wrong("Mon, Tuesady");
    assert_eq!(
        (place.as_str(), message.as_str()),
        ("Tuesady", "\"tuesady\" is not a day")
    );
    assert!(hint.contains("tuesday"), "{hint}");
    assert_eq!(wrong("Mon,,Tue").0, "");
    assert_eq!(wrong("").1, "a day is missing here");
    for bad in [
        "6th Sun",
        "0th Sun",
        "Sun 1st",
        "last",
        "Mon-",
        "-Fri",
        "Mon-Wed-Fri",
        "Mo",
        "1",
        "every",
        "1st Mon-Fri",
    ] {
        assert!(!wrong(bad).2.is_empty(), "{bad}");
    }
    assert!(Days::parse(&"Mon,".repeat(100_000)).is_err());
    // Lower case may be longer than what was written.
    assert_eq!(wrong("Mon, İİİ").0, "İİİ");
}

#[test]
fn dates_of_a_month() {
    let november = |dates: &[i8]| {
        let days = Days::dates(dates).unwrap();
        let all = (1..=30).filter(move |day| days.contains(date(2026, 11, *day)));
        all.collect::<Vec<i8>>()
    };
    assert_eq!(november(&[1, 15, -1]), [1, 15, 30]);
    assert_eq!(november(&[31]), [0; 0]);
    assert_eq!(november(&[30, -1, -30, -31]), [1, 30]);
    let wrong = [
        &[][..],
        &[0],
        &[32],
        &[-32],
        &[1, 0],
        &[i8::MIN],
        &[i8::MAX],
    ];
    assert!(wrong.iter().all(|dates| Days::dates(dates).is_none()));
    let days = Days::dates(&[15, 1, -1]).unwrap().later(4);
    assert_eq!(days.to_string(), "1,15,-1 +4d");
    // Who writes them where weekdays are wanted is told where they belong.
    let error = Days::parse("Mon, -1").unwrap_err();
    assert!(error.hint.contains("dates = ["), "{}", error.hint);
}

#[test]
fn a_leap_day_is_the_last_of_february() {
    let last = Days::dates(&[-1]).unwrap();
    assert!(last.contains(date(2028, 2, 29)) && !last.contains(date(2028, 2, 28)));
    assert!(last.contains(date(2027, 2, 28)));
    assert!(last.later(1).contains(date(2028, 3, 1)));
}

fn weekday_number(name: &str) -> i8 {
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    i8::try_from(
        names
            .iter()
            .position(|n| name.to_lowercase().starts_with(n))
            .unwrap(),
    )
    .unwrap()
}

fn any_name() -> impl Strategy<Value = String> {
    let full = prop::sample::select(NAMES.to_vec());
    (full, any::<bool>(), any::<u16>()).prop_map(|(name, short, upper)| {
        let length = if short { 3 } else { name.len() };
        let letters = name.chars().take(length).enumerate();
        letters
            .map(|(at, c)| {
                if upper & 1 << at != 0 {
                    c.to_ascii_uppercase()
                } else {
                    c
                }
            })
            .collect()
    })
}

fn any_date() -> impl Strategy<Value = Date> {
    (0..40_000i64).prop_map(date_of)
}

proptest! {
    #[test]
    fn a_name_means_its_weekday(name in any_name(), date in any_date()) {
        let days = Days::parse(&name).unwrap();
        prop_assert_eq!(days.contains(date), date.weekday().to_monday_zero_offset() == weekday_number(&name));
    }

    #[test]
    fn a_range_runs_forward_from_its_first_day(first in any_name(), last in any_name(), date in any_date()) {
        let days = Days::parse(&format!("{first}-{last}")).unwrap();
        let mut inside = vec![weekday_number(&first)];
        while inside[inside.len() - 1] != weekday_number(&last) {
            inside.push((inside[inside.len() - 1] + 1) % 7);
        }
        prop_assert_eq!(days.contains(date), inside.contains(&date.weekday().to_monday_zero_offset()));
    }

    #[test]
    fn an_nth_day_is_jiffs_nth_day(name in any_name(), nth in 1..=6i8, date in any_date()) {
        let (word, nth) = ORDINALS.get(usize::try_from(nth - 1).unwrap()).map_or(("last", -1), |word| (*word, nth));
        let days = Days::parse(&format!("{word} {name}")).unwrap();
        let weekday = jiff::civil::Weekday::from_monday_zero_offset(weekday_number(&name)).unwrap();
        let expected = date.nth_weekday_of_month(nth, weekday).ok() == Some(date);
        prop_assert_eq!(days.contains(date), expected);
    }

    #[test]
    fn writing_and_reading_are_inverse(weekly in 0..128u8, nth in any::<[u8; 5]>(), last in 0..128u8, day in 0..40_000i64) {
        let days = Days { weekly, nth: nth.map(|mask| mask & EVERY), last, ..Days::default() };
        prop_assume!(days != Days::default());
        prop_assert_eq!(Days::parse(&days.to_string()), Ok(days.clone()));
        let later = days.clone().later(3);
        prop_assert_eq!(later.contains(date_of(day + 3)), days.contains(date_of(day)));
    }

    #[test]
    fn a_date_is_counted_from_either_end(number in 1..=31i8, offset in 0..=31u8, date in any_date()) {
        let first = Days::dates(&[number]).unwrap();
        prop_assert_eq!(first.contains(date), date.day() == number);
        let last = Days::dates(&[-number]).unwrap();
        prop_assert_eq!(last.contains(date), date.days_in_month() - date.day() + 1 == number);
        let named = date.checked_sub(jiff::Span::new().days(offset)).unwrap();
        prop_assert_eq!(first.later(offset).contains(date), named.day() == number);
    }

    #[test]
    fn no_text_does_harm(text in "\\PC{0,40}") {
        if let Err(error) = Days::parse(&text) {
            prop_assert!(text.get(error.range).is_some());
        }
    }
}
