//! What freezes leave of an occurrence, worked out day by day from what was written: slower than the calendar, and
//! without its code.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use offhours::core::calendar::{
    End, Freeze, Frozen, Occurrence, Pattern, Validity, YearDay, subtract,
};
use offhours::core::policy::Policy;

/// What work in this window sees of an occurrence; a job that is no longer there has no labels.
pub(super) fn left(
    policy: &Policy,
    (window, app): (&str, &str),
    job: Option<&str>,
    occurrence: Occurrence,
) -> Vec<Occurrence> {
    let job = job.and_then(|job| policy.maintenance.get(job));
    let on = job.into_iter().flat_map(|job| &job.hosts);
    let on = on.filter_map(|host| policy.hosts.get(host));
    // It takes place where one host is an exception; what may be done on which is another question.
    let labels: Vec<_> = job
        .into_iter()
        .flat_map(|job| &job.labels)
        .chain(on.flat_map(|host| &host.labels))
        .collect();
    let none_or = |list: &[_], name: &str| {
        list.is_empty() || list.iter().any(|n: &std::sync::Arc<str>| **n == *name)
    };
    let spans: Vec<_> = policy
        .freezes
        .iter()
        // Those of hosts bound steps, not sessions.
        .filter(|f| f.hosts.is_empty())
        .filter(|f| none_or(&f.windows, window) && none_or(&f.apps, app))
        .filter(|f| !labels.iter().any(|label| f.except_labels.contains(label)))
        .flat_map(|f| spans(f, occurrence))
        .collect();
    subtract(occurrence, &spans)
}

fn spans(freeze: &Freeze, around: Occurrence) -> Vec<(Timestamp, Timestamp)> {
    let zone = TimeZone::get(freeze.zone.name()).unwrap();
    // No time is drawn that a clock change skips or repeats.
    let at = |local: DateTime| local.to_zoned(zone.clone()).unwrap().timestamp();
    let date = |t: Timestamp| t.to_zoned(zone.clone()).date();
    match freeze.frozen() {
        Frozen::Once { from, until } => vec![(*from, *until)],
        Frozen::Yearly(yearly) => {
            let year = date(around.opens).year();
            let of = |year| {
                let wraps = in_year(yearly.until(), 2000) < in_year(yearly.from(), 2000);
                let end = year + i16::from(wraps);
                (
                    at(in_year(yearly.from(), year)),
                    at(in_year(yearly.until(), end)),
                )
            };
            (year - 1..=year + 1).map(of).collect()
        }
        Frozen::Rules(window) => window
            .rules
            .iter()
            .flat_map(|rule| {
                assert_eq!(rule.valid, Validity::ALWAYS, "no other is drawn");
                match &rule.pattern {
                    Pattern::Days { days, start, end } => {
                        let mut spans = Vec::new();
                        let mut day = date(around.opens) - 8.days();
                        while day <= date(around.closes) {
                            if days.contains(day) {
                                let from = at(day.to_datetime(*start));
                                spans.push((from, ends(end, (day, *start), from, at)));
                            }
                            day = day.tomorrow().unwrap();
                        }
                        spans
                    }
                    // Schedules are proven elsewhere.
                    Pattern::Cron { expr, duration } => expr
                        .instants(
                            &freeze.zone,
                            around.opens - SignedDuration::from_hours(8 * 24),
                        )
                        .take_while(|from| *from < around.closes)
                        .map(|from| (from, from + *duration))
                        .collect(),
                    Pattern::Once { from, until } => vec![(*from, *until)],
                }
            })
            .collect(),
        Frozen::Listed(spans) => spans.all().to_vec(),
    }
}

fn ends(
    end: &End,
    (day, start): (Date, Time),
    from: Timestamp,
    at: impl Fn(DateTime) -> Timestamp,
) -> Timestamp {
    match end {
        End::At(time) if *time > start => at(day.to_datetime(*time)),
        End::At(time) => at(day.tomorrow().unwrap().to_datetime(*time)),
        End::After(length) => from + SignedDuration::from_secs(length.as_secs()),
    }
}

/// As it is written: `12-18`, or `12-18T18:00`.
fn in_year(day: YearDay, year: i16) -> DateTime {
    let text = format!("{year}-{day}");
    let date: Result<Date, _> = text[..10].parse();
    let date = date.unwrap_or(Date::new(year, 3, 1).unwrap());
    let time = text
        .get(11..)
        .map_or(Time::midnight(), |time| time.parse().unwrap());
    date.to_datetime(time)
}
