//! What may be forgotten.
//!
//! The state never depends on it: only facts that the snapshot covers are touched, and the state itself keeps last
//! successes, estimate samples and the numbers of notices. What goes is history.

use std::collections::HashMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row};

use crate::core::run::Outcome;
use crate::core::state::State;

use super::error::StoreError;
use super::history::Line;
use super::{load, row};

/// Facts forgotten in one call, at most.
pub(super) const FORGOTTEN: u64 = 5_000;
/// Facts looked at in one call, at most.
pub(super) const LOOKED_AT: u64 = 20_000;
/// Pages given back to the file system in one call, at most.
const FREED: u32 = 1_024;

/// Facts about what is going on are of use for this long, to whoever asks what happened.
const RECENT: SignedDuration = SignedDuration::from_hours(24);

/// How much of the history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Facts of sessions, operators' acts and everything else that is no periodic run.
    pub sessions: SignedDuration,
    /// The last runs of each periodic job; a record of skipped dues counts as one.
    pub runs: u32,
    /// Periodic runs that ended badly are kept for this long, however many there are.
    pub failures: SignedDuration,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            sessions: SignedDuration::from_hours(180 * 24),
            runs: 200,
            failures: SignedDuration::from_hours(30 * 24),
        }
    }
}

/// What a call did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Facts forgotten.
    pub facts: u64,
    /// Not everything was looked at: the next call goes on from here. Without it, a day's rest is in order.
    pub more: bool,
}

/// What the rule looks at.
pub(super) struct About<'a> {
    pub seq: u64,
    pub at: Timestamp,
    pub kind: &'a str,
    pub line: Option<i64>,
    pub job: Option<&'a str>,
    pub session: Option<&'a str>,
    pub run: Option<u64>,
    pub start: Option<u32>,
    pub bad: bool,
}

/// The rule, for one call.
pub(super) struct Rule<'a> {
    pub keep: &'a Keep,
    pub now: Timestamp,
    /// The snapshot.
    pub state: &'a State,
}

impl Rule<'_> {
    /// Whether the fact may go. `floor` tells the oldest fact of a periodic job's last runs.
    pub(super) fn forgets<E>(
        &self,
        fact: &About<'_>,
        floor: impl FnOnce(&str) -> Result<u64, E>,
    ) -> Result<bool, E> {
        if let (Some(run), Some(start)) = (fact.run, fact.start) {
            // Its end says all that it says, but it has to be there for as long as there is none.
            let running = self
                .state
                .running
                .get(&run)
                .is_some_and(|r| r.attempt == start);
            if running || self.older(fact, RECENT) {
                return Ok(!running);
            }
            // Of a job that runs every second a day's starts are far more than its last runs.
            return match (fact.job, fact.session) {
                (Some(job), None) => Ok(fact.seq < floor(job)?),
                _ => Ok(false),
            };
        }
        if let Some(job) = fact.job.filter(|job| self.is_periodic(fact, job)) {
            return Ok(
                (!fact.bad || self.older(fact, self.keep.failures)) && fact.seq < floor(job)?
            );
        }
        // What was put off, or needed somebody, for a while: what came of it is told by the lines of the history.
        if matches!(
            fact.kind,
            "run_deferred" | "attention_raised" | "attention_cleared"
        ) {
            return Ok(self.older(fact, RECENT));
        }
        let open = fact
            .session
            .is_some_and(|session| self.state.sessions.contains_key(session));
        Ok(!open && self.older(fact, self.keep.sessions.max(RECENT)))
    }

    fn is_periodic(&self, fact: &About<'_>, job: &str) -> bool {
        // A skip does not say which kind of job it is of; in doubt it is kept for longer.
        fact.line == Some(Line::Periodic.code())
            || fact.line == Some(Line::Skip.code())
                && self.state.periodic.contains_key(job)
                && !self.state.maintenance.contains_key(job)
    }

    fn older(&self, fact: &About<'_>, age: SignedDuration) -> bool {
        self.now.checked_sub(age).is_ok_and(|bound| fact.at < bound)
    }
}

/// Counts runs from the newest line on: the attempts of a run follow each other or are mixed with other runs'.
pub(super) struct Newest {
    runs: std::collections::HashSet<u64>,
    skips: usize,
    keep: usize,
}

impl Newest {
    pub(super) fn new(keep: u32) -> Self {
        Self {
            runs: std::collections::HashSet::new(),
            skips: 0,
            keep: keep as usize,
        }
    }

    /// Whether the next older line still belongs to the last runs.
    pub(super) fn keeps(&mut self, run: Option<u64>) -> bool {
        let known = run.is_some_and(|run| self.runs.contains(&run));
        if known {
            return true;
        }
        if self.runs.len() + self.skips >= self.keep {
            return false;
        }
        match run {
            Some(run) => {
                self.runs.insert(run);
            }
            None => self.skips += 1,
        }
        true
    }
}

/// Where a walk over all facts is: it takes many calls.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    after: u64,
    /// The snapshot, and the number after what it covers: read once for all calls. That a later one has taken its place
    /// harms nothing: what may be forgotten by the older may be by the newer.
    snapshot: Option<(State, u64)>,
    /// Per periodic job: the oldest fact of its last runs. New runs only move it up, so that an old answer is safe.
    floors: HashMap<String, u64>,
}

