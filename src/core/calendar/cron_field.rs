//! One field of a crontab expression: `*`, values, ranges, steps and lists of them.
use super::Malformed;
use super::malformed::pieces;

/// Name, bounds and words of a field.
pub(super) struct FieldKind {
    name: &'static str,
    low: u8,
    high: u8,
    /// Three-letter names, the first standing for the lower bound.
    names: &'static [&'static str],
}

pub(super) const SECOND: FieldKind = FieldKind {
    name: "second",
    low: 0,
    high: 59,
    names: &[],
};
pub(super) const MINUTE: FieldKind = FieldKind {
    name: "minute",
    low: 0,
    high: 59,
    names: &[],
};
pub(super) const HOUR: FieldKind = FieldKind {
    name: "hour",
    low: 0,
    high: 23,
    names: &[],
};
pub(super) const DAY: FieldKind = FieldKind {
    name: "day of month",
    low: 1,
    high: 31,
    names: &[],
};
pub(super) const MONTH: FieldKind = FieldKind {
    name: "month",
    low: 1,
    high: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
/// Both 0 and 7 are Sunday: the reader of the bits folds them.
pub(super) const WEEKDAY: FieldKind = FieldKind {
    name: "day of week",
    low: 0,
    high: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl FieldKind {
    /// The values as bits.
    pub(super) fn read(&self, text: &str) -> Result<u64, Malformed> {
        let mut bits = 0;
        for (at, item) in pieces(text, |c| c == ',') {
            bits |= self.item(item).map_err(|(message, hint)| {
                let message = format!("{}: {message}", self.name);
                Malformed::new(at..at + item.len(), message, hint)
            })?;
        }
        Ok(bits)
    }

    fn item(&self, item: &str) -> Result<u64, (String, String)> {
        let (span, step) = match item.split_once('/') {
            Some((span, step)) => (span, Some(step)),
            None => (item, None),
        };
        let (first, last) = match span.split_once('-') {
            _ if span == "*" => (self.low, self.high),
            Some((first, last)) => self.range(first, last)?,
            None => {
                let value = self.value(span)?;
                if let Some(step) = step {
                    let message = format!("a step needs a range, not {span:?}");
                    let right = format!("{value}-{}/{step}", self.high);
                    return Err((message, format!("write {right:?}")));
                }
                (value, value)
            }
        };
        let step = step.map_or(Ok(1), |step| self.step(step))?;
        Ok((first..=last)
            .step_by(step)
            .fold(0, |bits, value| bits | 1 << value))
    }

    fn range(&self, first: &str, last: &str) -> Result<(u8, u8), (String, String)> {
        let from = self.value(first)?;
        let to = self.value(last)?;
        // "Fri-Sun" ends on the seventh day, although the name alone stands for 0.
        let named_sunday = self.high == WEEKDAY.high && to == 0 && last.parse::<u8>().is_err();
        let to = if named_sunday && from > 0 { 7 } else { to };
        if from > to {
            let message = format!("the range \"{first}-{last}\" runs backwards");
            let rest = if to == self.low {
                format!("{to}")
            } else {
                format!("{}-{to}", self.low)
            };
            let high = if self.high == WEEKDAY.high {
                6
            } else {
                self.high
            };
            let head = if from >= high {
                format!("{from}")
            } else {
                format!("{from}-{high}")
            };
            return Err((message, format!("write \"{head},{rest}\"")));
        }
        Ok((from, to))
    }

    fn step(&self, text: &str) -> Result<usize, (String, String)> {
        let hint = || "a step is a whole number from 1 on".to_owned();
        match number(text) {
            Some(0) => Err(("a step of 0 never gets anywhere".into(), hint())),
            Some(step) => Ok(usize::from(step)),
            None => Err((format!("{text:?} is not a step"), hint())),
        }
    }

    fn value(&self, text: &str) -> Result<u8, (String, String)> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        let named = named
            .and_then(|at| u8::try_from(at).ok())
            .map(|at| at + self.low);
        let value = named.or_else(|| number(text).and_then(|n| u8::try_from(n).ok()));
        match value {
            Some(value) if (self.low..=self.high).contains(&value) => Ok(value),
            Some(_) => Err((format!("{text} is out of bounds"), self.bounds())),
            None if text.is_empty() => Err(("a value is missing".into(), self.bounds())),
            None if text == "?" => Err(("\"?\" is not crontab".into(), "write \"*\"".into())),
            None if number(text).is_some() => Err((format!("{text} is out of bounds"), self.bounds())),
            None if text.contains(['L', 'W', '#']) => Err((
                format!("{text:?} is not crontab"),
                "for the n-th or last weekday of a month use a window with days = \"1st Sun\" or \"last Fri\"".into(),
            )),
            None => Err((format!("{text:?} is not a value"), self.bounds())),
        }
    }

    fn bounds(&self) -> String {
        match self.names {
            [first, .., last] => format!("{} to {}, or {first} to {last}", self.low, self.high),
            _ => format!("{} to {}", self.low, self.high),
        }
    }
}

/// Digits only: no sign, no blank, no more than fit.
fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
