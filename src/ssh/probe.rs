//! What a host has of all that runs on it need.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::conversation::{Text, encoded};
use super::unreachable::one_line;
use super::{Unreachable, ask};
use crate::clock;

/// For the host to answer; becoming somebody else is given up there after 10 s.
const ANSWERED_WITHIN: Duration = Duration::from_secs(40);

/// What was found on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Programs that are not there: of `setsid`, `timeout`, `flock`, `mkfifo`, `head`, `tr`, `sed`.
    pub missing: Vec<String>,
    /// Whether who logs in may become who is wanted, and execute `/bin/sh`; `None` where nobody else is wanted.
    pub may_become: Option<bool>,
    /// What the host said about that.
    pub noise: String,
    /// Seconds that the host's clock is ahead; clocks less than a second apart are the same.
    pub clock_ahead_s: i64,
    /// Seconds since it was started.
    pub uptime_s: u64,
    pub boot_id: String,
    pub user: String,
    /// Where markers, locks and scripts are.
    pub state: String,
    /// Bytes that are free there, or where it is going to be made; `None` where it cannot be written.
    pub free: Option<u64>,
}

/// Asks a host in one command as who logs in, and where somebody else is wanted and may be had, once more as that.
pub async fn probe(control: &Path, r#become: &[String]) -> Result<Found, Unreachable> {
    let all = async {
        let mut found = answer(control, &[], r#become).await?;
        if found.may_become == Some(true) {
            // What is needed is needed there.
            match answer(control, r#become, &[]).await {
                Ok(there) => {
                    let Found {
                        missing,
                        state,
                        free,
                        ..
                    } = there;
                    found = Found {
                        missing,
                        state,
                        free,
                        ..found
                    };
                }
                Err(error) => (found.may_become, found.noise) = (Some(false), error.why),
            }
        }
        Ok(found)
    };
    match timeout(ANSWERED_WITHIN, all).await {
        Ok(answer) => answer,
        Err(_) => Err(Unreachable::new("the host did not answer in time")),
    }
}

/// As whom it is asked, and whom to try to become.
async fn answer(
    control: &Path,
    becoming: &[String],
    r#become: &[String],
) -> Result<Found, Unreachable> {
    let mut conversation = ask::open(control, becoming, Text::Probe).await?;
    let mut order = format!("{}\n", r#become.len());
    for word in r#become {
        order.push_str(&encoded(word));
        order.push('\n');
    }
    let before = clock::now().as_millisecond();
    conversation.send(order.as_bytes()).await;
    let mut found = Found::default();
    while let Some(word) = conversation.words.next().await {
        let (kind, rest) = word.split_once(' ').unwrap_or((&word, ""));
        let number = || rest.parse::<u64>().ok();
        match kind {
            "clock" => {
                let after = clock::now().as_millisecond();
                let there = number().and_then(|second| i64::try_from(second).ok());
                found.clock_ahead_s = there.map_or(0, |there| ahead(there, before, after));
            }
            "uptime" => found.uptime_s = number().unwrap_or_default(),
            "boot" => found.boot_id = one_line(rest),
            "user" => found.user = one_line(rest),
            "missing" if found.missing.len() < 16 => found.missing.push(one_line(rest)),
            "state" => found.state = one_line(rest),
            "free" => found.free = number().and_then(|kib| kib.checked_mul(1024)),
            "become" => found.may_become = Some(rest == "yes"),
            "done" => {
                found.noise = conversation.words.noise();
                conversation.end();
                return Ok(found);
            }
            _ => {}
        }
    }
    let noise = conversation.words.noise();
    Err(Unreachable::new(&format!(
        "the host gave no answer: {noise}"
    )))
}

/// A whole second there, read at some moment between two here, in milliseconds.
fn ahead(there: i64, before: i64, after: i64) -> i64 {
    let (earliest, latest) = (there.saturating_mul(1000), there.saturating_mul(1000) + 999);
    if earliest > after {
        return (earliest - after + 999) / 1000;
    }
    if latest < before {
        return -((before - latest + 999) / 1000);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_may_agree_do() {
        assert_eq!(ahead(100, 99_900, 100_100), 0);
        assert_eq!(ahead(100, 100_900, 101_100), 0);
        assert_eq!(ahead(103, 100_000, 100_200), 3);
        assert_eq!(ahead(97, 100_000, 100_200), -3);
    }
}
