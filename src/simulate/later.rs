//! What is under way on a made-up machine.

use jiff::SignedDuration;

use super::happening::Happening;
use crate::core::effect::Start;
use crate::core::event::Answer;
use crate::core::letter::Letter;
use crate::core::notice::NoticeId;
use crate::core::run::{End, RunId};

/// What comes by itself after a while.
pub enum Later {
    Befalls(Happening),
    DiskWell,
    HooksWell,
    LockFree(String),
    Begins(RunId, u32),
    TimesOut(RunId, u32),
    Ends(RunId, u32, End),
    NoLock(RunId, u32),
    /// A host tells how an attempt of an earlier life ended.
    Tells(RunId, End, u32),
    Answers(NoticeId, Answer, Option<Box<Letter>>, u32),
}

/// What was started, and is not gone.
pub struct Process {
    pub start: Start,
    /// Changes when its end is decided anew.
    pub turn: u32,
    /// Held, or waited for.
    pub holds: bool,
    pub began: Option<SignedDuration>,
    pub stopping: bool,
    pub since: SignedDuration,
}
