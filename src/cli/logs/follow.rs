//! What a run prints while it runs: woken by the kernel when its file or the state is written.
use std::fs::File;
use std::io;

use super::{copy, of_run_now};
use crate::cli::changes::Changes;
use crate::cli::load;
use crate::cli::out::Out;
use crate::config::Loaded;
use crate::core::run::RunId;
use crate::logs::LogFile;
use crate::text::Filter;

/// The run that is meant by a number or a job, as far as one is under way.
pub(super) fn under_way(wanted: &str, loaded: &Loaded) -> anyhow::Result<Option<RunId>> {
    let state = load::state(loaded)?;
    let number = wanted
        .split('.')
        .next()
        .and_then(|run| run.parse::<RunId>().ok());
    let mut running = state.running.iter();
    let found = running.rfind(|(run, running)| match number {
        Some(number) => **run == number,
        None => running.what.job().is_some_and(|job| **job == *wanted),
    });
    Ok(found.map(|(run, _)| *run))
}

/// Prints what there is and what comes, of all attempts, until the run is over.
pub(super) fn follow(run: RunId, loaded: &Loaded, out: &mut Out<'_>) -> anyhow::Result<()> {
    let state_dir = &loaded.settings.state_dir;
    let changes = Changes::new()?;
    // The log beside the state is written with everything that is recorded.
    changes.watch(state_dir)?;
    let mut attempt = 0;
    let mut printing: Option<Printing> = None;
    loop {
        // Asked first: what was printed before the end is there afterwards.
        let over = load::state(loaded)?
            .running
            .keys()
            .all(|known| *known != run);
        for file in of_run_now(run, loaded)? {
            if file.attempt < attempt {
                continue;
            }
            if file.attempt > attempt || printing.is_none() {
                attempt = file.attempt;
                changes.watch(file.path.parent().unwrap_or(state_dir))?;
                printing = Some(Printing::open(&file)?);
            }
            if let Some(printing) = &mut printing {
                printing.more(out)?;
            }
        }
        if over {
            return Ok(());
        }
        changes.wait(None)?;
    }
}

/// A file that grows.
struct Printing {
    file: File,
    filter: Filter,
}

impl Printing {
    fn open(file: &LogFile) -> io::Result<Self> {
        Ok(Self {
            file: File::open(&file.path)?,
            filter: Filter::default(),
        })
    }

    fn more(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        copy(&mut self.file, &mut self.filter, out)?;
        out.flush()
    }
}
