//! Where commands write: a terminal with its width and colour, or a pipe.
use std::fmt;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};

use super::args::ColorWhen;
use super::table::{Paint, Table};
use crate::text::is_harmful;

/// Nothing can be laid out in fewer columns.
const NARROWEST: usize = 20;

/// On standard error. Where that is gone nobody is left to be told, and the exit code still says it.
pub fn said(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The output of one command.
pub struct Out<'a> {
    writer: &'a mut dyn Write,
    /// Columns, where it is a terminal.
    pub width: Option<usize>,
    pub colour: bool,
}

impl<'a> Out<'a> {
    /// Standard output as it is: `writer` goes there.
    pub fn stdout(writer: &'a mut dyn Write, color: ColorWhen, columns: Option<u16>) -> Self {
        let terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Self {
            writer,
            width: columns
                .map(|columns| usize::from(columns).max(NARROWEST))
                .or_else(|| terminal.then(width)),
            colour: match color {
                ColorWhen::Always => true,
                ColorWhen::Never => false,
                ColorWhen::Auto => terminal && !unwanted,
            },
        }
    }

    /// Takes the width of the terminal again, which may have changed.
    pub fn look_again(&mut self) {
        if self.width.is_some() && io::stdout().is_terminal() {
            self.width = Some(width());
        }
    }

    /// The same kind of output into something else.
    pub fn like<'b>(&self, writer: &'b mut dyn Write) -> Out<'b> {
        Out {
            writer,
            width: self.width,
            colour: self.colour,
        }
    }

    /// A pipe, or a terminal of that width without colour.
    pub fn plain(writer: &'a mut dyn Write, width: Option<usize>) -> Self {
        Self {
            writer,
            width,
            colour: false,
        }
    }

    pub fn is_terminal(&self) -> bool {
        self.width.is_some()
    }

    /// Our own words: what comes from outside has gone through [`crate::text::clean`].
    pub fn line(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.writer.write_fmt(text)?;
        self.writer.write_all(b"\n")
    }

    pub fn painted(&self, paint: Paint, text: &str) -> String {
        paint.on(text, self.colour)
    }

    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        self.writer
            .write_all(table.render(self.width, self.colour).as_bytes())
    }

    /// The note under a listing that was cut.
    pub fn more(&mut self, left_out: usize) -> io::Result<()> {
        if left_out == 0 {
            return Ok(());
        }
        let note = format!("… {left_out} more, use --all or --limit");
        let note = self.painted(Paint::Dim, &note);
        self.line(format_args!("{note}"))
    }

    /// One JSON value, written as it is made.
    pub fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        let mut serializer = serde_json::Serializer::with_formatter(&mut *self.writer, Harmless);
        value.serialize(&mut serializer).map_err(io::Error::from)?;
        self.writer.write_all(b"\n")
    }

    /// An array whose entries are made one by one; after an error it is left unfinished.
    pub fn json_array<T: Serialize>(
        &mut self,
        items: impl Iterator<Item = anyhow::Result<T>>,
    ) -> anyhow::Result<()> {
        self.writer.write_all(b"[")?;
        for (at, item) in items.enumerate() {
            let item = item?;
            self.writer.write_all(if at == 0 { b"" } else { b"," })?;
            let mut serializer =
                serde_json::Serializer::with_formatter(&mut *self.writer, Harmless);
            item.serialize(&mut serializer).map_err(io::Error::from)?;
        }
        self.writer.write_all(b"]\n")?;
        Ok(())
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A word beside the output, for people; programs read the output alone.
pub fn note(text: &str) {
    // Nobody is left to be told where standard error is gone.
    let _ = writeln!(io::stderr(), "offhours: {text}");
}

/// Rows of the terminal.
pub fn height() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let rows = size.map(|size| usize::from(size.ws_row));
    rows.filter(|rows| *rows > 1).unwrap_or(24)
}

fn width() -> usize {
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns >= NARROWEST)
        .unwrap_or(80)
}

/// Compact JSON in which no character can harm a terminal: JSON itself escapes only those below U+0020.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut start = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_harmful(*c)) {
            writer.write_all(&fragment.as_bytes()[start..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            start = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[start..])
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_harmless_and_the_same_when_read_again() {
        let text = "a\u{9b}31m\u{202e}\u{7f}b\"\\\n\u{e0041}Ä";
        let mut written = Vec::new();
        Out::plain(&mut written, None)
            .json(&[text])
            .expect("written");
        let shown = String::from_utf8(written).expect("text");
        assert!(!shown.trim_end().chars().any(is_harmful), "{shown:?}");
        let read: Vec<String> = serde_json::from_str(&shown).expect("json");
        assert_eq!(read, [text]);
    }
}
