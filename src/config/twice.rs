//! A key or a heading that stands twice in one file: the parser names the second place, people want the first too.

use std::ops::Range;

use super::problem::Problems;
use super::source::{Place, Source};

/// What the parser says of either.
const MESSAGE: &str = "duplicate key";

/// Tells of such an error; `false` if it is another one.
///
/// What stands under a heading that was told of is not told again.
pub fn tell(
    message: &str,
    file: u32,
    range: &Range<usize>,
    source: &Source,
    problems: &mut Problems,
    last: &mut Option<usize>,
) -> bool {
    if message != MESSAGE {
        return false;
    }
    let (line, _) = source.position(range.start);
    let heading = |line: usize| source.line(line).trim_start().starts_with('[');
    let key = source.text().get(range.clone()).unwrap_or_default();
    let first = match problems.curious() {
        false => None,
        true if heading(line) => {
            *last = Some(line);
            let name = |line: usize| {
                source
                    .line(line)
                    .split('#')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_owned()
            };
            (1..line).find(|&other| heading(other) && name(other) == name(line))
        }
        true => {
            let above = (1..line).rev().find(|&other| heading(other));
            if above.is_some() && above == *last {
                return true;
            }
            let same = |other: &usize| {
                let rest = source
                    .line(*other)
                    .trim_start()
                    .strip_prefix(key)
                    .map(str::trim_start);
                rest.is_some_and(|rest| rest.starts_with(['=', '.']))
            };
            (above.unwrap_or(0) + 1..line).find(same)
        }
    };
    let place = |start: usize, end: usize| {
        let at = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        Place {
            file,
            start: at(start),
            end: at(end),
        }
    };
    let told = problems.error(
        place(range.start, range.end),
        format!("`{key}` is defined twice"),
    );
    if let Some(first) = first {
        let start = source.line_start(first);
        let at = start + source.line(first).find(key).unwrap_or(0);
        told.related(place(at, at + key.len()), "it is defined here too");
    }
    true
}