/// Goes on with the walk, within a transaction.
pub(super) fn sweep(
    conn: &Connection,
    path: &Path,
    sweep: &mut Sweep,
    keep: &Keep,
    now: Timestamp,
) -> Result<Pruned, StoreError> {
    let failed = |e| StoreError::sql(path, "prune", e);
    let (state, end) = match sweep.snapshot.take() {
        Some(read) => read,
        None => load::snapshot(conn, path)?,
    };
    let rule = Rule {
        keep,
        now,
        state: &state,
    };
    let mut select = conn
        .prepare_cached(
            "SELECT seq, at, kind, line, job, session, run, start, outcome FROM facts \
             WHERE seq > ?1 AND seq < ?2 ORDER BY seq LIMIT ?3",
        )
        .map_err(failed)?;
    let mut delete = conn
        .prepare_cached("DELETE FROM facts WHERE seq = ?1")
        .map_err(failed)?;
    let mut gone = Vec::new();
    let mut looked_at = 0;
    let bounds = [
        row::to_sql(sweep.after),
        row::to_sql(end),
        row::to_sql(LOOKED_AT + 1),
    ];
    let mut rows = select.query(bounds).map_err(failed)?;
    let mut more = false;
    while let Some(found) = rows.next().map_err(failed)? {
        if looked_at >= LOOKED_AT || gone.len() as u64 >= FORGOTTEN {
            more = true;
            break;
        }
        let fact = about(path, found)?;
        let floors = &mut sweep.floors;
        if rule.forgets(&fact, |job| {
            floor(conn, path, floors, job, keep, &mut looked_at)
        })? {
            gone.push(row::to_sql(fact.seq));
        }
        sweep.after = fact.seq;
        looked_at += 1;
    }
    for seq in &gone {
        delete.execute([seq]).map_err(failed)?;
    }
    if more {
        sweep.snapshot = Some((state, end));
    } else {
        *sweep = Sweep::default();
    }
    Ok(Pruned {
        facts: gone.len() as u64,
        more,
    })
}

fn about<'a>(path: &Path, found: &'a Row<'_>) -> Result<About<'a>, StoreError> {
    let read = || -> rusqlite::Result<(About<'a>, i64)> {
        let at: i64 = found.get(1)?;
        let outcome = found.get_ref(8)?.as_str_or_null()?;
        let fact = About {
            seq: row::from_sql(found.get(0)?),
            at: Timestamp::UNIX_EPOCH,
            kind: found.get_ref(2)?.as_str()?,
            line: found.get(3)?,
            job: found.get_ref(4)?.as_str_or_null()?,
            session: found.get_ref(5)?.as_str_or_null()?,
            run: found.get::<_, Option<i64>>(6)?.map(row::from_sql),
            start: found.get(7)?,
            bad: Outcome::ALL
                .iter()
                .any(|o| o.is_bad() && Some(o.word()) == outcome),
        };
        Ok((fact, at))
    };
    let (fact, at) = read().map_err(|e| StoreError::sql(path, "prune", e))?;
    let at = Timestamp::from_nanosecond(i128::from(at)).map_err(|e| StoreError::BadFact {
        path: path.to_path_buf(),
        seq: fact.seq,
        why: e.to_string(),
    })?;
    Ok(About { at, ..fact })
}

fn floor(
    conn: &Connection,
    path: &Path,
    known: &mut HashMap<String, u64>,
    job: &str,
    keep: &Keep,
    looked_at: &mut u64,
) -> Result<u64, StoreError> {
    if let Some(floor) = known.get(job) {
        return Ok(*floor);
    }
    let failed = |e| StoreError::sql(path, "prune", e);
    let mut select = conn
        .prepare_cached(&format!(
            "SELECT seq, run FROM facts INDEXED BY facts_by_job \
             WHERE job = ?1 AND line IN ({}, {}) ORDER BY seq DESC LIMIT {LOOKED_AT}",
            Line::Periodic.code(),
            Line::Skip.code()
        ))
        .map_err(failed)?;
    let mut newest = Newest::new(keep.runs);
    let mut floor = u64::MAX;
    let mut rows = select.query([job]).map_err(failed)?;
    while let Some(found) = rows.next().map_err(failed)? {
        *looked_at += 1;
        if !newest.keeps(
            found
                .get::<_, Option<i64>>(1)
                .map_err(failed)?
                .map(row::from_sql),
        ) {
            break;
        }
        floor = row::from_sql(found.get(0).map_err(failed)?);
    }
    known.insert(job.to_owned(), floor);
    Ok(floor)
}

/// Gives free pages back to the file system, a bounded number at a time.
pub(super) fn shrink(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |e| StoreError::sql(path, "shrink", e);
    let mut statement = conn
        .prepare(&format!("PRAGMA incremental_vacuum({FREED})"))
        .map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    // Each step frees one page.
    while rows.next().map_err(failed)?.is_some() {}
    Ok(())
}
