//! `windows`: when do they open?
use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::args::WindowsArgs;
use super::load::{self, Context};
use super::out::{Out, note};
use super::refusal::usage;
use super::table::{Cell, Paint, Table};
use crate::core::calendar::{Freeze, Window, Work, Zone, subtract};
use crate::core::policy::Policy;
use crate::core::report::{clock_change, span, when};
use crate::exit::Exit;

/// One line of the listing: what freezes leave of an occurrence.
#[derive(Debug, Serialize)]
struct Found<'a> {
    window: &'a str,
    opens: Timestamp,
    closes: Timestamp,
    time_zone: &'a str,
    local_opens: String,
    local_closes: String,
    /// Elapsed minus wall-clock length.
    clock_change_s: i64,
    shortened_by: Vec<&'a str>,
    #[serde(skip)]
    zone: &'a Zone,
    #[serde(skip)]
    clock_change: Option<String>,
}

/// Which occurrences of each window are wanted.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    from: Timestamp,
    until: Timestamp,
    count: usize,
}

const DEFAULT_COUNT: u32 = 10;
/// No more of one window than `--count` allows: a span of centuries is not held in memory.
const MOST: usize = 100_000;
/// Rare windows are looked for this far ahead.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 366 * 50);

/// Lists what touches the span.
///
/// # Errors
/// When the configuration is refused, a name is not there, or a time cannot be read.
pub fn run(args: &WindowsArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load()?;
    let policy = &loaded.policy;
    let from = load::time(&args.from, &policy.zone, context.now)?;
    let wanted = match (&args.until, args.count) {
        (Some(until), _) => {
            let until = load::until(until, from, &policy.zone, context.now)?;
            Wanted {
                from,
                until,
                count: MOST,
            }
        }
        (None, count) => Wanted {
            from,
            until: from.saturating_add(HORIZON).unwrap_or(Timestamp::MAX),
            count: usize::try_from(count.unwrap_or(DEFAULT_COUNT)).unwrap_or(usize::MAX),
        },
    };
    let found = list(policy, &args.names, wanted)?;
    if args.until.is_some() && full(&found, MOST) {
        note(&format!(
            "not all are listed: no more than {MOST} of one window"
        ));
    }
    if context.json {
        out.json(&found)?;
    } else if found.is_empty() {
        out.line(format_args!("nothing opens in this span"))?;
    } else {
        out.table(&table(&found))?;
    }
    Ok(Exit::Ok)
}

fn list<'a>(
    policy: &'a Policy,
    names: &[String],
    wanted: Wanted,
) -> anyhow::Result<Vec<Found<'a>>> {
    let mut windows = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let window = policy.windows.get(name.as_str());
        let window = window.ok_or_else(|| usage(format!("there is no window {name:?}")))?;
        if !names[..i].contains(name) {
            windows.push(window);
        }
    }
    if names.is_empty() {
        windows.extend(policy.windows.values());
    }
    let mut found: Vec<Found<'a>> = windows
        .into_iter()
        .flat_map(|window| of(policy, window, wanted))
        .collect();
    found.sort_by_key(|f| f.opens);
    Ok(found)
}

fn of<'a>(
    policy: &'a Policy,
    window: &'a Window,
    wanted: Wanted,
) -> impl Iterator<Item = Found<'a>> {
    let freezes: Vec<_> = policy
        .freezes
        .iter()
        .filter(|f| f.applies(&Work::of_window(&window.name)))
        .collect();
    window
        .occurrences(wanted.from, wanted.until)
        .flat_map(move |whole| {
            let touches = |f: &&Freeze| f.touches(whole.opens, whole.closes);
            let hit: Vec<_> = freezes.iter().copied().filter(touches).collect();
            let spans: Vec<_> = hit
                .iter()
                .flat_map(|f| f.spans(whole.opens, whole.closes).into_owned())
                .collect();
            subtract(whole, &spans).into_iter().map(move |piece| Found {
                window: &window.name,
                opens: piece.opens,
                closes: piece.closes,
                time_zone: window.zone.name(),
                local_opens: local(&window.zone, piece.opens),
                local_closes: local(&window.zone, piece.closes),
                clock_change_s: window.clock_change_s(&piece),
                shortened_by: hit.iter().map(|f| &*f.name).collect(),
                zone: &window.zone,
                clock_change: clock_change(window, &piece),
            })
        })
        .filter(move |f| f.closes > wanted.from && f.opens < wanted.until)
        .take(wanted.count)
}

/// Whether a window has as many occurrences as are listed at most.
fn full(found: &[Found<'_>], most: usize) -> bool {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    found.iter().any(|f| {
        let count = counts.entry(f.window).or_default();
        *count += 1;
        *count >= most
    })
}

fn local(zone: &Zone, t: Timestamp) -> String {
    zone.zoned(t).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn table(found: &[Found<'_>]) -> Table {
    let mut table = Table::new(&["window", "opens", "closes", "length", "notes"]);
    for f in found {
        let mut notes = Vec::new();
        notes.extend(f.clock_change.clone());
        if !f.shortened_by.is_empty() {
            notes.push(format!("shortened by freeze {}", f.shortened_by.join(", ")));
        }
        table.row([
            f.window.into(),
            when(f.zone, f.opens).into(),
            when(f.zone, f.closes).into(),
            span(f.closes.duration_since(f.opens)).into(),
            Cell::painted(notes.join("; "), Paint::Warn),
        ]);
    }
    table
}

#[cfg(test)]
mod tests;
