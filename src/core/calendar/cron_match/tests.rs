use proptest::prelude::*;

use super::*;
use crate::core::calendar::CronExpr;

fn fields(text: &str) -> Fields {
    CronExpr::parse(text).unwrap().fields
}

#[test]
fn remembered_answers_are_right_after_going_back() {
    let day = 86_400;
    for text in ["0 12 1 * 1", "0 12 29 2 */7", "0 12 29 2 *"] {
        let fields = fields(text);
        let mut matcher = Matcher::new(&fields);
        let years = [9_000 * day, 4 * day, 30_000 * day, 20_000 * day, 0];
        let asked = [40 * day, day / 2 - 1, day / 2, 10 * day, 3 * day, 0];
        for asked in asked.into_iter().chain(years) {
            let fresh = Matcher::new(&fields).next(asked);
            assert_eq!(matcher.next(asked), fresh, "{text} after {asked}");
        }
    }
    // 1970-01-01 was a Thursday, the 5th the first Monday.
    let mut matcher = Matcher::new(&fields("0 12 1 * 1"));
    assert_eq!(matcher.next(day / 2), Some(4 * day + day / 2));
    assert_eq!(matcher.next(i64::MIN), Some(day / 2));
    assert_eq!(matcher.next(i64::MAX), None);
}

#[test]
fn it_ends_with_the_year_2100() {
    let mut matcher = Matcher::new(&fields("59 59 23 * * *"));
    let end = (LAST_DAY + 1) * DAY_S;
    assert_eq!(matcher.next(end - 2), Some(end - 1));
    assert_eq!(matcher.next(end - 1), None);
    assert_eq!(Matcher::new(&fields("0 0 31 2 *")).next(0), None);
    assert_eq!(
        Matcher::new(&fields("0 0 30,31 2 1")).next(0),
        Some(32 * DAY_S)
    );
}

/// A few values of a field, or all.
fn some(low: u32, high: u32) -> impl Strategy<Value = u64> {
    let few = prop::collection::vec(low..=high, 1..3);
    let few = few.prop_map(|values| values.iter().fold(0, |bits, value| bits | 1u64 << value));
    let all = (low..=high).fold(0, |bits, value| bits | 1u64 << value);
    prop_oneof![3 => few, 1 => Just(all)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The bits and the engine are of one mind, wherever the one hands over to the other.
    #[test]
    fn near_and_far_days_are_the_engines(
        days in some(1, 31),
        months in prop_oneof![some(1, 12), Just(1 << 2)],
        weekdays in some(0, 6),
        after in 0..LAST_DAY,
    ) {
        let mut fields = fields("0 0 * * *");
        (fields.days, fields.months, fields.weekdays) = (days as u32, months as u16, weekdays as u8);
        let expected = Engine::new(&fields).unwrap().day_after(after);
        let found = Matcher::new(&fields).next(after * DAY_S);
        prop_assert_eq!(found, expected.map(|day| day * DAY_S));
    }
}
