//! While the state cannot be written: nothing new is started, what runs is supervised, apps are left, and it is said.

use jiff::{SignedDuration, Timestamp};

use super::turns::Turns;
use super::world::World;
use crate::core::apply::Illegal;
use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::core::fact::Fact;
use crate::store::{Facts, StoreError};

/// The first pause before the state is tried again, doubled up to the last.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(1);
const LAST_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// More facts than this are not kept in memory: by then something is wrong for days.
const KEPT: usize = 200_000;
/// Rounds of taking back in one turn.
const ROUNDS: usize = 64;

/// Facts that count already, and could not be recorded yet.
#[derive(Debug, Default)]
pub struct Unsaved {
    facts: Vec<(Timestamp, Fact)>,
    why: String,
    retry_at: Option<Timestamp>,
    pause: SignedDuration,
}

impl Unsaved {
    pub fn is_empty(&self) -> bool {
        self.retry_at.is_none()
    }

    pub fn count(&self) -> usize {
        self.facts.len()
    }

    pub fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    pub fn retry_due(&self, now: Timestamp) -> bool {
        // A step back of the clock must not put it off.
        self.retry_at
            .is_some_and(|at| at <= now || at.duration_since(now) > LAST_PAUSE)
    }

    /// The error that is still in force.
    pub fn still(&self) -> StoreError {
        StoreError::Unrecordable {
            kind: "all",
            why: self.why.clone(),
        }
    }

    fn keep(&mut self, now: Timestamp, facts: Vec<Fact>) -> Result<(), Illegal> {
        if self.facts.len().saturating_add(facts.len()) > KEPT {
            // A record with a gap is worse than a restart, which knows how to go on.
            return Err(Illegal {
                fact: "unwritable",
                why: format!("more than {KEPT} facts could not be recorded"),
            });
        }
        self.facts.extend(facts.into_iter().map(|fact| (now, fact)));
        Ok(())
    }

    fn failed(&mut self, now: Timestamp, why: &str) {
        self.pause = if self.pause.is_zero() {
            FIRST_PAUSE
        } else {
            (self.pause * 2).min(LAST_PAUSE)
        };
        self.why = why.into();
        self.retry_at = now.checked_add(self.pause).ok();
    }
}

impl<S: Facts, W: World> Turns<S, W> {
    /// The facts could not be recorded. What may happen all the same happens; the rest is taken back.
    pub(super) fn go_on_unrecorded(
        &mut self,
        now: Timestamp,
        facts: Vec<Fact>,
        effects: Vec<Effect>,
        why: &str,
    ) -> Result<(), Illegal> {
        let (mut facts, mut effects) = (facts, effects);
        let why = match self.unsaved.is_empty() {
            true => why.to_owned(),
            false => self.unsaved.why.clone(),
        };
        // Each round takes back what the last one asked for; nothing new is started meanwhile, so it ends soon.
        for _ in 0..ROUNDS {
            let first = self.unsaved.is_empty();
            if first {
                self.unsaved.failed(now, &why);
                self.world.trouble(Some(&why));
            }
            self.world.recorded(now, &facts, &self.state, false);
            self.unsaved.keep(now, facts)?;
            let (mut runs, mut notices) = (Vec::new(), Vec::new());
            for effect in effects {
                match effect {
                    effect if effect.even_unrecorded() => self.perform(effect),
                    Effect::Start(start) => runs.push(start.run),
                    Effect::Send { notice, .. } => notices.push(notice),
                    Effect::Stop { .. } | Effect::Ask { .. } | Effect::Exit { .. } => {}
                }
            }
            if !first && runs.is_empty() && notices.is_empty() {
                return Ok(());
            }
            (facts, effects) = (Vec::new(), Vec::new());
            let event = Event::Unwritable {
                why: why.clone(),
                runs,
                notices,
            };
            self.decide(event, now, &mut facts, &mut effects)?;
            if facts.is_empty() && effects.is_empty() {
                return Ok(());
            }
        }
        Err(Illegal {
            fact: "unwritable",
            why: "more and more is begun although nothing can be recorded".into(),
        })
    }

    /// Tries it once more before the end: nothing follows from it.
    pub(super) fn save_at_last(&mut self) {
        if !self.unsaved.is_empty()
            && let Ok(next) = self.store.append(self.next, &self.unsaved.facts)
        {
            self.next = next;
            self.unsaved = Unsaved::default();
            self.world.trouble(None);
        }
    }

    /// Tries to record what could not be recorded before.
    pub(super) fn save_unsaved(
        &mut self,
        now: Timestamp,
        facts: &mut Vec<Fact>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Illegal> {
        match self.store.append(self.next, &self.unsaved.facts) {
            Ok(next) => {
                self.next = next;
                self.unsaved = Unsaved::default();
                self.world.trouble(None);
                self.decide(Event::Writable, now, facts, effects)
            }
            Err(error) => {
                self.unsaved.failed(now, &error.to_string());
                Ok(())
            }
        }
    }
}
