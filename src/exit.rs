//! The exit codes of the program, a fixed interface.

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// The command failed; for `status`: something waits for a person; for `plan --against`: the plans differ.
    Failed = 1,
    /// The command line was wrong (clap's own code).
    Usage = 2,
    /// The configuration, or a file it names, was refused.
    Config = 3,
    /// The daemon could not be reached.
    Unreachable = 4,
    /// Not allowed, or refused by the state.
    Refused = 5,
}

impl Exit {
    /// The one with this number, as another process of this program ended.
    pub fn of(code: u8) -> Self {
        match code {
            0 => Self::Ok,
            2 => Self::Usage,
            3 => Self::Config,
            4 => Self::Unreachable,
            5 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
