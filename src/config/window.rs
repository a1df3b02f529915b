//! `[window.N]`, and the rules that freezes have as well.

use jiff::SignedDuration;
use jiff::civil::Time;
use toml::de::DeValue;

use super::command::SECOND;
use super::reading::Reading;
use super::tree::{Field, Fields, Item};
use super::{duration, instant, keys};
use crate::core::calendar::{End, LONGEST, Pattern, Rule, Validity, Window, Zone, parse_open};
use crate::core::decide::{EMERGENCY, REHEARSAL};

const MOST_RULES: usize = 100;

/// The ways to say when a window opens, and the keys that show which was chosen.
pub const FORMS: [(&str, &[&str]); 5] = [
    ("days", &["days", "dates", "start", "end"]),
    ("cron", &["cron"]),
    ("from", &["from", "until"]),
    ("open", &["open"]),
    ("rules", &["rules"]),
];

const FORMS_HINT: &str = "`days` or `dates` with `start` and `end` or `duration`; `cron` with `duration`; `from` with `until`; `open`; or `rules`";

/// Keys that go with some of the forms only, and what to do instead.
const EXTRAS: [(&str, &[&str], &str); 4] = [
    ("duration", &["days", "cron"], ""),
    (
        "offset",
        &["days"],
        "it counts from the day that `days` or `dates` names",
    ),
    ("valid_from", &["days", "cron", "open", "rules"], ONCE_HINT),
    ("valid_until", &["days", "cron", "open", "rules"], ONCE_HINT),
];
const ONCE_HINT: &str = "`from` and `until` say when it opens, once and for all";

/// What rules belong to, as messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruled {
    Window,
    Freeze,
}

impl Ruled {
    pub fn noun(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Freeze => "freeze",
        }
    }

    fn begins(self) -> &'static str {
        match self {
            Self::Window => "opens",
            Self::Freeze => "begins",
        }
    }
}

impl<'a> Reading<'a> {
    pub fn window(&mut self, field: Field<'a>) -> Option<Window> {
        let fields = self.entry("window", field, keys::WINDOW)?;
        let cutoff = self.duration_or(
            &fields,
            "cutoff",
            SignedDuration::ZERO,
            SignedDuration::ZERO,
        );
        let zone = self.zone_of(&fields);
        self.ruled = Ruled::Window;
        let rules = self.rules(field, &fields, &zone)?;
        if [EMERGENCY, REHEARSAL].contains(&field.key) {
            let message = format!("no window can be called `{}`", field.key);
            self.problems
                .error(field.place, message)
                .hint("it stands for the window of sessions that operators begin at once");
        }
        Some(Window {
            name: self.name(field.key),
            zone,
            rules,
            cutoff,
        })
    }

    /// The rules of a window or a freeze, in whatever form; at least one.
    pub fn rules(
        &mut self,
        field: Field<'a>,
        fields: &Fields<'a>,
        zone: &Zone,
    ) -> Option<Vec<Rule>> {
        let form = self.form(fields)?;
        let valid = self.validity(fields, zone).unwrap_or(Validity::ALWAYS);
        let mut rules = match form {
            "open" => self.open(fields.get("open")?),
            "rules" => {
                let item = fields.get("rules")?;
                let items = self.array(item, "an array of rules");
                if items.is_empty() && item.value.is_array() {
                    let message = self.nowhere();
                    self.problems.error(item.place, message);
                }
                let mut rules = Vec::new();
                for item in items.into_iter().take(MOST_RULES + 1) {
                    let wanted =
                        r#"a rule such as { days = "Sat", start = "20:00", duration = "10h" }"#;
                    let Some(fields) = self.table(item, keys::RULE, wanted) else {
                        continue;
                    };
                    let Some(form) = self.form(&fields) else {
                        continue;
                    };
                    let inner = self.validity(&fields, zone);
                    let pattern = self.pattern(form, &fields, zone);
                    if let (Some(inner), Some(pattern)) = (inner, pattern) {
                        let rule = Rule {
                            pattern,
                            valid: inner.and(valid),
                        };
                        self.ever(&rule, item);
                        rules.push(rule);
                    }
                }
                rules
            }
            form => self
                .pattern(form, fields, zone)
                .map(Rule::from)
                .into_iter()
                .collect(),
        };
        for rule in &mut rules {
            rule.valid = rule.valid.and(valid);
        }
        if rules.len() > MOST_RULES {
            let noun = self.ruled.noun();
            self.problems.error(
                field.place,
                format!("more than {MOST_RULES} rules in one {noun}"),
            );
        }
        (!rules.is_empty()).then_some(rules)
    }

