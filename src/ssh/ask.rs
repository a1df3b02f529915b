//! What became of a run whose end was not heard.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::conversation::{Conversation, Silence, Text, encoded};
use super::order::is_file_name;
use super::{Unreachable, Verdict};

/// For the host to answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// What the host knows of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It did not begin, and will not.
    NeverBegan,
    /// It runs, since this second since 1970 by the host's clock; or waits there for a lock, since it was ordered.
    Running { since: u64 },
    /// It ended, and nothing of it is left.
    Ended { verdict: Verdict },
    /// It began, and what should have told its end is gone: the host was restarted, or the runner killed. After a
    /// restart nothing of it is left; otherwise processes may be.
    Gone,
}

/// Asks a host, as whom the run was ordered: markers are in the state folder of who ran it. Those older than 30 days are
/// removed, and those runs "never began".
pub async fn ask(control: &Path, r#become: &[String], run: &str) -> Result<Fate, Unreachable> {
    if !is_file_name(run) {
        return Err(Unreachable::new("no run has such a name"));
    }
    match timeout(ANSWERED_WITHIN, answer(control, r#become, run)).await {
        Ok(answer) => answer,
        Err(_) => Err(Unreachable::new("the host did not answer in time")),
    }
}

async fn answer(control: &Path, r#become: &[String], run: &str) -> Result<Fate, Unreachable> {
    let mut conversation = open(control, r#become, Text::Ask).await?;
    conversation
        .send(format!("{}\n", encoded(run)).as_bytes())
        .await;
    while let Some(word) = conversation.words.next().await {
        if let Some(fate) = word.strip_prefix("fate ").and_then(understood) {
            conversation.end();
            return Ok(fate);
        }
    }
    let noise = conversation.words.noise();
    Err(Unreachable::new(&format!(
        "the host gave no answer: {noise}"
    )))
}

pub(super) async fn open(
    control: &Path,
    r#become: &[String],
    text: Text,
) -> Result<Conversation, Unreachable> {
    let opened = Conversation::open(control, r#become, text).await;
    opened.map_err(|silence| match silence {
        Silence::Unreachable(why) | Silence::Refused(why) => Unreachable::new(&why),
    })
}

fn understood(answer: &str) -> Option<Fate> {
    let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    Some(match word {
        "never" => Fate::NeverBegan,
        "running" => Fate::Running {
            since: rest.parse().ok()?,
        },
        "ended" => Fate::Ended {
            verdict: Verdict::from_end(rest)?,
        },
        "gone" => Fate::Gone,
        _ => return None,
    })
}
