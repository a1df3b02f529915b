//! `[window.N]` and `[freeze.N]`.

use jiff::SignedDuration;
use jiff::civil::Time;
use toml::de::DeValue;

use super::command::SECOND;
use super::reading::Reading;
use super::recurrence::UNION_HINT;
use super::tree::{Field, Fields, Item};
use super::{duration, instant, keys};
use crate::core::calendar::{
    End, Freeze, LONGEST, Pattern, Rule, Validity, Window, Zone, parse_open,
};

const MOST_RULES: usize = 100;

/// The ways to say when a window opens, and the keys that show which was chosen.
const FORMS: [(&str, &[&str]); 5] = [
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
        let form = self.form(&fields)?;
        let valid = self.validity(&fields, &zone).unwrap_or(Validity::ALWAYS);
        let mut rules = match form {
            "open" => self.open(fields.get("open")?),
            "rules" => {
                let item = fields.get("rules")?;
                let items = self.array(item, "an array of rules");
                if items.is_empty() && item.value.is_array() {
                    self.problems
                        .error(item.place, "this window says nowhere when it opens");
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
                    let inner = self.validity(&fields, &zone);
                    let pattern = self.pattern(form, &fields, &zone);
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
                .pattern(form, &fields, &zone)
                .map(Rule::from)
                .into_iter()
                .collect(),
        };
        for rule in &mut rules {
            rule.valid = rule.valid.and(valid);
        }
        if rules.len() > MOST_RULES {
            self.problems.error(
                field.place,
                format!("more than {MOST_RULES} rules in one window"),
            );
        }
        if rules.is_empty() {
            return None;
        }
        Some(Window {
            name: self.name(field.key),
            zone,
            rules,
            cutoff,
        })
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
            let place = fields.place_of("");
            self.problems
                .error(place, "this window says nowhere when it opens")
                .hint(FORMS_HINT);
            return None;
        };
        if let Some((_, second)) = found.next() {
            let message = format!(
                "`{}` and `{}` are two ways to say when the window opens",
                first.key, second.key
            );
            self.problems.error(second.place, message).hint(UNION_HINT);
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
                let (from, until) = self.span(fields, zone, "this window")?;
                if until.duration_since(from) > LONGEST {
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
                        self.missing(fields, "this window", "start");
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
            let message = format!(
                "a window is open for at most {}: this one never closes",
                duration::format(LONGEST)
            );
            self.problems.error(item.place, message);
            return None;
        }
        Some(length)
    }

    /// `from` and `until`, the one before the other.
    fn span(
        &mut self,
        fields: &Fields<'a>,
        zone: &Zone,
        what: &str,
    ) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
        let mut end = |key: &str| {
            let Some(item) = fields.get(key) else {
                self.missing(fields, what, key);
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
            self.problems
                .error(item.place, "this window says nowhere when it opens");
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

    pub fn freeze(&mut self, field: Field<'a>) -> Option<Freeze> {
        let fields = self.entry("freeze", field, keys::FREEZE)?;
        let zone = self.zone_of(&fields);
        let except_labels = self.labels(&fields, "except_labels");
        let apps = self.named(&fields, "apps", "app");
        let windows = self.named(&fields, "windows", "window");
        let (from, until) = self.span(&fields, &zone, "this freeze")?;
        Some(Freeze {
            name: self.name(field.key),
            zone,
            from,
            until,
            except_labels,
            apps,
            windows,
        })
    }

    /// Names that must be entries of a table.
    fn named(
        &mut self,
        fields: &Fields<'a>,
        key: &str,
        table: &'static str,
    ) -> Vec<crate::core::policy::Name> {
        let Some(item) = fields.get(key) else {
            return Vec::new();
        };
        let lines = self.lines(item);
        if lines.is_empty() && item.value.as_array().is_some_and(|array| array.is_empty()) {
            self.problems
                .error(item.place, format!("`{key}` names nothing"))
                .hint(format!("leave `{key}` out to mean all of them"));
        }
        lines
            .into_iter()
            .filter_map(|(_, item)| self.existing(item, table))
            .collect()
    }
}
