//! The texts that were read, so that a problem can show the place it speaks of.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A span of bytes in one of the [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Index into the sources, in the order in which they were read.
    pub file: u32,
    pub start: u32,
    pub end: u32,
}

/// One text: a file, or an environment variable under its name.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// Where each line begins.
    lines: Vec<u32>,
}

impl Source {
    /// `text` is at most 4 GiB; readers bound it far below.
    #[must_use]
    pub fn new(path: PathBuf, text: String) -> Self {
        let mut lines = vec![0];
        lines.extend(
            text.bytes()
                .enumerate()
                .filter(|&(_, byte)| byte == b'\n')
                .filter_map(|(at, _)| u32::try_from(at + 1).ok()),
        );
        Self { path, text, lines }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte, both from 1; columns count characters.
    #[must_use]
    pub fn position(&self, at: usize) -> (usize, usize) {
        let at = self.text.floor_char_boundary(at);
        let line = self.lines.partition_point(|&start| start as usize <= at);
        let start = self.line_start(line);
        (line, self.text[start..at].chars().count() + 1)
    }

    /// The byte at which a line (from 1) begins.
    #[must_use]
    pub fn line_start(&self, line: usize) -> usize {
        let start = self.lines.get(line.saturating_sub(1)).copied();
        start.map_or(self.text.len(), |start| start as usize)
    }

    /// A line (from 1) without its end.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        let (start, end) = (self.line_start(line), self.line_start(line + 1));
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }
}

/// All texts that were read for one configuration, in the order of reading.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Arc<Source>>,
    /// What is never shown.
    concealed: Vec<Place>,
}

impl Sources {
    /// Adds a text and returns its index.
    pub fn push(&mut self, source: Arc<Source>) -> u32 {
        self.files.push(source);
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    #[must_use]
    pub fn get(&self, file: u32) -> Option<&Source> {
        self.files.get(file as usize).map(Arc::as_ref)
    }

    /// What stands there is a secret: it is not shown with what is wrong on its line.
    pub fn conceal(&mut self, place: Place) {
        self.concealed.push(place);
    }

    /// The bytes of that path's text that are not to be shown.
    pub fn concealed(&self, path: &Path) -> impl Iterator<Item = Range<usize>> {
        let file = self.files.iter().position(|source| source.path == path);
        let file = file.and_then(|file| u32::try_from(file).ok());
        let here = self
            .concealed
            .iter()
            .filter(move |place| Some(place.file) == file);
        here.map(|place| place.start as usize..place.end as usize)
    }

    /// A text, to be read while problems are told.
    #[must_use]
    pub fn share(&self, file: u32) -> Option<Arc<Source>> {
        self.files.get(file as usize).cloned()
    }

    /// The text of that path, where it was read.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<&Source> {
        self.files
            .iter()
            .map(Arc::as_ref)
            .find(|source| source.path == path)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.files.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("x.toml".into(), text.to_owned())
    }

    #[test]
    fn positions_count_characters_from_one() {
        let source = source("a = 1\r\nüb = \"ß\"\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(4), (1, 5));
        assert_eq!(source.position(7), (2, 1));
        // Behind the two bytes of `ü`, and between them.
        assert_eq!(source.position(9), (2, 2));
        assert_eq!(source.position(8), (2, 1));
        assert_eq!(
            (source.line(1), source.line(2), source.line(3)),
            ("a = 1", "üb = \"ß\"", "")
        );
    }

    #[test]
    fn what_lies_outside_is_answered_too() {
        for text in ["", "\n", "a"] {
            let source = source(text);
            assert!(source.position(1_000).0 >= 1);
            assert_eq!(source.line(1_000), "");
            assert!(source.line(0).is_empty());
        }
    }
}
