//! Where the random cases come from: a fixed seed, so that every run tries the same, or any other.
//!
//! `CALENDAR_SEED=clock cargo test --test calendar_oracle` takes one from the clock, `CALENDAR_SEED=n` that one again;
//! `CALENDAR_CASES=10` tries ten times as many.
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngSeed, TestRunner};

const FIXED: u64 = 20_260_329;

/// The seed of this run; one that was asked for is printed, also by tests that pass.
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let seed = match std::env::var("CALENDAR_SEED") {
            Ok(wanted) if wanted == "clock" => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                since.as_secs() ^ u64::from(since.subsec_nanos())
            }
            Ok(wanted) => wanted.parse().expect("CALENDAR_SEED: a number, or clock"),
            Err(_) => return FIXED,
        };
        say(&format!("CALENDAR_SEED={seed}"));
        seed
    })
}

/// How many times as many cases as usual.
pub fn times() -> u32 {
    let wanted = std::env::var("CALENDAR_CASES").ok();
    wanted.map_or(1, |times| times.parse().expect("CALENDAR_CASES: a number"))
}

/// So many cases of a property.
pub fn cases(cases: u32) -> Config {
    Config {
        rng_seed: RngSeed::Fixed(seed()),
        failure_persistence: None,
        ..Config::with_cases(cases * times())
    }
}

/// Draws from strategies by the seed of this run, where many cases are judged at once.
pub struct Dice(TestRunner);

impl Dice {
    pub fn new() -> Dice {
        Dice(TestRunner::new(cases(1)))
    }

    pub fn draw<S: Strategy>(&mut self, strategy: S) -> S::Value {
        strategy.new_tree(&mut self.0).unwrap().current()
    }
}

/// What a test did, beside what the runner says; not eprintln!, which the runner keeps to itself.
pub fn say(line: &str) {
    use std::io::Write as _;
    // Nobody is left to be told where standard error is gone.
    let _ = writeln!(std::io::stderr(), "{line}");
}
