//! What a run prints while it runs: woken by the kernel when its file or the state is written.
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

use super::{copy, of_run_now};
use crate::cli::load;
use crate::cli::out::Out;
use crate::config::Loaded;
use crate::core::run::RunId;
use crate::logs::LogFile;
use crate::text::Filter;

/// Room for what the kernel tells at once.
const TOLD: usize = 16 << 10;

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
    let watch = inotify::init(CreateFlags::CLOEXEC).map_err(io::Error::from)?;
    // The log beside the state is written with everything that is recorded.
    look(&watch, state_dir)?;
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
                look(&watch, file.path.parent().unwrap_or(state_dir))?;
                printing = Some(Printing::open(&file)?);
            }
            if let Some(printing) = &mut printing {
                printing.more(out)?;
            }
        }
        if over {
            return Ok(());
        }
        wait(&watch)?;
    }
}

fn look(watch: &OwnedFd, folder: &Path) -> io::Result<()> {
    let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::CLOSE_WRITE;
    inotify::add_watch(watch, folder, flags)?;
    Ok(())
}

/// Until something was written.
fn wait(watch: &OwnedFd) -> io::Result<()> {
    let mut room = [MaybeUninit::uninit(); TOLD];
    match Reader::new(watch, &mut room).next() {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
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