    fn nowhere(&self) -> String {
        let (noun, begins) = (self.ruled.noun(), self.ruled.begins());
        format!("this {noun} says nowhere when it {begins}")
    }

    /// Which of the forms was written; exactly one must be.
    fn form(&mut self, fields: &Fields<'a>) -> Option<&'static str> {
        let written = |keys: &[&str]| {
            fields
                .list
                .iter()
                .find(|field| keys.contains(&field.key))
                .copied()
        };
        let mut found = FORMS
            .iter()
            .filter_map(|(form, keys)| Some((*form, written(keys)?)));
        let Some((form, first)) = found.next() else {
            let (place, message) = (fields.place_of(""), self.nowhere());
            self.problems.error(place, message).hint(FORMS_HINT);
            return None;
        };
        if let Some((_, second)) = found.next() {
            let (noun, begins) = (self.ruled.noun(), self.ruled.begins());
            let message = format!(
                "`{}` and `{}` are two ways to say when the {noun} {begins}",
                first.key, second.key
            );
            let hint = format!("several rules make one {noun} with `rules = [{{ … }}, {{ … }}]`");
            self.problems.error(second.place, message).hint(hint);
            return None;
        }
        for (key, forms, hint) in EXTRAS {
            if let Some(extra) = written(&[key]).filter(|_| !forms.contains(&form)) {
                let hint = match (key, form) {
                    ("duration", "from") => "say `until` when it ends",
                    ("offset", "rules") => "give it in the rule that it belongs to",
                    _ => hint,
                };
                let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
                self.problems
                    .error(extra.place, format!("`{key}` does not go with `{form}`"))
                    .maybe_hint(hint);
            }
        }
        Some(form)
    }

    /// A rule whose own span and that of its window leave it no moment to open is a mistake.
    fn ever(&mut self, rule: &Rule, item: Item<'a>) {
        let outside = match &rule.pattern {
            Pattern::Once { from, .. } => !rule.valid.contains(*from),
            _ => rule.valid.from >= rule.valid.until,
        };
        if outside {
            let message = "this rule never opens: not while its window is valid";
            self.problems
                .error(item.place, message)
                .hint("see `valid_from` and `valid_until` of the window");
        }
    }

    fn pattern(&mut self, form: &str, fields: &Fields<'a>, zone: &Zone) -> Option<Pattern> {
        match form {
            "cron" => {
                let expr = fields.get("cron").and_then(|item| self.schedule(item));
                let duration = self.length(fields, "`cron`")?;
                Some(Pattern::Cron {
                    expr: expr?,
                    duration,
                })
            }
            "from" => {
                let (from, until) = self.span(fields, zone)?;
                let too_long = until.duration_since(from) > LONGEST;
                if too_long && self.ruled == Ruled::Window {
                    let message = "this window is open for more than seven days: it never closes";
                    self.problems.error(fields.place_of("until"), message);
                    return None;
                }
                Some(Pattern::Once { from, until })
            }
            _ => {
                let days = self.which_days(fields);
                let start = match fields.get("start") {
                    Some(item) => self.time(item, false),
                    None => {
                        let what = format!("this {}", self.ruled.noun());
                        self.missing(fields, &what, "start");
                        None
                    }
                };
                let end = match fields.get("end") {
                    Some(_) if fields.has("duration") => {
                        self.problems.error(
                            fields.place_of("duration"),
                            "`end` and `duration` exclude each other",
                        );
                        None
                    }
                    Some(item) => self.time(item, true).map(End::At),
                    None => self.length(fields, "`start` without `end`").map(End::After),
                };
                Some(Pattern::Days {
                    days: days?,
                    start: start?,
                    end: end?,
                })
            }
        }
    }

    /// `duration`, from a second to seven days.
    fn length(&mut self, fields: &Fields<'a>, what: &str) -> Option<SignedDuration> {
        let Some(item) = fields.get("duration") else {
            self.missing(fields, what, "duration");
            return None;
        };
        let length = self.duration(item, SECOND)?;
        if length > LONGEST {
            let longest = duration::format(LONGEST);
            match self.ruled {
                Ruled::Window => {
                    let message =
                        format!("a window is open for at most {longest}: this one never closes");
                    self.problems.error(item.place, message);
                }
                Ruled::Freeze => {
                    let message = format!("a freeze that recurs lasts at most {longest}");
                    let hint = r#"`from` and `until` may be further apart: from = "12-18", until = "01-02""#;
                    self.problems.error(item.place, message).hint(hint);
                }
            }
            return None;
        }
        Some(length)
    }

    /// `from` and `until`, the one before the other.
    pub fn span(
        &mut self,
        fields: &Fields<'a>,
        zone: &Zone,
    ) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
        let mut end = |key: &str| {
            let Some(item) = fields.get(key) else {
                let what = format!("this {}", self.ruled.noun());
                self.missing(fields, &what, key);
                return None;
            };
            self.instant(item, zone)
        };
        let (from, until) = (end("from"), end("until"));
        let (from, until) = (from?, until?);
        if from >= until {
            let place = fields
                .get("until")
                .map_or(fields.place_of("until"), |item| item.place);
            self.problems
                .error(place, "`until` is not after `from`")
                .hint("`until` is exclusive: the first instant after the span");
            return None;
        }
        Some((from, until))
    }

