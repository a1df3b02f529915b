//! The metrics in Prometheus' text form (OpenMetrics).
//!
//! Labels are fixed words, but for three: `app` (at most 1,000), `window` (at most 200) and `job` (at most 10,000, one
//! series each, about 90 bytes; jobs beyond are counted in `offhours_jobs_unlisted`). Counters and histograms by job are
//! those of the first 200 that ended something; all others share the empty name. Sessions, runs, hosts and people are
//! never labels.
//!
//! Counters and histograms begin with the daemon, gauges are of the recorded state and survive it.
mod histograms;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Snapshot;
use crate::core::report::AppState;

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub const PLAIN_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One or two labels: names are ours, values may be anything.
type Labels = Vec<(&'static str, String)>;

/// All metrics of one moment.
pub fn render(snapshot: &Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("offhours");
    counters(&mut registry, snapshot);
    gauges(&mut registry, snapshot);
    apps(&mut registry, snapshot);
    windows(&mut registry, snapshot);
    jobs(&mut registry, snapshot);
    histograms::register(&mut registry, &snapshot.counters.runs);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// The same in the older text form, for whoever does not ask for OpenMetrics: a counter is described by its whole name
/// there, and nothing marks the end.
pub fn plain(text: &str) -> String {
    let counter = |line: &str| {
        let rest = line.strip_prefix("# TYPE ")?;
        rest.strip_suffix(" counter").map(str::to_owned)
    };
    let counters: BTreeSet<String> = text.lines().filter_map(counter).collect();
    let mut plain = String::with_capacity(text.len());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|mark| {
            let (name, rest) = line.strip_prefix(mark)?.split_once(' ')?;
            let found = counters.contains(name);
            found.then(|| format!("{mark}{name}_total {rest}"))
        });
        plain.push_str(described.as_deref().unwrap_or(line));
        plain.push('\n');
    }
    plain
}

fn counters(registry: &mut Registry, snapshot: &Snapshot) {
    let counted = &snapshot.counters;
    let attempts = Family::<Labels, Counter>::default();
    for ((what, outcome), count) in &counted.attempts {
        let labels = vec![
            ("what", (*what).to_owned()),
            ("outcome", outcome.word().to_owned()),
        ];
        attempts.get_or_create(&labels).inc_by(*count);
    }
    registry.register(
        "attempts",
        "Attempts that ended since the daemon started",
        attempts,
    );
    let runs = Family::<Labels, Counter>::default();
    for ((job, what, outcome), count) in &counted.runs.ended {
        let labels = vec![
            ("job", job.to_string()),
            ("what", (*what).to_owned()),
            ("outcome", outcome.word().to_owned()),
        ];
        runs.get_or_create(&labels).inc_by(*count);
    }
    registry.register(
        "runs",
        "Runs of jobs that ended, after all their attempts, since the daemon started; of the first 200 jobs by job",
        runs,
    );
    let sessions = Family::<Labels, Counter>::default();
    for (outcome, count) in &counted.sessions {
        let labels = vec![("outcome", outcome.word().to_owned())];
        sessions.get_or_create(&labels).inc_by(*count);
    }
    registry.register(
        "sessions",
        "Sessions that were closed since the daemon started",
        sessions,
    );
    let notices = Family::<Labels, Counter>::default();
    for ((kind, result), count) in &counted.notices {
        let labels = vec![
            ("kind", (*kind).to_owned()),
            ("result", (*result).to_owned()),
        ];
        notices.get_or_create(&labels).inc_by(*count);
    }
    registry.register(
        "notices",
        "Answers to notices since the daemon started",
        notices,
    );
    let skipped = Family::<Labels, Counter>::default();
    for (reason, count) in &counted.skipped {
        skipped
            .get_or_create(&vec![("reason", (*reason).to_owned())])
            .inc_by(*count);
    }
    registry.register(
        "skipped_dues",
        "Due instants without a run since the daemon started",
        skipped,
    );
    let pings = Family::<Labels, Counter>::default();
    for ((kind, result), count) in &counted.pings {
        let labels = vec![
            ("kind", (*kind).to_owned()),
            ("result", (*result).to_owned()),
        ];
        pings.get_or_create(&labels).inc_by(*count);
    }
    registry.register(
        "pings",
        "Pings ([ping] and ping of jobs) since the daemon started; skipped where a later one took its place",
        pings,
    );
    let steps = Counter::<u64>::default();
    steps.inc_by(counted.clock_steps);
    registry.register(
        "clock_steps",
        "Steps of the wall clock since the daemon started",
        steps,
    );
}

