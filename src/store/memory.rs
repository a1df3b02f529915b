//! The same record without a disk: for what is played and not done.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt::Display;

use jiff::Timestamp;

use crate::core::fact::Fact;
use crate::core::run::RunId;
use crate::core::state::State;

use super::Facts;
use super::error::StoreError;
use super::history::Line;
use super::prune::{About, Keep, Newest, Pruned, Rule};
use super::row;

/// Facts in memory, on top of a given state.
#[derive(Debug)]
pub struct MemoryStore {
    snapshot: State,
    covered: u64,
    facts: Vec<(u64, Timestamp, Fact)>,
    next: u64,
    starts: HashSet<(RunId, u32)>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(State::default(), 1)
    }
}

impl MemoryStore {
    /// Starts from a state that has all facts before `next` in it; 1 for a new one.
    pub fn new(state: State, next: u64) -> Self {
        Self {
            snapshot: state,
            covered: next,
            facts: Vec::new(),
            next,
            starts: HashSet::new(),
        }
    }

    /// The number the next fact will have.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Those of the facts, from number `expected` on, that are not recorded.
    fn not_recorded<'a>(
        &self,
        expected: u64,
        facts: &'a [(Timestamp, Fact)],
    ) -> Result<&'a [(Timestamp, Fact)], StoreError> {
        let at = self.facts.partition_point(|(seq, ..)| *seq < expected);
        let there = self.facts[at..].iter();
        let same = there
            .zip(facts)
            .take_while(|((_, at, fact), given)| (at, fact) == (&given.0, &given.1))
            .count();
        let end = expected.checked_add(same as u64);
        match facts.get(same..) {
            Some(rest) if end == Some(self.next) => Ok(rest),
            _ => Err(StoreError::Conflict {
                expected,
                found: self.next,
            }),
        }
    }

    /// The facts appended and not pruned, in order.
    pub fn facts(&self) -> &[(u64, Timestamp, Fact)] {
        &self.facts
    }
}

impl Facts for MemoryStore {
    fn load<E: Display>(
        &self,
        mut fold: impl FnMut(&mut State, Timestamp, &Fact) -> Result<(), E>,
    ) -> Result<(State, u64), StoreError> {
        let mut state = self.snapshot.clone();
        let covered = self.facts.partition_point(|(seq, ..)| *seq < self.covered);
        for (seq, at, fact) in &self.facts[covered..] {
            fold(&mut state, *at, fact).map_err(|e| StoreError::BadFact {
                path: "memory".into(),
                seq: *seq,
                why: e.to_string(),
            })?;
        }
        Ok((state, self.next))
    }

    fn append(&mut self, expected: u64, facts: &[(Timestamp, Fact)]) -> Result<u64, StoreError> {
        for (at, fact) in facts {
            row::encode(*at, fact)?;
        }
        let facts = self.not_recorded(expected, facts)?;
        let mut starts = HashSet::new();
        for (_, fact) in facts {
            if let Fact::AttemptStarted { run, attempt, .. } = fact
                && (self.starts.contains(&(*run, *attempt)) || !starts.insert((*run, *attempt)))
            {
                return Err(StoreError::StartedBefore {
                    run: *run,
                    attempt: *attempt,
                });
            }
        }
        self.starts.extend(starts);
        self.facts.extend(
            (self.next..)
                .zip(facts)
                .map(|(seq, (at, fact))| (seq, *at, fact.clone())),
        );
        self.next += facts.len() as u64;
        Ok(self.next)
    }

    fn snapshot(&mut self, state: &State, next: u64) -> Result<(), StoreError> {
        if !(self.covered..=self.next).contains(&next) {
            let why = format!(
                "the last one is at {}, the facts end at {}",
                self.covered, self.next
            );
            return Err(StoreError::BadSnapshot { next, why });
        }
        // What is true of one process only is not kept.
        self.snapshot = State {
            live: Default::default(),
            ..state.clone()
        };
        self.covered = next;
        Ok(())
    }

    fn prune(&mut self, keep: &Keep, now: Timestamp) -> Result<Pruned, StoreError> {
        let rule = Rule {
            keep,
            now,
            state: &self.snapshot,
        };
        let floor = |job: &str| -> Result<u64, Infallible> {
            let mut newest = Newest::new(keep.runs);
            let lines = self.facts.iter().rev().filter(|(_, _, fact)| {
                matches!(Line::of(fact), Some(Line::Periodic | Line::Skip))
                    && fact.job().is_some_and(|j| &**j == job)
            });
            let kept = lines.take_while(|(_, _, fact)| newest.keeps(fact.run()));
            Ok(kept.last().map_or(u64::MAX, |(seq, ..)| *seq))
        };
        let mut floors = std::collections::HashMap::new();
        let mut gone = HashSet::new();
        for (seq, at, fact) in self
            .facts
            .iter()
            .take_while(|(seq, ..)| *seq < self.covered)
        {
            let about = About {
                seq: *seq,
                at: *at,
                kind: fact.kind(),
                line: Line::of(fact).map(Line::code),
                job: fact.job().map(|job| &**job),
                session: fact.session().map(|id| &**id),
                run: fact.run(),
                start: match fact {
                    Fact::AttemptStarted { attempt, .. } => Some(*attempt),
                    _ => None,
                },
                bad: row::outcome(fact).is_some_and(|outcome| outcome.is_bad()),
            };
            let Ok(forgets) = rule.forgets(&about, |job| match floors.get(job) {
                Some(known) => Ok(*known),
                None => floor(job).inspect(|found| {
                    floors.insert(job.to_owned(), *found);
                }),
            });
            if forgets {
                gone.insert(*seq);
            }
        }
        self.facts.retain(|(seq, ..)| !gone.contains(seq));
        let there: HashSet<(RunId, u32)> = self
            .facts
            .iter()
            .filter_map(|(_, _, fact)| match fact {
                Fact::AttemptStarted { run, attempt, .. } => Some((*run, *attempt)),
                _ => None,
            })
            .collect();
        self.starts = there;
        Ok(Pruned {
            facts: gone.len() as u64,
            more: false,
        })
    }
}
