//! Random crontab expressions together with their meaning.
use std::collections::BTreeSet;
use std::fmt;

use proptest::prelude::*;

/// One field: how it is written, what it stands for.
#[derive(Clone)]
pub struct Field {
    pub text: String,
    pub values: BTreeSet<i64>,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Field {
    pub fn star(&self) -> bool {
        self.text.starts_with('*')
    }
}

#[derive(Clone, Debug)]
pub struct Expression {
    pub minute: Field,
    pub hour: Field,
    pub day: Field,
    pub month: Field,
    pub weekday: Field,
}

impl Expression {
    pub fn text(&self) -> String {
        let Expression {
            minute,
            hour,
            day,
            month,
            weekday,
        } = self;
        format!(
            "{} {} {} {} {}",
            minute.text, hour.text, day.text, month.text, weekday.text
        )
    }

    /// As `cronsim` has to be asked: it takes a range of one value with a step, `3-3/4`, for all from there on.
    pub fn for_cronsim(&self) -> String {
        let item = |item: &str| match item.split_once('/').map(|(range, _)| range.split_once('-')) {
            Some(Some((first, last))) if first == last => first.to_owned(),
            _ => item.to_owned(),
        };
        let field = |field: &str| field.split(',').map(item).collect::<Vec<_>>().join(",");
        self.text()
            .split(' ')
            .map(field)
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub fn either_day(&self) -> bool {
        !self.day.star() && !self.weekday.star()
    }

    pub fn real_clock(&self) -> bool {
        self.minute.star() || self.hour.star()
    }

    /// The crontab rule, for a wall-clock second counted as if the wall clock were UTC.
    pub fn matches(&self, wall: i64) -> bool {
        let local = jiff::Timestamp::from_second(wall)
            .unwrap()
            .to_zoned(jiff::tz::TimeZone::UTC);
        let day = self.day.values.contains(&i64::from(local.day()));
        let sunday_based = i64::from(local.weekday().to_sunday_zero_offset());
        let weekday = self.weekday.values.iter().any(|w| w % 7 == sunday_based);
        let days = if self.either_day() {
            day || weekday
        } else {
            day && weekday
        };
        local.second() == 0
            && self.minute.values.contains(&i64::from(local.minute()))
            && self.hour.values.contains(&i64::from(local.hour()))
            && self.month.values.contains(&i64::from(local.month()))
            && days
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "feb", "MAR", "Apr", "May", "Jun", "jul", "Aug", "sep", "Oct", "Nov", "DEC",
];
const WEEKDAYS: [&str; 7] = ["sun", "Mon", "TUE", "wed", "Thu", "fri", "Sat"];

fn spelled(value: i64, named: bool, low: i64, high: i64) -> String {
    match high {
        12 if named => MONTHS[usize::try_from(value - low).unwrap()].into(),
        7 if named && value < 7 => WEEKDAYS[usize::try_from(value).unwrap()].into(),
        _ => value.to_string(),
    }
}

fn item(low: i64, high: i64) -> impl Strategy<Value = Field> {
    let value = low..=high;
    (0..5, value.clone(), value, 1..=(high + 2), any::<bool>()).prop_map(
        move |(shape, a, b, step, named)| {
            let (a, b) = (a.min(b), a.max(b));
            let range = format!(
                "{}-{}",
                spelled(a, named, low, high),
                spelled(b, named, low, high)
            );
            let (text, first, last, step) = match shape {
                0 => (spelled(a, named, low, high), a, a, 1),
                1 => (range, a, b, 1),
                2 => (format!("{range}/{step}"), a, b, step),
                // The star stands for the whole field, whatever part of it the rest is drawn from.
                3 => match high {
                    0..=5 => (format!("*/{step}"), 0, 23, step),
                    6..=7 => (format!("*/{step}"), 0, 6, step),
                    _ => (format!("*/{step}"), low, high, step),
                },
                _ => (b.to_string(), b, b, 1),
            };
            Field {
                text,
                values: (first..=last).filter(|v| (v - first) % step == 0).collect(),
            }
        },
    )
}

fn list(low: i64, high: i64) -> impl Strategy<Value = Field> {
    prop::collection::vec(item(low, high), 1..4).prop_map(|items| Field {
        text: items
            .iter()
            .map(|i| i.text.clone())
            .collect::<Vec<_>>()
            .join(","),
        values: items.into_iter().flat_map(|i| i.values).collect(),
    })
}

fn field(low: i64, high: i64, stars: u32) -> impl Strategy<Value = Field> {
    let star = Just(Field {
        text: "*".into(),
        values: (low..=high).collect(),
    });
    prop_oneof![stars => star, 3 => list(low, high)]
}

/// Any expression. Weekdays stay within 0-6 in steps and ranges from Sunday on, where crontabs differ about 7.
pub fn expression() -> impl Strategy<Value = Expression> {
    let days = prop_oneof![
        4 => (field(1, 31, 3), field(0, 6, 3)),
        1 => (field(1, 31, 3), field(1, 7, 0)),
    ];
    (field(0, 59, 1), field(0, 23, 1), days, field(1, 12, 9)).prop_map(
        |(minute, hour, (day, weekday), month)| Expression {
            minute,
            hour,
            day,
            month,
            weekday,
        },
    )
}

/// Expressions that fire at night on many days, where clock changes happen.
pub fn nightly() -> impl Strategy<Value = Expression> {
    let star = |low, high| {
        Just(Field {
            text: "*".into(),
            values: (low..=high).collect(),
        })
    };
    let hour = prop_oneof![1 => star(0, 23), 2 => list(0, 23), 4 => list(0, 5)];
    let day = prop_oneof![4 => star(1, 31), 1 => list(1, 31)];
    let weekday = prop_oneof![4 => star(0, 6), 1 => list(0, 6)];
    (field(0, 59, 1), hour, day, weekday).prop_map(move |(minute, hour, day, weekday)| Expression {
        minute,
        hour,
        day,
        month: Field {
            text: "*".into(),
            values: (1..=12).collect(),
        },
        weekday,
    })
}
