//! Whether jobs fit, and whether somebody is told.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::super::duration::format;
use super::super::reading::Reading;
use super::super::{Place, Purpose};
use super::windows::LEFT_OUT;
use super::{MOST_OCCURRENCES, Year, dated, day};
use crate::core::calendar::{CronExpr, Occurrence, Zone};
use crate::core::policy::{App, Due, MaintenanceJob, Name, Outside, PeriodicJob, Policy};

const LONG_LEAD: SignedDuration = SignedDuration::from_hours(72);
/// How often schedules are asked, all jobs together, whether they ever meet their windows.
const MOST_QUESTIONS: usize = 20_000;

/// Maintenance that nobody would be told of is refused for every purpose.
pub fn nobody_is_told(policy: &Policy, reading: &mut Reading<'_>) {
    let mut told: HashSet<&Name> = HashSet::new();
    for job in policy.maintenance.values() {
        let Some(app) = policy
            .apps
            .get(&job.app)
            .filter(|app| app.notify.is_empty())
        else {
            continue;
        };
        if !told.insert(&app.name) || names_somebody(&app.name, reading) {
            continue;
        }
        let place = reading.document.place("app", &app.name, "notify");
        reading
            .problems
            .error(place, format!("nobody is told of the maintenance of `app.{}`", app.name))
            .hint(r#"name roles or addresses: notify = ["ops@example.org"] here, or `to` in [notice] for all apps"#);
    }
}

/// Whether somebody was named after all, though wrongly, of which was told already.
fn names_somebody(app: &str, reading: &Reading<'_>) -> bool {
    let fields = reading.document.fields("app", app);
    let own = fields.and_then(|fields| fields.get("notify"));
    let default = || {
        reading
            .document
            .section("notice")
            .and_then(|fields| fields.get("to"))
    };
    let named = own.or_else(default);
    named.is_some_and(|item| item.value.as_array().is_none_or(|array| !array.is_empty()))
}

pub fn check(policy: &Policy, mut year: Year, reading: &mut Reading<'_>) {
    means_of_telling(policy, reading);
    leads(policy, &year, reading);
    let mut reserves = HashSet::new();
    for job in policy.maintenance.values() {
        if let Due::Schedule(schedule, zone) = &job.due {
            has_instants(("maintenance", &job.name), schedule, zone, &year, reading);
        }
        let Some(app) = policy.apps.get(&job.app) else {
            continue;
        };
        if !reserve(job, app, policy, &year, &mut reserves, reading) {
            fits(job, app, policy, &mut year, reading);
        }
    }
    let mut questions = MOST_QUESTIONS;
    for job in policy.periodic.values() {
        has_instants(
            ("periodic", &job.name),
            &job.schedule,
            &job.zone,
            &year,
            reading,
        );
        periodic(job, policy, &year, &mut questions, reading);
    }
}

/// Dates alone do not make an instant: each may fall into an hour that the clocks of its zone leave out.
fn has_instants(
    (table, job): (&'static str, &Name),
    schedule: &CronExpr,
    zone: &Zone,
    year: &Year,
    reading: &mut Reading<'_>,
) {
    if schedule.next_after(zone, year.now).is_some() {
        return;
    }
    let place = reading.document.place(table, job, "schedule");
    let message = format!(
        "this schedule never matches in {}, from {} on",
        zone.name(),
        zone.date(year.now)
    );
    reading.by_circumstance(place, message).hint(LEFT_OUT);
}

fn means_of_telling(policy: &Policy, reading: &mut Reading<'_>) {
    let first = |table| {
        reading
            .document
            .table(table)
            .first()
            .map(|field| field.place)
    };
    let (maintenance, periodic) = (first("maintenance"), first("periodic"));
    if let Some(place) = maintenance.filter(|_| reading.document.section("mail").is_none()) {
        let message = "there is maintenance to be announced and no [mail]";
        let hint = "[mail] transport = \"file\" and `from` write the notices to a folder";
        if reading.purpose == Purpose::Run {
            reading.problems.error(place, message).hint(hint);
        } else {
            reading
                .problems
                .warning(place, message)
                .hint(format!("`run` refuses this; {hint}"));
        }
    }
    let notice = reading
        .document
        .section("notice")
        .and_then(|fields| fields.place);
    if let Some(place) = maintenance.or(periodic)
        && policy.notice.operators.is_empty()
        && policy.notice.alarm.is_none()
    {
        reading
            .problems
            .warning(
                notice.unwrap_or(place),
                "nobody is told when something needs a person",
            )
            .hint("name `operators` or an `alarm` in [notice]");
    }
}

fn leads(policy: &Policy, year: &Year, reading: &mut Reading<'_>) {
    let mut places: Vec<(Place, SignedDuration)> = Vec::new();
    let default = reading
        .document
        .section("notice")
        .map(|fields| fields.place_of("lead"));
    for app in policy.apps.values().filter(|app| app.lead > LONG_LEAD) {
        let name = reading.document.place("app", &app.name, "");
        let own = reading.document.place("app", &app.name, "lead");
        let place = default.filter(|_| own == name).unwrap_or(own);
        if !places.iter().any(|(other, _)| *other == place) {
            places.push((place, app.lead));
        }
    }
    for (place, lead) in places {
        let earliest = policy
            .zone
            .date(year.now.saturating_add(lead).unwrap_or(Timestamp::MAX));
        reading
            .problems
            .warning(
                place,
                format!(
                    "with a lead of {} security updates wait for more than three days: until {earliest} from now",
                    format(lead)
                ),
            )
            .hint("an emergency override is then the only way to be faster");
    }
}

/// Tells when leaving and ending take the whole of an occurrence; whether they do.
fn reserve<'p>(
    job: &'p MaintenanceJob,
    app: &'p App,
    policy: &'p Policy,
    year: &Year,
    told: &mut HashSet<(&'p Name, &'p Name)>,
    reading: &mut Reading<'_>,
) -> bool {
    let (Some(shortest), Some(window)) =
        (year.shortest(&job.window), policy.windows.get(&job.window))
    else {
        return false;
    };
    let kept = app.leave_reserve.saturating_add(job.grace);
    if kept < shortest.length() {
        return false;
    }
    if told.insert((&app.name, &window.name)) {
        let message = format!(
            "leaving ({}) and ending ({}) are not shorter than the shortest occurrence of `window.{}`, which is {} long on {}",
            format(app.leave_reserve),
            format(job.grace),
            window.name,
            format(shortest.length()),
            day(window, shortest.opens)
        );
        let place = reading.document.place("maintenance", &job.name, "grace");
        reading
            .by_circumstance(place, message)
            .hint("the time kept for leaving is the sum of the leave hooks' timeouts, or the app's `leave_reserve`");
    }
    true
}

fn fits(
    job: &MaintenanceJob,
    app: &App,
    policy: &Policy,
    year: &mut Year,
    reading: &mut Reading<'_>,
) {
    let Some(window) = policy.windows.get(&job.window) else {
        return;
    };
    let Some(longest) = year.longest_visible(policy, job) else {
        return;
    };
    let shortest = year.shortest(&job.window);
    let room = |occurrence: &Occurrence| occurrence.length().saturating_sub(app.leave_reserve);
    let needed = job.estimate.unwrap_or(job.timeout);
    let place = |key| reading.document.place("maintenance", &job.name, key);
    let left = match app.leave_reserve.is_zero() {
        true => String::new(),
        false => format!(" less {} for leaving", format(app.leave_reserve)),
    };
    if needed > room(&longest) {
        let (key, what) = if job.estimate.is_some() {
            ("estimate", "estimate")
        } else {
            ("timeout", "timeout")
        };
        let message = format!(
            "`maintenance.{}` never fits: its {what} is {}, `window.{}` has at most {}{left}",
            job.name,
            format(needed),
            job.window,
            dated(window, &longest)
        );
        let hint = match job.estimate {
            Some(_) => "a longer window, or less work in one step",
            None => "without an `estimate` the timeout is what is planned with",
        };
        reading.by_circumstance(place(key), message).hint(hint);
        return;
    }
    if let Some(short) = shortest.filter(|shortest| needed > room(shortest)) {
        let message = format!(
            "`window.{}` is too short for one step of `maintenance.{}` at times: it has {}{left}, the step is planned with {}",
            job.window,
            job.name,
            dated(window, &short),
            format(needed)
        );
        reading
            .problems
            .warning(place(""), message)
            .hint("such an occurrence is passed over, and the work waits for the next one");
    }
    if job.timeout.saturating_add(job.grace) > room(&longest) {
        let message = format!(
            "the timeout of {} is longer than `window.{}`, which has at most {}{left}",
            format(job.timeout),
            job.window,
            dated(window, &longest)
        );
        reading
            .problems
            .warning(place("timeout"), message)
            .hint("the job is ended with its window, whatever its timeout");
    }
}

fn periodic(
    job: &PeriodicJob,
    policy: &Policy,
    year: &Year,
    questions: &mut usize,
    reading: &mut Reading<'_>,
) {
    let Some((name, outside)) = &job.window else {
        return;
    };
    let Some(window) = policy.windows.get(name) else {
        return;
    };
    let Some(longest) = year.longest(name) else {
        return;
    };
    if job.timeout > longest.length() {
        let message = format!(
            "the timeout of {} is longer than `window.{name}`, which has at most {}",
            format(job.timeout),
            dated(window, &longest)
        );
        reading.problems.warning(
            reading.document.place("periodic", &job.name, "timeout"),
            message,
        );
    }
    if *outside == Outside::Defer || year.occurrences(name).len() >= MOST_OCCURRENCES {
        return;
    }
    for occurrence in year.occurrences(name) {
        if *questions == 0 {
            return;
        }
        *questions -= 1;
        let before = occurrence
            .opens
            .saturating_sub(SignedDuration::from_secs(1))
            .unwrap_or(occurrence.opens);
        if job
            .schedule
            .next_after(&job.zone, before)
            .is_some_and(|due| due < occurrence.closes)
        {
            return;
        }
    }
    let message = format!(
        "`periodic.{}` does not run within a year: its schedule never falls into `window.{name}` before {}",
        job.name,
        day(window, year.until)
    );
    reading
        .problems
        .warning(
            reading.document.place("periodic", &job.name, "schedule"),
            message,
        )
        .hint(r#"outside = "defer" runs it when the window opens"#);
}
