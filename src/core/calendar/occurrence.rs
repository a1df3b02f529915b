//! One concrete span in which a window is open.
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// `[opens, closes)`: half-open on the UTC time line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Occurrence {
    pub opens: Timestamp,
    pub closes: Timestamp,
}

impl Occurrence {
    /// Elapsed time from opening to closing.
    pub fn length(&self) -> SignedDuration {
        self.closes.duration_since(self.opens)
    }

    pub fn contains(&self, t: Timestamp) -> bool {
        self.opens <= t && t < self.closes
    }
}

/// What is left of an occurrence without the given half-open spans: no piece, one or several, in order.
/// The spans may overlap and come in any order; an empty or reversed one takes nothing away.
pub fn subtract(o: Occurrence, spans: &[(Timestamp, Timestamp)]) -> Vec<Occurrence> {
    let mut hits: Vec<(Timestamp, Timestamp)> = spans
        .iter()
        .copied()
        .filter(|&(from, until)| from < until && from < o.closes && until > o.opens)
        .collect();
    hits.sort_unstable();
    let mut left = Vec::with_capacity(hits.len() + 1);
    let mut opens = o.opens;
    for (from, until) in hits {
        if from > opens {
            left.push(Occurrence {
                opens,
                closes: from,
            });
        }
        opens = opens.max(until);
    }
    if opens < o.closes {
        left.push(Occurrence {
            opens,
            closes: o.closes,
        });
    }
    left
}

#[cfg(test)]
mod tests;
