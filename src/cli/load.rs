//! What commands start from: the configuration, the state, the times that were given.
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::refusal::{Refusal, refused, usage};
use crate::clock;
use crate::config::{self, Env, Loaded, Purpose, instant};
use crate::core::apply::apply;
use crate::core::calendar::Zone;
use crate::core::state::State;
use crate::exit::Exit;
use crate::store::Reader;

/// What is common to all commands.
#[derive(Debug)]
pub struct Context {
    pub config: Option<PathBuf>,
    pub env: Env,
    pub json: bool,
    /// One instant for the whole command.
    pub now: Timestamp,
    /// Whether problems are shown in colour.
    pub colour: bool,
}

impl Context {
    /// The configuration, to answer a question with. Its warnings are for `check`.
    ///
    /// # Errors
    /// A [`Refusal`] with all problems.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        let path = self.path()?;
        config::load(&path, &self.env, self.now, Purpose::Read).map_err(|e| self.config_refused(&e))
    }

    /// Another configuration than the one that was named, to compare with.
    ///
    /// # Errors
    /// A [`Refusal`] with all problems.
    pub fn load_other(&self, path: &Path) -> anyhow::Result<Loaded> {
        config::load(path, &self.env, self.now, Purpose::Read).map_err(|e| self.config_refused(&e))
    }

    /// The same for what acts on it.
    ///
    /// # Errors
    /// A [`Refusal`] with all problems.
    pub fn load_for(&self, purpose: Purpose) -> anyhow::Result<Loaded> {
        let path = self.path()?;
        config::load(&path, &self.env, self.now, purpose).map_err(|e| self.config_refused(&e))
    }

    /// Says on standard error what is odd about the configuration.
    pub fn warn(&self, loaded: &Loaded) {
        if !loaded.warnings.is_empty() {
            let text = config::render(&loaded.warnings, &loaded.sources, self.colour);
            // Nobody is left to be told where standard error is gone.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }

    pub(super) fn path(&self) -> anyhow::Result<PathBuf> {
        config::find(self.config.as_deref(), &self.env).map_err(|e| {
            Refusal {
                exit: Exit::Config,
                text: e.to_string(),
            }
            .into()
        })
    }

    fn config_refused(&self, refused: &config::Refused) -> anyhow::Error {
        let text = config::render(&refused.problems, &refused.sources, self.colour);
        Refusal {
            exit: Exit::Config,
            text,
        }
        .into()
    }
}

/// To the second, as people count.
pub fn now() -> Timestamp {
    let now = clock::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The recorded state, read beside a live daemon or without one; the empty one where nothing is recorded.
///
/// # Errors
/// A [`Refusal`] where the state is damaged, newer, or cannot be read.
pub fn state(loaded: &Loaded) -> anyhow::Result<State> {
    let Some(reader) = reader(loaded)? else {
        return Ok(State::default());
    };
    let (state, _) = reader.load(apply).map_err(|e| refused(e.to_string()))?;
    Ok(state)
}

/// The reader of the recorded state; `None` where nothing is recorded.
///
/// # Errors
/// A [`Refusal`] where the state is damaged, newer, or cannot be read.
pub fn reader(loaded: &Loaded) -> anyhow::Result<Option<Reader>> {
    Reader::open(&loaded.settings.state_dir).map_err(|e| refused(e.to_string()))
}

/// An instant as people give it: RFC 3339, local time of the zone, `now`, `today`, `tomorrow`.
///
/// # Errors
/// A [`Refusal`] that shows the shape.
pub fn time(text: &str, zone: &Zone, now: Timestamp) -> anyhow::Result<Timestamp> {
    let midnight = |days: i64| {
        let date = zone
            .date(now)
            .saturating_add(SignedDuration::from_hours(24 * days));
        zone.instant(date.at(0, 0, 0, 0))
    };
    match text.trim() {
        "now" => return Ok(now),
        "today" => return Ok(midnight(0)),
        "tomorrow" => return Ok(midnight(1)),
        _ => {}
    }
    // What other programs print has fractions of a second; people have none.
    if let Ok(instant) = text.trim().parse::<Timestamp>() {
        return Ok(instant);
    }
    match instant::parse(text) {
        Ok(instant::Written::Local(local)) => Ok(zone.instant(local)),
        Ok(instant::Written::Instant(instant)) => Ok(instant),
        Err(shape) => Err(usage(format!("{text:?} is no time: {shape}"))),
    }
}

/// The end of a span that begins at `from`.
///
/// # Errors
/// A [`Refusal`] where it does not lie after the beginning.
pub fn until(
    text: &str,
    from: Timestamp,
    zone: &Zone,
    now: Timestamp,
) -> anyhow::Result<Timestamp> {
    let until = time(text, zone, now)?;
    if until <= from {
        return Err(usage(format!(
            "the span ends at {until}, before it begins at {from}"
        )));
    }
    Ok(until)
}

/// Days of 24 hours after an instant.
pub fn days_after(from: Timestamp, days: u32) -> Timestamp {
    from.saturating_add(SignedDuration::from_hours(24 * i64::from(days)))
        .unwrap_or(Timestamp::MAX)
}
