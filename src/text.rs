//! Words from outside, made harmless before a terminal sees them.
use std::borrow::Cow;

/// Whether a character can move, hide or reorder what stands around it.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00ad}'
                | '\u{061c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// One line of text: escape sequences dropped, line breaks and tabs as spaces.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut filter = Filter::default();
    let mut kept = Vec::with_capacity(text.len());
    filter.push(text.as_bytes(), &mut kept);
    filter.finish(&mut kept);
    let kept = String::from_utf8_lossy(&kept);
    Cow::Owned(
        kept.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect(),
    )
}

/// Takes a stream of bytes and lets text through: UTF-8 without escape sequences and harmful characters; line
/// breaks and tabs stay. Holds no more than one character.
#[derive(Debug, Default)]
pub struct Filter {
    state: State,
    /// The beginning of a character whose end is in the next chunk.
    part: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// Parameters of a control sequence, up to its final byte.
    Sequence,
    /// A string (title, link), up to BEL or ESC \.
    String,
    /// ESC within such a string.
    StringEscape,
}

impl Filter {
    /// Filters a chunk; what is let through is appended.
    pub fn push(&mut self, chunk: &[u8], kept: &mut Vec<u8>) {
        let joined;
        let mut rest = if self.part.is_empty() {
            chunk
        } else {
            let mut part = std::mem::take(&mut self.part);
            part.extend_from_slice(chunk);
            joined = part;
            &joined[..]
        };
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text(text, kept);
                    return;
                }
                Err(error) => {
                    let (valid, bad) = rest.split_at(error.valid_up_to());
                    self.text(&String::from_utf8_lossy(valid), kept);
                    let Some(length) = error.error_len() else {
                        self.part = bad.to_vec();
                        return;
                    };
                    self.text("\u{fffd}", kept);
                    rest = &bad[length..];
                }
            }
        }
    }

    /// The stream is over: a character that was begun is shown as broken.
    pub fn finish(&mut self, kept: &mut Vec<u8>) {
        if !std::mem::take(&mut self.part).is_empty() {
            self.text("\u{fffd}", kept);
        }
    }

    fn text(&mut self, text: &str, kept: &mut Vec<u8>) {
        for c in text.chars() {
            self.state = match (self.state, c) {
                // A string that is not ended must not swallow the rest of the log.
                (State::String | State::StringEscape | State::Sequence, '\n') => {
                    kept.push(b'\n');
                    State::Text
                }
                (State::Text, '\u{1b}') => State::Escape,
                (State::Text, '\u{9b}') => State::Sequence,
                (State::Text, '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}') => {
                    State::String
                }
                (State::Text, c) => {
                    if matches!(c, '\n' | '\t') || !is_harmful(c) {
                        kept.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    State::Text
                }
                (State::Escape, '[') => State::Sequence,
                (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::String,
                (State::Escape, ' '..='/' | '\u{1b}') => State::Escape,
                (State::Escape, '\n') => {
                    kept.push(b'\n');
                    State::Text
                }
                (State::Escape, _) => State::Text,
                (State::Sequence, '\u{1b}') => State::Escape,
                (State::Sequence, '@'..='~') => State::Text,
                (State::Sequence, _) => State::Sequence,
                (State::String, '\u{7}' | '\u{9c}') => State::Text,
                (State::String | State::StringEscape, '\u{1b}') => State::StringEscape,
                (State::String, _) => State::String,
                (State::StringEscape, '\\') => State::Text,
                (State::StringEscape, _) => State::String,
            };
        }
    }
}

#[cfg(test)]
mod tests;
