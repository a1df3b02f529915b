//! How an attempt ended that was not heard: the host is asked until it tells, or until nothing of it can be left there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::world::Heard;
use super::{Attempt, Hosts, ON_THE_HOST, bare, to_std};
use crate::clock;
use crate::core::event::Event;
use crate::core::policy::{Host, Way};
use crate::core::run::{End, RunId};
use crate::ssh::{self, Fate, Verdict};

/// Between two questions to a host, at first and at last.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const ASK_SELDOM: Duration = Duration::from_secs(30);
/// How long after all bounds a host is believed that something still runs there.
const OUTSTAYS: Duration = Duration::from_secs(900);
/// Beside time bound and grace: what a host may take where nobody here ends a run.
const LATE: Duration = Duration::from_secs(75);

/// What the client heard.
pub(super) async fn heard(verdict: &Path) -> Verdict {
    let path = verdict.to_owned();
    match tokio::task::spawn_blocking(move || Verdict::read(&path)).await {
        Ok(Ok(heard)) => heard,
        Ok(Err(error)) => Verdict::Unknown {
            why: format!("what the client heard cannot be read: {error}"),
        },
        Err(_) => Verdict::Unknown {
            why: "what the client heard was not read".into(),
        },
    }
}

/// Asks the host how an attempt ended whose client did not hear it.
pub(super) async fn ask_for(
    hosts: &Hosts,
    attempt: &Attempt,
    verdict: &Path,
    since: Instant,
    tell: &mpsc::Sender<Heard>,
) -> End {
    let start = &attempt.start;
    let grace = to_std(start.grace).saturating_mul(2);
    let left = to_std(start.timeout)
        .saturating_add(grace)
        .saturating_add(LATE);
    let until = since + left;
    let why = match heard(verdict).await {
        Verdict::Unknown { why } => why,
        heard => return end_of(heard, &End::Exited { code: 0 }),
    };
    let way = attempt.host.way(start.command.user.as_ref());
    say_unheard(tell, start.run, &attempt.host, &why, until).await;
    let known = ask(hosts, &attempt.host, &way, &attempt.mark, until).await;
    known.unwrap_or(End::Unheard { why })
}

/// What was heard, unless this side ended it: then how it ended is ours to say.
pub(super) fn end_of(heard: Verdict, here: &End) -> End {
    let code = match &heard {
        Verdict::Exited { code } => Some(*code),
        _ => None,
    };
    match (heard, here) {
        (Verdict::Busy { holder }, _) => End::Busy {
            lock: ON_THE_HOST.into(),
            holder,
        },
        (Verdict::NotStarted { .. } | Verdict::Unreachable { .. }, End::Stopped { .. }) => {
            End::Stopped { code: None }
        }
        (Verdict::Unreachable { why }, _) => End::Unreachable { why },
        (Verdict::NotStarted { why }, _) => End::SpawnFailed { why },
        (_, End::TimedOut { .. }) => End::TimedOut { code },
        (_, End::Stopped { .. }) => End::Stopped { code },
        (Verdict::Exited { code }, _) => End::Exited { code },
        (Verdict::Signalled { signal }, _) => End::Signalled { signal },
        (Verdict::TimedOut, _) => End::TimedOut { code: None },
        (Verdict::Unknown { why }, _) => End::Unheard { why },
    }
}

async fn say_unheard(
    tell: &mpsc::Sender<Heard>,
    run: RunId,
    host: &Host,
    why: &str,
    until: Instant,
) {
    tracing::warn!(run, host = %host.name, why, "how it ended on the host is not known; the host is asked");
    let left = SignedDuration::try_from(until - Instant::now()).unwrap_or_default();
    let event = Event::Unheard {
        run,
        why: why.to_owned(),
        until: clock::now().saturating_add(left).unwrap_or(Timestamp::MAX),
    };
    let _ = tell.send(event.into()).await;
}

/// Asks a host until it tells, or until nothing of the run can be left there. None: it could not be asked.
async fn ask(hosts: &Hosts, host: &Host, way: &Way, mark: &str, until: Instant) -> Option<End> {
    let mut pause = ASK_AGAIN;
    // What is said to run cannot be over, whatever the time; some things cannot be ended.
    loop {
        let fate = match hosts.reach(host).await {
            Ok(control) => ssh::ask(&control, &way.r#become, mark).await.ok(),
            Err(_) => None,
        };
        let last = match fate {
            Some(Fate::Ended { verdict }) => {
                return Some(end_of(verdict, &End::Exited { code: 0 }));
            }
            Some(Fate::NeverBegan) => {
                let why = "it was not begun there".into();
                return Some(End::Unreachable { why });
            }
            Some(Fate::Gone) => {
                let why =
                    "what was to tell it is gone: the host was restarted, or its runner killed";
                return Some(End::Unheard { why: why.into() });
            }
            Some(Fate::Running { .. }) => until + OUTSTAYS,
            None => until,
        };
        if Instant::now() >= last {
            return None;
        }
        tokio::time::sleep(pause.min(last - Instant::now())).await;
        pause = (pause * 2).min(ASK_SELDOM);
    }
}

/// An attempt of the last life whose end nobody heard: the host is asked.
pub(in crate::daemon) async fn ask_again(
    hosts: Arc<Hosts>,
    (host, way): (Option<Arc<Host>>, Option<Box<Way>>),
    (run, mark): (RunId, String),
    until: Timestamp,
    tell: mpsc::Sender<Heard>,
) {
    let unheard = |why: &str| End::Unheard { why: why.into() };
    let end = match (host, way) {
        (None, _) => unheard("the host is not in the configuration any more"),
        // Somebody else would say that it never began.
        (Some(host), Some(way)) if host.way(None).to != way.to => {
            unheard("it ran where the configuration does not lead any more")
        }
        (Some(host), way) => {
            let way = way.map_or_else(|| host.way(None), |way| *way);
            let left = until.duration_since(clock::now());
            let until = Instant::now() + to_std(left);
            say_unheard(&tell, run, &host, "the daemon was killed meanwhile", until).await;
            let why = "the host could not be asked while anything of it could be left there";
            let known = ask(&hosts, &host, &way, &mark, until).await;
            known.unwrap_or_else(|| unheard(why))
        }
    };
    let report = bare(end);
    let _ = tell.send(Event::Ended { run, report }.into()).await;
}
