//! Expressions on plain UTC, against another crate and against the crontab rule itself.
use chrono::{DateTime, Utc};
use croner::parser::CronParser;
use offhours::core::calendar::{CronExpr, Zone};
use proptest::prelude::*;

use crate::brute::{DAY, at};
use crate::expression::expression;
use crate::seed::cases;

/// 2026-01-01T00:00:00Z.
const YEAR_2026: i64 = 1_767_225_600;

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn agrees_with_croner(e in expression(), start in 0..4 * 365 * DAY) {
        let ours = CronExpr::parse(&e.text()).unwrap();
        let theirs = CronParser::builder().dom_and_dow(!e.either_day()).build().parse(&e.text()).unwrap();
        let mut after = YEAR_2026 + start;
        let instants: Vec<i64> = ours.instants(&Zone::utc(), at(after)).take(12).map(|t| t.as_second()).collect();
        prop_assert_eq!(instants.is_empty(), ours.never_matches());
        for instant in instants {
            let from: DateTime<Utc> = DateTime::from_timestamp(after, 0).unwrap();
            // It searches a bounded number of years; ours, when further away, is judged by the walker below.
            let Ok(expected) = theirs.find_next_occurrence(&from, false) else { break };
            prop_assert_eq!(at(instant), at(expected.timestamp()), "{} after {}", e.text(), at(after));
            after = instant;
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn agrees_with_a_walk_over_every_minute(e in expression(), start in 0..4 * 365 * DAY) {
        let ours = CronExpr::parse(&e.text()).unwrap();
        let after = YEAR_2026 + start;
        let until = after + 5 * DAY;
        let expected: Vec<i64> = (after + 1..=until).filter(|t| t % 60 == 0 && e.matches(*t)).collect();
        let instants: Vec<i64> =
            ours.instants(&Zone::utc(), at(after)).map(|t| t.as_second()).take_while(|t| *t <= until).collect();
        prop_assert_eq!(&instants, &expected, "{} after {}", e.text(), at(after));
        let latest = ours.latest_at_or_before(&Zone::utc(), at(until), at(after));
        prop_assert_eq!(latest.map(|t| t.as_second()), expected.last().copied());
        let count = ours.count_between(&Zone::utc(), at(after), at(until));
        prop_assert_eq!(count, u64::try_from(expected.len()).unwrap());
    }
}
