//! `history`: what was?
use super::args::HistoryArgs;
use super::job_names::{family, is_known, on_host};
use super::load::{self, Context};
use super::out::Out;
use super::refusal::refused;
use super::table::{Cell, Paint, Table};
use crate::core::calendar::Zone;
use crate::core::policy::LOCAL;
use crate::core::report::{Row, rows, span, when};
use crate::core::run::Outcome;
use crate::exit::Exit;
use crate::store::{HistoryFilter, Reader};
use crate::text::clean;

/// Rows fetched at once, at most.
const PAGE: usize = 1000;

/// Lists ends of attempts, skips and sessions, newest first.
///
/// # Errors
/// When configuration or state are refused, or a time cannot be read.
pub fn run(args: &HistoryArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load()?;
    let zone = &loaded.policy.zone;
    let since = args
        .since
        .as_deref()
        .map(|t| load::time(t, zone, context.now))
        .transpose()?;
    let limit = if context.json {
        args.limit.for_programs()
    } else {
        args.limit.for_people()
    };
    let reader = load::reader(&loaded)?;
    let first = match (&reader, since) {
        (Some(reader), Some(since)) => Some(
            reader
                .first_since(since)
                .map_err(|e| refused(e.to_string()))?,
        ),
        _ => None,
    };
    let policy = &loaded.policy;
    let job = args.job();
    let job = job.map(|job| on_host(policy, job, args.host.as_deref()));
    let is_family = |job: &&String| family(policy, job).next().is_some();
    let wanted = Wanted {
        host: args.host.clone(),
        family: job.as_ref().filter(is_family).map(|job| format!("{job}@")),
    };
    let filter = HistoryFilter {
        job: job
            .as_deref()
            .filter(|_| wanted.family.is_none())
            .map(Into::into),
        session: args.session.as_deref().map(Into::into),
        bad: args.failed,
        since,
        from_seq: first.flatten(),
        // One more than is shown tells whether there are more.
        limit: match wanted.is_all() {
            true => PAGE.min(limit.saturating_add(1)),
            false => PAGE,
        },
        ..HistoryFilter::default()
    };
    let rows = Pages {
        reader: reader.as_ref(),
        filter,
        of: wanted,
        page: Vec::new().into_iter(),
        // Nothing is as young as that.
        over: first == Some(None),
    };
    if context.json {
        out.json_array(rows.take(limit))?;
        return Ok(Exit::Ok);
    }
    let mut shown: Vec<Row> = Vec::new();
    // Counting them all would read the whole history.
    for row in rows.take(limit.saturating_add(1)) {
        shown.push(row?);
    }
    let more = shown.len() > limit;
    shown.truncate(limit);
    if shown.is_empty() {
        let known = |job: &String| is_known(policy, job) || is_family(&job);
        let of = job.as_ref().map(|job| match known(job) {
            true => format!(" of {job}"),
            false => format!(" of {:?}, and no job is called that", clean(job)),
        });
        let on = args
            .host
            .as_ref()
            .map(|host| match policy.hosts.get(&**host) {
                Some(_) => format!(" on {host}"),
                None if host == LOCAL => format!(" on {host}"),
                None => format!(" on {:?}, and no host is called that", clean(host)),
            });
        out.line(format_args!(
            "nothing is recorded{}{}",
            of.unwrap_or_default(),
            on.unwrap_or_default()
        ))?;
    } else {
        out.table(&table(&shown, zone))?;
    }
    if more {
        let note = out.painted(Paint::Dim, "… there are more, use --all or --limit");
        out.line(format_args!("{note}"))?;
    }
    Ok(Exit::Ok)
}

/// What is no column of the store: looked at row by row.
struct Wanted {
    host: Option<String>,
    /// `NAME@`: the beginning of what a job on several hosts is called on each.
    family: Option<String>,
}

impl Wanted {
    fn is_all(&self) -> bool {
        self.host.is_none() && self.family.is_none()
    }

    fn has(&self, row: &Row) -> bool {
        let job = row.job.as_deref().unwrap_or_default();
        let host = |host: &String| row.host.as_deref() == Some(host);
        self.host.as_ref().is_none_or(host)
            && self.family.as_ref().is_none_or(|of| job.starts_with(&**of))
    }
}

/// The rows of the history, page by page.
struct Pages<'a> {
    reader: Option<&'a Reader>,
    filter: HistoryFilter,
    of: Wanted,
    page: std::vec::IntoIter<crate::store::HistoryRow>,
    over: bool,
}

impl Iterator for Pages<'_> {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.page.next() {
                self.filter.before_seq = Some(line.seq);
                match rows(line.at, &line.fact) {
                    Some(row) if self.of.has(&row) => return Some(Ok(row)),
                    _ => continue,
                }
            }
            if self.over {
                return None;
            }
            match self.reader?.history(&self.filter) {
                Ok(page) => {
                    self.over = page.len() < self.filter.limit;
                    self.page = page.into_iter();
                }
                Err(error) => {
                    self.over = true;
                    return Some(Err(refused(error.to_string())));
                }
            }
        }
    }
}

/// The colour of an outcome.
pub(super) fn paint(outcome: Outcome) -> Paint {
    match outcome {
        Outcome::Succeeded => Paint::Good,
        Outcome::Cancelled | Outcome::Postponed => Paint::Warn,
        Outcome::Skipped => Paint::Dim,
        _ => Paint::Bad,
    }
}

fn table(rows: &[Row], zone: &Zone) -> Table {
    let mut table = Table::new(&["ended", "run", "what", "took", "outcome", "why"]).flexible(&[2]);
    for row in rows {
        let run = match (&row.run, row.attempt) {
            (Some(run), Some(attempt)) if attempt > 1 => format!("{run}.{attempt}"),
            (Some(run), _) => run.clone(),
            (None, _) => String::new(),
        };
        table.row([
            when(zone, row.ended).into(),
            run.into(),
            what(row).into(),
            row.elapsed.map(span).unwrap_or_default().into(),
            Cell::painted(row.outcome.word(), paint(row.outcome)),
            why(row).into(),
        ]);
    }
    table
}

fn what(row: &Row) -> String {
    let host = row
        .host
        .as_deref()
        .filter(|h| *h != crate::core::policy::LOCAL);
    let on = host.map(|h| format!(" on {h}")).unwrap_or_default();
    let session = row.session.as_deref().unwrap_or_default();
    match (row.what, &row.job) {
        ("step" | "periodic", Some(job)) => format!("{job}{on}"),
        (what, Some(job)) => format!("{job} {what}{on}"),
        ("session", None) => format!("session {session}"),
        (what, None) if session.is_empty() => match &row.app {
            Some(app) => format!("{what} {app}"),
            None => what.to_owned(),
        },
        (what, None) => format!("{what} {session}{on}"),
    }
}

fn why(row: &Row) -> String {
    let mut why = row.text.clone().unwrap_or_default();
    if why.is_empty()
        && let Some(code) = row.exit_code.filter(|c| *c != 0)
    {
        why = format!("exit code {code}");
    }
    if let Some(count) = row.due_count {
        why.push_str(&format!(" ({count} due instants)"));
    }
    if row.outcome.is_bad() && !row.tail.is_empty() {
        why.push_str(&format!(": {}", row.tail));
    }
    why
}
