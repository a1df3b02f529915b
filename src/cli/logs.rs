//! `logs`: what did a run print?
mod follow;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::args::LogsArgs;
use super::job_names::{family, no_such_job, split};
use super::load::{self, Context};
use super::out::{Out, said};
use super::refusal::{Refusal, refused, usage};
use crate::config::Loaded;
use crate::core::fact::Fact;
use crate::core::run::{RunId, What};
use crate::exit::Exit;
use crate::logs::{self, LogFile};
use crate::store::{HistoryFilter, Line};
use crate::text::{Filter, clean};

/// More than this of a file is not put into one JSON string.
const LARGEST_JSON: u64 = 16 << 20;

/// Rows of the history that are looked at together.
const PAGE: usize = 1_000;

/// Prints the output of the latest attempt, or of the one that was named: as it is to a pipe, made harmless to a
/// terminal. Memory is bounded, except with `--json`, where it is by 16 MiB.
///
/// # Errors
/// When there is no such run, or its file cannot be read.
pub fn run(args: &LogsArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load()?;
    let wanted = match split(&loaded.policy, &args.run) {
        Some((job, host)) => latest_on(job, host, &loaded)?.to_string(),
        None => args.run.clone(),
    };
    if args.follow {
        if let Some(run) = follow::under_way(&wanted, &loaded)? {
            follow::follow(run, &loaded, out)?;
            return Ok(Exit::Ok);
        }
        said("it does not run: this is what it printed");
    }
    let Some(file) = find(&wanted, &loaded)? else {
        return Ok(Exit::Ok);
    };
    let reading = || format!("cannot read {}", file.path.display());
    if context.json {
        json(&file, out).with_context(reading)?;
    } else {
        let opened = File::open(&file.path).with_context(reading)?;
        let mut filter = Filter::default();
        copy(opened, &mut filter, out)?;
        finish(filter, out)?;
    }
    Ok(Exit::Ok)
}

/// The files of a run, that is under way or over.
fn of_run_now(run: RunId, loaded: &Loaded) -> anyhow::Result<Vec<LogFile>> {
    let found = logs::find(&loaded.settings.state_dir, run);
    found.map_err(|error| unreadable(&error))
}

/// The file that is meant; none, and a note, where the run is known and printed nothing.
fn find(wanted: &str, loaded: &Loaded) -> anyhow::Result<Option<LogFile>> {
    let state_dir = &loaded.settings.state_dir;
    let (run, attempt) = match wanted.split_once('.') {
        Some((run, attempt)) => (run.parse::<RunId>().ok(), attempt.parse::<u32>().ok()),
        None => (wanted.parse::<RunId>().ok(), None),
    };
    let Some(run) = run else {
        return of_job(wanted, state_dir, loaded).map(Some);
    };
    // The history knows whose run it was, so that not every job's folder is looked through. One that is not over, or is
    // forgotten there, may have a log all the same.
    let known = of_history(run, loaded);
    let files = match &known {
        Ok(Some(what)) => logs::of_run(state_dir, what, run),
        // Nor is what was printed lost with the state.
        Ok(None) | Err(_) => logs::find(state_dir, run),
    };
    let files = files.map_err(|e| unreadable(&e))?;
    let file = match attempt {
        Some(attempt) => files.into_iter().find(|f| f.attempt == attempt),
        None => files.into_iter().next_back(),
    };
    if file.is_none() {
        if known?.is_none() {
            let text = format!("there is no run {wanted} in the history");
            return Err(Refusal {
                exit: Exit::Failed,
                text,
            }
            .into());
        }
        said(&format!(
            "run {wanted} printed nothing, or its log is no longer kept"
        ));
    }
    Ok(file)
}

