//! What commands print, made harmless for terminals.
//!
//! The first byte is the length of the pieces in which it comes.

use offhours::text::{Filter, clean, is_harmful};

use super::safe;

pub fn run(data: &[u8]) {
    let Some((piece, printed)) = data.split_first() else {
        return;
    };
    let whole = filtered(printed, printed.len());
    assert_eq!(
        whole,
        filtered(printed, usize::from(*piece)),
        "pieces change nothing"
    );
    assert!(whole.len() <= 3 * printed.len());
    let text = String::from_utf8(whole.clone()).expect("UTF-8");
    assert!(
        !text
            .chars()
            .any(|c| is_harmful(c) && c != '\n' && c != '\t')
    );
    assert_eq!(filtered(&whole, whole.len()), whole, "once is enough");

    let given = String::from_utf8_lossy(printed);
    let line = clean(&given);
    safe::line(&line, given.len());
    assert!(!line.chars().any(is_harmful));
}

fn filtered(printed: &[u8], piece: usize) -> Vec<u8> {
    let mut filter = Filter::default();
    let mut kept = Vec::new();
    for chunk in printed.chunks(piece.max(1)) {
        filter.push(chunk, &mut kept);
    }
    filter.finish(&mut kept);
    kept
}
