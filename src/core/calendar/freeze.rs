//! Spans in which windows do not open.
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::spans::{Span, Spans};
use super::{Window, Yearly, Zone};

/// How far what comes again is worked out when it is read: what plans ask about is looked up, thousands of times.
const BEFORE: SignedDuration = SignedDuration::from_hours(366 * 24);
const AHEAD: SignedDuration = SignedDuration::from_hours(12 * 366 * 24);
/// A freeze that comes more often is worked out for less time.
const MOST_SPANS: usize = 20_000;

/// When a freeze holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Frozen {
    Once {
        from: Timestamp,
        until: Timestamp,
    },
    /// On the same dates every year.
    Yearly(Yearly),
    /// Like a window: whenever these rules say open. Nobody sees its name or cutoff.
    Rules(Box<Window>),
    /// What a calendar lists, as far as it was read.
    Listed(Spans),
}

/// Spans taken out of windows. Empty `apps` and `windows` mean all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Freeze {
    pub name: Arc<str>,
    pub description: Option<Arc<str>>,
    pub zone: Zone,
    pub except_labels: Vec<Arc<str>>,
    pub apps: Vec<Arc<str>>,
    pub windows: Vec<Arc<str>>,
    /// Where it names some, it holds for work on these alone.
    pub hosts: BTreeSet<Arc<str>>,
    /// Those that have one of `except_labels` themselves: it does not hold for work on them.
    pub except_hosts: BTreeSet<Arc<str>>,
    frozen: Frozen,
    known: Known,
}

/// What a freeze asks of work.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    pub window: &'a str,
    pub app: Option<&'a str>,
    pub labels: &'a [Arc<str>],
    /// Those that one or another of its hosts has.
    pub host_labels: &'a [Arc<str>],
}

impl<'a> Work<'a> {
    /// Whatever may be done in a window.
    pub fn of_window(window: &'a str) -> Self {
        Self {
            window,
            app: None,
            labels: &[],
            host_labels: &[],
        }
    }
}

/// The spans that were worked out when the freeze was read.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    from: Timestamp,
    until: Timestamp,
    spans: Spans,
}

impl Freeze {
    /// For all apps and windows and without exceptions. `now` only decides which years are at hand at once.
    pub fn new(name: Arc<str>, zone: Zone, frozen: Frozen, now: Timestamp) -> Self {
        let known = frozen.known(&zone, now);
        Self {
            name,
            description: None,
            zone,
            except_labels: Vec::new(),
            apps: Vec::new(),
            windows: Vec::new(),
            hosts: BTreeSet::new(),
            except_hosts: BTreeSet::new(),
            frozen,
            known,
        }
    }

    /// Whether such work is held back wherever it is done. Work of no app is not meant by a freeze of apps.
    pub fn applies(&self, work: &Work<'_>) -> bool {
        self.hosts.is_empty() && self.means(work) && !self.excepts(work.host_labels)
    }

    /// Whether it holds such work back on this host, and may let it happen on another.
    pub fn applies_on(&self, host: &str, work: &Work<'_>) -> bool {
        self.tells_apart(host) && self.means(work) && !self.except_hosts.contains(host)
    }

    /// Whether it may mean work on this host and not the same on another, or the other way round.
    pub fn tells_apart(&self, host: &str) -> bool {
        match self.hosts.is_empty() {
            true => !self.except_hosts.is_empty(),
            false => self.hosts.contains(host),
        }
    }

    /// Whether one of these labels is among its exceptions.
    pub fn excepts(&self, labels: &[Arc<str>]) -> bool {
        labels
            .iter()
            .any(|label| self.except_labels.contains(label))
    }

    fn means(&self, work: &Work<'_>) -> bool {
        let window = self.windows.is_empty() || self.windows.iter().any(|w| **w == *work.window);
        let named = |app: &str| self.apps.iter().any(|a| **a == *app);
        let app = self.apps.is_empty() || work.app.is_some_and(named);
        window && app && !self.excepts(work.labels)
    }

    pub fn frozen(&self) -> &Frozen {
        &self.frozen
    }

    /// The spans that touch `[from, until)`, in order and apart. They come whole, but for what comes again and then
    /// goes on for more than a week: its far ends may be missing.
    pub fn spans(&self, from: Timestamp, until: Timestamp) -> Cow<'_, [Span]> {
        if self.known.from <= from && until <= self.known.until {
            return Cow::Borrowed(self.known.spans.touching(from, until));
        }
        let spans = Spans::of(self.frozen.spans(&self.zone, from, until));
        Cow::Owned(spans.all().to_vec())
    }

    /// Whether a span touches `[from, until)`.
    pub fn touches(&self, from: Timestamp, until: Timestamp) -> bool {
        !self.spans(from, until).is_empty()
    }

    /// Whether `t` lies in a span.
    pub fn holds(&self, t: Timestamp) -> bool {
        let after = t.saturating_add(SignedDuration::from_nanos(1));
        self.touches(t, after.unwrap_or(Timestamp::MAX))
    }

    /// The spans that are not over at `t`, as far as it was worked out when the freeze was read: years, mostly.
    pub fn coming(&self, t: Timestamp) -> &[Span] {
        self.known.spans.touching(t, Timestamp::MAX)
    }

    /// When it is over for good; `None` for what comes again for ever, and for a calendar without a span.
    pub fn ends(&self) -> Option<Timestamp> {
        match &self.frozen {
            Frozen::Once { until, .. } => Some(*until),
            Frozen::Listed(spans) => spans.all().last().map(|span| span.1),
            Frozen::Rules(window) => window.ends(),
            Frozen::Yearly(_) => None,
        }
    }
}

impl Frozen {
    fn known(&self, zone: &Zone, now: Timestamp) -> Known {
        let (from, mut until) = match self {
            Self::Once { .. } | Self::Listed(_) => (Timestamp::MIN, Timestamp::MAX),
            Self::Yearly(_) | Self::Rules(_) => (
                now.saturating_sub(BEFORE).unwrap_or(Timestamp::MIN),
                now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX),
            ),
        };
        let spans = match self {
            Self::Listed(spans) => spans.clone(),
            Self::Rules(window) => {
                let found = window.occurrences(from, until).take(MOST_SPANS + 1);
                let mut spans: Vec<Span> = found.map(|o| (o.opens, o.closes)).collect();
                if spans.len() > MOST_SPANS
                    && let Some((opens, _)) = spans.pop()
                {
                    until = opens;
                }
                Spans::of(spans)
            }
            _ => Spans::of(self.spans(zone, from, until)),
        };
        Known { from, until, spans }
    }

    /// Those that touch `[from, until)`, worked out anew.
    fn spans(&self, zone: &Zone, from: Timestamp, until: Timestamp) -> Vec<Span> {
        match self {
            Self::Once { from, until } => vec![(*from, *until)],
            Self::Yearly(yearly) => yearly.spans(zone, from, until),
            Self::Rules(window) => window
                .occurrences(from, until)
                .map(|o| (o.opens, o.closes))
                .collect(),
            Self::Listed(spans) => spans.touching(from, until).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests;