/// The latest run of a job on a host, that is under way or over.
fn latest_on(job: &str, host: &str, loaded: &Loaded) -> anyhow::Result<RunId> {
    let is_it = |what: &What| matches!(what, What::Step { job: of, host: on, .. } if **of == *job && **on == *host);
    let state = load::state(loaded)?;
    let mut running = state.running.iter();
    if let Some((run, _)) = running.rfind(|(_, running)| is_it(&running.what)) {
        return Ok(*run);
    }
    let mut filter = HistoryFilter {
        job: Some(job.into()),
        lines: vec![Line::Step],
        limit: PAGE,
        ..HistoryFilter::default()
    };
    let reader = load::reader(loaded)?;
    while let Some(reader) = &reader {
        let page = reader.history(&filter);
        let page = page.map_err(|e| refused(e.to_string()))?;
        let found = page.iter().find_map(|line| match &line.fact {
            Fact::AttemptEnded(ended) if is_it(&ended.what) => Some(ended.run),
            _ => None,
        });
        if let Some(run) = found {
            return Ok(run);
        }
        filter.before_seq = page.last().map(|line| line.seq);
        if page.len() < PAGE {
            break;
        }
    }
    let text = format!("no run of {job} on {} is recorded", clean(host));
    Err(Refusal {
        exit: Exit::Failed,
        text,
    }
    .into())
}

/// What a run was for, as far as the history can be read.
fn of_history(run: RunId, loaded: &Loaded) -> anyhow::Result<Option<What>> {
    let filter = HistoryFilter {
        run: Some(run),
        limit: 1,
        ..HistoryFilter::default()
    };
    let lines = match load::reader(loaded)? {
        Some(reader) => reader
            .history(&filter)
            .map_err(|e| refused(e.to_string()))?,
        None => Vec::new(),
    };
    Ok(lines.into_iter().find_map(|line| match line.fact {
        Fact::AttemptEnded(ended) => Some(ended.what),
        _ => None,
    }))
}

fn unreadable(error: &io::Error) -> anyhow::Error {
    Refusal {
        exit: match error.kind() {
            io::ErrorKind::PermissionDenied => Exit::Refused,
            _ => Exit::Failed,
        },
        text: format!("cannot read the folder of logs: {error}"),
    }
    .into()
}

fn of_job(job: &str, state_dir: &Path, loaded: &Loaded) -> anyhow::Result<LogFile> {
    let latest = logs::latest(state_dir, job).map_err(|e| unreadable(&e))?;
    if let Some(file) = latest {
        return Ok(file);
    }
    let known =
        loaded.policy.maintenance.contains_key(job) || loaded.policy.periodic.contains_key(job);
    Err(match known {
        true => Refusal {
            exit: Exit::Failed,
            text: format!("no run of {job} has printed anything that is kept"),
        }
        .into(),
        false if family(&loaded.policy, job).next().is_some() => no_such_job(&loaded.policy, job),
        false => usage(format!("{:?} is neither a run nor a job", clean(job))),
    })
}

/// What can be read now.
fn copy(mut from: impl Read, filter: &mut Filter, out: &mut Out<'_>) -> io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    let mut kept = Vec::with_capacity(chunk.len());
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => &chunk[..read],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if out.is_terminal() {
            kept.clear();
            filter.push(read, &mut kept);
            out.bytes(&kept)?;
        } else {
            out.bytes(read)?;
        }
    }
}

/// What a sequence that never ended leaves.
fn finish(mut filter: Filter, out: &mut Out<'_>) -> io::Result<()> {
    let mut kept = Vec::new();
    filter.finish(&mut kept);
    out.bytes(&kept)
}

#[derive(Serialize)]
struct Printed {
    run: String,
    attempt: u32,
    path: String,
    bytes: u64,
    /// Whether `text` is only the beginning.
    cut: bool,
    text: String,
}

fn json(file: &LogFile, out: &mut Out<'_>) -> io::Result<()> {
    let opened = File::open(&file.path)?;
    let bytes = opened.metadata()?.len();
    let mut text = Vec::new();
    opened.take(LARGEST_JSON).read_to_end(&mut text)?;
    out.json(&Printed {
        run: file.run.to_string(),
        attempt: file.attempt,
        path: file.path.display().to_string(),
        bytes,
        cut: bytes > LARGEST_JSON,
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_the_bytes_and_a_terminal_only_text() {
        let bytes = b"\x1b[31mred\xff\n";
        for (width, expected) in [(None, &bytes[..]), (Some(80), "red\u{fffd}\n".as_bytes())] {
            let mut written = Vec::new();
            let mut out = Out::plain(&mut written, width);
            let mut filter = Filter::default();
            copy(&bytes[..], &mut filter, &mut out).expect("copied");
            finish(filter, &mut out).expect("finished");
            assert_eq!(written, expected);
        }
    }
}