fn gauges(registry: &mut Registry, snapshot: &Snapshot) {
    let status = &snapshot.status;
    let build = Family::<Labels, Gauge>::default();
    build
        .get_or_create(&vec![("version", env!("CARGO_PKG_VERSION").to_owned())])
        .set(1);
    registry.register("build_info", "The version that runs", build);
    let attention = Family::<Labels, Gauge>::default();
    for item in &status.attention {
        attention
            .get_or_create(&vec![("kind", item.kind.to_owned())])
            .inc();
    }
    registry.register(
        "attention",
        "Matters that wait for a person, by kind; at most 200",
        attention,
    );
    let notices = Family::<Labels, Gauge>::default();
    for (state, count) in &snapshot.notices {
        notices
            .get_or_create(&vec![("state", (*state).to_owned())])
            .set(number(*count));
    }
    registry.register(
        "notices_by_state",
        "Notices by how far they are; settled ones are forgotten some time after their session",
        notices,
    );
    let mut gauge = |name: &str, words: &str, value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, words, gauge);
    };
    gauge(
        "attention_all",
        "Matters that wait for a person",
        number(status.counts.attention),
    );
    gauge(
        "paused",
        "Pauses by operators: of everything, or of one app each",
        number(status.paused.len()),
    );
    gauge(
        "requests_waiting",
        "Jobs that an operator asked for and that no session has served; at most 100",
        number(status.requested.len()),
    );
    gauge(
        "running",
        "Attempts whose process is there",
        number(status.counts.running),
    );
    gauge(
        "locks_waiting",
        "Attempts that wait for a lock",
        number(snapshot.locked_out),
    );
    gauge(
        "notices_waiting",
        "Notices that nobody accepted yet",
        number(status.mail.owed),
    );
    let age = |at: jiff::Timestamp| status.now.duration_since(at).as_secs().max(0);
    gauge(
        "notices_oldest_seconds",
        "How long the notice that waits longest could have been sent; 0 where none waits",
        status.mail.oldest.map_or(0, age),
    );
    gauge(
        "notices_failed",
        "Notices that could not be delivered",
        number(status.mail.failed),
    );
    gauge(
        "periodic_failing",
        "Periodic jobs whose last end was bad",
        number(status.periodic.failed),
    );
    gauge(
        "periodic_waiting",
        "Due instants that wait; at most 50",
        number(status.periodic.waiting.len()),
    );
    gauge(
        "state_writable",
        "Whether the state can be written",
        i64::from(status.state.ok),
    );
    gauge(
        "recovered",
        "Whether what the last daemon left is settled",
        i64::from(snapshot.recovered),
    );
    gauge(
        "locks_held",
        "Lock files that somebody holds",
        number(status.shell.locks.len()),
    );
    gauge(
        "jobs_unlisted",
        "Jobs without a series of their own",
        number(snapshot.unlisted),
    );
    if let Some(since) = status.shell.daemon.since {
        gauge(
            "start_timestamp_seconds",
            "When the daemon started",
            since.as_second(),
        );
    }
    if let Some(next) = status.next.iter().map(|n| n.course.starts).min() {
        gauge(
            "next_session_start_timestamp_seconds",
            "When the next session starts",
            next.as_second(),
        );
    }
}

fn apps(registry: &mut Registry, snapshot: &Snapshot) {
    let maintenance = Family::<Labels, Gauge>::default();
    let lasting = Family::<Labels, Gauge>::default();
    let since = Family::<Labels, Gauge>::default();
    let past_window = Family::<Labels, Gauge>::default();
    let overdue = Family::<Labels, Gauge>::default();
    let now: Timestamp = snapshot.status.now;
    for app in &snapshot.status.apps {
        let labels = vec![("app", app.app.to_string())];
        let out = app.state != AppState::InService;
        maintenance.get_or_create(&labels).set(i64::from(out));
        if let Some(at) = app.since.filter(|_| out) {
            lasting
                .get_or_create(&labels)
                .set(now.duration_since(at).as_secs().max(0));
            since.get_or_create(&labels).set(at.as_second());
        }
        let past = app.closes.filter(|closes| out && *closes < now);
        past_window
            .get_or_create(&labels)
            .set(i64::from(past.is_some()));
        overdue
            .get_or_create(&labels)
            .set(past.map_or(0, |closes| now.duration_since(closes).as_secs()));
    }
    registry.register(
        "app_in_maintenance",
        "Whether the app is out of service",
        maintenance,
    );
    registry.register(
        "app_maintenance_seconds",
        "For how long the app is out of service",
        lasting,
    );
    registry.register(
        "app_maintenance_start_timestamp_seconds",
        "Since when the app is out of service",
        since,
    );
    registry.register(
        "app_past_window",
        "Whether it is so past the end of its window",
        past_window,
    );
    registry.register(
        "app_overdue_seconds",
        "For how long the app should have been back; 0 where it is, or its window is still open",
        overdue,
    );
}

fn windows(registry: &mut Registry, snapshot: &Snapshot) {
    let open = Family::<Labels, Gauge>::default();
    let opens = Family::<Labels, Gauge>::default();
    let closes = Family::<Labels, Gauge>::default();
    for window in &snapshot.status.windows.windows {
        let labels = vec![("window", window.window.to_string())];
        open.get_or_create(&labels).set(i64::from(window.open));
        for (family, at) in [(&opens, window.opens), (&closes, window.closes)] {
            if let Some(at) = at {
                family.get_or_create(&labels).set(at.as_second());
            }
        }
    }
    registry.register("window_open", "Whether the window is open", open);
    registry.register(
        "window_opens_timestamp_seconds",
        "When the window opens next, after freezes, or opened where it is open; none within a year: no series",
        opens,
    );
    registry.register(
        "window_closes_timestamp_seconds",
        "When the window closes after that",
        closes,
    );
}

fn jobs(registry: &mut Registry, snapshot: &Snapshot) {
    let successes = Family::<Labels, Gauge>::default();
    for (job, at) in &snapshot.successes {
        successes
            .get_or_create(&vec![("job", job.to_string())])
            .set(at.as_second());
    }
    registry.register(
        "job_last_success_timestamp_seconds",
        "When the job last succeeded; of one on several hosts, on the one where that is longest ago",
        successes,
    );
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
