//! `windows.toml`, and the daemon playing two days of it on a machine on which everything goes wrong.
//!
//! The first byte is the seed of what happens.

use std::sync::Arc;

use jiff::SignedDuration;
use offhours::config::{self, Env, Purpose};
use offhours::core::policy::{Due, Policy};
use offhours::simulate::{Dice, Faults, Play, Trace, befall, watch};

use super::fixture::{self, now};

const LENGTH: SignedDuration = SignedDuration::from_hours(48);
/// A file in which more than so much happens takes longer and shows nothing new.
const MOST: u64 = 400;

pub fn run(data: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = fixture::folder();
    }
    let Some((seed, text)) = data.split_first() else {
        return;
    };
    let loaded = FOLDER.with(|folder| {
        let file = folder.path().join("windows.toml");
        fixture::write(&file, text);
        config::load(&file, &Env::default(), now(), Purpose::Read)
    });
    let Ok(loaded) = loaded else { return };
    if !quiet(&loaded.policy) {
        return;
    }
    let policy = Arc::new(loaded.policy);
    let seed = u64::from(*seed);
    let faults = match seed % 4 {
        0 => Faults::None,
        1 => Faults::Some,
        _ => Faults::All,
    };
    let play = Play {
        happenings: befall(seed, faults, LENGTH, &policy),
        policies: vec![policy],
        from: now(),
        length: LENGTH,
        dice: Dice::new(seed, faults),
    };
    let close = watch(play, &mut Trace::default());
    assert!(close.broken.is_none(), "{:?}", close.broken);
}

/// Whether little enough happens.
fn quiet(policy: &Policy) -> bool {
    let until = now() + LENGTH;
    let periodic = policy.periodic.values();
    let schedules = periodic.map(|job| job.schedule.count_between(&job.zone, now(), until));
    let dues = policy.maintenance.values().map(|job| match &job.due {
        Due::Schedule(expr, zone) => expr.count_between(zone, now(), until),
        Due::Window | Due::Request => 1,
    });
    let windows = policy.windows.values();
    let most = MOST as usize;
    let opens = windows.map(|window| window.occurrences(now(), until).take(most).count() as u64);
    schedules.chain(dues).chain(opens).sum::<u64>() < MOST
}
