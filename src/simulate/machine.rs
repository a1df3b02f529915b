//! A made-up machine in virtual time: clocks, processes, locks and a mail server.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::fate::{Dice, Fate, Post};
use super::happening::Happening;
use super::later::{Later, Process};
use super::room::Room;
use super::trace::{Happened, Moment, Next, Onlooker};
use super::wishes::Open;
use crate::core::effect::{Effect, LockWait, Place, Start};
use crate::core::event::{Answer, Event};
use crate::core::letter::Letter;
use crate::core::notice::NoticeId;
use crate::core::policy::Policy;
use crate::core::run::{End, Found, Report, RunId};
use crate::core::session::Override;
use crate::daemon::Heard;

/// Turns without a step of virtual time: more than this is an endless loop.
const BUSY: u32 = 20_000;
/// How long the mailer waits for a server that says nothing.
const MAIL_PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// What a life of the daemon ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    Killed(SignedDuration),
    Asked(SignedDuration),
}

/// The machine; it outlives the daemon.
pub struct Machine<'o> {
    pub elapsed: SignedDuration,
    /// The wall clock is this much ahead of the elapsed time since the play began.
    wall_at_start: Timestamp,
    ahead: SignedDuration,
    later: BTreeMap<(SignedDuration, u64), Later>,
    serial: u64,
    processes: BTreeMap<RunId, Process>,
    held: BTreeMap<String, u32>,
    pub open: Open,
    pub dice: Dice,
    onlooker: &'o mut dyn Onlooker,
    pub policies: Vec<Arc<Policy>>,
    pub policy: usize,
    pub room: Room,
    pub heard: VecDeque<Heard>,
    /// The daemon is up.
    pub up: bool,
    /// It dies after so many more things.
    doom: Option<(u32, SignedDuration)>,
    pub down: Option<Down>,
    /// What is known here of attempts on hosts that were cut off from the daemon.
    pub found: BTreeMap<RunId, Found>,
    /// How often the machine came up anew.
    pub boot: u32,
    /// Before the next start of the daemon it does.
    reboots: bool,
    busy: u32,
    /// The loop span without an end.
    pub spun: bool,
    life: u32,
    until: SignedDuration,
    /// The next end of the daemon is that of the play.
    last_life: bool,
    ended: bool,
}

impl<'o> Machine<'o> {
    pub fn new(
        from: Timestamp,
        until: SignedDuration,
        dice: Dice,
        policies: Vec<Arc<Policy>>,
        onlooker: &'o mut dyn Onlooker,
    ) -> Self {
        Self {
            elapsed: SignedDuration::ZERO,
            wall_at_start: from,
            ahead: SignedDuration::ZERO,
            later: BTreeMap::new(),
            serial: 0,
            processes: BTreeMap::new(),
            held: BTreeMap::new(),
            open: Open::default(),
            dice,
            onlooker,
            policies,
            policy: 0,
            room: Room::new(),
            heard: VecDeque::new(),
            up: false,
            doom: None,
            down: None,
            found: BTreeMap::new(),
            boot: 0,
            reboots: false,
            busy: 0,
            spun: false,
            life: 0,
            until,
            last_life: false,
            ended: false,
        }
    }

    pub fn wall(&self) -> Timestamp {
        self.wall_at_start
            .saturating_add(self.elapsed)
            .and_then(|at| at.saturating_add(self.ahead))
            .unwrap_or(Timestamp::MAX)
    }

    pub fn note(&mut self, what: Happened) {
        let (elapsed, at) = (self.elapsed, self.wall());
        match self.onlooker.see(&Moment { elapsed, at, what }) {
            Next::On => {}
            Next::Stop if self.last_life => {}
            Next::Stop => {
                self.last_life = true;
                let down_for = SignedDuration::ZERO;
                self.plan(elapsed, Happening::Stop { down_for });
            }
            Next::End => self.ended = true,
        }
    }

    pub fn plan(&mut self, at: SignedDuration, happening: Happening) {
        self.at(at, Later::Befalls(happening));
    }

    fn at(&mut self, at: SignedDuration, later: Later) {
        self.serial += 1;
        self.later
            .insert((at.max(self.elapsed), self.serial), later);
    }

    fn after(&mut self, pause: SignedDuration, later: Later) {
        self.at(self.elapsed.saturating_add(pause), later);
    }

    /// Whether the play is over.
    pub fn over(&self) -> bool {
        self.elapsed >= self.until || self.spun || self.ended
    }

    /// The daemon does something: this may be the moment at which it dies.
    pub fn breath(&mut self) -> bool {
        if let Some((left, down_for)) = &mut self.doom {
            if *left == 0 {
                let down_for = *down_for;
                self.doom = None;
                self.die(down_for);
            } else {
                *left -= 1;
            }
        }
        self.up
    }

