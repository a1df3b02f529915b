//! A long past, in a state as a daemon leaves it: what questions about it cost is measured by `benches/load.py history`.
//!
//! `cargo bench --bench past -- FILE RUNS`: plays the daemon of the configuration FILE in virtual time up to now, for as
//! long as about RUNS runs take, and records what it recorded in the state folder of FILE, which must be new. One run in
//! twelve goes badly; two in three print something. The last thousands of facts are after the last snapshot, as when a
//! daemon was killed. One line of JSON says what came of it.
use std::error::Error;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use offhours::config::{self, Env, Purpose};
use offhours::core::apply::apply;
use offhours::core::fact::Fact;
use offhours::core::policy::Policy;
use offhours::core::run::End;
use offhours::core::state::State;
use offhours::logs;
use offhours::simulate::{Dice, Fate, Faults, Happened, Moment, Next, Onlooker, Play, watch};
use offhours::store::{Facts, Keep, Store};

/// As the daemon does it.
const SNAPSHOT_EVERY: u64 = 5_000;
/// Facts recorded in one commit.
const TOGETHER: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [file, runs] = arguments.as_slice() else {
        return Err("past FILE RUNS".into());
    };
    let runs: u64 = runs.parse()?;
    let now = Timestamp::now();
    let loaded = config::load(file.as_ref(), &Env::default(), now, Purpose::Read)
        .map_err(|refused| config::render(&refused.problems, &refused.sources, false))?;
    let policy = Arc::new(loaded.policy);
    let dir = loaded.settings.state_dir;
    let keep = Keep {
        sessions: policy.keep.sessions,
        runs: policy.keep.runs,
        failures: policy.keep.failures,
    };
    let length = SignedDuration::from_secs_f64(runs as f64 / runs_a_day(&policy, now)? * 86_400.0);
    let mut recorder = Recorder {
        store: Store::open(&dir)?,
        dir: &dir,
        state: State::default(),
        waiting: Vec::new(),
        since_snapshot: 0,
        ended: 0,
        error: None,
    };
    let close = watch(
        Play {
            policies: vec![policy],
            from: now.checked_sub(length)?,
            length,
            happenings: Vec::new(),
            dice: dice(),
        },
        &mut recorder,
    );
    if let Some(broken) = close.broken {
        return Err(format!("the play broke: {broken:?}").into());
    }
    recorder.flush();
    if let Some(error) = recorder.error {
        return Err(error);
    }
    while recorder.store.prune(&keep, now)?.more {}
    println!(
        "{{\"runs\":{},\"days\":{:.1},\"facts\":{},\"after_snapshot\":{}}}",
        recorder.ended,
        length.as_secs_f64() / 86_400.0,
        recorder.store.next() - 1,
        recorder.since_snapshot
    );
    Ok(())
}

/// From a day that is played first.
fn runs_a_day(policy: &Arc<Policy>, now: Timestamp) -> Result<f64, Box<dyn Error>> {
    struct Count(u64);
    impl Onlooker for Count {
        fn see(&mut self, moment: &Moment) -> Next {
            self.0 += u64::from(ended(&moment.what));
            Next::On
        }
    }
    const DAYS: i64 = 4;
    let length = SignedDuration::from_hours(24 * DAYS);
    let mut count = Count(0);
    let play = Play {
        policies: vec![Arc::clone(policy)],
        from: now.checked_sub(length)?,
        length,
        happenings: Vec::new(),
        dice: dice(),
    };
    watch(play, &mut count);
    Ok(count.0.max(1) as f64 / DAYS as f64)
}

fn ended(what: &Happened) -> bool {
    matches!(what, Happened::Recorded { fact, .. } if matches!(**fact, Fact::AttemptEnded(_)))
}

/// One attempt in twelve of what is no hook goes badly.
fn dice() -> Dice {
    let mut dice = Dice::new(1, Faults::None);
    let mut rng = fastrand::Rng::with_seed(2);
    dice.script = Some(Box::new(move |start, _| {
        let length = SignedDuration::from_millis(rng.i64(5..90_000));
        let hook = start.what.job().is_none();
        let end = match rng.u8(0..24) {
            0 if !hook => End::Exited { code: 1 },
            1 if !hook => End::Signalled { signal: 9 },
            _ => End::Exited { code: 0 },
        };
        Some(Fate::Ends(length, end))
    }));
    dice
}

/// Writes what a played daemon records.
struct Recorder<'a> {
    store: Store,
    dir: &'a std::path::Path,
    state: State,
    waiting: Vec<(Timestamp, Fact)>,
    since_snapshot: u64,
    ended: u64,
    error: Option<Box<dyn Error>>,
}

impl Onlooker for Recorder<'_> {
    fn see(&mut self, moment: &Moment) -> Next {
        self.ended += u64::from(ended(&moment.what));
        if let Happened::Recorded { decided, fact } = &moment.what {
            let mut fact = (**fact).clone();
            let printed = self.print(&mut fact);
            let applied = apply(&mut self.state, *decided, &fact);
            self.waiting.push((*decided, fact));
            self.error = printed
                .err()
                .map(Into::into)
                .or(applied.err().map(Into::into));
        }
        if self.waiting.len() >= TOGETHER {
            self.flush();
        }
        match self.error {
            Some(_) => Next::End,
            None => Next::On,
        }
    }
}

impl Recorder<'_> {
    fn flush(&mut self) {
        let facts = std::mem::take(&mut self.waiting);
        self.since_snapshot += facts.len() as u64;
        let mut next = self.store.next();
        let mut written = self.store.append(next, &facts).map(|after| next = after);
        if written.is_ok() && self.since_snapshot >= SNAPSHOT_EVERY {
            self.since_snapshot = 0;
            written = self.store.snapshot(&self.state, next);
        }
        if let Err(error) = written {
            self.error = Some(error.into());
        }
    }

    /// Two attempts in three print something.
    fn print(&mut self, fact: &mut Fact) -> std::io::Result<()> {
        let Fact::AttemptEnded(ended) = fact else {
            return Ok(());
        };
        if ended.run % 3 == 0 {
            return Ok(());
        }
        let tail = format!(
            "processed {} records in {} batches",
            ended.run * 7,
            ended.run % 11
        );
        let path = logs::log_path(self.dir, &ended.what, ended.run, ended.attempt);
        std::fs::create_dir_all(path.parent().unwrap_or(self.dir))?;
        std::fs::write(path, format!("{tail}\n").repeat(6))?;
        (ended.log, ended.output_bytes, ended.tail) = (true, 6 * tail.len() as u64 + 6, tail);
        Ok(())
    }
}
