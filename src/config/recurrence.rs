//! On which days a rule of a window opens, and from when until when it counts.

use jiff::SignedDuration;
use toml::de::DeValue;

use super::duration;
use super::reading::Reading;
use super::tree::{Fields, Item};
use crate::core::calendar::{Days, Validity, Zone};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const MOST_OFFSET: i64 = 31;
/// From either end of a month.
const MOST_DATES: usize = 62;
const OFFSET_HINT: &str =
    r#"whole days such as "4d" or "1w": calendar days after the day that `days` or `dates` names"#;
const DATES_HINT: &str = "1 to 31, or counted from the end of the month: -1 (the last day) to -31";
const UNION_HINT: &str = "several rules make one window with `rules = [{ … }, { … }]`";

impl<'a> Reading<'a> {
    /// `days` or `dates`, and `offset`.
    pub(super) fn which_days(&mut self, fields: &Fields<'a>) -> Option<Days> {
        let offset = fields
            .get("offset")
            .map_or(Some(0), |item| self.offset(item));
        let days = match (fields.get("days"), fields.get("dates")) {
            (Some(_), Some(_)) => {
                let message = "`days` and `dates` are two ways to say on which days it opens";
                self.problems
                    .error(fields.place_of("dates"), message)
                    .hint(UNION_HINT);
                None
            }
            (Some(item), None) => self.days(item),
            (None, Some(item)) => self.dates(item),
            (None, None) => {
                let message = format!("this {} needs `days`", self.ruled.noun());
                self.problems
                    .error(fields.place_of(""), message)
                    .hint("or `dates`, the days of the month");
                None
            }
        };
        Some(days?.later(offset?))
    }

    /// A string, or an array of strings that mean their union.
    fn days(&mut self, item: Item<'a>) -> Option<Days> {
        let items = match item.value.is_str() {
            true => vec![item],
            false => self.array(item, r#"days such as "Mon-Fri" or ["Mon", "Thu"]"#),
        };
        if items.is_empty() && !item.value.is_array() {
            return None;
        }
        let mut texts = Vec::new();
        for item in items {
            let text = self.text(item)?;
            if let Err(error) = Days::parse(text) {
                self.malformed(item, error);
                return None;
            }
            texts.push(text);
        }
        let union = Days::parse(&texts.join(","));
        union.map_err(|error| self.malformed(item, error)).ok()
    }

    fn dates(&mut self, item: Item<'a>) -> Option<Days> {
        if let DeValue::Integer(number) = item.value {
            self.problems
                .error(item.place, "expected an array, found an integer")
                .hint(format!("write [{}]", number.as_str()));
            return None;
        }
        let items = self.array(item, "days of the month such as [1, 15, -1]");
        if items.is_empty() && item.value.is_array() {
            self.problems
                .error(item.place, "`dates` names no day")
                .hint(DATES_HINT);
        }
        if items.len() > MOST_DATES {
            let message = format!("`dates` names more than the {MOST_DATES} days that there are");
            self.problems.error(item.place, message).hint(DATES_HINT);
            return None;
        }
        let mut dates = Vec::new();
        let mut whole = !items.is_empty();
        for item in items {
            let date = item.value.as_integer().map(|integer| {
                i64::from_str_radix(integer.as_str(), integer.radix())
                    .ok()
                    .and_then(|number| i8::try_from(number).ok())
                    .filter(|date| Days::dates(&[*date]).is_some())
            });
            match date {
                Some(Some(date)) => dates.push(date),
                Some(None) => {
                    self.problems
                        .error(item.place, "there is no such day of the month")
                        .hint(DATES_HINT);
                    whole = false;
                }
                None => {
                    self.mismatch(item, "a day of the month, an integer");
                    whole = false;
                }
            }
        }
        Days::dates(&dates).filter(|_| whole)
    }

    /// Calendar days, so neither hours nor anything that could be elapsed time.
    fn offset(&mut self, item: Item<'a>) -> Option<u8> {
        if let DeValue::Integer(number) = item.value {
            self.problems
                .error(item.place, "expected days in a string, found an integer")
                .hint(format!("write \"{}d\"", number.as_str()));
            return None;
        }
        let text = self.text(item)?;
        let whole = text.chars().all(|c| !c.is_alphabetic() || "dw".contains(c));
        let days = match duration::parse(text) {
            Ok(length) if whole => Some(length.as_secs() / DAY.as_secs()),
            _ => None,
        };
        match days.map(|days| (days <= MOST_OFFSET, u8::try_from(days))) {
            Some((true, Ok(days))) => return Some(days),
            Some(_) => {
                let message = format!("an offset is at most {MOST_OFFSET} days");
                self.problems
                    .error(item.place, message)
                    .hint("count from a later day instead")
            }
            None => self
                .problems
                .error(item.place, format!("`{text}` is not an offset"))
                .hint(OFFSET_HINT),
        };
        None
    }

    /// `valid_from` and `valid_until`, in the window's zone.
    pub(super) fn validity(&mut self, fields: &Fields<'a>, zone: &Zone) -> Option<Validity> {
        let mut end = |key: &str, default| match fields.get(key) {
            Some(item) => self.instant(item, zone),
            None => Some(default),
        };
        let from = end("valid_from", Validity::ALWAYS.from);
        let until = end("valid_until", Validity::ALWAYS.until);
        let valid = Validity {
            from: from?,
            until: until?,
        };
        if valid.from < valid.until {
            return Some(valid);
        }
        let place = fields
            .get("valid_until")
            .map_or(fields.place_of("valid_until"), |item| item.place);
        self.problems
            .error(place, "`valid_until` is not after `valid_from`")
            .hint("`valid_until` is exclusive: nothing opens from then on");
        None
    }
}
