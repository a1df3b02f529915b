//! Aligned columns: no lines, two spaces between them, cut to the width of a terminal, never for a pipe.
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::text::clean;

/// What a text means; the colour follows from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    #[default]
    Plain,
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
}

impl Paint {
    pub fn style(self) -> anstyle::Style {
        use anstyle::AnsiColor::{Green, Red, Yellow};
        match self {
            Self::Plain => anstyle::Style::new(),
            Self::Bold => anstyle::Style::new().bold(),
            Self::Dim => anstyle::Style::new().dimmed(),
            Self::Good => Green.on_default(),
            Self::Warn => Yellow.on_default(),
            Self::Bad => Red.on_default().bold(),
        }
    }

    /// The text between the codes of its colour; the text alone without colour.
    pub fn on(self, text: &str, colour: bool) -> String {
        if colour && self != Self::Plain {
            let style = self.style();
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// One cell; whatever it is made from comes out as one harmless line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::painted(text, Paint::Plain)
    }

    pub fn painted(text: impl AsRef<str>, paint: Paint) -> Self {
        Self {
            text: clean(text.as_ref()).into_owned(),
            paint,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// Rows under a header.
#[derive(Clone, Debug, Default)]
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
    /// Columns that may be cut beside the last: times and numbers say nothing when they are cut.
    flexible: &'static [usize],
}

/// A column is not cut below this.
const NARROWEST: usize = 8;
const GAP: usize = 2;

impl Table {
    pub fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            ..Self::default()
        }
    }

    /// Without a header, under a line of text.
    pub fn indented(indent: usize) -> Self {
        Self {
            indent,
            ..Self::default()
        }
    }

    /// These columns, counted from 0, may be cut too.
    #[must_use]
    pub fn flexible(mut self, columns: &'static [usize]) -> Self {
        self.flexible = columns;
        self
    }

    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, each with its line break.
    pub fn render(&self, width: Option<usize>, colour: bool) -> String {
        let widths = self.widths(width);
        let header: Vec<Cell> = self
            .header
            .iter()
            .map(|h| Cell {
                text: (*h).to_owned(),
                paint: Paint::Bold,
            })
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&header)
            .filter(|h| !h.is_empty())
            .chain(&self.rows)
        {
            text.push_str(&" ".repeat(self.indent));
            let last = row.iter().rposition(|c| !c.text.is_empty()).unwrap_or(0);
            for (column, cell) in row.iter().enumerate().take(last + 1) {
                let shown = cut(&cell.text, widths[column]);
                text.push_str(&cell.paint.on(&shown, colour));
                if column < last {
                    let blank = widths[column].saturating_sub(shown.width()) + GAP;
                    text.push_str(&" ".repeat(blank));
                }
            }
            text.push('\n');
        }
        text
    }

    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let columns = self
            .rows
            .iter()
            .map(Vec::len)
            .max()
            .unwrap_or(0)
            .max(self.header.len());
        let mut widths = vec![0; columns];
        for (column, title) in self.header.iter().enumerate() {
            widths[column] = title.width();
        }
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                widths[column] = widths[column].max(cell.text.width());
            }
        }
        let Some(width) = width else { return widths };
        let available = width.saturating_sub(self.indent + GAP * columns.saturating_sub(1));
        while widths.iter().sum::<usize>() > available {
            let widest = widths
                .iter_mut()
                .enumerate()
                .filter(|(column, width)| {
                    **width > NARROWEST
                        && (*column + 1 == columns || self.flexible.contains(column))
                })
                .max_by_key(|(_, width)| **width);
            let Some((_, widest)) = widest else { break };
            *widest -= 1;
        }
        widths
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        shown.push(c);
    }
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["job", "outcome"]).flexible(&[0]);
        table.row(["os-updates".into(), Cell::painted("succeeded", Paint::Good)]);
        table.row([
            "größe".into(),
            "a very long reason that goes on and on".into(),
        ]);
        table
    }

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let text = table().render(None, false);
        assert_eq!(
            text,
            "job         outcome\n\
             os-updates  succeeded\n\
             größe       a very long reason that goes on and on\n"
        );
    }

    #[test]
    fn a_terminal_gets_no_line_longer_than_it_is_wide() {
        for width in 20..60 {
            for line in table().render(Some(width), false).lines() {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
        assert!(table().render(Some(30), false).contains('…'));
    }

    #[test]
    fn colour_does_not_move_columns() {
        let plain = table().render(None, false);
        let coloured = table().render(None, true);
        assert_ne!(plain, coloured);
        assert_eq!(anstyle_stripped(&coloured), plain);
    }

    fn anstyle_stripped(text: &str) -> String {
        let mut filter = crate::text::Filter::default();
        let mut kept = Vec::new();
        filter.push(text.as_bytes(), &mut kept);
        String::from_utf8(kept).expect("text")
    }
}
