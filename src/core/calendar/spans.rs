//! Many half-open spans of the time line, in order and apart.
use std::sync::Arc;

use jiff::Timestamp;

use super::Occurrence;

/// `[from, until)`, as [`super::subtract`] takes it.
pub type Span = (Timestamp, Timestamp);

/// Spans in order, none empty, those that overlap or touch made one; a clone shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans(Arc<[Span]>);

impl Spans {
    /// In any order; an empty or reversed one is none.
    pub fn of(mut spans: Vec<Span>) -> Self {
        spans.retain(|(from, until)| from < until);
        spans.sort_unstable();
        spans.dedup_by(|next, kept| {
            let one = next.0 <= kept.1;
            if one {
                kept.1 = kept.1.max(next.1);
            }
            one
        });
        Self(spans.into())
    }

    /// Those that touch `[from, until)`, whole.
    pub fn touching(&self, from: Timestamp, until: Timestamp) -> &[Span] {
        let first = self.0.partition_point(|span| span.1 <= from);
        let end = self.0.partition_point(|span| span.0 < until);
        self.0.get(first..end).unwrap_or_default()
    }

    pub fn all(&self) -> &[Span] {
        &self.0
    }

    /// What these spans leave of occurrences, in order.
    pub fn leave<'a>(&'a self, all: &'a [Occurrence]) -> impl Iterator<Item = Occurrence> + 'a {
        all.iter()
            .flat_map(|o| super::subtract(*o, self.touching(o.opens, o.closes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn spans(of: &[(i64, i64)]) -> Spans {
        Spans::of(of.iter().map(|&(a, b)| (at(a), at(b))).collect())
    }

    #[test]
    fn what_overlaps_or_touches_is_one_and_what_is_empty_is_none() {
        let all = spans(&[
            (7, 9),
            (1, 3),
            (2, 2),
            (3, 4),
            (8, 8),
            (2, 3),
            (6, 5),
            (1, 2),
        ]);
        assert_eq!(all, spans(&[(1, 4), (7, 9)]));
        assert_eq!(all.all().len(), 2);
        // The longer first: what it holds must not end it.
        assert_eq!(spans(&[(1, 9), (2, 3), (9, 10)]), spans(&[(1, 10)]));
        assert_eq!(spans(&[]).all(), []);
    }

    #[test]
    fn only_what_touches_is_found_and_found_whole() {
        let all = spans(&[(1, 4), (7, 9), (12, 20)]);
        for (from, until, found) in [
            (0, 1, &[][..]),
            (0, 2, &[(1, 4)]),
            (3, 8, &[(1, 4), (7, 9)]),
            (4, 7, &[]),
            (8, 100, &[(7, 9), (12, 20)]),
            (20, 30, &[]),
            (8, 3, &[]),
            (5, 5, &[]),
        ] {
            let found: Vec<Span> = found.iter().map(|&(a, b)| (at(a), at(b))).collect();
            assert_eq!(all.touching(at(from), at(until)), found, "{from} {until}");
        }
    }

    #[test]
    fn pieces_are_left_in_order() {
        let o = |opens, closes| Occurrence {
            opens: at(opens),
            closes: at(closes),
        };
        let all = [o(0, 6), o(7, 8), o(10, 11)];
        let left: Vec<_> = spans(&[(2, 3), (5, 9)]).leave(&all).collect();
        assert_eq!(left, [o(0, 2), o(3, 5), o(10, 11)]);
    }
}
