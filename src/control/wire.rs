//! Requests and replies, one JSON object a line.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::core::run::RunId;
use crate::core::state::State;
use crate::core::wish::Wish;

/// The longest line either side reads, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// What an operator wishes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// One session of the app now; its events follow.
    Rehearse {
        app: String,
        reason: String,
        hooks: bool,
        jobs: bool,
    },
    /// Anything else an operator may wish; `dry_run` says what would come of it.
    Ask {
        wish: Wish,
        reason: String,
        #[serde(default)]
        dry_run: bool,
    },
    /// Stop as soon as nothing is under way; what supervises the daemon starts it again.
    Restart,
    /// Whether what happens can be recorded.
    Trouble,
    /// What a command prints that only reads, for who cannot read the files themselves.
    Read {
        what: Reading,
        #[serde(default)]
        look: Look,
    },
    /// The next event, or a moment without one.
    Next,
}

/// A command that only reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reading {
    Status {
        #[serde(default)]
        bars: bool,
    },
    Monitor {
        notices_warning: String,
        notices_critical: String,
    },
    Plan {
        from: String,
        days: Option<u32>,
        until: Option<String>,
        #[serde(default)]
        rows: Rows,
    },
    Explain {
        job: String,
        host: Option<String>,
        at: String,
    },
    History {
        job: Option<String>,
        session: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        since: Option<String>,
        failed: bool,
        #[serde(default)]
        rows: Rows,
    },
    Logs {
        run: String,
    },
}

/// How much of a long listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    pub limit: Option<usize>,
    #[serde(default)]
    pub all: bool,
}

/// For whom it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    #[serde(default)]
    pub json: bool,
    #[serde(default)]
    pub colour: bool,
    /// Columns of the terminal, where it is one.
    pub width: Option<u16>,
}

impl Reading {
    /// The words after the program's name: what came from outside never stands where an option could.
    pub fn words(&self, look: Look) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        words.push(format!(
            "--color={}",
            if look.colour { "always" } else { "never" }
        ));
        words.extend(look.width.map(|width| format!("--columns={width}")));
        words.extend(look.json.then(|| "--json".to_owned()));
        let option = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("--{name}={value}"))
        };
        let mut named: Vec<&String> = Vec::new();
        match self {
            Self::Status { bars } => {
                words.push("status".into());
                words.extend(bars.then(|| "--bars".to_owned()));
            }
            Self::Monitor {
                notices_warning,
                notices_critical,
            } => {
                words.push("monitor".into());
                words.push(format!("--notices-warning={notices_warning}"));
                words.push(format!("--notices-critical={notices_critical}"));
            }
            Self::Plan {
                from,
                days,
                until,
                rows,
            } => {
                words.push("plan".into());
                words.push(format!("--from={from}"));
                words.extend(days.map(|days| format!("--days={days}")));
                words.extend(option("until", until));
                words.extend(rows.words());
            }
            Self::Explain { job, host, at } => {
                words.push("explain".into());
                words.extend(option("host", host));
                words.push(format!("--at={at}"));
                named.push(job);
            }
            Self::History {
                job,
                session,
                host,
                since,
                failed,
                rows,
            } => {
                words.push("history".into());
                words.extend(option("session", session));
                words.extend(option("host", host));
                words.extend(option("since", since));
                words.extend(failed.then(|| "--failed".to_owned()));
                words.extend(rows.words());
                named.extend(job);
            }
            Self::Logs { run } => {
                words.push("logs".into());
                named.push(run);
            }
        }
        if !named.is_empty() {
            words.push("--".into());
            words.extend(named.into_iter().cloned());
        }
        words
    }
}

impl Rows {
    fn words(self) -> Option<String> {
        match (self.limit, self.all) {
            (Some(limit), _) => Some(format!("--limit={limit}")),
            (None, true) => Some("--all".into()),
            (None, false) => None,
        }
    }
}

/// Runs of which the daemon says what it sees, and characters of each text: they all go into one line.
const SEEN: usize = 64;
const WORDS: usize = 160;

/// What a daemon sees of a run and does not record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Who holds the lock that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Why it is not known how it ended, and until when its host is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unheard: Option<(String, Timestamp)>,
}

/// That of some of them.
pub type SeenRuns = Vec<(RunId, Seen)>;

impl Seen {
    /// Of the first runs of which there is something to say.
    pub fn of(state: &State) -> SeenRuns {
        let short = |text: &String| text.chars().take(WORDS).collect();
        let seen = state.running.iter().map(|(run, running)| {
            let unheard = running.unheard.as_ref();
            let seen = Self {
                waiting: running.waiting.as_ref().map(short),
                unheard: unheard.map(|(why, until)| (short(why), *until)),
            };
            (*run, seen)
        });
        seen.filter(|(_, seen)| *seen != Self::default())
            .take(SEEN)
            .collect()
    }

    /// Has a state that was read from the record show it, too.
    pub fn show(runs: SeenRuns, state: &mut State) {
        for (run, seen) in runs {
            if let Some(running) = state.running.get_mut(&run) {
                (running.waiting, running.unheard) = (seen.waiting, seen.unheard);
            }
        }
    }
}

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Not now, or not at all; nothing was done.
    Refused { why: String },
    /// It was asked for; what comes of it follows.
    Accepted,
    /// One event, and the same in words.
    Event {
        event: serde_json::Value,
        words: String,
    },
    /// Why nothing can be recorded, none where it can; and what is seen of runs.
    Trouble {
        why: Option<String>,
        #[serde(default)]
        runs: SeenRuns,
    },
    /// A part of what a command prints.
    Output { text: String },
    /// The command has ended: its exit code, and what it said on standard error.
    Ended { code: u8, said: String },
    /// It is over.
    Done { well: bool },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_of_runs_is_read_as_it_was_written() {
        let at: Timestamp = "2027-03-01T22:00:00Z".parse().expect("an instant");
        let seen = Seen {
            waiting: None,
            unheard: Some(("the connection broke".into(), at)),
        };
        let reply = Reply::Trouble {
            why: None,
            runs: vec![(7, seen)],
        };
        let text = serde_json::to_string(&reply).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Reply>(&text).expect("a reply"),
            reply
        );
        // By a daemon of before.
        let old = serde_json::from_str::<Reply>(r#"{"reply":"trouble","why":null}"#);
        assert!(matches!(old, Ok(Reply::Trouble { why: None, .. })));
    }
}