    fn open(&mut self, item: Item<'a>) -> Vec<Rule> {
        let texts = match item.value.is_str() {
            true => vec![item],
            false => self.array(
                item,
                r#"a string such as "Mon-Fri 22:00-05:00", or an array of them"#,
            ),
        };
        if texts.is_empty() && item.value.is_array() {
            let message = self.nowhere();
            self.problems.error(item.place, message);
        }
        let mut rules = Vec::new();
        for item in texts.into_iter().take(MOST_RULES + 1) {
            let Some(text) = self.text(item) else {
                continue;
            };
            match parse_open(text) {
                Ok(rule) => rules.push(rule),
                Err(error) => self.malformed(item, error),
            }
        }
        rules
    }

    /// A time of day, as a string or as TOML's own; `24:00` ends a day.
    fn time(&mut self, item: Item<'a>, end: bool) -> Option<Time> {
        if let DeValue::Datetime(written) = item.value
            && let (None, Some(time), None) = (written.date, written.time, written.offset)
        {
            let part = |number: u8| i8::try_from(number).unwrap_or(i8::MAX);
            let second = part(time.second.unwrap_or(0));
            let read = Time::new(part(time.hour), part(time.minute), second, 0).ok();
            if let Some(read) = read.filter(|_| time.nanosecond.unwrap_or(0) == 0) {
                return Some(read);
            }
        }
        let text = self.text(item)?;
        let read = if end && text == "24:00" {
            Some(Time::midnight())
        } else {
            instant::time_of_day(text)
        };
        if read.is_none() {
            self.problems
                .error(item.place, format!("`{text}` is not a time of day"))
                .hint("from \"00:00\" to \"23:59\"");
        }
        read
    }
}
