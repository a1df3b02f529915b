//! Many seeds, on all processors. More of them: `SEEDS=20000 FROM=5000 cargo test --test simulation seeds`; one again:
//! `SEED=n`, with `SHOW=1` everything that happened.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::SignedDuration;
use offhours::core::policy::Policy;
use offhours::simulate::{Dice, Faults, Happening, Play, Played, play};

use crate::{generate, invariants, scene};

const DAYS: i64 = 30;
const REST: i64 = 9;
/// Months that every run plays.
const SEEDS: u64 = 2_000;
/// Failing seeds that are named; more of them say nothing new.
const NAMED: usize = 10;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// One month, or a part of it.
#[derive(Clone, Debug)]
struct Month {
    seed: u64,
    days: i64,
    /// Which of the happenings befall the machine; none means all.
    only: Option<BTreeSet<usize>>,
}

impl Month {
    fn whole(seed: u64) -> Self {
        Self {
            seed,
            days: DAYS,
            only: None,
        }
    }

    fn faults(&self) -> Faults {
        match self.seed % 4 {
            0 => Faults::None,
            1 => Faults::Some,
            _ => Faults::All,
        }
    }

    /// The happenings by their place; calm comes last, at the end of the days.
    fn happenings(&self) -> Vec<(usize, (SignedDuration, Happening))> {
        let end = SignedDuration::from_hours(24 * self.days);
        let all = generate::happenings(self.seed, DAYS, self.faults());
        let mut list: Vec<_> = all
            .into_iter()
            .enumerate()
            .filter(|(place, (at, what))| {
                !matches!(what, Happening::Calm)
                    && (*at < end || matches!(what, Happening::Ask(_)))
                    && self.only.as_ref().is_none_or(|only| only.contains(place))
            })
            .collect();
        list.push((usize::MAX, (end, Happening::Calm)));
        list
    }

    fn play(&self) -> (Vec<Arc<Policy>>, Played) {
        let policies = vec![
            scene::policy(&generate::installation(self.seed, false)),
            scene::policy(&generate::installation(self.seed, true)),
        ];
        let happenings = self.happenings();
        let mut dice = Dice::new(self.seed, self.faults());
        dice.silent = self.seed % 8 == 2;
        let played = play(Play {
            policies: policies.clone(),
            from: scene::at(generate::start(self.seed)),
            length: SignedDuration::from_hours(24 * (self.days + REST)),
            happenings: happenings.into_iter().map(|(_, what)| what).collect(),
            dice,
        });
        (policies, played)
    }

    fn violations(&self) -> Vec<String> {
        let (policies, played) = self.play();
        invariants::check(&policies, &played)
    }

    fn violates(&self, name: &str) -> bool {
        let all = self.violations();
        all.iter().any(|what| what.starts_with(name))
    }

    /// The fewest days and happenings that still violate this invariant.
    fn shortest(mut self, name: &str) -> Self {
        for days in [1, 2, 3, 5, 8, 13, 20] {
            let shorter = Self {
                days,
                ..self.clone()
            };
            if days < self.days && shorter.violates(name) {
                self = shorter;
                break;
            }
        }
        let places = self.happenings().into_iter().map(|(place, _)| place);
        let mut kept: Vec<usize> = places.filter(|place| *place != usize::MAX).collect();
        let mut piece = kept.len().div_ceil(2);
        while piece > 0 {
            let mut from = 0;
            while from < kept.len() {
                let mut fewer = kept.clone();
                fewer.drain(from..(from + piece).min(kept.len()));
                let month = Self {
                    only: Some(fewer.iter().copied().collect()),
                    ..self.clone()
                };
                if month.violates(name) {
                    (kept, self) = (fewer, month);
                } else {
                    from += piece;
                }
            }
            piece /= 2;
        }
        self
    }