    fn die(&mut self, down_for: SignedDuration) {
        self.up = false;
        self.down = Some(Down::Killed(down_for));
        self.note(Happened::DaemonKilled);
    }

    /// The daemon is up: what it was told in its last life is gone.
    pub fn start(&mut self) {
        self.up = true;
        self.life += 1;
        self.down = None;
        self.doom = None;
        self.heard.clear();
        if std::mem::take(&mut self.reboots) {
            self.boot += 1;
            self.note(Happened::Rebooted);
        }
        self.note(Happened::DaemonStarted);
    }

    /// Nothing of the daemon is left: what it started is ended within its grace.
    pub fn orphan(&mut self) {
        self.up = false;
        let runs: Vec<RunId> = self.processes.keys().copied().collect();
        for run in runs {
            self.cut_off(run);
            self.terminate(run, |_| End::Lost);
        }
    }

    /// The client of a run on a host ends with the daemon: it may have heard the end, or not.
    fn cut_off(&mut self, run: RunId) {
        let there = |p: &&Process| matches!(p.start.place, Place::Host(_)) && p.began.is_some();
        if self.processes.get(&run).filter(there).is_none() {
            return;
        }
        let found = match self.dice.below(4) {
            _ if self.dice.silent => Found::Unheard { ordered: None },
            0 => return,
            1 => Found::Unheard { ordered: None },
            2 => Found::Ended(End::Exited { code: 0 }),
            _ => Found::Ended(End::Stopped { code: None }),
        };
        self.found.insert(run, found);
    }

    /// The daemon is down: this was its last life where the play is to end with it.
    pub fn finish(&mut self) {
        self.ended |= self.last_life;
    }

    pub fn deserted(&self) -> bool {
        self.processes.is_empty()
    }

    /// Time passes until the wall clock shows `until`, or something is heard.
    pub fn pass(&mut self, until: Option<Timestamp>) -> Vec<Heard> {
        let before = self.elapsed;
        while self.heard.is_empty() && !self.over() && (self.up || self.down.is_none()) {
            let wake = until.map(|at| {
                let left = at.duration_since(self.wall());
                self.elapsed.saturating_add(left.max(SignedDuration::ZERO))
            });
            let next = self.later.first_key_value().map(|((at, _), _)| *at);
            match (wake, next) {
                (Some(wake), next) if next.is_none_or(|next| wake < next) => {
                    self.elapsed = wake.min(self.until);
                    break;
                }
                (_, Some(_)) => self.step(),
                (_, None) => {
                    self.elapsed = self.until;
                    break;
                }
            }
        }
        self.busy = if self.elapsed > before {
            0
        } else {
            self.busy + 1
        };
        self.spun |= self.busy > BUSY;
        self.heard.drain(..).collect()
    }

    /// While the daemon is down.
    pub fn pass_down(&mut self, for_: SignedDuration) {
        let until = self.elapsed.saturating_add(for_);
        loop {
            match self.later.first_key_value().map(|((at, _), _)| *at) {
                Some(at) if at <= until || !self.deserted() => self.step(),
                _ => break,
            }
        }
        self.elapsed = self.elapsed.max(until);
    }

    fn step(&mut self) {
        let Some(((at, _), later)) = self.later.pop_first() else {
            return;
        };
        self.elapsed = self.elapsed.max(at);
        match later {
            Later::Befalls(happening) => self.befall(happening),
            Later::DiskWell => {
                self.room.clear();
                self.note(Happened::DiskWell);
            }
            Later::HooksWell => self.dice.hooks_broken = false,
            Later::LockFree(file) => self.release(&[file]),
            Later::Begins(run, turn) => self.begins(run, turn),
            Later::TimesOut(run, turn) => {
                if self.current(run, turn) {
                    self.terminate(run, |code| End::TimedOut { code });
                }
            }
            Later::Ends(run, turn, end) => {
                if self.current(run, turn) {
                    self.gone(run, end);
                }
            }
            Later::NoLock(run, turn) => {
                if self.current(run, turn) {
                    let lock = self.processes[&run].start.locks.first().cloned();
                    let lock = lock.unwrap_or_default();
                    let holder = "somebody".into();
                    self.gone(run, End::Busy { lock, holder });
                }
            }
            Later::Tells(run, end, life) => {
                if self.up && life == self.life {
                    let report = silent(end, SignedDuration::ZERO);
                    self.tell(Event::Ended { run, report });
                }
            }
            Later::Answers(notice, answer, letter, life) => {
                if let Some(letter) = letter {
                    self.note(Happened::Delivered { notice, letter });
                }
                if self.up && life == self.life {
                    self.tell(Event::Answered { notice, answer });
                }
            }
        }
    }

    fn tell(&mut self, event: Event) {
        if self.up {
            self.heard.push_back(event.into());
        }
    }

