//! Random windows together with their meaning.
use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Span};
use offhours::core::calendar::{
    CronExpr, Days, End, Occurrence, Pattern, Rule, Validity, parse_open,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::brute::{Clock, DAY, MINUTE, at};
use crate::expression::{Expression, nightly};

const NAMES: [&str; 7] = ["Mon", "tuesday", "WED", "Thu", "Friday", "sat", "Sun"];
const WEEKS: [&str; 6] = ["1st", "2ND", "3rd", "4th", "5th", "Last"];
/// In [`WEEKS`].
const LAST: usize = 5;

/// The days that a rule names.
#[derive(Clone, Debug)]
pub enum Named {
    Daily,
    Weekdays(Vec<usize>),
    /// From the one to the other, also over the weekend.
    Range(usize, usize),
    /// Week of the month, as in [`WEEKS`], and weekday.
    Nth(Vec<(usize, usize)>),
    Dates(Vec<i8>),
}

impl Named {
    fn text(&self) -> String {
        match self {
            Self::Daily => "Daily".into(),
            Self::Weekdays(days) => {
                let names: Vec<&str> = days.iter().map(|day| NAMES[*day]).collect();
                names.join(", ")
            }
            Self::Range(first, last) => format!("{}-{}", NAMES[*first], NAMES[*last]),
            Self::Nth(days) => {
                let each = days
                    .iter()
                    .map(|(w, d)| format!("{} {}", WEEKS[*w], NAMES[*d]));
                each.collect::<Vec<_>>().join(",")
            }
            Self::Dates(_) => unreachable!("dates have no text"),
        }
    }

    fn days(&self) -> Days {
        match self {
            Self::Dates(dates) => Days::dates(dates).unwrap(),
            named => Days::parse(&named.text()).unwrap(),
        }
    }

    fn weekdays(&self) -> Vec<usize> {
        match self {
            Self::Daily => (0..7).collect(),
            Self::Weekdays(days) => days.clone(),
            Self::Range(first, last) => {
                let length = (last + 7 - first) % 7;
                (0..=length).map(|day| (first + day) % 7).collect()
            }
            Self::Nth(_) | Self::Dates(_) => Vec::new(),
        }
    }

    /// From the definition: by counting the days of the month that are like it.
    fn has(&self, date: Date) -> bool {
        let month: Vec<Date> = (1..=date.days_in_month())
            .map(|day| Date::new(date.year(), date.month(), day).unwrap())
            .collect();
        let weekday = |d: Date| usize::try_from(d.weekday().to_monday_zero_offset()).unwrap();
        let alike: Vec<&Date> = month
            .iter()
            .filter(|d| weekday(**d) == weekday(date))
            .collect();
        match self {
            Self::Nth(days) => days.iter().any(|(week, day)| {
                let there = if *week == LAST {
                    alike.last()
                } else {
                    alike.get(*week)
                };
                *day == weekday(date) && there == Some(&&date)
            }),
            Self::Dates(dates) => dates.iter().any(|number| match number.is_positive() {
                true => date.day() == *number,
                false => {
                    month
                        .iter()
                        .rev()
                        .nth(usize::from(number.unsigned_abs()) - 1)
                        == Some(&date)
                }
            }),
            named => named.weekdays().contains(&weekday(date)),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Daily => json!(["daily", []]),
            Self::Nth(days) => {
                let weeks = days.iter().map(|(week, day)| json!([week + 1, day]));
                json!(["nth", weeks.collect::<Vec<_>>()])
            }
            Self::Dates(dates) => json!(["dates", dates]),
            named => json!(["weekdays", named.weekdays()]),
        }
    }
}

#[derive(Clone, Debug)]
pub enum DrawnEnd {
    At(i64),
    After(i64),
}

#[derive(Clone, Debug)]
pub enum Kind {
    /// Times in minutes after midnight; `line` is written as one line where that is possible.
    Days {
        named: Named,
        offset: u8,
        start: i64,
        end: DrawnEnd,
        line: bool,
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

/// One rule; instants are in minutes from a middle.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub kind: Kind,
    pub valid: Option<(i64, i64)>,
}

fn time_of(minute: i64) -> Time {
    Time::midnight() + SignedDuration::from_mins(minute)
}

impl Drawn {
    pub fn rule(&self, middle: i64) -> Rule {
        let mut rule = match &self.kind {
            Kind::Days {
                named,
                offset,
                start,
                end: DrawnEnd::At(end),
                line: true,
            } if *offset == 0 && !matches!(named, Named::Dates(_)) => {
                let clock = |minute: i64| time_of(minute).strftime("%H:%M").to_string();
                // The end of the day has a name of its own.
                let end = if *end == 0 {
                    "24:00".into()
                } else {
                    clock(*end)
                };
                let line = format!(" {}  {} - {end}", named.text(), clock(*start));
                parse_open(&line).unwrap()
            }
            Kind::Days {
                named,
                offset,
                start,
                end,
                ..
            } => Pattern::Days {
                days: named.days().later(*offset),
                start: time_of(*start),
                end: match end {
                    DrawnEnd::At(end) => End::At(time_of(*end)),
                    DrawnEnd::After(minutes) => End::After(SignedDuration::from_mins(*minutes)),
                },
            }
            .into(),
            Kind::Cron {
                expression,
                minutes,
            } => Pattern::Cron {
                expr: CronExpr::parse(&expression.text()).unwrap(),
                duration: SignedDuration::from_mins(*minutes),
            }
            .into(),
            Kind::Once { start, minutes } => Pattern::Once {
                from: at(middle + start * MINUTE),
                until: at(middle + (start + minutes) * MINUTE),
            }
            .into(),
        };
        if let Some((from, until)) = self.valid {
            rule.valid = Validity {
                from: at(middle + from * MINUTE),
                until: at(middle + until * MINUTE),
            };
        }
        rule
    }

    /// The spans it opens, from the definition.
    fn spans(&self, clock: &Clock, middle: i64) -> Vec<(i64, i64)> {
        let last = clock.ticks.len() - 1;
        let days = clock.ticks[0].1 / DAY + 1..clock.ticks[last].1 / DAY - 2;
        let all: Vec<(i64, i64)> = match &self.kind {
            Kind::Days {
                named,
                offset,
                start,
                end,
                ..
            } => days
                .filter(|day| {
                    let date = Date::new(1970, 1, 1).unwrap() + Span::new().days(*day);
                    named.has(date - Span::new().days(*offset))
                })
                .map(|day| {
                    let opens = clock.first_at(day * DAY + start * MINUTE);
                    let closes = match end {
                        DrawnEnd::After(minutes) => opens + minutes * MINUTE,
                        DrawnEnd::At(end) => {
                            let end = if end <= start { end + 1440 } else { *end };
                            clock.first_at(day * DAY + end * MINUTE)
                        }
                    };
                    (opens, closes)
                })
                .collect(),
            Kind::Cron {
                expression: e,
                minutes,
            } => {
                let fires = if e.real_clock() {
                    clock.real(|w| e.matches(w))
                } else {
                    clock.fixed(|w| e.matches(w))
                };
                let spans = fires
                    .into_iter()
                    .map(|opens| (opens, opens + minutes * MINUTE));
                spans.collect()
            }
            Kind::Once { start, minutes } => {
                vec![(middle + start * MINUTE, middle + (start + minutes) * MINUTE)]
            }
        };
        let valid = |opens: i64| {
            let within = |(from, until)| (from..until).contains(&(opens - middle));
            let seconds = self
                .valid
                .map(|(from, until)| (from * MINUTE, until * MINUTE));
            seconds.is_none_or(within)
        };
        all.into_iter().filter(|(opens, _)| valid(*opens)).collect()
    }

    /// As `oracle.py` reads it.
    pub fn json(&self, middle: i64) -> Value {
        let mut value = match &self.kind {
            Kind::Days {
                named,
                offset,
                start,
                end,
                ..
            } => {
                let (end, minutes) = match end {
                    DrawnEnd::At(end) => (Some(end), None),
                    DrawnEnd::After(minutes) => (None, Some(minutes)),
                };
                json!({"named": named.json(), "offset": offset, "start": start, "end": end, "minutes": minutes})
            }
            Kind::Cron {
                expression,
                minutes,
            } => json!({"expr": expression.for_cronsim(), "minutes": minutes}),
            Kind::Once { start, minutes } => {
                json!({"from": middle + start * MINUTE, "until": middle + (start + minutes) * MINUTE})
            }
        };
        let far = 1_000_000_000_000i64;
        let valid = self
            .valid
            .map(|(from, until)| (middle + from * MINUTE, middle + until * MINUTE));
        let (from, until) = valid.unwrap_or((-far, far));
        value["valid"] = json!([from, until]);
        value
    }
}

/// Runs of minutes in which at least one rule is open.
pub fn merged(drawn: &[Drawn], clock: &Clock, middle: i64) -> Vec<Occurrence> {
    let first = clock.ticks[0].0;
    let mut open = vec![false; clock.ticks.len() + 4000];
    for (opens, closes) in drawn.iter().flat_map(|d| d.spans(clock, middle)) {
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

fn named_often() -> impl Strategy<Value = Named> {
    let weekdays = prop::sample::subsequence((0..7).collect::<Vec<_>>(), 1..=4);
    prop_oneof![
        1 => Just(Named::Daily),
        4 => weekdays.prop_map(Named::Weekdays),
        2 => (0..7usize, 0..7usize).prop_map(|(first, last)| Named::Range(first, last)),
    ]
}

fn named_rarely() -> impl Strategy<Value = Named> {
    let nth = prop::collection::vec((0..WEEKS.len(), 0..7usize), 1..4);
    let date = prop_oneof![1..=31i8, -31..=-1i8, Just(-1i8), Just(31i8), Just(29i8)];
    prop_oneof![
        nth.prop_map(Named::Nth),
        prop::collection::vec(date, 1..4).prop_map(Named::Dates),
    ]
}

/// Times near midnight and in the small hours, where the clocks change, are frequent.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![0..1440i64, 0..240i64, (0..24i64).prop_map(|hour| hour * 60)]
}

fn on_days(named: impl Strategy<Value = Named>) -> impl Strategy<Value = Kind> {
    let offset = prop_oneof![3 => Just(0u8), 1 => 0..=8u8, 1 => 0..=31u8];
    let end = prop_oneof![
        2 => time().prop_map(DrawnEnd::At),
        1 => (1..2000i64).prop_map(DrawnEnd::After),
    ];
    (named, offset, time(), end, any::<bool>()).prop_map(|(named, offset, start, end, line)| {
        Kind::Days {
            named,
            offset,
            start,
            end,
            line,
        }
    })
}

fn limited(kind: impl Strategy<Value = Kind>) -> impl Strategy<Value = Drawn> {
    let within = (-15_000..15_000i64, 1..20_000i64).prop_map(|(from, more)| (from, from + more));
    (kind, prop::option::weighted(0.25, within)).prop_map(|(kind, valid)| Drawn { kind, valid })
}

/// Any rule.
pub fn drawn() -> impl Strategy<Value = Drawn> {
    limited(prop_oneof![
        4 => on_days(named_often()),
        4 => on_days(named_rarely()),
        1 => (nightly().prop_map(Box::new), 1..90i64)
            .prop_map(|(expression, minutes)| Kind::Cron { expression, minutes }),
        1 => (-4000..4000i64, 1..3000i64).prop_map(|(start, minutes)| Kind::Once { start, minutes }),
    ])
}

/// A rule that opens a few times a month at most.
pub fn rare() -> impl Strategy<Value = Drawn> {
    limited(on_days(named_rarely()))
}

/// A rule that opens on days, always valid.
pub fn on_some_days() -> impl Strategy<Value = Drawn> {
    let kind = prop_oneof![3 => on_days(named_often()), 1 => on_days(named_rarely())];
    kind.prop_map(|kind| Drawn { kind, valid: None })
}
