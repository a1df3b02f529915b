//! Durable transitions a second, beside a bare write and `fdatasync` of records of 200 bytes on the same file system.
//!
//! `cargo bench --bench transitions [-- FOLDER]`; the folder is to be on the device that matters. Both are measured in
//! turns, so that a busy device is busy for both.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use offhours::core::fact::{AttemptEnded, Fact};
use offhours::core::run::{Dues, Outcome, What};
use offhours::store::{Facts, Store};

const ROUNDS: usize = 8;
const EACH: usize = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let base = std::env::args()
        .skip(1)
        .find(|arg| !arg.starts_with('-'))
        .unwrap_or_else(|| "target".into());
    let dir = tempfile::Builder::new()
        .prefix("transitions")
        .tempdir_in(base)?;
    let mut store = Store::open(&dir.path().join("state"))?;
    let mut bare = create(&dir.path().join("bare"))?;
    let start = Timestamp::from_second(1_800_000_000)?;
    let mut run = 1;
    let (mut single, mut batched, mut base, mut over) = (vec![], vec![], vec![], vec![]);
    let overwritten = dir.path().join("overwritten");
    create(&overwritten)?.write_all(&vec![b'x'; 200 * EACH])?;
    for round in 0..=ROUNDS {
        let began = Instant::now();
        for _ in 0..EACH {
            bare.write_all(&[b'x'; 200])?;
            bare.sync_data()?;
        }
        let bare_took = began.elapsed();

        let mut file = OpenOptions::new().write(true).open(&overwritten)?;
        let began = Instant::now();
        for _ in 0..EACH {
            file.write_all(&[b'y'; 200])?;
            file.sync_data()?;
        }
        let over_took = began.elapsed();

        let began = Instant::now();
        for _ in 0..EACH / 2 {
            for fact in run_of(run, start) {
                let next = store.next();
                store.append(next, &[(start, fact)])?;
            }
            run += 1;
        }
        let single_took = began.elapsed();

        let mut many = Vec::new();
        for _ in 0..EACH {
            many.extend(run_of(run, start).map(|fact| (start, fact)));
            run += 1;
        }
        let began = Instant::now();
        let next = store.next();
        store.append(next, &many)?;
        let batch_took = began.elapsed();
        // The first round makes room in the files.
        if round > 0 {
            base.push(bare_took);
            over.push(over_took);
            single.push(single_took);
            batched.push(batch_took);
        }
    }
    let bare_rate = rate(&base, EACH);
    let single_rate = rate(&single, EACH);
    println!("bare write + fdatasync, growing file:     {bare_rate:>9.0} /s");
    println!(
        "bare write + fdatasync, file in place:    {:>9.0} /s",
        rate(&over, EACH)
    );
    println!("one fact, durable:                        {single_rate:>9.0} /s");
    println!(
        "{} facts in one append:                  {:>9.0} /s",
        2 * EACH,
        rate(&batched, 2 * EACH)
    );
    println!(
        "one fact against the growing file:        {:>9.2}",
        single_rate / bare_rate
    );
    Ok(())
}

/// The median round.
fn rate(took: &[Duration], count: usize) -> f64 {
    let mut sorted = took.to_vec();
    sorted.sort();
    count as f64 / sorted[sorted.len() / 2].as_secs_f64()
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn run_of(run: u64, at: Timestamp) -> [Fact; 2] {
    let what = What::Periodic {
        host: "local".into(),
        job: "rotate-sessions".into(),
    };
    let due = Some(Dues::one(at));
    [
        Fact::AttemptStarted {
            reboot: false,
            way: None,
            run,
            attempt: 1,
            what: what.clone(),
            due,
            stop_by: None,
        },
        Fact::AttemptEnded(Box::new(AttemptEnded {
            to_be_seen: false,
            run,
            attempt: 1,
            what,
            due,
            started: at,
            elapsed: SignedDuration::from_secs(3),
            outcome: Outcome::Succeeded,
            exit_code: Some(0),
            reason: None,
            output_bytes: 0,
            log: false,
            tail: String::new(),
            carried: false,
            retry: None,
        })),
    ]
}
