//! The loop: hear, decide, record, perform.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::degraded::Unsaved;
use super::world::{Heard, World};
use crate::core::agenda::Agenda;
use crate::core::apply::Illegal;
use crate::core::decide::{FRESH, decide};
use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::core::fact::Fact;
use crate::core::plan::{Plan, diff, outlook};
use crate::core::policy::Policy;
use crate::core::report::Line;
use crate::core::state::State;
use crate::core::wakeup::wakeup;
use crate::store::{Facts, Keep, StoreError};

/// Facts between two snapshots: what a start has to fold, twice as many at most.
const SNAPSHOT_EVERY: u64 = 5_000;
/// How often history is pruned while the daemon is awake anyway,
const PRUNE_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// and after how many new facts: what is kept beyond what was asked for is bounded, however much is done.
const PRUNE_AFTER: u64 = 100_000;
/// So many turns are taken before pruning goes on all the same.
const PUT_OFF: u32 = 100;
/// How long the state must have been well before it is said to be: a disk that is full every other minute calls people
/// once.
const WELL_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// How far ahead a reload says what it changes, and of how many sessions.
const TOLD_AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);
const CHANGES_TOLD: usize = 100;

/// Why the loop ended.
#[derive(Debug)]
pub enum Ended {
    /// Asked to; `clean` where no app was left in maintenance and everything is recorded.
    Asked { clean: bool },
    /// A decision contradicted the record: nothing may follow it.
    Fault(Illegal),
}

/// How far pruning is.
struct House {
    /// When all of it was last done, and the number of the next fact then.
    pruned: (Timestamp, u64),
    /// A part of it is done.
    under_way: bool,
    /// It is to go on at once, when nothing else is to be done.
    more: bool,
    /// Turns that something else took meanwhile.
    put_off: u32,
}

/// The state of one daemon and everything it needs to go on.
pub struct Turns<S, W> {
    pub(super) policy: Arc<Policy>,
    pub(super) state: State,
    agenda: Agenda,
    pub(super) store: S,
    /// The number of the next fact.
    pub(super) next: u64,
    pub(super) world: W,
    pub(super) unsaved: Unsaved,
    snapshot_at: u64,
    /// When it is looked whether the state, which was in trouble, is well.
    well_at: Option<Timestamp>,
    house: House,
    more: bool,
    exit: Option<bool>,
    /// The state was begun anew: until all apps are back nothing else is done.
    leaves_first: bool,
}

impl<S: Facts, W: World> Turns<S, W> {
    pub fn new(policy: Arc<Policy>, state: State, next: u64, store: S, world: W) -> Self {
        let agenda = Agenda::build(&policy, &state);
        let leaves_first = anew(&state);
        Self {
            leaves_first,
            policy,
            state,
            agenda,
            store,
            next,
            world,
            unsaved: Unsaved::default(),
            snapshot_at: next,
            well_at: None,
            house: House {
                pruned: (Timestamp::MIN, next),
                under_way: false,
                more: false,
                put_off: 0,
            },
            more: false,
            exit: None,
        }
    }

    /// Runs until it is asked to end. `first` is what happened before: the start.
    ///
    /// # Errors
    /// Never by itself; what goes wrong with the state is told to the world and retried.
    pub async fn run(&mut self, first: Event) -> Ended {
        let mut heard = vec![Heard::Event(first)];
        loop {
            let now = self.world.now();
            let (woken, before) = (
                matches!(heard.as_slice(), [Heard::Event(Event::Woke)]),
                self.next,
            );
            if let Err(illegal) = self.turn(heard, now) {
                return Ended::Fault(illegal);
            }
            if let Some(clean) = self.exit {
                let recorded = self.close(now);
                return Ended::Asked {
                    clean: clean && recorded,
                };
            }
            self.keep_house(now, !woken || self.next > before || self.more);
            let until = if self.more || self.house.more {
                Some(now)
            } else {
                self.wakeup(now)
            };
            heard = self.world.hear(until).await;
            if heard.is_empty() {
                heard.push(Heard::Event(Event::Woke));
            }
        }
    }

