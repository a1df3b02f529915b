//! Text from elsewhere (configuration, jobs, servers) made safe to show: one line, bounded, without control characters.

/// `text` as one line of at most `max` characters: control and direction-changing characters and terminal sequences
/// are gone, runs of white space are one space, what is too long ends in `…`.
pub(super) fn line(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    let mut space = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' || c == '\u{9b}' {
            skip_sequence(c, &mut chars);
            continue;
        }
        if invisible(c) {
            continue;
        }
        if c.is_whitespace() || c.is_control() {
            space = count > 0;
            continue;
        }
        let needed = 1 + usize::from(space);
        if count + needed > max {
            if count == max {
                out.pop();
            }
            out.push('…');
            return out;
        }
        if space {
            out.push(' ');
            space = false;
        }
        out.push(c);
        count += needed;
    }
    out
}

/// Skips what follows an escape character: a control sequence up to its final byte, a string up to its terminator.
fn skip_sequence(start: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let kind = match start {
        '\u{9b}' => Some('['),
        _ => chars.next_if(|c| matches!(c, '\u{20}'..='\u{7e}')),
    };
    match kind {
        Some('[') => {
            while chars
                .next_if(|c| matches!(c, '\u{20}'..='\u{3f}'))
                .is_some()
            {}
            chars.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            // A string that is never ended takes the line only, so that it cannot swallow what follows it.
            while chars
                .next_if(|c| !matches!(c, '\u{7}' | '\u{1b}' | '\u{9c}' | '\n' | '\r'))
                .is_some()
            {}
        }
        _ => {}
    }
}

/// Characters that show nothing but change what is around them.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(
            line("a\r\nBcc: x@example.org\tb\u{2028}c", 100),
            "a Bcc: x@example.org b c"
        );
        assert_eq!(line("  \n a \0 ", 10), "a");
    }

    #[test]
    fn terminal_sequences_and_direction_marks_go() {
        assert_eq!(line("\u{1b}[31;1mred\u{1b}[0m", 20), "red");
        assert_eq!(line("\u{9b}2Jx", 20), "x");
        assert_eq!(line("\u{1b}]0;title\u{7}after", 20), "after");
        assert_eq!(line("\u{1b}]0;never ended\nafter", 20), "after");
        assert_eq!(line("a\u{202e}cod.exe\u{2066}\u{feff}", 20), "acod.exe");
    }

    #[test]
    fn length_is_in_characters_and_kept() {
        assert_eq!(line("äöü", 3), "äöü");
        assert_eq!(line("äöüß", 3), "äö…");
        assert_eq!(line("aa bb", 3), "aa…");
        for n in 1..12 {
            assert!(line("ab cd efgh ij", n).chars().count() <= n);
        }
    }
}
