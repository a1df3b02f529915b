//! Many seeds. One of them again: `SEED=n cargo test --test simulation seeds`; more: `SEEDS=5000`.

use jiff::SignedDuration;
use offhours::simulate::{Dice, Faults, Play, Played, play};

use crate::{generate, invariants, scene};

const DAYS: i64 = 30;
const REST: i64 = 9;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

pub fn played(seed: u64) -> (Vec<std::sync::Arc<offhours::core::policy::Policy>>, Played) {
    let faults = match seed % 4 {
        0 => Faults::None,
        1 => Faults::Some,
        _ => Faults::All,
    };
    let policies = vec![
        scene::policy(&generate::installation(seed, false)),
        scene::policy(&generate::installation(seed, true)),
    ];
    let played = play(Play {
        policies: policies.clone(),
        from: scene::at("2027-03-06T09:17:00Z"),
        length: SignedDuration::from_hours(24 * (DAYS + REST)),
        happenings: generate::happenings(seed, DAYS, faults),
        dice: Dice::new(seed, faults),
    });
    (policies, played)
}

#[test]
fn what_must_hold_holds_for_many_seeds() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(100),
    };
    let from = number("FROM").unwrap_or(0);
    let (mut bad, mut facts) = (Vec::new(), 0_usize);
    let began = std::time::Instant::now();
    let all = seeds.end - seeds.start;
    for seed in seeds.start + from..seeds.end + from {
        let (policies, played) = played(seed);
        if number("SHOW").is_some() {
            println!("{}", generate::installation(seed, false));
            for moment in &played.trace.moments {
                println!("{} {} {:?}", moment.elapsed, moment.at, moment.what);
            }
        }
        facts += played.trace.facts().count();
        let found = invariants::check(&policies, &played);
        for what in found.into_iter().take(3) {
            bad.push(format!("seed {seed}: {what}"));
        }
    }
    println!("{all} months, {facts} facts, {:?}", began.elapsed());
    assert!(
        bad.is_empty(),
        "{} violations:\n{}\nonce more: SEED=n cargo test --test simulation seeds",
        bad.len(),
        bad.iter().take(40).cloned().collect::<Vec<_>>().join("\n")
    );
}