    /// When the loop has to look again by itself.
    pub fn wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        let next = wakeup(&self.policy, &self.state, &self.agenda, now);
        let all = [next, self.unsaved.retry_at(), self.well_at];
        all.into_iter().flatten().min()
    }

    /// All that was heard together is one turn: its facts share one commit.
    fn turn(&mut self, heard: Vec<Heard>, now: Timestamp) -> Result<(), Illegal> {
        let (mut facts, mut effects, mut looks) = (Vec::new(), Vec::new(), Vec::new());
        self.more = false;
        if self.unsaved.retry_due(now) {
            self.save_unsaved(now, &mut facts, &mut effects)?;
        }
        if self.is_well_again(now) {
            self.decide(Event::StateWell, now, &mut facts, &mut effects)?;
        }
        let mut looked = false;
        let mut replaced = None;
        for item in heard {
            let event = match item {
                Heard::Event(event) => event,
                Heard::Policy(policy) => {
                    let before = || self.outlook(now);
                    replaced = replaced.or_else(|| Some(before()));
                    self.world.policy(&policy);
                    self.policy = policy;
                    Event::PolicyChanged
                }
                Heard::Mail { mailer, rehearsal } => {
                    self.world.mail(mailer, rehearsal);
                    continue;
                }
                Heard::Look(look) => {
                    looks.push(look);
                    continue;
                }
            };
            self.decide(event, now, &mut facts, &mut effects)?;
            looked = true;
        }
        // What came due meanwhile is not looked for again: the next wakeup is later than this instant.
        if !looked {
            self.decide(Event::Woke, now, &mut facts, &mut effects)?;
        }
        if self.store.room_was_given() && self.unsaved.is_empty() {
            self.well_at = now.checked_add(WELL_AFTER).ok();
            self.decide(Event::RoomGiven, now, &mut facts, &mut effects)?;
        }
        self.commit(now, facts, effects)?;
        if self.leaves_first && !anew(&self.state) {
            self.leaves_first = false;
            self.state.live.alone = false;
            self.more = true;
        }
        if let Some(before) = replaced {
            self.tell_changes(&before, now);
        }
        for look in looks {
            look(&self.policy, &self.state, now);
        }
        Ok(())
    }

    fn outlook(&self, now: Timestamp) -> Plan {
        let until = now.saturating_add(TOLD_AHEAD).unwrap_or(now);
        outlook(&self.policy, &self.state, now, until)
    }

    /// What a reload did to the sessions to come.
    fn tell_changes(&mut self, before: &Plan, now: Timestamp) {
        let after = self.outlook(now);
        let changes = diff::sessions(before, &after);
        let lines = changes.iter().take(CHANGES_TOLD);
        let lines = lines
            .map(|change| Line::plan_changed(now, change))
            .collect();
        self.world.replanned(lines);
    }

    /// Whether the state has been in trouble, and has been well for a while. Looked at once in that while.
    fn is_well_again(&mut self, now: Timestamp) -> bool {
        if !self.state.in_trouble() || !self.unsaved.is_empty() {
            self.well_at = None;
            return false;
        }
        let later = now.checked_add(WELL_AFTER).ok();
        // A step back of the clock must not put it off.
        let due = |at: Timestamp| at <= now || at.duration_since(now) > WELL_AFTER;
        match self.well_at {
            Some(at) if due(at) => {
                self.well_at = later;
                self.store.keep_room()
            }
            Some(_) => false,
            None => {
                self.well_at = later;
                false
            }
        }
    }

    /// One event, and what follows from it in memory.
    pub(super) fn decide(
        &mut self,
        event: Event,
        now: Timestamp,
        facts: &mut Vec<Fact>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Illegal> {
        let decision = decide(&self.policy, &mut self.state, &mut self.agenda, event, now);
        facts.extend(decision.facts);
        effects.extend(decision.effects);
        self.more |= decision.more;
        match decision.fault {
            Some(illegal) => Err(illegal),
            None => Ok(()),
        }
    }

    /// Durable first, then the effects.
    fn commit(
        &mut self,
        now: Timestamp,
        facts: Vec<Fact>,
        effects: Vec<Effect>,
    ) -> Result<(), Illegal> {
        if facts.is_empty() && effects.is_empty() {
            return Ok(());
        }
        match self.append(now, &facts) {
            Ok(()) => {
                self.world.recorded(now, &facts, &self.state, true);
                effects.into_iter().for_each(|effect| self.perform(effect));
                Ok(())
            }
            Err(error) => self.go_on_unrecorded(now, facts, effects, &error.to_string()),
        }
    }

    /// Appends these facts; what could not be saved earlier goes first, so that the record has no gap.
    pub(super) fn append(&mut self, now: Timestamp, facts: &[Fact]) -> Result<(), StoreError> {
        if !self.unsaved.is_empty() {
            return Err(self.unsaved.still());
        }
        if facts.is_empty() {
            return Ok(());
        }
        let dated: Vec<(Timestamp, Fact)> = facts.iter().map(|fact| (now, fact.clone())).collect();
        self.next = match self.store.append(self.next, &dated) {
            Err(StoreError::Full { path, verb }) => {
                // What was kept for this moment; said, because there is only one of it.
                if !self.store.make_room() {
                    return Err(StoreError::Full { path, verb });
                }
                self.world
                    .trouble(Some("the disk is full: the reserve of 4 MiB was released"));
                self.more = true;
                self.store.append(self.next, &dated)?
            }
            appended => appended?,
        };
        Ok(())
    }

    pub(super) fn perform(&mut self, effect: Effect) {
        if let Effect::Exit { clean } = effect {
            self.exit = Some(clean);
        } else {
            self.world.perform(effect);
        }
    }

    /// Snapshots and pruning, in bounded pieces between turns: when nothing else is to be done, or after a good many
    /// turns in which there was.
    fn keep_house(&mut self, now: Timestamp, busy: bool) {
        self.house.more = false;
        if !self.unsaved.is_empty() {
            return;
        }
        let uncovered = self.next.saturating_sub(self.snapshot_at);
        if uncovered >= SNAPSHOT_EVERY {
            if busy && uncovered < 2 * SNAPSHOT_EVERY {
                self.house.more = true;
            } else {
                self.snapshot();
            }
        }
        let (pruned, at) = self.house.pruned;
        let due = self.house.under_way
            || now.duration_since(pruned).abs() >= PRUNE_EVERY
            || self.next.saturating_sub(at) >= PRUNE_AFTER;
        if !due {
            return;
        }
        if busy && self.house.put_off < PUT_OFF {
            self.house.put_off += 1;
            self.house.more = true;
            return;
        }
        self.house.put_off = 0;
        if !self.house.under_way && self.next > self.snapshot_at {
            self.snapshot();
        }
        let keep = self.policy.keep;
        let keep = Keep {
            sessions: keep.sessions,
            runs: keep.runs,
            failures: keep.failures,
        };
        match self.store.prune(&keep, now) {
            Ok(pruned) if pruned.more => (self.house.under_way, self.house.more) = (true, true),
            Ok(_) => {
                self.store.keep_room();
                self.pruned(now);
            }
            Err(error) => {
                // Tried again with the next: history that stays longer harms nobody.
                self.world.trouble(Some(&error.to_string()));
                self.pruned(now);
            }
        }
    }

    fn pruned(&mut self, now: Timestamp) {
        self.house.under_way = false;
        self.house.pruned = (now, self.next);
    }

    fn snapshot(&mut self) {
        match self.store.snapshot(&self.state, self.next) {
            Ok(()) => self.snapshot_at = self.next,
            Err(error) => {
                // The next one is as good; loading folds more facts meanwhile.
                self.snapshot_at = self.next;
                self.world.trouble(Some(&error.to_string()));
            }
        }
    }

    /// The last words; whether everything is recorded.
    fn close(&mut self, now: Timestamp) -> bool {
        self.save_at_last();
        let clean = matches!(self.exit, Some(true));
        let stopped = Fact::DaemonStopped { clean };
        let recorded = self.append(now, std::slice::from_ref(&stopped));
        match &recorded {
            Ok(()) => {
                self.world.recorded(now, &[stopped], &self.state, true);
                self.snapshot();
            }
            Err(error) => self.world.trouble(Some(&format!(
                "{} facts could not be recorded, and the next start does not know of them: {error}",
                self.unsaved.count() + 1
            ))),
        }
        recorded.is_ok()
    }

    /// Whether apps are brought back before anything else is done: the state was begun anew.
    pub fn leaves_first(&self) -> bool {
        self.leaves_first
    }

    /// Nothing else follows when the apps are back.
    pub fn stay_alone(&mut self) {
        self.leaves_first = false;
    }

    /// The state as it is now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The world, for those who made it.
    pub fn world(&mut self) -> &mut W {
        &mut self.world
    }
}

/// Whether apps are owed their leave hooks because the state was begun anew.
fn anew(state: &State) -> bool {
    state
        .sessions
        .values()
        .any(|session| &*session.window == FRESH && session.phase.in_maintenance())
}

#[cfg(test)]
mod tests;
