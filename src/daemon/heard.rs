//! What runs say, as the core hears it.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use crate::core::event::Event;
use crate::core::run::{self, RunId};
use crate::process::{self, RunEvent};

/// What a run says, as the core hears it. Of a run whose supervisor was killed nothing is left when this returns.
pub(super) async fn heard_of(run: RunId, event: RunEvent, mark: &str, grace: Duration) -> Event {
    match event {
        RunEvent::Waiting { lock, holder } => {
            let holder = match holder {
                Some(holder) => Some(crate::text::clean(&holder).into_owned()),
                None => holder_of(lock.clone()).await,
            };
            Event::Waiting {
                run,
                holder: holder.unwrap_or_else(|| lock.display().to_string()),
            }
        }
        RunEvent::Busy { lock, holder } => {
            let holder = match holder {
                Some(holder) => Some(crate::text::clean(&holder).into_owned()),
                None => holder_of(lock.clone()).await,
            };
            let holder = holder.unwrap_or_default();
            let lock = lock
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let report = run::Report {
                end: run::End::Busy { lock, holder },
                elapsed: SignedDuration::ZERO,
                output_bytes: 0,
                log: false,
                tail: String::new(),
            };
            Event::Ended { run, report }
        }
        RunEvent::Began { pid } => Event::Began { run, pid },
        RunEvent::Ended(result) => {
            if result.end == process::End::SupervisorDied {
                let mark = mark.to_owned();
                let ended = tokio::task::spawn_blocking(move || {
                    process::survivors::end_by_cookie(&[mark.as_str()], &[], grace)
                });
                if let Ok(Err(error)) = ended.await {
                    tracing::error!(%error, run, "processes of a run may be left");
                }
            }
            Event::Ended {
                run,
                report: report_of(run, result),
            }
        }
    }
}

/// Who holds a lock and does not say so, as `flock FILE CMD` does: the process, where the kernel tells.
async fn holder_of(lock: PathBuf) -> Option<String> {
    let look = move || {
        let name = lock.file_stem()?.to_str()?.to_owned();
        let locks = crate::lock::list(lock.parent()?).ok()?;
        let held = locks.into_iter().find(|l| l.held && l.name == name)?;
        let pid = held.pid?;
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some(format!(
            "process {pid} ({})",
            crate::text::clean(comm.trim())
        ))
    };
    tokio::task::spawn_blocking(look).await.ok().flatten()
}

pub(super) fn report_of(run: RunId, result: process::RunResult) -> run::Report {
    let end = match result.end {
        process::End::Exited(code) => run::End::Exited { code },
        process::End::Signalled(signal) => run::End::Signalled { signal },
        process::End::TimedOut { exit } => run::End::TimedOut { code: exit },
        process::End::Stopped { exit } => run::End::Stopped { code: exit },
        process::End::SpawnFailed(why) => run::End::SpawnFailed {
            why: crate::text::clean(&why).into_owned(),
        },
        process::End::SupervisorDied => run::End::Lost,
    };
    if let Some(error) = &result.log_error {
        tracing::warn!(%error, run, "the output of a run could not be kept");
    }
    let tail = crate::text::clean(result.tail.trim_end()).into_owned();
    run::Report {
        end,
        elapsed: SignedDuration::try_from(result.elapsed).unwrap_or(SignedDuration::MAX),
        output_bytes: result.output_bytes,
        log: result.log_written,
        tail,
    }
}