    fn befall(&mut self, happening: Happening) {
        match happening {
            Happening::Kill { after, down_for } if self.up => self.doom = Some((after, down_for)),
            Happening::Stop { down_for } if self.up && self.down.is_none() => {
                self.down = Some(Down::Asked(down_for));
                self.tell(Event::Shutdown);
                // What the machine's own patience with a service is.
                let patience = SignedDuration::from_secs(90);
                let after = 0;
                self.after(
                    patience,
                    Later::Befalls(Happening::Kill { after, down_for }),
                );
            }
            Happening::Reboot { down_for } => {
                self.reboots = true;
                self.befall(Happening::Stop { down_for });
            }
            Happening::Restart { down_for } if self.up && self.down.is_none() => {
                self.down = Some(Down::Asked(down_for));
                self.tell(Event::RestartWanted);
            }
            Happening::Kill { .. } | Happening::Stop { .. } | Happening::Restart { .. } => {}
            Happening::ClockStep { by } => {
                self.ahead = self.ahead.saturating_add(by);
                self.note(Happened::ClockStepped { by });
                self.tell(Event::ClockStepped { by });
            }
            Happening::Suspend { for_ } => {
                self.ahead = self.ahead.saturating_add(for_);
                self.note(Happened::Suspended { for_ });
                self.tell(Event::Resumed { after: for_ });
            }
            Happening::DiskFull { for_, spare } => {
                self.room.fill(spare);
                self.note(Happened::DiskFull);
                self.after(for_, Later::DiskWell);
            }
            Happening::HooksBroken { for_ } => {
                self.dice.hooks_broken = true;
                self.after(for_, Later::HooksWell);
            }
            Happening::LockHeld { file, for_ } => {
                if !self.held.contains_key(&file) {
                    self.held.insert(file.clone(), 1);
                    self.after(for_, Later::LockFree(file));
                }
            }
            Happening::Reload { index } => {
                self.policy = index;
                self.note(Happened::PolicyChanged { index });
                if self.up {
                    let policy = Arc::clone(&self.policies[index]);
                    self.heard.push_back(Heard::Policy(policy));
                }
            }
            Happening::Rehearse { app, jobs } => {
                let reason = "to see whether it works".into();
                let rehearsal = Override {
                    reason,
                    hooks: true,
                    jobs,
                    emergency: false,
                };
                self.tell(Event::Rehearse { app, rehearsal });
            }
            // Nobody is there: it is asked again.
            Happening::Ask(_) if !self.up => {
                let again = SignedDuration::from_mins(10);
                self.after(again, Later::Befalls(happening));
            }
            Happening::Ask(longing) => {
                if let Some(asked) = self.open.wish(longing, self.wall()) {
                    self.tell(Event::Asked(Box::new(asked)));
                }
            }
            Happening::Calm => {
                self.dice.calm = true;
                self.note(Happened::Calm);
            }
        }
    }

