//! Windows: the union of rules, as occurrences.
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::raw::Raw;
use super::{Occurrence, Pattern, Rule, Validity, Zone};

/// No window may stay open longer than this.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Merging stops here: beyond [`LONGEST`], so that a window that never closes is seen, and never far beyond.
const MERGE_LIMIT: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Rare rules (29 February on a Monday) come once in forty years.
const SEARCH: SignedDuration = SignedDuration::from_hours(100 * 366 * 24);

/// When maintenance may run.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    pub name: Arc<str>,
    pub zone: Zone,
    pub rules: Vec<Rule>,
    /// How long before it closes nothing new is started.
    pub cutoff: SignedDuration,
}

impl Window {
    /// The whole occurrences that touch `[from, until)`, merged, in order.
    ///
    /// A window that never closes (see [`Window::never_closes`]) comes in pieces of a little over eight days.
    pub fn occurrences(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = Occurrence> + '_ {
        // What is open at `from` opened at most LONGEST before. What is cut short by starting here has closed by then.
        let start = from.saturating_sub(MERGE_LIMIT).unwrap_or(Timestamp::MIN);
        let rules = self
            .rules
            .iter()
            .map(|rule| Raw::new(&self.zone, rule, start))
            .collect();
        let merged = Merged {
            rules,
            until,
            cut: None,
        };
        merged.skip_while(move |o| o.closes <= from)
    }

    /// The first occurrence that opens at `t` or later; `None` if there is none within a century.
    pub fn next_opening(&self, t: Timestamp) -> Option<Occurrence> {
        let until = t.saturating_add(SEARCH).unwrap_or(Timestamp::MAX);
        self.occurrences(t, until).find(|o| o.opens >= t)
    }

    /// After which nothing of it opens; `None` for what comes again for ever.
    pub fn ends(&self) -> Option<Timestamp> {
        let ends = self.rules.iter().map(|rule| match &rule.pattern {
            Pattern::Once { until, .. } => Some(*until),
            _ => Some(rule.valid.until).filter(|until| *until < Validity::ALWAYS.until),
        });
        ends.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// The occurrence that is open at `t`.
    pub fn open_at(&self, t: Timestamp) -> Option<Occurrence> {
        let until = t
            .saturating_add(SignedDuration::from_nanos(1))
            .unwrap_or(Timestamp::MAX);
        self.occurrences(t, until).find(|o| o.contains(t))
    }

    /// The first occurrence in a span that lasts longer than [`LONGEST`]: the window never closes.
    pub fn never_closes(&self, from: Timestamp, until: Timestamp) -> Option<Occurrence> {
        self.occurrences(from, until).find(|o| o.length() > LONGEST)
    }
}

/// The rules' occurrences in order of opening, those that overlap or touch made one.
struct Merged<'a> {
    rules: Vec<Raw<'a>>,
    until: Timestamp,
    /// Where the last one was cut off, because it was too long to go on with.
    cut: Option<Timestamp>,
}

impl Merged<'_> {
    /// Takes the earliest that is left if it opens no later than `by`.
    fn take(&mut self, by: Timestamp) -> Option<Occurrence> {
        let first = self
            .rules
            .iter_mut()
            .filter(|raw| raw.peek().is_some_and(|o| o.opens <= by))
            .min_by_key(|raw| raw.peek())?;
        let taken = first.peek();
        first.advance();
        taken
    }
}

impl Iterator for Merged<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        let mut merged = self.take(Timestamp::MAX)?;
        if let Some(cut) = self.cut {
            // What lies in the piece before is in it already.
            while merged.closes <= cut {
                merged = self.take(Timestamp::MAX)?;
            }
            merged.opens = merged.opens.max(cut);
        }
        if merged.opens >= self.until {
            self.rules.clear();
            return None;
        }
        while merged.length() <= MERGE_LIMIT {
            let Some(more) = self.take(merged.closes) else {
                break;
            };
            merged.closes = merged.closes.max(more.closes);
        }
        self.cut = (merged.length() > MERGE_LIMIT).then_some(merged.closes);
        Some(merged)
    }
}

#[cfg(test)]
mod tests;
