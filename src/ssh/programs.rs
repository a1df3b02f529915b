//! Whether a host has the programs that are to run on it, and whether others could change them there.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::conversation::{Text, encoded};
use super::unreachable::one_line;
use super::{Unreachable, ask};

/// For the host to answer about all of them.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// A program that is to run on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The folder it runs in; that of the user where there is none.
    pub dir: Option<String>,
    /// Where it is looked for; where the host itself looks for programs where there is none.
    pub path: Option<String>,
    /// None for a script that is sent along: only the folder is looked for.
    pub program: Option<String>,
}

/// What is wrong with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The folder cannot be entered.
    Folder,
    /// There is no such program, or it may not be executed.
    Missing,
    /// Others could change it; how is told by the host.
    Open(String),
}

/// Asks a host, as whom `become` makes of the one who logs in. Told is which of them, by its place, has which flaw; the
/// others are well.
///
/// # Errors
/// The host was not reached, or did not answer.
pub async fn programs(
    control: &Path,
    r#become: &[String],
    wanted: &[Wanted],
) -> Result<Vec<(usize, Flaw)>, Unreachable> {
    match timeout(ANSWERED_WITHIN, answer(control, r#become, wanted)).await {
        Ok(answer) => answer,
        Err(_) => Err(Unreachable::new("the host did not answer in time")),
    }
}

async fn answer(
    control: &Path,
    r#become: &[String],
    wanted: &[Wanted],
) -> Result<Vec<(usize, Flaw)>, Unreachable> {
    let mut conversation = ask::open(control, r#become, Text::Programs).await?;
    let mut order = format!("{}\n", wanted.len());
    for one in wanted {
        for value in [&one.dir, &one.path, &one.program] {
            order.push_str(&encoded(value.as_deref().unwrap_or_default()));
            order.push('\n');
        }
    }
    conversation.send(order.as_bytes()).await;
    let mut flaws = Vec::new();
    while let Some(word) = conversation.words.next().await {
        if word == "done" {
            conversation.end();
            return Ok(flaws);
        }
        // At most one of each, whatever a host says.
        if let Some((at, flaw)) = understood(&word)
            && at < wanted.len()
            && flaws.last().is_none_or(|(last, _)| *last < at)
        {
            flaws.push((at, flaw));
        }
    }
    let noise = conversation.words.noise();
    Err(Unreachable::new(&format!(
        "the host gave no answer: {noise}"
    )))
}

fn understood(word: &str) -> Option<(usize, Flaw)> {
    let (kind, rest) = word.split_once(' ')?;
    let (at, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let flaw = match kind {
        "folder" => Flaw::Folder,
        "missing" => Flaw::Missing,
        "open" => Flaw::Open(one_line(text)),
        _ => return None,
    };
    Some((at.parse().ok()?, flaw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_understood() {
        assert_eq!(understood("missing 3"), Some((3, Flaw::Missing)));
        let open = Flaw::Open("/x can be written by others".into());
        assert_eq!(
            understood("open 0 /x can be written by others"),
            Some((0, open))
        );
        for word in ["missing", "missing x", "missing -1", "removed 3", ""] {
            assert_eq!(understood(word), None, "{word}");
        }
    }
}
