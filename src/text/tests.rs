use super::*;

fn filtered(chunks: &[&[u8]]) -> String {
    let mut filter = Filter::default();
    let mut kept = Vec::new();
    for chunk in chunks {
        filter.push(chunk, &mut kept);
    }
    filter.finish(&mut kept);
    String::from_utf8(kept).expect("text")
}

#[test]
fn ordinary_text_passes_as_it_is() {
    assert_eq!(filtered(&["a\tb\nÄ€😀\n".as_bytes()]), "a\tb\nÄ€😀\n");
    assert!(matches!(clean("Ä€😀 plain"), Cow::Borrowed(_)));
}

#[test]
fn escape_sequences_are_dropped_whole() {
    assert_eq!(
        filtered(&[b"\x1b[31;1mred\x1b[0m \x1b[2J\x1b[Hhome"]),
        "red home"
    );
    assert_eq!(
        filtered(&[b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b(Bc\x1bcd"]),
        "abcd"
    );
    assert_eq!(
        filtered(&["\u{9b}31mred\u{9d}0;t\u{9c}x".as_bytes()]),
        "redx"
    );
}

#[test]
fn sequences_and_characters_may_be_cut_by_chunks() {
    let bytes = "\x1b[31mÄ€😀\x1b]0;t\x07!".as_bytes();
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(filtered(&single), "Ä€😀!");
}

#[test]
fn broken_bytes_are_marked() {
    assert_eq!(filtered(&[b"a\xffb\xe2\x82"]), "a\u{fffd}b\u{fffd}");
}

#[test]
fn a_string_without_end_stops_at_the_line() {
    assert_eq!(filtered(&[b"\x1b]0;never ended\nnext line"]), "\nnext line");
}

#[test]
fn what_reorders_or_hides_is_dropped() {
    assert_eq!(clean("a\u{202e}b\u{200b}c\u{2066}d\r\ne"), "abcd e");
    assert_eq!(filtered(&[b"50%\r100%\x08\n"]), "50%100%\n");
}
