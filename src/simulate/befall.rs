//! What befalls a machine in a played span, drawn from a seed.

use jiff::SignedDuration;

use super::fate::Faults;
use super::happening::Happening;
use crate::core::policy::Policy;

const DAY: i64 = 24 * 3600;

/// What happens to the machine from the start until it is calm: at the end of `span`. The same seed gives the same.
pub fn befall(
    seed: u64,
    faults: Faults,
    span: SignedDuration,
    policy: &Policy,
) -> Vec<(SignedDuration, Happening)> {
    // Another row of numbers than the one that decides how attempts end.
    let mut rng = fastrand::Rng::with_seed(seed ^ 0xb0_1d_fa_ce);
    let seconds = span.as_secs().max(1);
    let days = seconds.div_euclid(DAY).max(1);
    let locks = locks(policy);
    let mut list = Vec::new();
    if faults != Faults::None {
        for _ in 0..days.div_euclid(2).max(1) {
            let at = SignedDuration::from_secs(rng.i64(0..seconds));
            let for_ = SignedDuration::from_secs(rng.i64(1..2 * 3600));
            let happening = match rng.choice(&locks) {
                Some(file) if rng.bool() => Happening::LockHeld {
                    file: file.clone(),
                    for_,
                },
                _ => Happening::HooksBroken { for_ },
            };
            list.push((at, happening));
        }
    }
    if faults == Faults::All {
        for _ in 0..days {
            let at = SignedDuration::from_secs(rng.i64(0..seconds));
            // Mostly minutes; once in a while most of a day.
            let longest = if rng.u32(0..8) == 0 { DAY } else { 3600 };
            let for_ = SignedDuration::from_secs(rng.i64(1..longest));
            list.push((at, worst(&mut rng, for_)));
        }
        // Seldom the clock is a month ahead for a while, or a month behind.
        if rng.u32(0..8) == 0 {
            let at = SignedDuration::from_secs(rng.i64(0..seconds));
            let mended = at + SignedDuration::from_secs(rng.i64(1..2 * DAY));
            let by = SignedDuration::from_secs(30 * DAY);
            let by = if rng.bool() { by } else { -by };
            list.push((at, Happening::ClockStep { by }));
            if mended.as_secs() < seconds {
                list.push((mended, Happening::ClockStep { by: -by }));
            }
        }
    }
    // Whatever lasts ends with the faults.
    for (at, happening) in &mut list {
        let left = SignedDuration::from_secs(seconds) - *at;
        match happening {
            Happening::HooksBroken { for_ }
            | Happening::LockHeld { for_, .. }
            | Happening::DiskFull { for_, .. } => *for_ = left.min(*for_),
            _ => {}
        }
    }
    list.push((SignedDuration::from_secs(seconds), Happening::Calm));
    list
}

/// What only a bad day brings.
fn worst(rng: &mut fastrand::Rng, for_: SignedDuration) -> Happening {
    match rng.u32(0..12) {
        0..5 => Happening::Kill {
            after: rng.u32(0..12),
            down_for: for_,
        },
        5..7 => Happening::Stop { down_for: for_ },
        7 => Happening::ClockStep { by: for_ },
        8 => Happening::ClockStep { by: -for_ },
        9 => Happening::Suspend { for_ },
        10 => Happening::DiskFull {
            for_,
            spare: rng.u32(0..40),
        },
        _ => Happening::Reload { index: 0 },
    }
}

/// The lock files that somebody else might hold: those that jobs name themselves.
fn locks(policy: &Policy) -> Vec<String> {
    let mut names: Vec<String> = policy
        .maintenance
        .values()
        .flat_map(|job| &job.locks)
        .chain(policy.periodic.values().flat_map(|job| &job.locks))
        .map(|name| format!("{name}.lock"))
        .collect();
    names.sort();
    names.dedup();
    names
}