    /// The daemon asks for something.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Start(start) => self.begin(*start),
            Effect::Stop { run } => {
                self.note(Happened::StopAsked { run });
                self.terminate(run, |code| End::Stopped { code });
            }
            Effect::Send { notice, letter } => self.send(notice, letter),
            Effect::Ask { run, until, .. } => {
                let why = "nobody is there".into();
                self.tell(Event::Unheard { run, why, until });
                let left = until.duration_since(self.wall());
                let (pause, end) = self.dice.told(left);
                self.after(pause, Later::Tells(run, end, self.life));
            }
            Effect::Exit { .. } => {}
        }
    }

    fn send(&mut self, notice: NoticeId, letter: Box<Letter>) {
        let at = self.wall();
        let post = self.dice.post(&letter, at);
        let soon = SignedDuration::from_millis(i64::from(self.dice.below(3_000)));
        let why = || String::from("try again later");
        let (pause, answer, taken) = match post {
            Post::Accepts => (soon, Answer::Accepted, Some(letter)),
            Post::Later => (soon, Answer::Temporary { why: why() }, None),
            Post::Refuses => {
                let why = "no such mailbox".into();
                (soon, Answer::Permanent { why }, None)
            }
            Post::Hangs => (MAIL_PATIENCE, Answer::Temporary { why: why() }, None),
            Post::TakesSilently => {
                let why = "the connection broke".into();
                (soon, Answer::Unknown { why }, Some(letter))
            }
        };
        let life = self.life;
        self.after(pause, Later::Answers(notice, answer, taken, life));
    }

    fn begin(&mut self, start: Start) {
        let (run, wait) = (start.run, start.lock_wait);
        self.note(Happened::Asked(Box::new(start.clone())));
        self.serial += 1;
        let turn = u32::try_from(self.serial % u64::from(u32::MAX)).unwrap_or(0);
        let free = start.locks.iter().all(|file| !self.held.contains_key(file));
        let process = Process {
            start,
            turn,
            holds: false,
            began: None,
            stopping: false,
            since: self.elapsed,
        };
        self.processes.insert(run, process);
        if free {
            self.take(run);
            return;
        }
        self.tell(Event::Waiting {
            run,
            holder: "somebody".into(),
        });
        if let LockWait::For(patience) = wait {
            self.after(patience, Later::NoLock(run, turn));
        }
    }

    fn take(&mut self, run: RunId) {
        let Some(process) = self.processes.get_mut(&run) else {
            return;
        };
        process.holds = true;
        self.serial += 1;
        process.turn = u32::try_from(self.serial % u64::from(u32::MAX)).unwrap_or(0);
        let turn = process.turn;
        for file in process.start.locks.clone() {
            *self.held.entry(file).or_insert(0) += 1;
        }
        let soon = SignedDuration::from_millis(i64::from(self.dice.below(20)) + 1);
        self.after(soon, Later::Begins(run, turn));
    }

    fn current(&self, run: RunId, turn: u32) -> bool {
        self.processes.get(&run).is_some_and(|p| p.turn == turn)
    }

    fn begins(&mut self, run: RunId, turn: u32) {
        if !self.current(run, turn) {
            return;
        }
        let at = self.wall();
        let Some(process) = self.processes.get_mut(&run) else {
            return;
        };
        process.began = Some(self.elapsed);
        let start = process.start.clone();
        let fate = self.dice.fate(&start, at);
        self.note(Happened::Began { run });
        let here = start.place == Place::Here;
        if start.reboot && here && matches!(fate, Fate::Ends(_, End::Exited { code: 0 })) {
            return self.goes_down(run, turn, &start);
        }
        let pid = i32::try_from(run % 30_000).unwrap_or(1) + 2;
        self.tell(Event::Began { run, pid });
        match fate {
            Fate::Ends(after, end) if after <= start.timeout => {
                self.after(after, Later::Ends(run, turn, end));
            }
            Fate::Ends(..) | Fate::Hangs => {
                self.after(start.timeout, Later::TimesOut(run, turn));
            }
        }
    }

    /// What was begun does not end before the machine does: soon, as a rule.
    fn goes_down(&mut self, run: RunId, turn: u32, start: &Start) {
        let pid = i32::try_from(run % 30_000).unwrap_or(1) + 2;
        self.tell(Event::Began { run, pid });
        self.after(start.timeout, Later::TimesOut(run, turn));
        let soon = SignedDuration::from_secs(i64::from(self.dice.below(20)));
        let down_for = SignedDuration::from_secs(i64::from(self.dice.below(120)) + 5);
        if self.dice.below(10) > 0 {
            self.after(soon, Later::Befalls(Happening::Reboot { down_for }));
        }
    }

    /// SIGTERM: it is gone within its grace.
    fn terminate(&mut self, run: RunId, end: impl Fn(Option<i32>) -> End) {
        let Some(process) = self.processes.get_mut(&run) else {
            return;
        };
        if process.stopping {
            return;
        }
        process.stopping = true;
        self.serial += 1;
        process.turn = u32::try_from(self.serial % u64::from(u32::MAX)).unwrap_or(0);
        let (turn, began, grace) = (process.turn, process.began, process.start.grace);
        let pause = match began {
            Some(_) => self.dice.up_to(grace),
            None => SignedDuration::from_millis(1),
        };
        self.after(pause, Later::Ends(run, turn, end(None)));
    }

    fn gone(&mut self, run: RunId, end: End) {
        let Some(process) = self.processes.remove(&run) else {
            return;
        };
        self.note(Happened::Gone {
            run,
            end: end.clone(),
        });
        let since = process.began.unwrap_or(process.since);
        let report = silent(end, self.elapsed.saturating_sub(since));
        self.tell(Event::Ended { run, report });
        if process.holds {
            self.release(&process.start.locks);
        }
    }

    fn release(&mut self, files: &[String]) {
        for file in files {
            if let Some(count) = self.held.get_mut(file) {
                *count -= 1;
                if *count == 0 {
                    self.held.remove(file);
                }
            }
        }
        let waiting: Vec<RunId> = self
            .processes
            .iter()
            .filter(|(_, p)| !p.holds && !p.stopping)
            .map(|(run, _)| *run)
            .collect();
        for run in waiting {
            let locks = &self.processes[&run].start.locks;
            if locks.iter().all(|file| !self.held.contains_key(file)) {
                self.take(run);
            }
        }
    }
}

/// Of an attempt that printed nothing.
fn silent(end: End, elapsed: SignedDuration) -> Report {
    Report {
        end,
        elapsed,
        output_bytes: 0,
        log: false,
        tail: String::new(),
    }
}