    /// What repeats it.
    fn command(&self) -> String {
        let mut words = format!("SEED={}", self.seed);
        if self.days != DAYS {
            words += &format!(" DAYS={}", self.days);
        }
        if let Some(only) = &self.only {
            let places: Vec<String> = only.iter().map(ToString::to_string).collect();
            words += &format!(" ONLY={}", places.join(","));
        }
        words + " SHOW=1 cargo test --test simulation seeds -- --nocapture"
    }
}

/// What is asked for by the environment, or the months of every run.
fn wanted() -> (Vec<Month>, bool) {
    let Some(seed) = number("SEED") else {
        let from = number("FROM").unwrap_or(0);
        let seeds = from..from + number("SEEDS").unwrap_or(SEEDS);
        return (seeds.map(Month::whole).collect(), false);
    };
    let mut month = Month::whole(seed);
    if let Some(days) = number("DAYS") {
        month.days = i64::try_from(days).unwrap();
    }
    if let Ok(only) = std::env::var("ONLY") {
        let places = only.split(',').filter(|place| !place.is_empty());
        month.only = Some(places.map(|place| place.parse().unwrap()).collect());
    }
    (vec![month], true)
}

fn show(month: &Month) {
    println!("{}", generate::installation(month.seed, false));
    println!(
        "# after a reload:\n{}",
        generate::installation(month.seed, true)
    );
    for moment in &month.play().1.trace.moments {
        println!("{} {} {:?}", moment.elapsed, moment.at, moment.what);
    }
}

#[test]
fn what_must_hold_holds_for_many_seeds() {
    let (months, one) = wanted();
    if one && number("SHOW").is_some() {
        show(&months[0]);
    }
    let (next, facts) = (AtomicU64::new(0), AtomicU64::new(0));
    let began = std::time::Instant::now();
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = number("THREADS").map_or(all, |n| usize::try_from(n).unwrap());
    // The first few that fail are enough for those who only want to know whether one does.
    let named = number("FIRST").map_or(NAMED, |n| usize::try_from(n).unwrap());
    let mut bad: Vec<(&Month, Vec<String>)> = std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut bad = Vec::new();
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(month) = months.get(usize::try_from(place).unwrap()) else {
                            return bad;
                        };
                        let (policies, played) = month.play();
                        facts.fetch_add(played.trace.facts().count() as u64, Ordering::Relaxed);
                        let found = invariants::check(&policies, &played);
                        if !found.is_empty() {
                            bad.push((month, found));
                        }
                        if bad.len() >= named {
                            return bad;
                        }
                    }
                })
            })
            .collect();
        let ends = players.into_iter().map(|player| player.join().unwrap());
        ends.flatten().collect()
    });
    println!(
        "{} months, {} facts, {:?}",
        months.len(),
        facts.into_inner(),
        began.elapsed()
    );
    bad.sort_by_key(|(month, _)| month.seed);
    if let Some((month, found)) = bad.first() {
        let name = found[0].split(": ").next().unwrap_or_default();
        let shortest = if number("SHORTEN") == Some(0) {
            (*month).clone()
        } else {
            (*month).clone().shortest(name)
        };
        let all: Vec<String> = bad
            .iter()
            .flat_map(|(month, found)| found.iter().take(3).map(|what| (month.seed, what)))
            .map(|(seed, what)| format!("seed {seed}: {what}"))
            .collect();
        panic!(
            "{} of the months, among others:\n{}\n\nshortest: {}",
            bad.len(),
            all.join("\n"),
            shortest.command()
        );
    }
}

/// Seeds that once found something, with what they found.
#[test]
fn what_was_found_once_stays_found() {
    for seed in FOUND {
        let found = Month::whole(*seed).violations();
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
}

// A job that left the configuration while it ran, and asked to be put off, counted as served.
const FOUND: &[u64] = &[979, 2866, 3270, 3678, 4102, 7841, 16879, 18882];

/// For the check that each invariant can fail.
#[test]
fn the_invariants_have_names() {
    let names: Vec<&str> = invariants::names().collect();
    println!("invariants: {}", names.join(" "));
    let different: BTreeSet<&&str> = names.iter().collect();
    assert_eq!(different.len(), names.len());
}
