//! Why a text could not be read, and where.
use std::fmt;
use std::ops::Range;

/// One mistake in a text: the bytes it stands on, what is wrong, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Bytes of the text as it was given; always on character boundaries.
    pub range: Range<usize>,
    pub message: String,
    /// What would be right; empty where nothing can be suggested.
    pub hint: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Malformed {}

impl Malformed {
    pub(super) fn new(
        range: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Malformed {
            range,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The same mistake, seen from a text in which this one begins at `start`.
    pub(super) fn shifted(mut self, start: usize) -> Self {
        self.range = self.range.start + start..self.range.end + start;
        self
    }
}

/// The pieces of `text` between separators, with the byte at which each begins.
pub(super) fn pieces(
    text: &str,
    separator: impl Fn(char) -> bool,
) -> impl Iterator<Item = (usize, &str)> {
    text.split(separator)
        .map(move |piece| (piece.as_ptr() as usize - text.as_ptr() as usize, piece))
}
