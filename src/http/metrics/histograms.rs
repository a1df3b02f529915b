//! Histograms that were counted elsewhere, in Prometheus' form.
use std::fmt;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Labels;
use crate::core::report::{Histogram, Runs};

/// One histogram for each set of labels.
#[derive(Debug)]
struct Histograms(Vec<(Labels, Histogram)>);

impl EncodeMetric for Histograms {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (labels, histogram) in &self.0 {
            encoder
                .encode_family(labels)?
                .encode_histogram::<NoLabelSet>(
                    histogram.sum().as_secs_f64(),
                    histogram.count(),
                    &histogram.buckets(),
                    None,
                )?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// All of them.
pub(super) fn register(registry: &mut Registry, runs: &Runs) {
    let durations = runs.durations.iter().map(|((job, what, result), all)| {
        let labels = vec![
            ("job", job.to_string()),
            ("what", (*what).to_owned()),
            ("result", (*result).to_owned()),
        ];
        (labels, all.clone())
    });
    registry.register(
        "run_duration_seconds",
        "How long the processes of attempts were there, since the daemon started; of the first 200 jobs by job",
        Histograms(durations.collect()),
    );
    let by = |label: &'static str, series: [(&str, &Histogram); 2]| {
        let labelled =
            |(value, all): (&str, &Histogram)| (vec![(label, value.to_owned())], all.clone());
        Histograms(series.into_iter().map(labelled).collect())
    };
    registry.register(
        "start_lateness_seconds",
        "How long after it was due (jitter included), or its session was planned, something was started, since the daemon started",
        by(
            "what",
            [
                ("periodic", &runs.periodic_lateness),
                ("session", &runs.session_lateness),
            ],
        ),
    );
    registry.register(
        "lock_wait_seconds",
        "How long attempts that found a lock held waited for it, since the daemon started",
        by(
            "result",
            [
                ("obtained", &runs.locks_obtained),
                ("given_up", &runs.locks_given_up),
            ],
        ),
    );
}
