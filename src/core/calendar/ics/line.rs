//! The lines of an iCalendar file: folds undone, each with its place in the text.
use std::borrow::Cow;
use std::ops::Range;

use super::super::Malformed;

/// One line of content, `NAME;PARAMETER=value:value`.
#[derive(Clone, Debug)]
pub(super) struct Line<'t> {
    /// Where it begins in the text.
    at: usize,
    /// The length of what stands on its first line; all of it where it is not folded.
    first: usize,
    text: Cow<'t, str>,
    name: usize,
    /// Where the value begins.
    value: usize,
}

impl<'t> Line<'t> {
    fn read(at: usize, first: usize, text: Cow<'t, str>) -> Result<Self, Malformed> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = text.find(|c| !is_name(c)).unwrap_or(text.len());
        let mut quoted = false;
        let value = text.bytes().position(|byte| {
            quoted ^= byte == b'"';
            byte == b':' && !quoted
        });
        let ends = text.as_bytes().get(name);
        let Some(value) = value.filter(|_| name > 0 && matches!(ends, Some(b':' | b';'))) else {
            return Err(Malformed::new(
                at..at + first,
                "this is no line of a calendar",
                "a line is a name, `:` and a value; what goes on from the line before begins with a space",
            ));
        };
        Ok(Self {
            at,
            first,
            text,
            name,
            value: value + 1,
        })
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.text[..self.name].eq_ignore_ascii_case(name)
    }

    pub(super) fn value(&self) -> &str {
        &self.text[self.value..]
    }

    /// The value of a parameter, without quotes.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let between = &self.text[self.name..self.value - 1];
        let mut quoted = false;
        let parts = between.split(|c| {
            quoted ^= c == '"';
            c == ';' && !quoted
        });
        let mut pairs = parts.filter_map(|part| part.split_once('='));
        let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
        let value = value.trim();
        Some(
            value
                .strip_prefix('"')
                .and_then(|v| v.strip_suffix('"'))
                .unwrap_or(value),
        )
    }

    /// The whole line, or what of it can be shown.
    pub(super) fn range(&self) -> Range<usize> {
        self.at..self.at + self.first
    }

    /// The place of a part of the value, where it is not folded; else the line.
    fn inside(&self, part: Range<usize>) -> Range<usize> {
        let (start, end) = (self.value + part.start, self.value + part.end);
        if end > self.first || self.first != self.text.len() {
            return self.range();
        }
        self.at + start..self.at + end
    }

    /// What is wrong with the line as a whole.
    pub(super) fn wrong(&self, message: impl Into<String>, hint: impl Into<String>) -> Malformed {
        Malformed::new(self.range(), message, hint)
    }

    /// What is wrong with a part of the value.
    pub(super) fn wrong_part(
        &self,
        part: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Malformed {
        // The part is a slice of the value.
        let start = (part.as_ptr() as usize).saturating_sub(self.value().as_ptr() as usize);
        let start = start.min(self.value().len());
        let end = (start + part.len()).min(self.value().len());
        Malformed::new(self.inside(start..end), message, hint)
    }
}

/// The lines of a text; empty ones and a byte order mark are left out.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Result<Line<'_>, Malformed>> {
    let mut at = text.len() - text.trim_start_matches('\u{feff}').len();
    std::iter::from_fn(move || {
        loop {
            let start = at;
            let first = physical(text, &mut at)?;
            if first.trim().is_empty() {
                continue;
            }
            let mut whole = Cow::Borrowed(first);
            while text[at..].starts_with([' ', '\t']) {
                let more = physical(text, &mut at)?;
                whole.to_mut().push_str(&more[1..]);
            }
            return Some(Line::read(start, first.len(), whole));
        }
    })
}

/// The next line as it stands in the text, without its end.
fn physical<'t>(text: &'t str, at: &mut usize) -> Option<&'t str> {
    let rest = text.get(*at..).filter(|rest| !rest.is_empty())?;
    let length = rest.find('\n');
    *at += length.map_or(rest.len(), |length| length + 1);
    let line = &rest[..length.unwrap_or(rest.len())];
    Some(line.strip_suffix('\r').unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Line<'_>> {
        lines(text).map(|line| line.unwrap()).collect()
    }

    #[test]
    fn folds_are_undone_and_ends_of_lines_do_not_matter() {
        let text =
            "\u{feff}SUMMARY:Ha\r\n ppy\r\n\t New\r\n\r\nX-A;B=1;c=\"d;e:f\":g:h\nEND:VEVENT";
        let all = read(text);
        let values: Vec<&str> = all.iter().map(Line::value).collect();
        assert_eq!(values, ["Happy New", "g:h", "VEVENT"]);
        assert!(all[0].is("summary") && all[2].is("END"));
        assert!(all[1].is("X-A"));
        assert_eq!(all[1].parameter("C"), Some("d;e:f"));
        assert_eq!(all[1].parameter("b"), Some("1"));
        assert_eq!(all[1].parameter("x"), None);
        assert_eq!(&text[all[0].range()], "SUMMARY:Ha");
        assert_eq!(&text[all[1].range()], "X-A;B=1;c=\"d;e:f\":g:h");
    }

    #[test]
    fn a_part_is_shown_where_it_stands() {
        let text = "A:1\nRDATE:20270101,20270230\nRDATE:20270101,\n 20270230\n";
        let all = read(text);
        for (line, shown) in [(1, "20270230"), (2, "RDATE:20270101,")] {
            let part = all[line].value().split(',').nth(1).unwrap();
            let wrong = all[line].wrong_part(part, "", "");
            assert_eq!(&text[wrong.range], shown);
        }
    }

    #[test]
    fn what_is_no_line_is_told_with_its_place() {
        for text in ["no line", "A", ";B=1:x", ":x", "A B:x", "ä:x", "A;B=\"x:y"] {
            let whole = format!("BEGIN:X\n{text}\n");
            let wrong = lines(&whole).nth(1).unwrap().unwrap_err();
            assert_eq!(&whole[wrong.range], text);
        }
    }

    #[test]
    fn deep_folds_are_undone_in_time() {
        let text = format!("A:{}", "x\n ".repeat(300_000));
        assert_eq!(read(&text)[0].value().len(), 300_000);
    }
}
