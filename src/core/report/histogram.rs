//! How long things took, counted in buckets: what Prometheus calls a histogram.
use jiff::SignedDuration;

/// Counts of durations by their upper bounds. Its size is fixed by the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// In milliseconds, rising.
    bounds: &'static [i64],
    /// One for each bound, and one for what is beyond the last.
    counts: Vec<u64>,
    sum: SignedDuration,
}

impl Histogram {
    /// `bounds` are in milliseconds, rising; each belongs to the bucket that it ends.
    pub fn new(bounds: &'static [i64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: SignedDuration::ZERO,
        }
    }

    /// Counts one. What is negative, as after a step of the clock, took no time.
    pub fn observe(&mut self, took: SignedDuration) {
        let took = took.max(SignedDuration::ZERO);
        let bucket = self
            .bounds
            .partition_point(|bound| SignedDuration::from_millis(*bound) < took);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.sum = self.sum.saturating_add(took);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |all, n| all.saturating_add(*n))
    }

    /// All together.
    pub fn sum(&self) -> SignedDuration {
        self.sum
    }

    /// The upper bound of each bucket in seconds, the last infinite, and how many fell between the one before and it.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self
            .bounds
            .iter()
            .map(|ms| SignedDuration::from_millis(*ms).as_secs_f64());
        bounds
            .chain([f64::INFINITY])
            .zip(self.counts.iter().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_that_it_ends() {
        let mut histogram = Histogram::new(&[100, 1_000]);
        for ms in [0, 100, 101, 1_000, 1_001, 5_000, -7] {
            histogram.observe(SignedDuration::from_millis(ms));
        }
        let buckets = histogram.buckets();
        assert_eq!(buckets, [(0.1, 3), (1.0, 2), (f64::INFINITY, 2)]);
        assert_eq!(histogram.count(), 7);
        assert_eq!(histogram.sum(), SignedDuration::from_millis(7_202));
    }

    #[test]
    fn no_duration_is_too_long() {
        let mut histogram = Histogram::new(&[1]);
        histogram.observe(SignedDuration::MAX);
        histogram.observe(SignedDuration::MAX);
        assert_eq!(histogram.sum(), SignedDuration::MAX);
        assert_eq!(histogram.count(), 2);
    }
}
